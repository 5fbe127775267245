"""From instruction, demos and inputs to chat messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paragrad.modules.outputs import Output
from paragrad.modules.template import fill, names_in
from paragrad.modules.wording import inputs_text
from paragrad.protocols.data import Demo


@dataclass(frozen=True, slots=True)
class Shown:
    """Plain values of one request."""

    instruction: str
    demos: Sequence[Demo]
    inputs: Mapping[str, Any]


def messages_for(shown: Shown, output: Output, template: str | None) -> list[dict[str, Any]]:
    """System message, demos as earlier turns, the inputs as the last turn.

    Absent demos leave no trace in the prompt.
    """
    used = set(names_in(template)) if template is not None else set()
    system = fill(template, {"instruction": shown.instruction, **shown.inputs}) if template is not None else shown.instruction
    hint = output.hint()
    parts = [part for part in (system.strip(), hint) if part]
    messages = [{"role": "system", "content": "\n\n".join(parts)}] if parts else []
    for demo in shown.demos or ():
        messages.append({"role": "user", "content": inputs_text(_rest(demo.inputs, used))})
        messages.append({"role": "assistant", "content": output.write(demo.output)})
    messages.append({"role": "user", "content": inputs_text(_rest(shown.inputs, used))})
    return messages


def _rest(inputs: Mapping[str, Any], used: set[str]) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if name not in used}
