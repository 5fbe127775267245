"""Prompt files and columns: where a prompt is split, which column is the target, which metric is chosen."""

from pathlib import Path

import pytest

from paragrad.errors import DataError, UsageError
from paragrad.protocols.data import Demo
from paragrad.runs import tune
from paragrad.runs.promptfile import Prompt, Prompted, bound, parse, read_prompt, save


def test_a_prompt_is_split_at_its_first_line_with_a_placeholder() -> None:
    found = parse("Decide.\nBe strict.\n\nTicket: {ticket}\nPlan: {plan}\nAnswer:")
    assert found == Prompt("Decide.\nBe strict.", "Ticket: {ticket}\nPlan: {plan}\nAnswer:")
    assert found.names == ("ticket", "plan")
    assert parse(found.text()) == found
    inline = parse("Which team gets {ticket}?\nOne word.")
    assert inline.inline
    assert inline.names == ("ticket",)
    assert parse('Write JSON like {"a": 1}.\n\nText: {text}').names == ("text",)


def test_a_prompt_without_placeholders_gets_an_end() -> None:
    assert bound(parse("Decide."), ["ticket", "team"], ["ticket"]).end == "{ticket}"
    assert bound(parse("Decide."), ["a", "b", "c"], ["a", "b"]).end == "a: {a}\nb: {b}"
    with pytest.raises(UsageError, match="no place for"):
        bound(parse("Decide.\n{a}"), ["a", "b"], ["a", "b"])
    with pytest.raises(UsageError, match="did you mean 'ticket'"):
        bound(parse("Decide.\n{tiket}"), ["ticket", "team"])


def test_saving_and_reading_is_the_identity(tmp_path: Path) -> None:
    prompt = Prompt("Decide.", "Ticket: {ticket}", (Demo({"text": 'Ticket: ü\n"x"'}, "bug"),), ("bug", "other"), "team")
    save(prompt, tmp_path / "tuned", {})
    assert read_prompt(tmp_path / "tuned" / "instruction.md") == prompt
    assert Prompted(prompt, demos=3).current() == prompt
    (tmp_path / "tuned" / "demos.jsonl").write_text("{torn")
    with pytest.raises(UsageError, match="damaged"):
        read_prompt(tmp_path / "tuned" / "instruction.md")


def write(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


@pytest.mark.parametrize(
    ("answers", "metric", "labels"),
    [
        (["bug", "billing"], "exact_match", 2),
        ([str(i) for i in range(7)], "numeric", 0),
        ([f"name {i}" for i in range(40)], "exact_match", 0),
        ([f"a long answer that goes on and on about {i}" for i in range(40)], "f1", 0),
    ],
)
def test_the_metric_follows_the_targets(tmp_path: Path, answers: list[str], metric: str, labels: int) -> None:
    data = write(tmp_path / "d.csv", "id,ticket,team", [f"{i},text {i},{answers[i % len(answers)]}" for i in range(40)])
    (tmp_path / "p.txt").write_text("Decide.\n\n{ticket}")
    job = tune.prepare(data, tmp_path / "p.txt")
    assert (job.metric_name, len(job.labels), job.prompt.target) == (metric, labels, "team")
    assert sum(map(len, job.parts)) == 40
    assert {row.id for part in job.parts for row in part} == {str(i) for i in range(1, 41)}
    assert set(job.data[0].inputs) == {"ticket"}


def test_the_target_must_be_clear(tmp_path: Path) -> None:
    data = write(tmp_path / "d.csv", "a,b,c", [f"{i},{i},{i}" for i in range(40)])
    (tmp_path / "p.txt").write_text("Decide.\n\n{a}")
    with pytest.raises(UsageError, match="--target"):
        tune.prepare(data, tmp_path / "p.txt")
    assert tune.prepare(data, tmp_path / "p.txt", target="c").prompt.names == ("a",)
    with pytest.raises(DataError):
        tune.prepare(data, tmp_path / "p.txt", target="d")


def test_the_phrase_bank_is_sentences() -> None:
    phrases = tune.bank()
    assert len(phrases) == len(set(phrases)) >= 40
    assert all(phrase.endswith(".") and len(phrase) < 100 for phrase in phrases)
