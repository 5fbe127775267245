"""The demo, small: three kinds of parameters, the same bytes for the same seed, releases that roll back."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from paragrad.cli.app import app
from paragrad.runs import demo


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Fewer rows and calls."""
    monkeypatch.setattr(demo, "SIZES", {"train": 12, "validation": 12, "test": 12})
    monkeypatch.setattr(demo, "CALLS", 180)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PARAGRAD_HOME", raising=False)
    return tmp_path


def run(*args: str) -> dict:
    found = CliRunner().invoke(app, [*args, "--json"])
    assert found.exit_code == 0, found.stderr
    return json.loads(found.stdout)


def test_the_demo_reports_what_it_promises(small: Path) -> None:
    found = run("demo", "--seed", "3")
    for part in (found["baseline"], found["score"], found["test"]["before"], found["test"]["after"]):
        assert 0 <= part["low"] <= part["score"] <= part["high"] <= 1
    assert set(found["parameters"]) == {"answer.style", "answer.instruction", "answer.demos"}
    assert all(set(both) == {"before", "after"} for both in found["parameters"].values())
    assert isinstance(found["significant"], bool)
    assert found["spent"]["calls"] <= 180
    assert found["spent"]["tokens"] > 0
    assert found["spent"]["seconds"] > 0
    assert (found["run_id"], found["seed"]) == ("1-demo", 3)
    again = run("demo", "--seed", "3")
    assert again["sha256"] == found["sha256"]
    assert again["run_id"] == "2-demo"


def test_the_best_values_are_a_release_and_roll_back(small: Path) -> None:
    result = demo.task(0, journal=False).fit(progress=False)
    from paragrad.runs.starting import default_store, publish_start_and_best
    from paragrad.stores import open as open_store

    home = small / ".paragrad"
    home.mkdir()
    assert publish_start_and_best(result, home, "answer")[0] == "answer@1"
    store = open_store(default_store(home))
    for id, value in result.best.values.items():
        assert store.get_parameter_value(id) == value
    assert publish_start_and_best(result, home, "answer")[0] == "answer@1"
    assert len(store.releases("answer")) <= 2
    found = CliRunner().invoke(app, ["rollback", "answer@1"])
    assert found.exit_code == 0, found.stderr
    assert store.get_parameter_value("answer.instruction") == "Answer the question."


def test_the_example_is_the_same_job() -> None:
    from importlib.util import module_from_spec, spec_from_file_location

    file = Path(__file__).parents[2] / "examples" / "counting.py"
    spec = spec_from_file_location("counting_example", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    ours, theirs = demo.task(0).trainer(), module.task.trainer()
    assert {id: p.value for id, p in ours.parameters.items()} == {id: p.value for id, p in theirs.parameters.items()}
    assert [p.row.inputs for p in ours.test_rows] == [p.row.inputs for p in theirs.test_rows]
    assert ours.optimizer.describe() == theirs.optimizer.describe()
    for output, right in (("5", True), ("There are 5.", False), ("2 and 3.\n5.", True), ("", False)):
        assert module.right(output, 5) == demo.right(output, 5) == right
