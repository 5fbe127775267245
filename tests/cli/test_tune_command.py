"""``paragrad tune``, ``eval`` and ``predict`` on a scripted model: what is shown, what is written, and when nothing is."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

TUNE = ("tune", "numbers.csv", "--prompt", "prompt.txt", "--model", "scripted:x", "--yes", "--demos", "0")


def test_tune_writes_a_prompt_when_the_gain_is_proven(pg: Callable, table: Path) -> None:
    ran = pg(*TUNE)
    assert ran.code == 0, ran.err
    assert "target kind, 2 labels → exact_match" in ran.out
    assert "HELD OUT before" in ran.out
    assert "significant" in ran.out
    assert "WROTE" in ran.out
    tuned = Path("tuned")
    assert {"instruction.md", "demos.jsonl", "manifest.json"} <= {file.name for file in tuned.iterdir()}
    text = (tuned / "instruction.md").read_text()
    assert "Read the whole input before you decide." in text
    assert text.rstrip().endswith("Number: {number}")
    assert Path("prompt.txt").read_text().startswith("Say whether")
    assert max(map(len, ran.out.splitlines())) <= 100
    scored = pg("eval", "numbers.csv", "--prompt", "tuned/instruction.md", "--model", "scripted:x", "--fail-under", "0.9", "--json")
    assert scored.code == 0
    assert json.loads(scored.out)["score"] == 1.0


def test_the_same_seed_gives_the_same_bytes_and_workers_do_not_matter(pg: Callable, table: Path) -> None:
    shas = {json.loads(pg(*TUNE, "--json", "--workers", str(n), "--out", f"out{n}").out)["sha256"] for n in (1, 8)}
    assert len(shas) == 1


def test_without_a_gain_nothing_is_written(pg: Callable, table: Path) -> None:
    ran = pg(*TUNE[:5], "scripted:perfect", "--yes", "--demos", "0")
    assert ran.code == 0
    assert "nothing: your prompt stays" in ran.out
    assert not Path("tuned").exists()
    assert pg(*TUNE[:5], "scripted:perfect", "--yes", "--demos", "0", "--require-gain").code == 3


def test_plan_spends_nothing_and_records_nothing(pg: Callable, table: Path) -> None:
    ran = pg(*TUNE, "--plan")
    assert ran.code == 0
    assert "plan" in ran.out
    assert "2,000 calls" in ran.out
    assert not Path(".paragrad").exists()
    assert json.loads(pg(*TUNE, "--plan", "--json").out)["plan"]["rows"]["held out"] == 60


def test_without_a_terminal_the_question_must_be_answered_beforehand(pg: Callable, table: Path) -> None:
    ran = pg(*(arg for arg in TUNE if arg != "--yes"))
    assert ran.code == 2
    assert "--yes" in ran.err
    assert not Path(".paragrad/runs").exists()


def test_an_inline_placeholder_survives(pg: Callable, table: Path) -> None:
    Path("prompt.txt").write_text("Is {number} even or odd? Say it.")
    ran = pg(*TUNE)
    assert ran.code == 0, ran.err
    assert "its placeholders stay" in ran.out
    assert "{number}" in Path("tuned/instruction.md").read_text()


def test_a_folder_with_other_files_is_not_written_to(pg: Callable, table: Path) -> None:
    Path("tuned").mkdir()
    Path("tuned/mine.txt").write_text("mine")
    ran = pg(*TUNE)
    assert ran.code == 2
    assert "--out" in ran.err
    assert [file.name for file in Path("tuned").iterdir()] == ["mine.txt"]
    assert not Path(".paragrad").exists()


def test_save_as_code_is_the_same_task(pg: Callable, table: Path) -> None:
    assert pg("tune", "numbers.csv", "--prompt", "prompt.txt", "--save-as", "code", "route.py").code == 0
    planned = pg("train", "route.py", "--plan", "--model", "scripted:x")
    assert planned.code == 0, planned.err
    ran = pg("train", "route.py", "--yes", "--model", "scripted:x", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["significant"]
    assert pg("tune", "numbers.csv", "--prompt", "prompt.txt", "--save-as", "code", "route.py").code == 2


def test_set_replaces_options_of_the_task(pg: Callable, table: Path) -> None:
    assert pg(*TUNE, "--set", "task.deadline=30", "--plan").code == 0
    wrong = pg(*TUNE, "--set", "task.dedline=30", "--plan")
    assert wrong.code == 2
    assert "deadline" in wrong.err
    assert pg(*TUNE, "--set", "deadline", "--plan").code == 2


def test_a_metric_of_ones_own(pg: Callable, table: Path) -> None:
    Path("judge.py").write_text("def starts(output, target):\n    return str(output)[:1] == str(target)[:1]\n")
    ran = pg(*TUNE, "--metric", "judge.py:starts", "--plan")
    assert ran.code == 0, ran.err
    assert "starts" in ran.out
    assert "no function 'startz'" in pg(*TUNE, "--metric", "judge.py:startz").err


def test_predict_goes_on_where_it_stopped(pg: Callable, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from paragrad.runs import predicting

    real, count = predicting.Sheet.add, 0

    def interrupted(self: object, row: object) -> None:
        nonlocal count
        count += 1
        if count == 100:
            raise KeyboardInterrupt
        real(self, row)  # type: ignore[arg-type]

    command = ("predict", "numbers.csv", "--prompt", "prompt.txt", "-o", "out.csv", "--model", "scripted:perfect", "--workers", "4")
    monkeypatch.setattr(predicting.Sheet, "add", interrupted)
    ran = pg(*command)
    assert ran.code == 130
    assert not Path("out.csv").exists()
    with Path("out.csv.part").open("a") as file:
        file.write('"n999,torn')
    monkeypatch.setattr(predicting.Sheet, "add", real)
    other = pg(*command[:-2], "--max-tokens", "7")
    assert other.code == 2
    assert "another answers" in other.err
    ran = pg(*command, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["before"] == 99
    whole = Path("out.csv").read_text().splitlines()
    assert whole[0] == "number,kind,answer,error"
    assert whole[1:3] == ["n0,even,even,", "n1,odd,odd,"]
    assert len(whole) == 241
    assert not list(Path().glob("out.csv.*"))
    assert pg(*command).code == 2


def test_predict_writes_json_lines_and_tells_failing_rows(pg: Callable, table: Path) -> None:
    Path("tuned").mkdir()
    manifest = {"format": "paragrad.prompt/1", "inputs": ["number"], "labels": ["odd", "neither"], "target": "kind"}
    Path("tuned/manifest.json").write_text(json.dumps(manifest))
    Path("tuned/instruction.md").write_text("Even or odd?\n\nNumber: {number}\n")
    ran = pg(
        "predict", "numbers.csv", "--prompt", "tuned/instruction.md", "-o", "out.jsonl", "--model", "scripted:perfect", "--answer", "found"
    )
    assert ran.code == 0, ran.err
    rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert rows[1] == {"number": "n1", "kind": "odd", "found": "odd", "error": None}
    assert rows[0]["found"] is None
    assert "none of" in rows[0]["error"]
    assert "120 rows without an answer" in ran.out


def test_resume_ends_with_the_bytes_of_an_uninterrupted_run(pg: Callable, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from paragrad.trainers import MinibatchAlgorithm

    expected = json.loads(pg(*TUNE, "--json", "--out", "one").out)
    real, steps = MinibatchAlgorithm.step, 0

    def interrupted(self: object, session: object, state: object) -> object:
        nonlocal steps
        steps += 1
        if steps == 2:
            raise KeyboardInterrupt
        return real(self, session, state)  # type: ignore[arg-type]

    monkeypatch.setattr(MinibatchAlgorithm, "step", interrupted)
    stopped = pg(*TUNE, "--out", "two")
    assert stopped.code == 130
    assert "paragrad resume" in stopped.err
    assert json.loads(pg("runs", "--json").out)["runs"][1]["status"] == "stopped"
    assert "paragrad resume 2" in pg("show").out
    monkeypatch.chdir(table.parent / "one")
    resumed = pg("resume", "--json")
    assert resumed.code == 0, resumed.err
    found = json.loads(resumed.out)
    assert found["sha256"] == expected["sha256"]
    assert [Path(name).parent.name for name in found["written"]] == ["two"] * 3
    assert pg("resume").code == 2
