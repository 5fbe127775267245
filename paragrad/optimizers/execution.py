"""One recorded execution in symbols: lines of a program, and the values its names stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from paragrad.optimizers.expressions import OPERATOR, PART, expression, identifier, is_infix
from paragrad.propagators.subgraph import FEEDBACK, Calling, Operand, calls_after

MARK = "\x00"
"""Stands around the name of a value in a line, until it is known whether the value is written in its place."""

LONG_RESULT = 200  # characters up to which the result of an operator is worth showing
LONG_PART = 60  # characters up to which an operator is written where its result is used


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of one output."""

    name: str
    words: str | None
    score: float | None


@dataclass(slots=True)
class Execution:
    """Two executions with equal ``lines`` ran the same calls on the same names.

    Attributes:
        lines: one call each, in the order in which they ran.
        inputs: values that no call made; ``brief`` holds the names of those that may be written into the line.
        others: results of calls. ``outputs``: of the calls that were given feedback.
        documentation: a call's name to its description. ``parameters``: ids that occur.
    """

    lines: list[str] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)
    brief: set[str] = field(default_factory=set)
    others: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    documentation: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, None] = field(default_factory=dict)


def execution_of(starts: Sequence[Calling], reserved: Collection[str] = ()) -> Execution:
    """The calls from ``starts`` to the feedback.

    Args:
        starts: calls that used a Parameter, of one example.
        reserved: names that mean something else, such as ids of Parameters.
    """
    return _Writer(calls_after(starts), reserved).written()


class _Writer:
    """Gives every call and every value one name."""

    def __init__(self, calls: Sequence[Calling], reserved: Collection[str]) -> None:
        self.calls = calls
        self.made = Execution()
        self.producers = {(id(consumer), call.key): call for call in calls for consumer in call.consumers}
        self.names: dict[int, str] = {}
        self.slots: dict[tuple[Any, ...], str] = {}
        self.functions: dict[str, str] = {}
        self.taken = set(reserved)
        self.results: set[str] = set()  # of operators: their lines say what they are
        self.counts: dict[str, int] = {}
        self.once = self._used_once()

    def written(self) -> Execution:
        """The execution, after every call was written."""
        for call in self.calls:
            if call.op == FEEDBACK:
                self._feedback(call)
            elif not self._is_handed_on(call):
                self._line(call)
        for said in self.made.said:
            if said.name in self.made.others:
                self.made.outputs[said.name] = self.made.others.pop(said.name)
        shown = self.made.others.items()
        self.made.others = {name: value for name, value in shown if name not in self.results or not _is_long(value)}
        return self.made

    def _used_once(self) -> set[int]:
        """Operators whose result one other call uses, once."""
        uses: Counter[int] = Counter()
        for call in self.calls:
            sources = [self.producers.get((id(call), operand.key)) for operand in call.operands if operand.key is not None]
            uses.update({id(source): 2 if call.op == FEEDBACK else sources.count(source) for source in sources if source is not None})
        return {id(call) for call in self.calls if call.kind == OPERATOR and uses[id(call)] == 1}

    def _line(self, call: Calling) -> None:
        function = self._function(call)
        text = expression(call, function, lambda name, operand, value: self._token(call, name, operand, value))
        if id(call) in self.once and len(text.replace(MARK, "")) <= LONG_PART:
            self.names[id(call)] = f"({text})" if is_infix(call) else text
            return
        name = self.names[id(call)] = self._numbered(function)
        self.made.lines.append(f"{name} = {text}")
        self.made.others[name] = call.value
        if call.kind == OPERATOR:
            self.results.add(name)
        if call.description and call.kind != OPERATOR:
            self.made.documentation.setdefault(function, call.description)

    def _is_handed_on(self, call: Calling) -> bool:
        """A program's result is the result of its last call; it needs no line of its own."""
        if call.kind != "read" or len(call.operands) != 1:
            return False
        source = self.producers.get((id(call), call.operands[0].key or 0))
        if source is None or id(source) not in self.names:
            return False
        self.names[id(call)] = self.names[id(source)]
        return True

    def _feedback(self, call: Calling) -> None:
        output = call.operands[0]
        self.made.said.append(Said(self._token(call, "output", output, output.value).strip(MARK), call.feedback, call.score))

    def _token(self, call: Calling, name: str, operand: Operand | None, value: Any) -> str:
        """How an argument is written: a Parameter's id, the name of a call's result, or the name of a value."""
        if operand is not None and operand.parameter is not None:
            self.made.parameters.setdefault(operand.parameter)
            return operand.parameter
        source = self.producers.get((id(call), operand.key)) if operand is not None and operand.key is not None else None
        if source is not None:
            return self.names[id(source)]
        base = identifier((operand.label if operand is not None else None) or ("value" if call.kind == OPERATOR else name))
        key = (base, operand.key) if operand is not None and operand.key is not None else (base, "plain", id(value))
        slot = self.slots.get(key)
        if slot is None:
            slot = self.slots[key] = self._free(base)
            self.made.inputs[slot] = value
            if call.kind == OPERATOR or name.endswith(PART) or not isinstance(value, (str, list, tuple, dict)):
                self.made.brief.add(slot)
        return f"{MARK}{slot}{MARK}"

    def _function(self, call: Calling) -> str:
        """An operation's short name; its whole name where another operation has the short one."""
        if call.kind == "read":
            return "result"
        short = identifier(call.op).removesuffix("_template")
        return short if self.functions.setdefault(short, call.op) == call.op else identifier(call.op.replace(".", "_"))

    def _numbered(self, base: str) -> str:
        while True:
            self.counts[base] = self.counts.get(base, 0) + 1
            name = f"{base}_{self.counts[base]}"
            if name not in self.taken:
                self.taken.add(name)
                return name

    def _free(self, base: str) -> str:
        if base not in self.taken:
            self.taken.add(base)
            return base
        self.counts.setdefault(base, 1)
        return self._numbered(base)


def _is_long(value: Any) -> bool:
    return isinstance(value, (list, tuple, dict)) or (isinstance(value, str) and len(value) > LONG_RESULT)
