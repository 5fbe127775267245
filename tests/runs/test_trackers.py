"""Experiment trackers: what they are told, that they hold nothing up, and that their failure is not the run's.

MLflow and Weights & Biases run for real where they are installed (``make peer-trackers``); a recording double
of the calls we make stands in for them elsewhere, and is labelled as one.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import paragrad as pg
from paragrad.errors import UnknownName, UsageError
from paragrad.llm import stack
from paragrad.registry import trackers
from paragrad.runs.tracking import Tracker, tracked, trackers_of
from tests.faults.trainee import BANK, Answers, Logged, metric, rows


def task(home: Path, model: Any = None, **options: Any) -> pg.Task:
    """A short training that accepts something."""
    given = {"optimizer": pg.optimizers.EditSearch(bank=BANK), "budget": "400 calls", "workers": 2, **options}
    made = model if model is not None else stack(Logged(), cache=False)
    return pg.Task(Answers(), rows("x", 12), rows("v", 16), rows("t", 16), metric=metric, model=made, home=home, progress=False, **given)


class Notebook(Tracker):
    """Writes down what it is told."""

    name = "notebook"

    def __init__(self, target: str = "") -> None:
        self.target = target
        self.told: list[tuple[Any, ...]] = []
        self.threads: set[str] = set()

    def start(self, run_id: str, settings: Any) -> None:
        self._add("start", run_id, dict(settings))

    def scores(self, step: int, values: Any) -> None:
        self._add("scores", step, dict(values))

    def note(self, step: int, name: str, text: str) -> None:
        self._add("note", step, name, text)

    def finish(self, status: str, summary: Any, files: Any) -> None:
        self._add("finish", status, dict(summary), dict(files))

    def _add(self, *told: Any) -> None:
        self.told.append(told)
        self.threads.add(threading.current_thread().name)

    def of(self, verb: str) -> list[tuple[Any, ...]]:
        return [told[1:] for told in self.told if told[0] == verb]


def test_a_tracker_is_told_scores_decisions_costs_and_the_end(tmp_path: Path) -> None:
    notebook = Notebook()
    result = task(tmp_path, track=notebook, seed=1).fit()
    ((run_id, settings),) = notebook.of("start")
    assert (run_id, settings["seed"], settings["rows_validation"]) == (result.run_id, 1, 16)
    assert "answer.instruction" in settings["parameters"]
    scores = {step: values for step, values in notebook.of("scores") if "score/validation" in values}
    assert scores[0]["score/validation"] == result.baseline
    assert scores[max(scores)]["score/validation"] == pytest.approx(result.score)
    calls = [values["spent/calls"] for values in scores.values()]
    assert calls == sorted(calls)
    assert scores[max(scores)]["spent/tokens"] == sum(
        scores[max(scores)].get(f"spent/{phase}/tokens", 0) for phase in ("task", "optimizer", "guide")
    )
    decisions = [note for note in notebook.of("note") if note[1] == "decision"]
    assert len(decisions) == len(result.history) > 0
    assert all(entry["origin"] in text for entry, (_, _, text) in zip(result.history, decisions, strict=True))
    ((status, summary, files),) = notebook.of("finish")
    assert (status, summary["score/validation"], summary["spent/calls"]) == ("finished", result.score, result.spent["calls"])
    assert "spent/usd" not in summary, "the price of this model is unknown, which is not $0"
    assert json.loads(files["parameters.json"])["answer.instruction"] == result.best.values["answer.instruction"]
    assert files["diff.txt"].strip() == result.diff().strip()
    assert json.loads(files["result.json"])["sha256"] == result.sha256
    assert notebook.threads == {"paragrad-track-notebook"}, "never in the run's own thread"


def test_the_run_is_the_same_with_and_without_trackers(tmp_path: Path) -> None:
    alone = task(tmp_path).fit()
    told = task(tmp_path, track=[Notebook(), lambda event: None]).fit()
    assert told.sha256 == alone.sha256
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("paragrad-track")]


class Fragile(Notebook):
    """Fails at its third word."""

    def _add(self, *told: Any) -> None:
        if len(self.told) == 2:
            raise RuntimeError("the server is gone")
        super()._add(*told)


def test_a_tracker_that_fails_never_breaks_a_run_and_warns_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: Any) -> None:
        heard.append(event["event"])
        raise ValueError("no")

    heard: list[str] = []
    fragile, warnings = Fragile(), []
    off = pg.on("warning", lambda event: warnings.append(event["text"]))
    with caplog.at_level(logging.WARNING, "paragrad"):
        result = task(tmp_path, track=[fragile, broken]).fit()
    off()
    assert result.sha256 == task(tmp_path).fit().sha256
    assert len(fragile.told) == 2
    assert len(heard) == 1, "told nothing more"
    for text in ("the tracker notebook failed", "broken failed"):
        assert sum(text in warning for warning in warnings) == 1
    assert len(caplog.records) == 2


def test_a_run_that_parks_says_so_and_goes_on_in_the_same_place(tmp_path: Path) -> None:
    class Dies(Logged):
        def complete(self, requests: list[Any], /) -> list[Any]:
            return super().complete(requests) if self.count < 60 else [pg.errors.NotConnected("gone") for _ in requests]

    first, second = Notebook(), Notebook()
    with pytest.raises(pg.errors.Outage):
        task(tmp_path, stack(Dies(), cache=False, retries=0), track=first, run="r").fit()
    ((status, _, files),) = first.of("finish")
    assert (status, files) == ("parked", {})
    assert any(name == "stopped" for _, name, _ in first.of("note"))
    task(tmp_path, track=second, run="r").fit()
    assert second.of("start")[0][1]["resumed"] is True
    assert second.of("start")[0][0] == first.of("start")[0][0]
    assert second.of("finish")[0][0] == "finished"


def test_a_callback_still_ends_the_run_as_it_always_did(tmp_path: Path) -> None:
    def broken(event: Any) -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        task(tmp_path, callbacks=[broken]).fit()


def test_what_is_no_tracker_is_refused_before_anything_is_paid(tmp_path: Path) -> None:
    wire = Logged()
    for track, error, says in [
        ("tensorbord:x", UnknownName, "tensorboard"),
        (["nobody"], UnknownName, "no tracker"),
        (7, UsageError, "no list of trackers"),
        ([7], UsageError, "is no tracker"),
        ([Notebook], UsageError, "is no tracker"),
    ]:
        with pytest.raises(error, match=says):
            task(tmp_path, stack(wire, cache=False), track=track).fit()
    assert wire.count == 0


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, modules in [
        ("mlflow", ["mlflow"]),
        ("wandb", ["wandb"]),
        ("tensorboard", ["tensorboard.summary.writer.event_file_writer", "tensorboardX"]),
    ]:
        for module in modules:
            monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(UsageError, match=rf"pip install 'paragrad\[{name}\]'"):
            trackers_of(f"{name}:x")


def test_a_tracker_of_ones_own_is_found_by_name() -> None:
    trackers.register("notebook")(Notebook)
    (made,) = trackers_of("notebook:over there")
    assert isinstance(made, Notebook)
    assert made.target == "over there"
    with tracked(made):
        pg.events.emit("step", step=1, score=0.5)  # nothing has begun
    assert made.told == []


# --- TensorBoard, for real -------------------------------------------------------------------------
def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    result = task(tmp_path, track=f"tensorboard:{tmp_path / 'tb'}").fit()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(tmp_path / "tb" / result.run_id), size_guidance={"tensors": 0})
    read.Reload()
    from tensorboard.util.tensor_util import make_ndarray

    points = {tag: [(e.step, make_ndarray(e.tensor_proto)) for e in read.Tensors(tag)] for tag in read.Tags()["tensors"]}
    step, last = points["score/validation"][-1]
    assert float(last) == pytest.approx(result.score, abs=1e-6)
    assert step == len(points["score/validation"]) - 1
    assert {"spent/calls", "spent/tokens", "decision/accepted", "decision", "settings", "diff.txt", "parameters.json", "status"} <= set(
        points
    )
    assert len(points["decision"]) == len(result.history)
    assert result.diff().strip() in points["diff.txt"][0][1].item().decode()
    assert "torch.utils.tensorboard" not in sys.modules


# --- MLflow and Weights & Biases: for real where installed -----------------------------------------
def test_mlflow_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: make peer-trackers installs it beside this environment")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (tmp_path / "mlruns").as_uri()
    result = task(tmp_path, track=f"mlflow:{uri}").fit()
    client = mlflow.MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("paragrad").experiment_id])
    assert (run.info.status, run.data.tags["paragrad.run_id"]) == ("FINISHED", result.run_id)
    assert run.data.metrics["score/validation"] == pytest.approx(result.score)
    assert run.data.params["seed"] == "0"
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {"parameters.json", "diff.txt", "result.json"}


def test_wandb_for_real(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed: make peer-trackers installs it beside this environment")
    from paragrad.runs.tracking.wandb import WandB

    task(tmp_path, track=WandB("offline", tmp_path)).fit()
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    (file,) = folder.glob("*.wandb")
    wanted = (b"score/validation", b"decision/accepted", b"final/score/validation")
    for _ in range(500):  # its own process writes the file
        if all(word in file.read_bytes() for word in wanted):
            break
        time.sleep(0.02)
    assert all(word in file.read_bytes() for word in wanted)


# --- the calls we make, written down by a double (simulated) ---------------------------------------
class Double(ModuleType):
    """A simulated package: every call of every part of it is written down."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def note(self, name: str, result: Any = None) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args, kwargs))
            return result

        return call

    def of(self, name: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return [(args, kwargs) for called, args, kwargs in self.calls if called == name]


@pytest.fixture
def double(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    made = Double(request.param)
    monkeypatch.setitem(sys.modules, request.param, made)
    return made


@pytest.mark.parametrize("double", ["mlflow"], indirect=True)
def test_what_mlflow_is_told_simulated(double: Double, tmp_path: Path) -> None:
    run = SimpleNamespace(info=SimpleNamespace(run_id="m1"))
    verbs = {
        "get_experiment_by_name": None, "create_experiment": "7", "search_runs": [], "create_run": run, "update_run": None, "log_param": None,
        "log_metric": None, "set_tag": None, "log_text": None, "set_terminated": None,
    }  # fmt: skip
    client = SimpleNamespace(**{verb: double.note(verb, result) for verb, result in verbs.items()})
    double.MlflowClient = double.note("MlflowClient", client)  # type: ignore[attr-defined]
    result = task(tmp_path, track="mlflow:http://127.0.0.1:9").fit()
    assert double.of("MlflowClient") == [((), {"tracking_uri": "http://127.0.0.1:9"})]
    assert double.of("create_run") == [(("7",), {"tags": {"paragrad.run_id": result.run_id}, "run_name": result.run_id})]
    assert (("m1", "score/validation", result.baseline), {"step": 0}) in double.of("log_metric")
    assert {args[2] for args, _ in double.of("log_text")} == {"parameters.json", "diff.txt", "result.json"}
    assert double.of("set_terminated") == [(("m1",), {"status": "FINISHED"})]


@pytest.mark.parametrize("double", ["wandb"], indirect=True)
def test_what_wandb_is_told_simulated(double: Double, tmp_path: Path) -> None:
    summary: dict[str, Any] = {}
    run = SimpleNamespace(
        id="w1", summary=summary, **{verb: double.note(verb) for verb in ("define_metric", "log", "log_artifact", "finish")}
    )
    double.init = double.note("init", run)  # type: ignore[attr-defined]
    double.Settings = double.note("Settings")  # type: ignore[attr-defined]
    double.Artifact = lambda *args, **kwargs: SimpleNamespace(add_file=double.note("add_file"))  # type: ignore[attr-defined]
    result = task(tmp_path, track="wandb:team/words").fit()
    ((_, begun),) = double.of("init")
    assert (begun["project"], begun["entity"], begun["name"]) == ("words", "team", result.run_id)
    assert "mode" not in begun
    logged = [args[0] for args, _ in double.of("log")]
    assert logged[0]["score/validation"] == result.baseline
    assert {Path(args[0]).name for args, _ in double.of("add_file")} == {"parameters.json", "diff.txt", "result.json"}
    assert summary["status"] == "finished"
    assert double.of("finish") == [((), {"exit_code": 0})]
