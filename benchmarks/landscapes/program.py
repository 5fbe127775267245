"""The landscapes as a Paragrad program, with the scripted proposer as an optimizer. Everything here is simulated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.landscapes.counter import Counter
from benchmarks.landscapes.landscape import Landscape
from benchmarks.landscapes.proposer import blamed, rewrite
from paragrad.context import current_scope
from paragrad.data import rows
from paragrad.llm import current_model
from paragrad.llm.fake import Fake
from paragrad.optimizers.base import Transform
from paragrad.protocols.evidence import Ask, Candidate, Evidence
from paragrad.protocols.gradient import Feedback
from paragrad.trace import Module, Parameter, bundle

SPLIT = "\n"


@bundle(effects=())
def component(example: int, text: str) -> str:
    """One component's part in the answer: what its text says."""
    return text


@bundle(effects=())
def answer(example: int, parts: list[str]) -> str:
    """One call of a simulated model, which sees every component's part. It is what a budget counts."""
    return str(current_model()(SPLIT.join(parts)))


class Program(Module):
    """One text Parameter per component; the output depends on all of them."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.names = [f"c{m}" for m in range(len(texts))]
        for name, text in zip(self.names, texts, strict=True):
            setattr(self, name, Parameter(text, "what a component does"))

    def forward(self, example: Any) -> Any:
        """The answer to an example."""
        return answer(example, [component(example, getattr(self, name)) for name in self.names])


def model() -> Fake:
    """A simulated model that says what it is shown; one call for every evaluation."""
    return Fake(lambda request: str(request.messages[-1]["content"]), name="landscape")


def metric(counter: Counter) -> Any:
    """The landscape's score and feedback, counted. Noise is drawn by coordinate, so that a run is the same however rounds overlap."""

    def landscape(output: str, target: int) -> Feedback:
        here = current_scope()
        repeat = f"{here.at.step}/{here.at.candidate}/{here.at.repeat}" if here is not None else None
        score, said = counter.observe(target, output.split(SPLIT), repeat)
        return Feedback(score, said)

    return landscape


def data(examples: Sequence[int]) -> Any:
    """Examples as rows."""
    return rows([{"example": example, "target": example} for example in examples])


class ScriptedReflect(Transform):
    """The scripted proposer: every candidate rewrites the components that the feedback on the items blames.

    Args:
        landscape: whose chances it has.
        one: rewrite the one most blamed component instead of all of them.
    """

    kinds = frozenset({"text"})
    needs = frozenset({"blame"})

    def __init__(self, landscape: Landscape, *, one: bool = False) -> None:
        super().__init__()
        self.landscape, self.one = landscape, one

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """``n`` independent rewrites."""
        said = [item.feedback or "" for item in evidence.items]
        if all((item.score or 0.0) >= 1.0 for item in evidence.items):
            return [], state
        reached = {id: [str(word.value) for word in p.gradients] or said for id, p in evidence.parameters.items()}
        blame = blamed([word for words in reached.values() for word in words], list(reached))
        chosen = list(blame) or [evidence.random.choice(list(reached))]
        if self.one:
            chosen = [max(chosen, key=lambda id: blame.get(id, 0))]
        found = []
        for _ in range(n):
            texts = {id: self._rewritten(evidence, id, reached[id]) for id in chosen}
            found.append(evidence.candidate(texts, origin="scripted"))
        return found, state

    def _rewritten(self, evidence: Evidence, id: str, said: Sequence[str]) -> str:
        return rewrite(self.landscape.variant, id, evidence.parameters[id].value, said, evidence.random)
