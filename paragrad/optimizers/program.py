"""Recorded executions as a pseudo-program a model can read: each way through the program once, a list of values per example."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paragrad.modules.excerpts import excerpts, readable
from paragrad.optimizers.execution import MARK, Execution, execution_of
from paragrad.optimizers.showing import ranked
from paragrad.propagators.subgraph import Calling
from paragrad.protocols.evidence import Evidence, ItemEvidence
from paragrad.spaces.wording import shorten

MOST_LINES = 240  # lines of code in all; a longer way is shown by its beginning and its end
INLINE = 60  # characters of a value that may be written into a line
DOCUMENTATION = 300  # characters of an operation's documentation
_MARKED = re.compile(f"{MARK}(.*?){MARK}")

Values = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Program:
    """The parts of some executions, as texts; a part with nothing in it is empty.

    Attributes:
        shared: values that are the same in every example of a way.
        parameters: ids of the Parameters that take part, in the order in which they are used.
    """

    code: str
    documentation: str
    shared: str
    examples: str
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One example's execution under the number it is shown by."""

    number: int
    execution: Execution


def program_of(items: Sequence[ItemEvidence], evidence: Evidence, most: int, budget: int) -> Program:
    """The executions of the ``most`` worst items.

    Args:
        items: those without a graph are left out.
        budget: characters of all values and feedback together; short values stay whole, long ones are cut to one length.
    """
    graphs = [starts for item in ranked(items) if (starts := starts_of(item))][:most]
    executions = [execution_of(starts, evidence.parameters) for starts in graphs]
    ways: dict[tuple[str, ...], list[Execution]] = {}
    for execution in executions:
        ways.setdefault(tuple(execution.lines), []).append(execution)
    return _Text(list(ways.values()), budget).program()


def starts_of(item: ItemEvidence) -> tuple[Calling, ...]:
    """The calls with which an item's recorded execution starts; none when nothing was recorded."""
    graph = item.graph if isinstance(item.graph, (tuple, list)) else ()
    return tuple(call for call in graph if isinstance(call, Calling))


class _Text:
    """Writes ways through the program; collects every value first, so that all are shortened alike."""

    def __init__(self, ways: Sequence[Sequence[Execution]], budget: int) -> None:
        numbers = iter(range(1, sum(map(len, ways)) + 1))
        self.ways = [[Example(next(numbers), execution) for execution in way] for way in ways]
        self.lines = [_lines(way[0], max(4, MOST_LINES // len(ways))) for way in ways]
        self.common = [_common(way) for way in ways]
        self.inline = [_inlined(way[0], common) for way, common in zip(ways, self.common, strict=True)]
        self.short = self._shortened(budget)

    def program(self) -> Program:
        """The finished texts."""
        several = len(self.ways) > 1
        code, shared, examples = [], [], []
        for number, way in enumerate(self.ways):
            title = f"## Way {number + 1}: {_numbers(way)}\n" if several else ""
            code.append(f"{title}{self._code(number)}")
            lines = self._values(self._shown(number, self.common[number]) if len(way) > 1 else [])
            if lines:
                shared.append(f"{title}{lines}")
            examples += [self._example(example, number) for example in way]
        documentation: dict[str, str] = {}
        parameters: dict[str, None] = {}
        for way in self.ways:
            documentation.update(way[0].execution.documentation)
            parameters.update(way[0].execution.parameters)
        documented = [f"{name}: {shorten(' '.join(text.split()), DOCUMENTATION)}" for name, text in sorted(documentation.items())]
        return Program("\n\n".join(code), "\n".join(documented), "\n\n".join(shared), "\n\n".join(examples), tuple(parameters))

    def _code(self, number: int) -> str:
        inline = self.inline[number]
        return "\n".join(_MARKED.sub(lambda found: inline.get(found[1], found[1]), line) for line in self.lines[number])

    def _example(self, example: Example, number: int) -> str:
        execution = example.execution
        own = {} if len(self.ways[number]) == 1 else self.common[number]
        parts = [f"## Example {example.number}"]
        for title, values in (("Inputs", execution.inputs), ("Others", execution.others), ("Outputs", execution.outputs)):
            texts = {name: literal(value) for name, value in values.items() if name not in own}
            lines = self._values(self._shown(number, texts))
            if lines:
                parts.append(f"{title}:\n{lines}")
        said = [f"{s.name}: {_score(s.score)}{self.short[s.words] if s.words else ''}".rstrip() for s in execution.said]
        return "\n".join([*parts, "Feedback:", *dict.fromkeys(said)])

    def _shown(self, number: int, texts: Mapping[str, str]) -> Values:
        """Values that stand for a name in the lines shown, and are not written into them."""
        lines = "\n".join(self.lines[number])
        names = {*_MARKED.findall(lines), *(line.partition(" = ")[0] for line in self.lines[number])}
        names |= {s.name for e in self.ways[number] for s in e.execution.said}
        return [(name, text) for name, text in texts.items() if name in names and name not in self.inline[number]]

    def _values(self, values: Values) -> str:
        return "\n".join(assigned(name, self.short[text]) for name, text in values)

    def _shortened(self, budget: int) -> dict[str, str]:
        """Every value and every piece of feedback in the length it is shown in; what is shared counts once."""
        texts: list[str] = []
        for number, way in enumerate(self.ways):
            common = self.common[number]
            texts += [text for _, text in self._shown(number, common)]
            for example in way:
                texts += [s.words for s in example.execution.said if s.words]
                own = {name: literal(value) for name, value in _values_of(example.execution).items()}
                texts += [text for name, text in self._shown(number, own) if name not in common]
        return dict(zip(texts, excerpts(texts, budget), strict=True))


def literal(value: Any) -> str:
    """A value as it stands in a program; a text of several lines without quotes."""
    text = readable(value)
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) and "\n" not in text else text


def assigned(name: str, text: str) -> str:
    """``name = text``; a text of several lines in a block."""
    return f'{name} = """\n{text}\n"""' if "\n" in text else f"{name} = {text}"


def _values_of(execution: Execution) -> dict[str, Any]:
    return {**execution.inputs, **execution.others, **execution.outputs}


def _common(executions: Sequence[Execution]) -> dict[str, str]:
    """Values that are the same in all executions, as texts."""
    first = {name: literal(value) for name, value in _values_of(executions[0]).items()}
    rest = [_values_of(execution) for execution in executions[1:]]
    return {name: text for name, text in first.items() if all(name in values and literal(values[name]) == text for values in rest)}


def _inlined(execution: Execution, common: Mapping[str, str]) -> dict[str, str]:
    """Values that are written into the lines: short constants that no example changes."""
    found = {}
    for name in execution.brief & common.keys():
        text = common[name]
        if len(text) <= INLINE and "\n" not in text:
            found[name] = text
    return found


def _lines(execution: Execution, most: int) -> list[str]:
    """The lines shown: the first and the last ones of a long way."""
    lines = execution.lines
    if len(lines) <= most:
        return lines
    half = most // 2
    return [*lines[:half], f"# ... {len(lines) - 2 * half} more calls ...", *lines[-half:]]


def _numbers(way: Sequence[Example]) -> str:
    return f"example {way[0].number}" if len(way) == 1 else f"examples {way[0].number} to {way[-1].number}"


def _score(score: float | None) -> str:
    return "" if score is None else f"score {score:g}. "
