"""Everything a person can get wrong: one clear message, the right exit code, nothing written, nothing paid for first."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from paragrad.registry import models

TUNE = ("tune", "numbers.csv", "--prompt", "prompt.txt", "--model", "scripted:x", "--yes", "--demos", "0")
PROGRAM = """
import paragrad as pg
def metric(output, target):
    {metric}
task = pg.Task({program}, [(f"n{{i}}", "odd" if i % 2 else "even") for i in range(40)], metric=metric, model="scripted:x", **{options})
"""
GENERATOR = 'pg.Generator("Even or odd?", inputs=["number"])'


def refused(ran: object, *words: str, code: int = 2, written: bool = False) -> None:
    assert ran.code == code, (ran.code, ran.out, ran.err)  # type: ignore[attr-defined]
    assert ran.err.strip().startswith("error: "), ran.err  # type: ignore[attr-defined]
    assert "Traceback" not in ran.err + ran.out  # type: ignore[attr-defined]
    for word in words:
        assert word in ran.err, (word, ran.err)  # type: ignore[attr-defined]
    if not written:
        assert not Path(".paragrad/runs").exists()
        assert not Path("tuned").exists()


def test_unknown_commands_and_options_name_their_relatives(pg: Callable) -> None:
    refused(pg("tunee"), "did you mean 'paragrad tune'")
    refused(pg("xyzzy"), "commands: demo, tune")
    refused(pg("demo", "--sed", "3"), "--seed")
    assert pg("demo", "--debug", "--sed").code == 2


def test_missing_files(pg: Callable, table: Path) -> None:
    refused(pg("tune", "number.csv", *TUNE[2:]), "number.csv", "did you mean numbers.csv")
    refused(pg(*TUNE[:3], "promt.txt", *TUNE[4:]), "promt.txt")
    refused(pg("train", "nothing.py"), "nothing.py is not there")
    refused(pg("predict", "numbers.csv", "--prompt", "no.txt", "-o", "o.csv"), "no.txt")
    refused(pg("diff", "a.txt", "b.txt"), "a.txt", "no file")
    refused(pg("runs", "--env-file", "no.env"), "no.env")


def test_wrong_columns(pg: Callable, table: Path) -> None:
    refused(pg(*TUNE, "--target", "kinds"), "kinds", "did you mean 'kind'")
    refused(pg(*TUNE, "--input", "numbr"), "numbr", "number")
    Path("prompt.txt").write_text("Say it.\n\nNumber: {numbr}\n")
    refused(pg(*TUNE), "{numbr}", "did you mean 'number'")
    Path("prompt.txt").write_text("Say it.\n")
    refused(pg(*TUNE), "--target")
    assert pg(*TUNE, "--target", "kind", "--plan").code == 0


def test_unreadable_and_empty_tables(pg: Callable, table: Path) -> None:
    Path("numbers.csv").write_text("number,kind\nn1,odd\nn2\n")
    refused(pg(*TUNE), "line 3")
    Path("numbers.csv").write_bytes(b"number,kind\nn1,\xff\xfe\n")
    refused(pg(*TUNE), "UTF-8")
    Path("numbers.csv").write_text("number,kind\n")
    refused(pg(*TUNE), "no rows")
    Path("numbers.csv").write_text("")
    refused(pg(*TUNE))
    Path("numbers.csv").write_text("number,kind\nn1,odd\nn2,even\n")
    refused(pg(*TUNE), "2 rows")
    Path("numbers.csv").write_text("number,kind\n" + "".join(f"n{i},{'odd' if i else ''}\n" for i in range(40)))
    refused(pg(*TUNE), "no 'kind'")
    Path("prompt.txt").write_text("  \n")
    refused(pg(*TUNE), "empty")


def test_unknown_models_refused_connections_wrong_keys(pg: Callable, table: Path) -> None:
    refused(pg(*TUNE[:5], "openai/gpt-5-mini", "--yes"), "'openai:gpt-5-mini'")
    refused(pg(*TUNE[:5], "opnai:gpt-5", "--yes"), "did you mean 'openai:gpt-5'")
    refused(pg(*TUNE[:5], "openai:gpt-5-mini", "--yes"), "OPENAI_API_KEY")
    refused(pg(*TUNE[:4], "--yes"), "no language model is connected", "OPENAI_API_KEY", "--base-url")
    refused(pg(*TUNE[:5], "scripted:refused", "--yes"), "connection refused")
    wrong = pg(*TUNE[:5], "scripted:key", "--yes")
    refused(wrong, "refuses the key")
    assert "sk-abcdef" not in wrong.err + wrong.out
    secret = pg(*TUNE[:5], "m", "--base-url", "http://me:hunter22@127.0.0.1:9/v1", "--yes")
    refused(secret, "password")
    assert "hunter22" not in secret.err


def test_wrong_words(pg: Callable, table: Path) -> None:
    refused(pg(*TUNE, "--metric", "exact_mach"), "exact_match")
    refused(pg(*TUNE, "--budget", "lots"), "500 calls")
    refused(pg(*TUNE, "--budget", "$2"), "--price")
    refused(pg(*TUNE, "--optimizer", "edti"), "edit")
    refused(pg(*TUNE, "--algorithm", "minibach"), "minibatch")
    refused(pg("train", "numbers.csv"), "not a Python file")
    refused(pg("predict", "numbers.csv", "--prompt", "prompt.txt", "-o", "o.xls", "--model", "scripted:x"), ".jsonl")
    refused(pg("predict", "numbers.csv", "--prompt", "prompt.txt", "-o", "no/o.csv", "--model", "scripted:x"), "no folder")


def write(metric: str = "return output == target", program: str = GENERATOR, options: str = "{}") -> None:
    Path("job.py").write_text(PROGRAM.format(metric=metric, program=program, options=options))


def test_metrics_that_raise_or_return_nonsense_name_the_row(pg: Callable) -> None:
    write("raise RuntimeError('no idea')")
    refused(pg("train", "job.py", "--yes"), "metric", "row", "no idea", code=1, written=True)
    write("return 'good'")
    refused(pg("train", "job.py", "--yes"), "metric", "row", code=1, written=True)
    write("return float('nan')")
    refused(pg("train", "job.py", "--yes"), "metric", "row", code=1, written=True)


def test_programs_that_cannot_be_trained(pg: Callable) -> None:
    write(program="(lambda number: number)")
    refused(pg("train", "job.py", "--yes"), "trainable", code=1)
    write(program="3")
    refused(pg("train", "job.py", "--yes"), "program")
    write(options='{"optimiser": 1}')
    refused(pg("train", "job.py", "--yes"), "did you mean 'optimizer'")
    write(program=GENERATOR.replace("number", "figure"))
    assert pg("train", "job.py", "--plan").code in (0, 2)


def test_files_of_the_user_that_fail_are_told_with_their_line(pg: Callable) -> None:
    Path("job.py").write_text("import paragrad as pg\n\nx = 1 / 0\n")
    refused(pg("train", "job.py"), "job.py, line 3", "ZeroDivisionError")
    Path("job.py").write_text("x = (\n")
    refused(pg("train", "job.py"), "job.py", "line 1")
    Path("job.py").write_text("x = 1\n")
    refused(pg("train", "job.py"), "no task", "pg.Task")
    write()
    refused(pg("train", "job.py:tusk"), "did you mean 'task'")
    Path("job.py").write_text(Path("job.py").read_text() + "other = task\n")
    refused(pg("train", "job.py"), "2 tasks", "job.py:")


def test_a_full_disk_is_one_message_and_leaves_no_half_file(pg: Callable, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> int:
        raise OSError(28, "No space left on device")

    command = ("predict", "numbers.csv", "--prompt", "prompt.txt", "-o", "out.csv", "--model", "scripted:x")
    with monkeypatch.context() as patched:
        patched.setattr("paragrad.runs.predicting.os.write", full)
        refused(pg(*command), "disk is full", code=1)
    assert not Path("out.csv").exists()
    with monkeypatch.context() as patched:
        patched.setattr("paragrad.disk.os.fsync", full)
        ran = pg(*TUNE)
        assert ran.code != 0
        assert "No space left" in ran.err
        assert not Path("tuned").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_home_that_is_not_writable(pg: Callable, table: Path) -> None:
    Path("locked").mkdir(mode=0o500)
    refused(pg(*TUNE, "--home", "locked/home"), "PARAGRAD_HOME", code=1)


def test_runs_that_are_not_there(pg: Callable) -> None:
    refused(pg("show"), "no run")
    refused(pg("show", "7"), "no run")
    refused(pg("resume"), "no interrupted run")
    refused(pg("demo", "--resume"), "paragrad demo")
    refused(pg("compare", "1", "2"), "no run")
    refused(pg("releases"), "no store")
    refused(pg("rollback", "answer@1"), "no store")
    refused(pg("params", "list", "--store", "nonsense"), "store URL")
    assert "no runs" in pg("runs").out


def test_errors_are_one_object_with_json(pg: Callable) -> None:
    import json

    ran = pg("show", "7", "--json")
    assert ran.code == 2
    found = json.loads(ran.out)
    assert found["type"] == "UnknownName"
    assert found["exit"] == 2


def test_debug_shows_the_traceback(pg: Callable) -> None:
    assert "Traceback" in pg("show", "7", "--debug").err


def test_text_from_data_and_models_cannot_control_the_terminal(pg: Callable, table: Path) -> None:
    class Hostile:
        name = identity = "hostile"
        price, cacheable = None, False

        def __init__(self, name: str) -> None: ...

        def complete(self, requests: list) -> list:
            from paragrad.llm.types import Response, Usage

            return [Response("\x1b[2J\x1b]0;owned\x07even‮", usage=Usage(1, 1)) for _ in requests]

    models._found["scripted"] = Hostile
    Path("numbers.csv").write_text("number,kind\n" + "".join(f"\x1b[31mn{i}\x9b,{'odd thing' * 3 + str(i)}\n" for i in range(40)))
    ran = pg(*TUNE)
    assert ran.code == 0, ran.err
    shown = pg("show").out + ran.out + ran.err + pg("show", "--broken").out
    assert not {c for c in shown if c in "\x1b\x9b\x07‮"}
