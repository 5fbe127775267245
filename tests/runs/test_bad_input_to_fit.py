"""Bad input of every kind gets one clear error that names the value and the fix, before anything is paid for or written."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Literal

import pytest

import paragrad as pg
from paragrad.errors import (
    DataError,
    Diverged,
    ExecutionError,
    LostContext,
    MetricError,
    NotConnected,
    NothingToTrain,
    UnknownName,
    UsageError,
)
from paragrad.journal import Runs

ROWS = [{"ticket": f"ticket {i}", "target": "billing" if i % 2 else "bug"} for i in range(40)]


def program() -> Any:
    @pg.prompt(demos=2)
    def route(ticket: str) -> Literal["billing", "bug"]:
        """Decide. Be quick."""
        ...

    return route


def fake() -> Any:
    return pg.llm.Fake(lambda request: "billing")


def exact(output: Any, target: Any) -> bool:
    return bool(output == target)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def refused(error: type[Exception], match: str, home: Path, *, paid: int = 0, **changes: Any) -> str:
    """``fit`` with one thing wrong; what it says."""
    model = fake()
    given: dict[str, Any] = {
        "program": program(),
        "train": ROWS,
        "metric": exact,
        "model": model,
        "home": home,
        "progress": False,
        **changes,
    }
    with pytest.raises(error, match=match) as caught:
        pg.fit(given.pop("program"), given.pop("train"), **given)
    assert model.calls <= paid
    if not paid:
        assert not home.exists(), "nothing was written"
    return str(caught.value)


@pg.bundle
def plain_bundle(ticket: str) -> str:
    """No parameter."""
    return ticket


@pytest.mark.parametrize(
    ("error", "match", "changes"),
    [
        (NothingToTrain, "no trainable Parameter", {"program": plain_bundle}),
        (NothingToTrain, "no trainable Parameter", {"program": lambda ticket: ticket}),
        (UsageError, "a program is a Module", {"program": 3}),
        (DataError, "no rows", {"train": []}),
        (DataError, "too few to split", {"train": ROWS[:3]}),
        (DataError, "'ticket' is not a column", {"train": [{"text": "x", "target": "bug"}] * 20}),
        (DataError, "there is no file nowhere.csv", {"train": "nowhere.csv"}),
        (DataError, "holds no rows|rows", {"train": 7}),
        (DataError, "same inputs as row", {"train": ROWS[:20], "validate": ROWS[10:30]}),
        (DataError, "same inputs as row", {"train": ROWS[:20], "validate": ROWS[20:30], "test": ROWS[:5]}),
        (UsageError, "asks for 'truth'", {"metric": lambda output, truth: 1}),
        (UsageError, "takes nothing it could judge", {"metric": lambda: 1}),
        (UsageError, "is no metric", {"metric": 3}),
        (UnknownName, "did you mean 'exact_match'", {"metric": "exact_matches"}),
        (UsageError, "needs a target", {"train": [{"ticket": f"t{i}"} for i in range(40)]}),
        (UnknownName, "'bootstrap'", {"optimizer": "BootstrapFewShot"}),
        (UnknownName, "did you mean", {"optimizer": "bootstap"}),
        (UsageError, "is no optimizer", {"optimizer": 3}),
        (UnknownName, "'pareto' here|no algorithm is called 'gepa'", {"algorithm": "gepa"}),
        (UnknownName, "did you mean 'minibatch'", {"algorithm": "minibach"}),
        (UsageError, "no algorithm", {"algorithm": 3}),
        (UsageError, "has no unit|no budget", {"budget": 500}),
        (UsageError, "budget", {"budget": "a lot"}),
        (UsageError, "did you mean 'workers'", {"worker": 3}),
        (UsageError, "did you mean 'budget'", {"bugdet": "3 calls"}),
        (UsageError, "workers", {"workers": 0}),
        (UsageError, "deadline", {"deadline": -1}),
        (UsageError, "cannot name a run", {"run": "../x"}),
        (UsageError, "is no model", {"model": 3}),
        (UsageError, "'nothing' names no Parameter", {"parameters": ["route.instruction", "nothing"]}),
        (UsageError, "does not reach one round", {"budget": "20 calls"}),
    ],
)
def test_one_clear_error_before_anything_is_paid(error: Any, match: str, changes: dict[str, Any], home: Path) -> None:
    said = refused(error, match, home, **changes)
    assert len(said) < 600


def test_without_a_model(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PARAGRAD_LOCAL_SERVERS", "")
    with pytest.raises(NotConnected):
        pg.fit(program(), ROWS, metric=exact, home=home, progress=False)
    assert not home.exists()


@pytest.mark.parametrize(
    ("match", "answer"),
    [
        (r"metric judge on row '\d+' raised KeyError", lambda: {}["x"]),
        (r"metric judge on row '\d+' returned the score nan", lambda: float("nan")),
        (r"metric judge on row '\d+' returned no score", lambda: None),
        (r"metric judge on row '\d+' returned 'good', which is no number", lambda: "good"),
        (r"metric judge on row '\d+' returned the score inf", lambda: float("inf")),
        (r"returned a tuple of 3", lambda: (1, 2, 3)),
    ],
)
def test_a_metric_that_gives_no_score_stops_the_run_and_names_the_row(match: str, answer: Any, home: Path) -> None:
    def judge(output: Any, target: Any) -> Any:
        return answer()

    made = program()
    before = made.state_dict()
    refused(MetricError, match, home, paid=20, metric=judge, program=made)
    assert made.state_dict() == before


def test_a_program_that_fails_on_every_row_stops_before_proposing(home: Path) -> None:
    class Broken(pg.Module):
        """Its code has a bug."""

        def __init__(self) -> None:
            self.answer = pg.Generator("Answer. Quickly.", inputs=["ticket"])

        def forward(self, ticket: Any) -> Any:
            return self.answer(ticket=ticket)["missing"]["deep"]

    said = refused(ExecutionError, "fails on every one of the 10 rows", home, paid=10, program=Broken())
    assert "TypeError" in said or "ExecutionError" in said


def test_a_program_that_fails_on_some_rows_goes_on(home: Path) -> None:
    class Fragile(pg.Module):
        """Fails on the first rows."""

        def __init__(self) -> None:
            self.answer = pg.Generator("Answer. Quickly.", inputs=["ticket"])

        def forward(self, ticket: Any) -> Any:
            if int(ticket.rpartition(" ")[2]) % 4 < 2:
                raise ValueError("cannot read it")
            return self.answer(ticket=ticket)

    result = pg.fit(Fragile(), ROWS, metric=exact, model=fake(), home=home, progress=False, budget="300 calls")
    assert result.baseline < 0.6


STATED: Any = pg.Parameter("Decide now. Be quick.", name="stated")
TEXT = f"{STATED.value}"


class Beforehand(pg.Module):
    """Reads its Parameter once, when it is made."""

    def __init__(self) -> None:
        self.words = pg.Parameter("Decide. Quickly.")
        self.text = f"{self.words}"
        self.answer = pg.Generator(pg.Variable(self.text), inputs=["ticket"])

    def forward(self, ticket: Any) -> Any:
        return self.answer(ticket=ticket)


class Sideways(pg.Module):
    """Reads its Parameter in a call whose result is dropped."""

    def __init__(self) -> None:
        self.words = pg.Parameter("Decide. Quickly.")
        self.answer = pg.Generator(pg.Variable("fixed"), inputs=["ticket"])

    def forward(self, ticket: Any) -> Any:
        noted(self)
        return self.answer(ticket=ticket)


@pg.bundle
def noted(program: Any) -> int:
    """Logs the words."""
    return len(f"{program.words}")


def test_a_parameter_that_nothing_depends_on_is_refused_after_a_few_rows(home: Path) -> None:
    said = refused(NothingToTrain, "depends on none of the trained parameters", home, paid=4, program=Beforehand())
    assert "words" in said


def test_a_read_that_leads_nowhere_is_refused_with_its_line(home: Path) -> None:
    said = refused(NothingToTrain, r"words was read as a plain value at test_bad_input_to_fit.py:\d+", home, paid=4, program=Sideways())
    line = int(said.partition("fit.py:")[2].split(",")[0])
    assert 'len(f"{program.words}")' in Path(__file__).read_text().splitlines()[line - 1]


def test_an_f_string_loses_the_place_and_not_the_edge(home: Path) -> None:
    class Inline(pg.Module):
        """Reads in an f-string."""

        def __init__(self) -> None:
            self.words = pg.Parameter("Decide. Quickly.")
            self.ask = pg.Generator(pg.Variable("Do it."), inputs=["text"])

        def forward(self, ticket: Any) -> Any:
            return self.ask(text=f"{self.words} {ticket}")

    result = pg.fit(Inline(), ROWS, metric=exact, model=fake(), home=home, progress=False, budget="300 calls")
    assert result.stopped


def test_a_thread_of_ones_own_needs_carry(home: Path) -> None:
    class Threaded(pg.Module):
        """Asks in a thread."""

        def __init__(self, carry: bool) -> None:
            self.answer = pg.Generator("Answer. Quickly.", inputs=["ticket"])
            self.carry = carry

        def forward(self, ticket: Any) -> Any:
            found: list[Any] = []

            def work() -> None:
                try:
                    found.append(self.answer(ticket=ticket))
                except LostContext as error:
                    found.append(error)

            thread = threading.Thread(target=pg.carry(work) if self.carry else work)
            thread.start()
            thread.join()
            if isinstance(found[0], Exception):
                raise found[0]
            return found[0]

    made = Threaded(carry=False)
    refused(LostContext, r"pg.carry\(fn\)", home, paid=4, program=made)
    assert made.answer.instruction.value == "Answer. Quickly."
    result = pg.fit(Threaded(carry=True), ROWS, metric=exact, model=fake(), home=home, progress=False, budget="300 calls")
    assert result.stopped


def test_a_refused_run_does_not_hold_its_name(home: Path) -> None:
    refused(NothingToTrain, "depends on none", home, paid=4, program=Beforehand(), run="r")
    result = pg.fit(program(), ROWS, metric=exact, model=fake(), home=home, progress=False, budget="300 calls", run="r")
    assert result.run_id.endswith("-r")


def test_an_interrupted_run_is_not_continued_with_something_else(home: Path) -> None:
    model = pg.llm.Fake(lambda request: (_ for _ in ()).throw(KeyboardInterrupt()) if "ticket 13" in str(request.messages) else "bug")
    given: dict[str, Any] = {"home": home, "progress": False, "budget": "300 calls", "run": "r", "workers": 1}
    with pytest.raises(KeyboardInterrupt):
        pg.fit(program(), ROWS, metric=exact, model=model, **given)
    assert Runs(home).latest().status == "parked"

    def other(output: Any, target: Any) -> bool:
        return bool(output != target)

    with pytest.raises(Diverged, match="another metric"):
        pg.fit(program(), ROWS, metric=other, model=fake(), **given)
    with pytest.raises(Diverged, match="another data"):
        pg.fit(program(), ROWS[:36], metric=exact, model=fake(), **given)
    changed = program()
    changed.instruction.data = "Something else. Entirely."
    with pytest.raises(Diverged, match="another start"):
        pg.fit(changed, ROWS, metric=exact, model=fake(), **given)
    with pytest.raises(Diverged, match="another configuration"):
        pg.fit(program(), ROWS, metric=exact, model=fake(), seed=1, **given)
    assert Runs(home).latest().status == "parked"
    result = pg.fit(program(), ROWS, metric=exact, model=fake(), **given)
    assert result.run_id == "1-r"
    fresh = pg.fit(program(), ROWS, metric=exact, model=fake(), fork=True, **given)
    assert fresh.run_id == "2-r"
