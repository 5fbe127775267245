"""Judges: bound by name, frozen while they judge, asked again before they are given up, never a score by accident."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

import paragrad as pg
from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import MetricError, Outage, ServerFailed, UsageError
from paragrad.guides import Judge, bind_metric
from paragrad.journal import RunJournal
from paragrad.llm import BudgetLedger, stack
from paragrad.trainers.evaluation import run_row
from paragrad.trainers.rows import Placed


class Verdict(BaseModel):
    reason: str
    faithful: Annotated[int, Field(ge=1, le=5)]


@pg.prompt
def faithful(question: str, context: str, answer: str) -> Verdict:
    """How faithful is the answer to the context, from 1 to 5?"""
    ...


@pg.prompt
def answer(question: str, context: str) -> str:
    """Answer the question."""
    ...


ROW = pg.Row("7", {"question": "Who wrote it?", "context": "It is unsigned."}, "unknown", {"source": "letters"})
FOUR = json.dumps({"reason": "It says so.", "faithful": 4})


def judged(metric: Any, row: pg.Row = ROW, output: Any = "nobody", reply: Any = FOUR) -> tuple[pg.Feedback, Any]:
    wire = pg.llm.Fake(reply if callable(reply) else lambda request: reply)
    with pg.llm.use(stack(wire, retries=0, cache=False)):
        return bind_metric(metric)(row, output), wire


def shown(wire: Any) -> str:
    return str(wire.requests[-1].messages[-1]["content"])


def test_inputs_are_found_by_name() -> None:
    feedback, wire = judged(Judge(faithful))
    assert feedback == pg.Feedback(0.75, "It says so.")
    assert shown(wire) == "question: Who wrote it?\ncontext: It is unsigned.\nanswer: nobody"
    assert bind_metric(Judge(faithful)).name == "faithful"


def made(*names: str, output: Any = bool) -> Any:
    return pg.Generator("Is it good?", inputs=list(names), output=output)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("output",), "nobody"),
        (("response", "reference"), "response: nobody\nreference: unknown"),
        (("question", "summary"), "question: Who wrote it?\nsummary: nobody"),
        (("query", "output"), 'query: {"question": "Who wrote it?", "context": "It is unsigned."}\noutput: nobody'),
        (("source", "output", "target"), "source: letters\noutput: nobody\ntarget: unknown"),
        ((), "question: Who wrote it?\ncontext: It is unsigned.\ntarget: unknown\noutput: nobody"),
    ],
)
def test_every_name_has_one_meaning(names: tuple[str, ...], text: str) -> None:
    judge = made(*names) if names else pg.Generator("Is it good?", output=bool)
    assert shown(judged(Judge(judge), reply="yes")[1]) == text


def test_the_rows_own_answer_gives_way_when_nothing_else_is_the_output() -> None:
    rated = pg.Row("1", {"answer": "old"})
    assert shown(judged(Judge(made("answer")), rated, "new", "yes")[1]) == "new"
    assert shown(judged(Judge(made("answer", "output")), rated, "new", "yes")[1]) == "answer: old\noutput: new"


@pytest.mark.parametrize(
    ("names", "said"),
    [(("question", "summary", "gold"), "asks for 'summary', which is nowhere to be found"), (("question",), "is never shown the output")],
)
def test_what_cannot_be_bound_is_an_error_before_a_call_is_paid_for(names: tuple[str, ...], said: str) -> None:
    wire = pg.llm.Fake(lambda request: "yes")
    with pytest.raises(UsageError, match=said):
        pg.evaluate(answer, [dict(ROW.inputs)], metric=Judge(made(*names)), model=wire)
    assert wire.calls == 0


def test_a_judge_that_wants_the_target_of_rows_without_one() -> None:
    with pytest.raises(UsageError, match="asks for 'target'"):
        pg.evaluate(answer, [dict(ROW.inputs)], metric=Judge(made("output", "target")), model=pg.llm.Fake(lambda request: "yes"))


def test_read_says_what_a_verdict_is_worth() -> None:
    assert judged(pg.metrics.judge(faithful, read=lambda v: v.faithful / 5))[0].score == 0.8
    assert judged(pg.metrics.judge(faithful, lambda output, target: (output.faithful, target)))[0] == pg.Feedback(4.0, "unknown")
    with pytest.raises(MetricError, match="row '7'"):
        judged(pg.metrics.judge(faithful, read=lambda v: v.missing))
    with pytest.raises(UsageError, match="read="):
        Judge(pg.Generator("Is it good?"))
    assert judged(Judge(pg.Generator("Is it good?"), read=len), reply="abc")[0].score == 3.0


def test_a_criterion_in_words_is_a_judge() -> None:
    feedback, wire = judged(pg.metrics.judge("Is it polite?"), reply='{"reason": "rude", "score": 2}')
    assert feedback == pg.Feedback(0.25, "rude")
    system = str(wire.requests[-1].messages[0]["content"])
    template = (Path(pg.__file__).parent / "guides/prompts/judge.md").read_text("utf-8").strip()
    assert system.startswith(template.replace("{instruction}", "Is it polite?"))
    assert shown(wire).endswith("output: nobody")
    with pytest.raises(UsageError, match="empty"):
        Judge("  ")


def test_functions_modules_and_async_programs_judge() -> None:
    def longer(output: str, target: str) -> float:
        return float(len(output) > len(target))

    class Panel(pg.Module):
        async def forward(self, output: str) -> tuple[float, str]:
            await asyncio.sleep(0)
            return 0.5, f"{output}?"

    assert judged(Judge(longer))[0] == pg.Feedback(0.0)
    assert judged(Judge(Panel(), read=lambda v: v))[0] == pg.Feedback(0.5, "nobody?")
    assert judged(Panel())[0] == pg.Feedback(0.5, "nobody?"), "a program given as metric is a judge"


def test_it_is_frozen_and_records_nothing() -> None:
    with pg.teacher() as steps:
        judged(Judge(faithful))
    assert steps == []
    assert faithful.instruction.requires_grad
    assert faithful.instruction.grad == []


def test_garbage_is_asked_for_again_with_its_error_and_then_names_the_row() -> None:
    replies = iter(["no idea", FOUR])
    feedback, wire = judged(Judge(faithful), reply=lambda request: next(replies))
    assert feedback.score == 0.75
    assert wire.calls == 2
    assert "holds no JSON" in shown(wire)
    with pytest.raises(MetricError, match=r"the judge faithful on row '7' gave no verdict: .*holds no JSON"):
        judged(Judge(faithful, attempts=2), reply="no idea")
    with pytest.raises(MetricError, match=r"row '7': the verdict 7 is not between 1 and 5"):
        judged(Judge(made("output", output=int)), reply="7")


def test_outside_a_judge_a_bad_answer_is_asked_for_once() -> None:
    wire = pg.llm.Fake(lambda request: "no idea")
    with pg.llm.use(wire):
        faithful.predict_many([("q", "c", "a")])
    assert wire.calls == 1


def test_an_outage_is_no_score() -> None:
    with pytest.raises(Outage):
        judged(Judge(faithful), reply=lambda request: ServerFailed("down"))


def test_its_own_model_answers() -> None:
    own = pg.llm.Fake(lambda request: "yes")
    _, wire = judged(Judge(made("output"), model=own))
    assert (own.calls, wire.calls) == (1, 0)


def test_the_class_form() -> None:
    wire = pg.llm.Fake(lambda request: "yes")
    with pg.llm.use(wire):
        assert Judge(made("question", "output", output=Literal["yes", "no"])).get_feedback("q?", "a") == pg.Feedback(1.0)
        assert shown(wire) == "question: q?\noutput: a"
        guide: pg.AutoGuide = Judge(made("question", "output", "reference"))
        assert guide({"question": "q?"}, "a", "b") == pg.Feedback(1.0)
        assert shown(wire) == "question: q?\noutput: a\nreference: b"


def test_its_calls_are_of_the_guide_journaled_and_budgeted(tmp_path: Path) -> None:
    task, judge = pg.llm.Fake(lambda request: "nobody"), pg.llm.Fake(lambda request: FOUR)
    metric = bind_metric(Judge(faithful, model=stack(judge, cache=False)))
    placed = Placed(0, ROW)

    def run(journal: RunJournal, ledger: BudgetLedger) -> Any:
        with pg.llm.use(stack(task, cache=False)), scope(Scope(Coordinate(), journal=journal, ledger=ledger)):
            return run_row(answer, placed, metric)

    path = tmp_path / "journal.sqlite"
    journal, ledger = RunJournal(path, {"program": "p"}), BudgetLedger("10 calls")
    item = run(journal, ledger)
    assert {phase: tally.calls for phase, tally in ledger.spent.items()} == {"task": 1, "guide": 1}
    assert (item.spent["calls"], item.spent["guide_calls"], item.score) == (1, 1, 0.75)
    assert {str(event.coordinate).split("/")[4] for event in journal.events("model")} == {"task", "guide"}
    journal.close()
    journal, ledger = RunJournal(path, {"program": "p"}), BudgetLedger("10 calls")
    again = run(journal, ledger)
    journal.close()
    assert (again.score, again.feedback, again.spent["guide_calls"]) == (item.score, item.feedback, 1)
    assert (task.calls, judge.calls) == (1, 1), "answered from the record"
    assert ledger.total.calls == 2, "and counted again"


def test_the_digest_follows_what_the_judge_is() -> None:
    before = bind_metric(Judge(faithful)).digest
    assert bind_metric(Judge(faithful)).digest == before
    judged(Judge(faithful))
    assert bind_metric(Judge(faithful)).digest == before, "using it changes nothing"
    assert bind_metric(Judge(faithful, read=lambda v: 1)).digest != before
    with faithful.overlay({"instruction": "Be strict."}):
        assert bind_metric(Judge(faithful)).digest != before
