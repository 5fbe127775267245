"""The suite's tasks can be run, and its scripted writer answers from its prompt alone. Models are simulated."""

from __future__ import annotations

import json

import pytest

from benchmarks.p16_suite import TASKS, line, task_of
from benchmarks.suite.writer import Lesson, shown, writer
from paragrad.llm import Request

SIMULATED = [name for name in TASKS if task_of(name).answers == "simulated"]


def test_tasks_say_who_answers_and_compare_settings() -> None:
    assert len(TASKS) >= 8
    for name in TASKS:
        task = task_of(name)
        assert task.answers in ("embedded", "simulated")
        assert len(task.settings) > 1
        assert all(setting.writes is False or task.writer is not None for setting in task.settings.values())


@pytest.mark.parametrize("name", TASKS)
def test_rows_follow_the_seed_and_no_question_is_in_two_parts(name: str) -> None:
    parts, again = task_of(name).data(3), task_of(name).data(3)
    assert [list(part) for part in parts] == [list(part) for part in again]
    texts = [{repr(row) for row in part} for part in parts]
    assert sum(map(len, texts)) == len(set.union(*texts))


@pytest.mark.parametrize("name", ["tables", "retrieval"])
def test_a_run_learns_and_is_repeatable(name: str) -> None:
    first, second = (task_of(name).run("auto", 0) for _ in range(2))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    assert first["after"] > first["before"]
    assert "proven 2 of 2" in line([first, second])


def test_where_nothing_can_be_learnt_nothing_is_claimed() -> None:
    task = task_of("nothing")
    assert not any(task.run(setting, 0)["significant"] for setting in ("edit × minibatch", "opro × ucb"))


def test_the_writer_knows_only_what_its_prompt_says() -> None:
    model = writer([Lesson(r"(\w+) is missing", r"Say \1.", "a")], seed=0)
    block = "# Parameters you may rewrite\n## a.text\nkind: text\nvalue:\n```\nBe kind.\n```\n\n"

    def values(prompt: str) -> str:
        reply = model.complete([Request([{"role": "user", "content": prompt}])])[0]
        return str(json.loads(reply.text).get("values"))  # type: ignore[union-attr]

    assert shown(block) == {"a.text": "Be kind."}
    assert values(block + "# Examples\nfeedback: nothing") == "None"
    said = {values(f"{block}# Examples {number}\nfeedback: please is missing") for number in range(20)}
    assert any("Be kind. Say please." in one for one in said)
    assert "None" in said  # some are missed
