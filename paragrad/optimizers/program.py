"""A recorded execution as a pseudo-program a model can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from paragrad.propagators.subgraph import Calling, calls_after
from paragrad.protocols.evidence import Evidence, ParameterEvidence


@dataclass(frozen=True, slots=True)
class Program:
    """The parts of an execution, as texts.

    Attributes:
        parameters: ids that occur in it.
    """

    code: str
    documentation: str
    inputs: str
    outputs: str
    feedback: str
    parameters: frozenset[str]

    @classmethod
    def of(cls, evidence: Evidence, most: int, limit: int) -> Program:
        """The executions of the ``most`` worst examples, one after the other."""
        worst = sorted((i for i in evidence.items if i.graph), key=lambda i: (i.score if i.score is not None else 0.0, str(i.item)))[:most]
        writer = _Writer(evidence, limit)
        for item in worst:
            writer.add(item.item, item.graph, item.feedback, item.score)
        return writer.program()


class _Writer:
    """Collects lines; gives every value one name."""

    def __init__(self, evidence: Evidence, limit: int) -> None:
        self.evidence = evidence
        self.limit = limit
        self.code: list[str] = []
        self.docs: dict[str, str] = {}
        self.values: list[str] = []
        self.outputs: list[str] = []
        self.feedback: list[str] = []
        self.used: set[str] = set()
        self.counts: dict[str, int] = {}

    def add(self, item: Any, starts: Sequence[Calling], feedback: str | None, score: float | None) -> None:
        """One example's execution."""
        self.code.append(f"# example {item}")
        names: dict[int, str] = {}
        for call in calls_after(starts):
            if call.op == "feedback":
                continue
            arguments = ", ".join(f"{name}={self._argument(name, value, names)}" for name, value in call.arguments)
            name = self._name(call.op)
            names[id(call.value)] = name
            self.code.append(f"{name} = {_identifier(call.op)}({arguments})")
            if call.description:
                self.docs[_identifier(call.op)] = " ".join(call.description.split())[:400]
            last = all(c.op == "feedback" for c in call.consumers)
            (self.outputs if last else self.values).append(f"{name} = {self._show(call.value)}")
        words = feedback or "(no words)"
        self.feedback.append(f"example {item}: {f'score {score:g}. ' if score is not None else ''}{words}")

    def program(self) -> Program:
        """The finished texts."""
        docs = "\n".join(f"{name}: {text}" for name, text in self.docs.items())
        return Program(
            "\n".join(self.code) if self.used or len(self.code) > len(self.feedback) else "",
            docs or "(none)",
            "\n".join(self.values) or "(none)",
            "\n".join(self.outputs) or "(none)",
            "\n".join(self.feedback),
            frozenset(self.used),
        )

    def _argument(self, name: str, value: Any, names: dict[int, str]) -> str:
        if id(value) in names:
            return names[id(value)]
        parameter = self._parameter(value)
        if parameter is not None:
            self.used.add(parameter.id)
            return f"<{parameter.id}>"
        shown = self._show(value)
        if len(shown) <= 60:
            return shown
        made = self._name(name.partition("[")[0])
        self.values.append(f"{made} = {shown}")
        return made

    def _parameter(self, value: Any) -> ParameterEvidence | None:
        for parameter in self.evidence.parameters.values():
            if value is parameter.value or (type(value) is type(parameter.value) and isinstance(value, str) and value == parameter.value):
                return parameter
        return None

    def _name(self, base: str) -> str:
        base = _identifier(base).rpartition("_dot_")[2]
        self.counts[base] = self.counts.get(base, 0) + 1
        return f"{base}_{self.counts[base]}"

    def _show(self, value: Any) -> str:
        text = repr(value)
        half = self.limit // 2
        return text if len(text) <= self.limit else f"{text[:half]} … {text[-half:]}"


def _identifier(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name.replace(":", "_").removeprefix("method."))
