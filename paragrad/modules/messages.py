"""From instruction, demos and inputs to chat messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paragrad.errors import UsageError
from paragrad.modules.content import content_of, refuse_in_template, spliced
from paragrad.modules.history import Messages
from paragrad.modules.outputs import Output
from paragrad.modules.template import fill, names_in
from paragrad.protocols.data import Demo


@dataclass(frozen=True, slots=True)
class Shown:
    """Plain values of one request."""

    instruction: str
    demos: Sequence[Demo]
    inputs: Mapping[str, Any]


def messages_for(shown: Shown, output: Output, template: str | None) -> list[dict[str, Any]]:
    """System message, demos as earlier turns, a chat history as it was, the other inputs as the last turn.

    Absent demos leave no trace in the prompt.

    Raises:
        UsageError: a medium where only text can stand, or nothing to ask.
    """
    used = set(names_in(template)) if template is not None else set()
    refuse_in_template({name: value for name, value in shown.inputs.items() if name in used})
    system = fill(template, {"instruction": shown.instruction, **shown.inputs}) if template is not None else shown.instruction
    hint = output.hint()
    parts = [part for part in (system.strip(), hint) if part]
    messages: list[dict[str, Any]] = [{"role": "system", "content": "\n\n".join(parts)}] if parts else []
    for demo in shown.demos or ():
        messages.append({"role": "user", "content": content_of(_rest(demo.inputs, used))})
        messages.append({"role": "assistant", "content": output.write(demo.output)})
    earlier, rest = spliced(_rest(shown.inputs, used))
    messages += earlier
    if not earlier or any(value is not None for value in rest.values()):
        if not rest and any(isinstance(value, Messages) for value in shown.inputs.values()):
            raise UsageError("the chat history is empty and there is no other input, so nothing is asked; give it a message")
        messages.append({"role": "user", "content": content_of(rest)})
    return messages


def _rest(inputs: Mapping[str, Any], used: set[str]) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if name not in used}
