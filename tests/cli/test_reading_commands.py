"""Commands that read: runs, show, diff, compare, params, releases, tag, rollback, clean, doctor, connect, graph."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

TUNE = ("tune", "numbers.csv", "--prompt", "prompt.txt", "--model", "scripted:x", "--yes", "--demos", "0")


@pytest.fixture
def trained(pg: Callable, table: Path) -> Callable:
    assert pg(*TUNE).code == 0
    assert pg(*TUNE[:5], "scripted:perfect", "--yes", "--demos", "0", "--run", "perfect").code == 0
    return pg


def test_runs_show_diff_compare(trained: Callable) -> None:
    listed = trained("runs")
    assert "1 " in listed.out
    assert "2-perfect" in listed.out
    rows = json.loads(trained("runs", "--json").out)["runs"]
    assert [row["status"] for row in rows] == ["finished", "finished"]
    assert "HELD OUT" in trained("show", "1").out
    assert trained("show").out == trained("show", "perfect").out
    assert "0 held-out rows of 60" in trained("show", "1", "--broken").out
    assert "[+" in trained("diff", "1:start", "1").out
    assert "no difference" in trained("diff", "1", "1").out
    assert "[+" in trained("diff", "prompt.txt", "tuned/instruction.md").out
    compared = json.loads(trained("compare", "1", "2", "--json").out)
    assert compared["comparison"]["n"] == 60
    assert "of 60 rows both have" in trained("compare", "1", "2").out


def test_quiet_shows_the_outcome_only(pg: Callable, table: Path) -> None:
    ran = pg(*TUNE, "--quiet")
    assert ran.out.startswith("HELD OUT")
    assert "USE" not in ran.out


def test_home_is_used_and_only_for_this_command(pg: Callable, table: Path) -> None:
    import os

    assert pg("--home", "elsewhere", *TUNE).code == 0
    assert Path("elsewhere/runs/1").is_dir()
    assert "PARAGRAD_HOME" not in os.environ
    assert "no runs" in pg("runs").out
    assert pg("runs", "--home", "elsewhere").out.startswith("run")


def test_env_files_are_read_and_never_shown(pg: Callable) -> None:
    Path("keys.env").write_text('# keys\nexport OPENAI_API_KEY="sk-test-123456789"\n')
    ran = pg("doctor", "--env-file", "keys.env")
    assert "OPENAI_API_KEY" in ran.out
    assert "sk-test" not in ran.out
    Path("keys.env").write_text("sk-test-123456789\n")
    wrong = pg("doctor", "--env-file", "keys.env")
    assert wrong.code == 2
    assert "sk-test" not in wrong.err


def test_stores(pg: Callable) -> None:
    from paragrad.spaces import Text
    from paragrad.stores import open as open_store

    store = open_store("sqlite:///p.db")
    store.init_parameter("route.instruction", "Route it.", Text())
    store.release("route")
    store.set_parameter_value("route.instruction", "Route it well.")
    store.release("route")
    url = ("--store", "sqlite:///p.db")
    assert "Route it well." in pg("params", "list", *url).out
    history = json.loads(pg("params", "history", "route.instruction", *url, "--json").out)["history"]
    assert [row["value"] for row in history] == ["Route it.", "Route it well."]
    versions = [str(row["version"]) for row in history]
    assert "[+ well+]" in pg("params", "diff", "route.instruction", *versions, *url).out
    assert json.loads(pg("params", "export", *url).out)["parameters"]["route.instruction"]["value"] == "Route it well."
    assert json.loads(pg("params", "export", "--release", "route@1", *url).out)["parameters"]["route.instruction"]["value"] == "Route it."
    assert pg("tag", "route@1", "production", *url).code == 0
    moved = pg("tag", "route@2", "production", "--expect", "route@2", *url)
    assert moved.code == 1
    assert "route@1" in moved.err
    assert "production" in pg("releases", *url).out
    assert "[- well-]" in pg("rollback", "route@1", *url).out
    assert store.get_parameter_value("route.instruction") == "Route it."
    assert "already" in pg("rollback", "route@1", *url).out
    unknown = pg("rollback", "route@9", *url)
    assert unknown.code == 2
    assert "route@1 to route@2" in unknown.err


def test_connect_remembers_the_name(pg: Callable, table: Path) -> None:
    ran = pg("connect", "scripted:x")
    assert ran.code == 0
    assert "answers" in ran.out
    assert json.loads(Path(".paragrad/model.json").read_text())["model"] == "scripted:x"
    assert pg("tune", "numbers.csv", "--prompt", "prompt.txt", "--plan").code == 0
    failed = pg("connect", "scripted:refused")
    assert failed.code == 2
    assert json.loads(Path(".paragrad/model.json").read_text())["model"] == "scripted:x"


def test_clean_asks(trained: Callable) -> None:
    asked = trained("clean")
    assert asked.code == 2
    assert Path(".paragrad/runs/1").is_dir()
    assert "removed" in trained("clean", "--keep", "1", "--yes").out.lower()
    assert not Path(".paragrad/runs/1").exists()
    assert Path(".paragrad/runs/2-perfect").is_dir()
    trained("clean", "--yes")
    assert "nothing to remove" in trained("clean").out


def test_graph_and_eval_of_the_example(pg: Callable) -> None:
    example = str(Path(__file__).parents[2] / "examples" / "counting.py")
    ran = pg("graph", example, "-o", "g.svg")
    assert ran.code == 0, ran.err
    assert Path("g.svg").read_text().startswith("<svg")
    assert pg("graph", example, "-o", "g.png").code == 2
    planned = pg("train", example, "--plan")
    assert "60 train · 60 validation · 200 held out" in planned.out


def test_doctor(pg: Callable) -> None:
    found = json.loads(pg("doctor", "--json").out)
    assert {row["name"] for row in found["checks"]} >= {"python", "packages", "torch", "keys", "servers", "home", "disk"}


@pytest.mark.parametrize("scheme", ["sqlite:///", "file:"])
def test_arrays_in_a_store(pg: Callable, scheme: str) -> None:
    import numpy

    from paragrad.stores import open as open_store

    url = ("--store", f"{scheme}weights")
    for command in (("list",), ("history", "net.weight"), ("export",)):
        assert "there is no store at weights" in pg("params", *command, *url).err
    assert not Path("weights").exists()  # looking makes nothing

    store = open_store(url[1])
    store.init_parameter("net.weight", numpy.arange(4.0))
    store.init_parameter("net.big", numpy.zeros((200, 300), "float32"))
    store.set_parameter_value("net.weight", numpy.arange(4.0) + 0.5)
    listed = pg("params", "list", *url).out
    assert "float64[4] [0.5, 1.5, 2.5, 3.5]" in listed
    assert "float32[200, 300]" in listed
    assert len(listed) < 1000
    versions = [str(entry.version) for entry in store.history("net.weight")]
    assert "4 of 4 changed, at most by 0.5" in pg("params", "diff", "net.weight", *versions, *url).out
    wrong = pg("params", "history", "net.weigth", *url)
    assert (wrong.code, "did you mean 'net.weight'" in wrong.err) == (2, True)
    assert "no parameter begins with 'nex'" in pg("params", "list", "nex", *url).out
