"""The default critic: what feedback on an operation's output means for each of its arguments.

It is an ordinary program: under ``create_graph`` its call is recorded, so feedback on a criticism
reaches the critic's own instruction, which is a Parameter.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from paragrad.modules.generator import Generator
from paragrad.modules.wording import text_of
from paragrad.trace.module import Module
from paragrad.trace.nodes import Node
from paragrad.trace.state import STATE

LIMIT = 4000


class Critic(Module):
    """Asks a model, once per operation, for feedback on all arguments that matter.

    Args:
        model: who criticises; None: the model in use.
        instruction: the critic's own prompt; a Parameter, not trained unless you train it.
    """

    def __init__(self, model: Any = None, instruction: str | None = None) -> None:
        text = instruction or (files("paragrad.modules") / "prompts" / "critic.txt").read_text("utf-8").strip()
        self.ask = Generator(text, output=dict[str, str | None], model=model, name="critic")

    def __call__(self, record: Any, feedback: Any) -> Any:
        """Feedback by argument name; None where there is nothing to say."""
        wanted = [name for name, want in zip(record.names, record.wanted, strict=True) if want]
        reply: Any = self.ask(
            operation=record.op.name,
            description=record.op.description or "(none)",
            arguments=_arguments(record),
            output=_shortened(text_of(_view(record))),
            feedback=feedback,
            wanted=", ".join(wanted),
        )
        if STATE.get().record:
            return {name: reply[name] for name in wanted if reply.value.get(name)}
        return {name: reply._n.value.get(name) for name in wanted}


def _view(record: Any) -> Any:
    """The output as a critic should see it."""
    call = record.call
    return call.views.critic if call is not None and call.views.critic is not None else record.value


def _arguments(record: Any) -> str:
    shown = {name: x.value if isinstance(x, Node) else x for name, x in zip(record.names, record.nodes, strict=True)}
    call = record.call
    for name, value in (call.input_args if call is not None else {}).items():
        shown.setdefault(name, value)
    return "\n".join(f"{name}: {_shortened(text_of(value))}" for name, value in shown.items())


def _shortened(text: str) -> str:
    return text if len(text) <= LIMIT else f"{text[: LIMIT // 2]} … {text[-LIMIT // 2 :]}"
