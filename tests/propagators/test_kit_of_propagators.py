"""Every built-in propagator passes the kit, and the kit catches broken ones."""

from __future__ import annotations

from typing import Any

import pytest

from paragrad.propagators import Base, Episodes, Numeric, Score, Subgraph, Text
from paragrad.protocols.gradient import Feedback
from paragrad.testing.propagators import check_propagator
from paragrad.trace.operation import PASS


class PassingNumeric(Numeric):
    """Numbers through bundles of the kit, which have no rules."""

    default = staticmethod(PASS)


@pytest.mark.parametrize(
    ("make", "value", "feedback"),
    [
        (PassingNumeric, 1.5, 0.25),
        (PassingNumeric, [1.0, 2.0], [0.5, -1.0]),
        (Text, "abc", "too long"),
        (lambda: Text(lambda record, words: [f"{words}>{name}" for name in record.names]), "abc", "too long"),
        (Score, "abc", Feedback(0.5, other=float("nan"))),
        (Episodes, "abc", Feedback(0.5)),
        (Subgraph, "abc", Feedback(0.5, "words")),
    ],
    ids=["numeric", "numeric lists", "text", "text with critic", "score", "episodes", "subgraph"],
)
def test_builtin_propagators(make: Any, value: Any, feedback: Any) -> None:
    check_propagator(make, value, feedback)


class Loses(Text):
    def merge(self, gradients: Any) -> Any:
        return gradients[0]


class NotAssociative(PassingNumeric):
    local = None

    def merge(self, gradients: Any) -> Any:
        return gradients[0] - sum(gradients[1:])


class Everywhere(Text):
    def deliver(self, accumulator: Any, gradient: Any, tag: Any, stale: bool) -> None:
        """Says nothing."""


@pytest.mark.parametrize(
    ("make", "value", "feedback", "law"),
    [
        (Loses, "abc", "words", "merge"),
        (NotAssociative, 1.5, 0.25, "associative"),
        (Everywhere, "abc", "words", "reaches a leaf"),
        (lambda: Numeric(), 1.5, "words", "reaches a leaf"),
    ],
)
def test_the_kit_catches_broken_ones(make: Any, value: Any, feedback: Any, law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        check_propagator(make, value, feedback)


def test_base_says_what_is_missing() -> None:
    for call in (lambda: Base().seed(None, None), lambda: Base().deliver(None, None, None, False)):
        with pytest.raises(NotImplementedError, match="def "):
            call()
    with pytest.raises(TypeError, match="def merge"):
        Base().merge([1, 2])
