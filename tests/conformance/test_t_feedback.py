"""T16: scores with words, from data, functions, models that judge, and several at once. Models are scripted (simulated)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

import paragrad as pg
from paragrad.errors import MetricError, Outage, ServerFailed
from paragrad.optimizers.base import Transform


class Verdict(BaseModel):
    reason: str
    faithful: Annotated[int, Field(ge=1, le=5)]


@pg.prompt(demos=3)
def judge(question: str, context: str, answer: str) -> Verdict:
    """How faithful is the answer to the context, from 1 to 5?"""
    ...


@pg.prompt
def answer(question: str, context: str) -> str:
    """Answer the question."""
    ...


def scripted(request: Any) -> str:
    """A writer whose answers are as long as its instruction asks; a judge that counts, and counts right only with examples."""
    system, asked = str(request.messages[0]["content"]), str(request.messages[-1]["content"])
    if "faithful" not in system:
        return "aaaa" if "long" in system.lower() else "aa"
    said = re.search(r"answer: ?(.*)$", asked)
    length = len(said[1]) if said else 0
    taught = any(message["role"] == "assistant" for message in request.messages)
    return json.dumps({"reason": f"It has {length} letters.", "faithful": min(5, length + 1) if taught else 3})


def model() -> Any:
    return pg.llm.stack(pg.llm.Fake(scripted), cache=False)


class Longer(Transform):
    """Asks for long answers, and remembers what it was told."""

    kinds = frozenset({"text"})

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[Any, Any]] = []

    def propose(self, evidence: Any, state: Any, *, n: int = 1, ask: Any) -> tuple[list[Any], Any]:
        """One candidate."""
        self.told += [(item.scores, item.feedback) for item in evidence.items]
        id = next(id for id, p in evidence.parameters.items() if p.trainable and p.kind == "text")
        return [evidence.candidate({id: "Answer the question, long."}, origin="longer")], state


QUESTIONS = [{"question": f"q{i}", "context": f"c{i}"} for i in range(40)]


def fitted(metric: Any, rows: Any = QUESTIONS, program: Any = answer, **options: Any) -> tuple[Any, Longer]:
    writer = Longer()
    given = {"budget": "1000 calls", "journal": False, "apply": False, **options}
    result = pg.fit(program, rows, metric=metric, model=model(), optimizer=writer, progress=False, **given)
    return result, writer


def test_T16_from_data_and_functions() -> None:
    class Guide(pg.AutoGuide):
        def get_feedback(self, query: Any, response: Any, reference: Any = None) -> Any:
            return float(response == reference), f"{query['question']}: {response}, not {reference}"

    rows = [{**row, "target": "aaaa"} for row in QUESTIONS]
    for metric in (Guide(), lambda output, target, row: (output == target, f"{row.inputs['question']}: {output}, not {target}")):
        result, writer = fitted(metric, rows)
        assert (result.baseline, result.score) == (0.0, 1.0)
        scores, words = writer.told[0]
        assert scores == {"score": 0.0}
        assert re.fullmatch(r"q\d+: aa, not aaaa", words)
    result, writer = fitted("exact_match", rows)
    assert (result.score, writer.told[0]) == (1.0, ({"score": 0.0}, None))


def test_T16_a_judge_is_trained_to_agree_with_people_and_then_judges(tmp_path: Path) -> None:
    def agrees(output: Verdict, target: int) -> pg.Feedback:
        gap = output.faithful - target
        return pg.Feedback(1 - abs(gap) / 4, None if gap == 0 else f"People gave {target}, you gave {output.faithful}: {output.reason}")

    file = tmp_path / "ratings.csv"
    lines = [f"q{i},c{i},{'a' * (i % 5)},{i % 5 + 1}\n" for i in range(40)]
    file.write_text("question,context,answer,stars\n" + "".join(lines))
    ratings = pg.data.read(file, input=["question", "context", "answer"], target="stars")
    kept = judge.state_dict()
    result = pg.fit(judge, *ratings.split(0.5, 0.5), metric=agrees, model=model(), optimizer="bootstrap", budget="1000 calls",
                    journal=False, progress=False)  # fmt: skip
    assert result.score == 1.0 > result.baseline
    assert len(judge.demos.value) > 0

    frozen = judge.state_dict()
    result, writer = fitted(pg.metrics.judge(judge, read=lambda v: pg.Feedback(v.faithful / 5, v.reason)))
    assert (round(result.baseline, 9), result.score) == (0.6, 1.0)
    assert writer.told[0] == ({"score": 0.6}, "It has 2 letters.")
    assert judge.state_dict() == frozen, "a judge is not trained by what it judges"
    assert [p for p in result.parameters if "judge" in p] == []
    phases = result.spent["phases"]
    assert phases["guide"]["calls"] == phases["task"]["calls"] > 0
    judge.load_state_dict(kept)


def test_T16_a_criterion_in_words_judges() -> None:
    def polite(request: Any) -> str:
        if "polite" in str(request.messages[0]["content"]):
            return json.dumps({"reason": "It does not greet.", "score": 5 if "aaaa" in str(request.messages[-1]["content"]) else 2})
        return scripted(request)

    result, writer = fitted(pg.metrics.judge("Is it polite?", model=pg.llm.Fake(polite)))
    assert (result.baseline, result.score) == (0.25, 1.0)
    assert writer.told[0] == ({"score": 0.25}, "It does not greet.")


def test_T16_several_metrics_are_kept_by_name() -> None:
    def letters(output: str) -> tuple[float, str]:
        return len(output) / 4, f"{len(output)} letters"

    result, writer = fitted({"letters": letters, "form": pg.metrics.schema({"type": "string", "minLength": 3})})
    scores, words = writer.told[0]
    assert scores == {"score": 0.25, "letters": 0.5, "form": 0.0}
    assert words.startswith("letters: 2 letters\nform: The output does not have the wanted form")
    assert (result.baseline, result.score) == (0.25, 1.0)
    assert fitted([letters])[1].told[0][0] == {"score": 0.5, "letters": 0.5}


def test_T16_no_verdict_is_no_score() -> None:
    with pytest.raises(MetricError, match=r"the judge on row '\d+' gave no verdict"):
        fitted(pg.metrics.judge("Is it polite?", model=pg.llm.Fake(lambda request: "hm")))
    down = pg.llm.stack(pg.llm.Fake(lambda request: ServerFailed("down")), retries=0, cache=False)
    with pytest.raises(Outage, match="got no answer, so nothing was decided"):
        fitted(pg.metrics.judge("Is it polite?", model=down))


def test_T16_a_run_with_a_judge_resumes_and_pays_for_nothing_twice(tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def stopped(event: Any) -> None:
        if event["event"] == "decision":
            raise Interrupted

    def run(wire: Any, **options: Any) -> Any:
        metric = pg.metrics.judge("Is it polite?", model=pg.llm.stack(wire, cache=False))
        return fitted(metric, home=tmp_path, run="judged", journal=True, **options)[0]

    def verdict(request: Any) -> str:
        return json.dumps({"reason": "r", "score": 5 if "aaaa" in str(request.messages[-1]["content"]) else 2})

    whole = pg.llm.Fake(verdict)
    wanted = fitted(pg.metrics.judge("Is it polite?", model=pg.llm.stack(whole, cache=False)))[0]
    first, second = pg.llm.Fake(verdict), pg.llm.Fake(verdict)
    with pytest.raises(Interrupted):
        run(first, callbacks=[stopped])
    result = run(second)
    assert result.score == wanted.score == 1.0
    assert first.calls + second.calls == whole.calls
    assert result.spent["phases"]["guide"]["calls"] == wanted.spent["phases"]["guide"]["calls"]


def test_T16_feedback_on_a_criticism_reaches_the_judges_prompt() -> None:
    with pg.llm.use(model()):
        reply = answer("Who wrote it?", "The letter is unsigned.")
        verdict = judge("Who wrote it?", "The letter is unsigned.", reply)
        pg.backward(reply, pg.Feedback(verdict.faithful, verdict.reason), create_graph=True)
    criticism = pg.variable(answer.instruction).grad[-1]
    assert criticism.value == "It has 2 letters."
    assert judge.instruction.grad == []
    pg.backward(criticism, "Too lenient.")
    assert [g.value for g in judge.instruction.grad] == ["Too lenient."]
    for parameter in (*judge.parameters(), *answer.parameters()):
        parameter.grad = None
