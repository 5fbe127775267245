"""Verdicts: a judge's output type says what its best and worst answers are."""

from __future__ import annotations

import dataclasses
import enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from paragrad.errors import UsageError
from paragrad.guides.verdicts import reading_of
from paragrad.protocols.gradient import Feedback


class Faithful(BaseModel):
    reason: str
    faithful: Annotated[int, Field(ge=1, le=5)]


class Two(BaseModel):
    critique: str
    cited: bool
    style: Literal[0, 1, 2]


class Scored(BaseModel):
    score: float
    tokens: int
    why: str | None = None


class Size(enum.Enum):
    SMALL = 1
    LARGE = 3


@dataclasses.dataclass
class Rated:
    rating: int
    note: str


READ = [
    (bool, True, Feedback(1.0)),
    (Literal["yes", "no"], "no", Feedback(0.0)),
    (Literal["pass", "fail"], "pass", Feedback(1.0)),
    (Literal[1, 2, 3, 4, 5], 2, Feedback(0.25)),
    (Literal[-1, 0, 1], 0, Feedback(0.5)),
    (Size, Size.LARGE, Feedback(1.0)),
    (float, 0.3, Feedback(0.3)),
    (int, 1, Feedback(0.0)),
    (Annotated[int, Field(ge=0, le=10)], 7, Feedback(0.7)),
    (Faithful, Faithful(reason="r", faithful=4), Feedback(0.75, "r")),
    (Faithful, {"reason": "r", "faithful": 4}, None),
    (Two, Two(critique="c", cited=True, style=1), Feedback(0.75, "c", cited=1.0, style=0.5)),
    (Scored, Scored(score=0.5, tokens=120, why="w"), Feedback(0.5, "w", tokens=120.0)),
    (Scored, Scored(score=0.5, tokens=120), Feedback(0.5, None, tokens=120.0)),
    (Rated, Rated(5, "n"), Feedback(1.0, "n")),
    (None, {"score": 1, "text": "t"}, Feedback(1.0, "t")),
    (dict[str, float], {"a": 1.0, "b": 0.5}, Feedback(0.75, a=1.0, b=0.5)),
    (tuple[float, str], (0.5, "t"), Feedback(0.5, "t")),
    (None, Rated(3, "n"), Feedback(0.5, "n")),
    (None, 0.25, Feedback(0.25)),
]


@pytest.mark.parametrize(("wanted", "answer", "feedback"), READ)
def test_the_type_is_the_scale(wanted: Any, answer: Any, feedback: Feedback | None) -> None:
    if wanted is not None:
        answer = TypeAdapter(wanted).validate_python(answer)
    assert reading_of(wanted)(answer) == (feedback or Feedback(0.75, "r"))


@pytest.mark.parametrize(("wanted", "answer"), [(int, 7), (int, 0), (float, 3.0), (float, -0.1), (float, True), (None, 4), (None, "good")])
def test_outside_the_scale_is_no_score(wanted: Any, answer: Any) -> None:
    with pytest.raises(ValueError, match=r"is not between|read=\.\.\."):
        reading_of(wanted)(answer)


@pytest.mark.parametrize("wanted", [str, list[int], Literal["good", "bad"], Literal["only"], object])
def test_types_that_say_nothing_about_good_and_bad_are_refused_at_once(wanted: Any) -> None:
    with pytest.raises(UsageError, match="gives no score; let it answer"):
        reading_of(wanted)


def test_a_scale_for_numbers_without_bounds() -> None:
    assert reading_of(int, (0, 10))(7).score == 0.7
    assert reading_of(None, (1, 5))(2).score == 0.25
    assert reading_of(Scored, (0, 100))(Scored(score=50, tokens=9)).score == 0.5
