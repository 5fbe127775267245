"""Every optimizer, and the documented plug-in, against the kit; and the kit against broken optimizers."""

from __future__ import annotations

from typing import Any

import pytest

from paragrad.errors import UnknownName, UsageError
from paragrad.optimizers import BootstrapFewShot, EditSearch, Transform, partition
from paragrad.optimizers.base import make
from paragrad.testing import check_optimizer
from paragrad.trace import Parameter


def both() -> Any:
    edit = EditSearch(bank=("Think.", "Be brief."))
    return partition({"text": edit, "choice": edit, "number": edit, "demos": BootstrapFewShot()})


@pytest.mark.parametrize(
    "maker", [EditSearch, lambda: EditSearch(bank=("A.", "B.")), BootstrapFewShot, lambda: BootstrapFewShot(raw_shots=1), both]
)
def test_conformance(maker: Any) -> None:
    assert check_optimizer(maker) > 0


class Shorten(Transform):
    """Proposes the best text so far with one sentence less: for those who pay by the token."""

    def init(self, parameters: Any) -> dict[str, list[str]]:
        return {"tried": []}

    def propose(self, evidence: Any, state: Any, *, n: int = 1, ask: Any) -> Any:
        found: list[Any] = []
        for id, p in evidence.parameters.items():
            sentences = p.value.split(". ") if p.kind == "text" else []
            for i in range(len(sentences)):
                text = ". ".join(sentences[:i] + sentences[i + 1 :])
                if text and text not in state["tried"] and len(found) < n:
                    found.append(evidence.candidate({id: text}))
        return found, state

    def observe(self, state: Any, candidate: Any, evaluation: Any) -> Any:
        return {"tried": [*state["tried"], *candidate.values.values()]}


def test_a_plug_in_as_users_write_it() -> None:
    assert check_optimizer(Shorten) > 0


class Impure(Shorten):
    def propose(self, evidence: Any, state: Any, *, n: int = 1, ask: Any) -> Any:
        import random

        random.random()
        return super().propose(evidence, state, n=n, ask=ask)


class Remembering(Shorten):
    def propose(self, evidence: Any, state: Any, *, n: int = 1, ask: Any) -> Any:
        state["tried"].append("x")
        return super().propose(evidence, state, n=n, ask=ask)


class Counting(Shorten):
    calls = 0

    def propose(self, evidence: Any, state: Any, *, n: int = 1, ask: Any) -> Any:
        Counting.calls += 1
        return [evidence.candidate({"kit.temperature": 1 / Counting.calls})], state


class Sets(Shorten):
    def init(self, parameters: Any) -> Any:
        return {"tried": set()}


class Greedy(Shorten):
    def propose(self, evidence: Any, state: Any, *, n: int = 1, ask: Any) -> Any:
        return super().propose(evidence, state, n=n + 5, ask=ask)


class Writing(Shorten):
    def init(self, parameters: Any) -> Any:
        parameters[0].data = "Other. Text."
        return {"tried": []}


class Partial(Shorten):
    def propose(self, evidence: Any, state: Any, *, n: int = 1, ask: Any) -> Any:
        from paragrad.protocols.evidence import Candidate

        return [Candidate({"kit.style": "careful"})], state


class Outside(Shorten):
    def propose(self, evidence: Any, state: Any, *, n: int = 1, ask: Any) -> Any:
        from dataclasses import replace

        one = evidence.candidate({})
        return [replace(one, values={**one.values, "kit.style": ask("style?")})], state


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (Impure, "evidence.random alone"),
        (Remembering, "leaves the old one alone"),
        (Counting, "the same candidates"),
        (Sets, "plain data"),
        (Greedy, "at most n"),
        (Writing, "no Parameter is written"),
        (Partial, "a value for every trained Parameter"),
        (Outside, "inside their spaces"),
    ],
)
def test_the_kit_finds_what_is_wrong(broken: Any, law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        check_optimizer(broken)


def test_names_and_relatives() -> None:
    assert isinstance(make("edit"), EditSearch)
    assert isinstance(make(EditSearch), EditSearch)
    with pytest.raises(UnknownName, match="'bootstrap'"):
        make("BootstrapFewShot")
    with pytest.raises(UnknownName, match="did you mean 'edit'"):
        make("edits")
    with pytest.raises((UsageError, TypeError)):
        make(3)


def test_the_bound_shell_changes_all_or_nothing() -> None:
    one: Any = Parameter("A. B. C.", name="one")
    two: Any = Parameter("D. E.", name="two", constraint=lambda text: "E" in text or "it must keep E")
    optimizer = EditSearch([one, two])
    for _ in range(6):
        before = (one.value, two.value)
        changed = optimizer.step()
        assert ((one.value, two.value) != before) == changed
        assert "E" in two.value
    again = EditSearch([one, two])
    again.load_state_dict(optimizer.state_dict())
    assert again.state_dict() == optimizer.state_dict()


def test_partition_wants_exactly_one_key_per_parameter() -> None:
    p: Any = Parameter("A. B.", name="p")
    with pytest.raises(UsageError, match="matches no key"):
        partition({"demos": BootstrapFewShot()}).init([p])
    with pytest.raises(UsageError, match="must match exactly one"):
        partition({"text": EditSearch(), "p*": EditSearch()}).init([p])
