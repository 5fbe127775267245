"""The default critic: what feedback on an operation's output means for each of its arguments.

It asks a model once per operation, for all wanted arguments together. It is a program like any
other: its instruction is a Parameter, and under ``create_graph`` its call is recorded, so feedback on
a criticism reaches the instruction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

from paragrad.errors import BadResponse
from paragrad.events import emit
from paragrad.llm import Request, as_model, current_model, structured
from paragrad.llm.parsing import ReplyError, extract_json
from paragrad.modules.excerpts import excerpts, readable
from paragrad.modules.template import fill
from paragrad.spaces.wording import shorten
from paragrad.trace.call import Call, Views, call_of
from paragrad.trace.module import Module
from paragrad.trace.nodes import Node, Version, extra_of
from paragrad.trace.operation import Operation
from paragrad.trace.parameter import Parameter
from paragrad.trace.record import Edges, make
from paragrad.trace.state import STATE
from paragrad.trace.variable import Variable, wrap

NOTHING = ("", "null", "none", "n/a")


class Argument(NamedTuple):
    """One argument of the criticised operation, as the model reads it."""

    name: str
    about: str
    text: str


class Critic(Module):
    """Asks a model what feedback means for the arguments of an operation.

    A reply that stays unusable is no feedback: nothing is sent back, and a warning says so. A model
    that gives no answer is an outage.

    Args:
        model: who criticises; None: the model in use.
        instruction: the critic's own prompt: a text becomes a Parameter; default: the one of this package.
        attempts: askings per operation, each after the first with what was wrong with the reply before it.
        limit: characters of arguments, output and feedback together; long ones are shortened in the middle.
    """

    instruction: Any

    def __init__(self, model: Any = None, instruction: Any = None, *, attempts: int = 3, limit: int = 24_000) -> None:
        given = wording("critic") if instruction is None else instruction
        made = isinstance(given, Variable)
        self.instruction = given if made else Parameter(given, "the instruction of a critic", name="critic.instruction")
        self.attempts = attempts
        self.limit = limit
        self._model = as_model(model) if model is not None else None

    def __call__(self, record: Any, feedback: Any) -> Mapping[str, Any]:
        """See :meth:`forward`."""
        return self.forward(record, feedback)

    def forward(self, record: Any, feedback: Any) -> Mapping[str, Any]:
        """Words by argument name, for a propagator; an argument that is not named has nothing to be said of it.

        Args:
            record: the operation's record, with ``wanted`` arguments.
            feedback: words on its output, a Variable while the backward is recorded.

        Raises:
            ModelError: the model gave no answer.
        """
        wanted = list(dict.fromkeys(name for name, want in zip(record.names, record.wanted, strict=True) if want))
        edges = Edges()
        instruction = edges.plain(self.instruction, "instruction")
        case = self._case(record, wanted, edges.plain(feedback, "feedback"))
        request = Request(messages_for(instruction, case))
        said, response = self._asked(request, wanted, record.op.name)
        if not STATE.get().record:
            return said
        for name, operand in zip(record.names, record.operands, strict=True):
            edges.plain(operand, ("arguments", name))
        reply = _recorded(said, edges, {"operation": record.op.name, "case": case}, response)
        return {name: reply[name] for name in said}

    def _asked(self, request: Request, wanted: Sequence[str], operation: str) -> tuple[dict[str, str], Any]:
        """The checked reply; nothing when the model answered and no reply could be used."""
        refused: list[str] = []

        def parse(text: str) -> dict[str, str]:
            try:
                return words_in(text, wanted)
            except ValueError as error:
                refused.append(str(error))
                raise

        model = self._model if self._model is not None else current_model()
        try:
            found = structured(model, request, parse, attempts=self.attempts)
        except BadResponse:
            if len(refused) < self.attempts:  # not the critic's words: the model itself failed
                raise
            emit("warning", text=f"the critic's replies on {operation} could not be used, so nothing was sent back: {refused[-1]}")
            return {}, None
        return found.value, found.response

    def _case(self, record: Any, wanted: Sequence[str], feedback: str) -> str:
        arguments = arguments_of(record)
        parts = excerpts([*(a.text for a in arguments), output_of(record), readable(feedback)], self.limit)
        blocks = [f"## {a.name}{a.about}\n{part}" for a, part in zip(arguments, parts, strict=False)]
        operation = f"{record.op.name}: {shorten(' '.join((record.op.description or '').split()), 600)}".rstrip(": ")
        values = {"operation": operation, "arguments": "\n\n".join(blocks) or "(none)", "output": parts[-2], "feedback": parts[-1]}
        return fill(wording("critic_case"), {**values, "wanted": "\n".join(f"- {name}" for name in wanted)})


def arguments_of(record: Any) -> list[Argument]:
    """Every argument once: edges in order, then what the component was called with besides.

    An argument with edges inside it is shown as a whole, and a part of it where there is more to say of it.
    """
    found: dict[str, Argument] = {}
    given = record.call.input_args if record.call is not None else {}
    for name, node in zip(record.names, record.nodes, strict=True):
        base = name.partition("[")[0]
        if base != name and base in given:
            found.setdefault(base, Argument(base, "", readable(given[base])))
            if not _about(node) and seen(node) is getattr(node, "value", node):
                continue
        found[name] = Argument(name, _about(node), readable(seen(node)))
    for name, value in given.items():
        if name not in found:
            found[name] = Argument(name, "", readable(value))
    return list(found.values())


def seen(node: Any) -> Any:
    """An argument as the critic should see it: a view that its component made for critics, else the value itself."""
    if not isinstance(node, Node):
        return node
    call = call_of(node)
    view = call.views.critic if call is not None else None
    return node.value if call is None or view is None or view is call.raw_response else view


def output_of(record: Any) -> str:
    """The output as the critic should see it: of a model the raw reply, and why it could not be read."""
    call = record.call
    view = call.views.critic if call is not None else None
    if view is None:
        return readable(record.value)
    return f"{readable(view)}\n\n(This could not be read: {call.error.message})" if call.error is not None else readable(view)


def messages_for(instruction: str, case: str) -> list[dict[str, str]]:
    """The instruction with the fixed form of the reply, then the case."""
    return [{"role": "system", "content": f"{instruction.strip()}\n\n{wording('critic_form')}"}, {"role": "user", "content": case}]


def words_in(reply: str, wanted: Sequence[str]) -> dict[str, str]:
    """The words of a reply by wanted argument; those without any are left out.

    Raises:
        ReplyError: no JSON object, none of the wanted names, or something that is neither words nor null.
    """
    found = {}
    answered = extract_json(reply, dict)
    named = {name: _key_of(name, answered) for name in wanted}
    if all(key is None for key in named.values()):
        raise ReplyError(f"the reply names none of the wanted arguments: {', '.join(wanted)}; give each of them words or null")
    for name, key in named.items():
        text = _words(name, answered[key]) if key is not None else ""
        if text.casefold() not in NOTHING:
            found[name] = text
    return found


def _key_of(name: str, answered: Mapping[str, Any]) -> str | None:
    """The reply's key for an argument: exactly, else the only one that differs by case, blanks or quotes, else its container's."""
    if name in answered:
        return name
    near = [key for key in answered if _bare(key) == _bare(name)]
    whole = name.partition("[")[0]
    return near[0] if len(near) == 1 else whole if whole in answered else None


def _bare(name: str) -> str:
    return name.strip(" `'\"").casefold()


def _words(name: str, said: Any) -> str:
    if said is None:
        return ""
    if isinstance(said, list) and said and all(isinstance(part, str) for part in said):
        said = "\n".join(said)
    if not isinstance(said, str):
        raise ReplyError(f"{name}: {said!r:.60} is neither a text nor null")
    return said.strip()


def _about(node: Any) -> str:
    """An argument's role, and what its Parameter tells critics."""
    if isinstance(node, Version):
        parameter = node.cell.handle()
        told = [parameter.role, parameter._meta.instruction_to_critic] if parameter is not None else []
    else:
        told = [node.extra.role] if isinstance(node, Node) and node.extra is not None else []
    words = "; ".join(part for part in told if part)
    return f" ({words})" if words else ""


@cache
def wording(name: str) -> str:
    """A prompt of this package, by file name."""
    return (files("paragrad.modules") / "prompts" / f"{name}.md").read_text("utf-8").rstrip("\n")


def _recorded(said: Mapping[str, str], edges: Edges, told: Mapping[str, Any], response: Any) -> Any:
    """The criticism as a Variable made of the instruction, the feedback and the operation's arguments."""
    node = make(STATE.get(), dict(said), CRITICISE, edges.nodes, edges.paths)
    raw, usage = (response.text, response.usage) if response is not None else (None, None)
    extra_of(node).call = Call(MappingProxyType(dict(told)), raw, None, usage, views=Views(critic=raw), component="critic")
    return wrap(node)


def _not_callable(*_: Any) -> Any:
    raise RuntimeError("a criticism is recorded by the critic that made it; it has no function to call again")


CRITICISE = Operation("critic", _not_callable, kind="model", description="explains what feedback means for the arguments of an operation")
