"""Section T, the edges to the outside world: the record and its trackers (T17), models and databases (T18)."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import paragrad as pg
from paragrad import registry
from paragrad.journal import RunJournal, Runs
from paragrad.llm import stack
from paragrad.modules.retrieval import FTS5, SQL, read_only
from paragrad.runs.tracking import Tracker, tracked
from tests.faults.trainee import Answers, Logged, metric, rows, trainer


class Told(Tracker):
    """Counts the verbs it is told (simulated: it shows nothing)."""

    def __init__(self) -> None:
        self.verbs: Counter[str] = Counter()
        self.steps: list[int] = []
        self.last: dict[str, float] = {}
        self.status = ""

    def start(self, run_id: str, settings: Any) -> None:
        self.verbs["start"] += 1

    def scores(self, step: int, values: Any) -> None:
        self.verbs["scores"] += 1
        if "score/validation" in values:
            self.steps.append(step)
            self.last = dict(values)

    def note(self, step: int, name: str, text: str) -> None:
        self.verbs[name] += 1

    def finish(self, status: str, summary: Any, files: Any) -> None:
        self.verbs["finish"] += 1
        self.status = status


def task(home: Path, **options: Any) -> pg.Task:
    """A short training with an optimizer that asks a model; both models are scripted (simulated)."""
    words = iter(["Think first.", "Read it twice.", "Never guess."] * 200)
    writer = stack(pg.llm.Fake(lambda request: f"Answer the question. {next(words)}"), cache=False)
    model = stack(Logged(), price=(1.0, 2.0), cache=False)
    given = {
        "budget": "300 calls",
        "workers": 4,
        "home": home,
        "optimizer": "opro",
        "optimizer_model": writer,
        "progress": False,
        **options,
    }
    program = Answers()
    parameters = [program.answer.instruction]
    return pg.Task(program, rows("x", 12), rows("v", 16), rows("t", 16), metric=metric, model=model, parameters=parameters, **given)


def test_T17_the_console_tells_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = task(tmp_path, progress=True).fit()
    told = capsys.readouterr().err
    for word in ("train", "opro", "start", "validation", "calls", "tokens"):
        assert word.lower() in told.lower(), word
    assert told.count(" step ") >= len({entry["step"] for entry in result.history})


def test_T17_every_model_call_cost_and_decision_is_in_the_record(tmp_path: Path) -> None:
    result = task(tmp_path).fit()
    (folder,) = Runs(tmp_path).all()
    with RunJournal(folder.journal, read_only=True) as journal:
        calls = [row.payload for row in journal.events("model", "outcome")]
        phases = Counter(row.coordinate.split("/")[4] for row in journal.events("model", "outcome"))
        decisions = [row.payload for row in journal.events("decision")]
    assert {phase: part["calls"] for phase, part in result.spent["phases"].items()} == dict(phases)
    assert phases["optimizer"] > 0 < phases["task"]
    assert all({"model", "request", "response", "spent"} <= set(call) for call in calls)
    assert all(call["request"]["messages"] and call["response"]["text"] is not None for call in calls)
    assert sum(call["spent"]["calls"] for call in calls) == result.spent["calls"] == len(calls)
    assert sum(call["spent"]["tokens"] for call in calls) == result.spent["tokens"]
    assert sum(call["spent"]["usd"] or 0.0 for call in calls) == pytest.approx(result.spent["usd"])
    assert [entry["origin"] for entry in decisions] == [entry["origin"] for entry in result.history]
    record = json.loads((folder.path / "result.json").read_text())
    assert (record["sha256"], record["spent"]["calls"]) == (result.sha256, result.spent["calls"])


def test_T17_every_trainer_tells_its_trackers(tmp_path: Path) -> None:
    for name in registry.algorithms.names():
        told = Told()
        made = trainer(stack(Logged(), cache=False), algorithm=registry.algorithms.get(name), home=tmp_path / name, budget="250 calls")
        with tracked(told):
            result = made.train()
        assert (told.verbs["start"], told.verbs["finish"], told.status) == (1, 1, "finished"), name
        assert told.steps[0] == 0, name
        assert told.steps == sorted(told.steps), name
        assert told.verbs["decision"] == len(result.history), name
        assert told.last["spent/calls"] > 0, name


def test_T17_the_adapters_are_found_by_name_and_load_nothing_before(tmp_path: Path) -> None:
    assert {"mlflow", "tensorboard", "wandb"} <= set(registry.trackers.names())
    program = "import sys, paragrad.runs.tracking; print(sorted({'mlflow', 'tensorboard', 'wandb', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "[]"


# --- T18 -------------------------------------------------------------------------------------------
class Rag(pg.Module):
    """Rewriter, retrieval with a trained k, answerer (the program of a question-answering system)."""

    def __init__(self, source: Any) -> None:
        self.rewrite = pg.Generator("Rewrite the question as a search query.")
        self.search = pg.Retriever(source, k=pg.param(1, "how many passages are read", space=pg.Choice([1, 3, 5])))
        self.answer = pg.Generator("Answer from the passages only.")

    def forward(self, question: str) -> Any:
        return self.answer(question=question, passages=self.search(self.rewrite(question=question)))


def scripted(request: Any) -> str:
    """Rewrites by repeating; answers when the passage is there (a simulated model)."""
    last = str(request.messages[-1]["content"])
    if "search query" in str(request.messages[0]["content"]):
        return last
    town = last.partition("houses of ")[2].split()[0].strip('",.?')
    return town if f"the town {town} " in last else "not found"


def test_T18_a_database_is_part_of_a_trained_program(tmp_path: Path) -> None:
    path = tmp_path / "towns.db"
    texts = [f"houses houses houses {word}" for word in ("a", "b")] + [f"the town t{k} has {k} things" for k in range(24)]
    FTS5(texts, path).close()
    program = Rag(FTS5(path=path))
    data = pg.data.rows([{"question": f"houses of t{k}", "target": f"t{k}"} for k in range(24)])
    with pg.llm.use(stack(pg.llm.Fake(scripted), cache=False)):
        out: Any = program.search("houses of t3")
        assert out.call.input_args["query"] == "houses of t3"
        assert [document["text"] for document in out.call.raw_response] == out.value
        result = pg.fit(
            program, data, metric="exact_match", parameters=[program.search.k], optimizer="edit", budget="900 calls", home=tmp_path
        )
    assert result.baseline < result.score == 1.0
    assert program.search.k.value > 1
    program.search.close()


def test_T18_any_driver_reads_with_bound_values_and_a_trained_text(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE orders (customer TEXT, total REAL)")
        connection.executemany("INSERT INTO orders VALUES (?, ?)", [("ana", 3.0), ("ana", 4.0), ("bruno", 9.0)])
    text = pg.param("SELECT total FROM orders WHERE customer = :query ORDER BY rowid LIMIT 1", "the query", constraint=read_only)
    search = pg.Retriever(SQL(lambda: sqlite3.connect(path), text), name="orders")
    assert search.predict("ana") == ["3.0"]
    assert search.predict("ana' OR '1'='1") == []
    with search.overlay({"sql": "SELECT sum(total) AS total FROM orders WHERE customer = :query"}):
        assert search.predict("ana") == ["7.0"]
    with pytest.raises(pg.errors.ProposalError, match="DELETE"):
        text.accepts("DELETE FROM orders")
    with search.overlay({"sql": "SELECT total FROM order"}), pytest.raises(pg.errors.ExecutionError) as caught:
        search("ana")
    assert "SELECT total FROM order" in str(caught.value.output.value), "the optimizer is told the text and the error"
    search.close()


def test_T18_models_and_databases_load_no_third_party_module() -> None:
    program = """
import sys
before = set(sys.modules)
import paragrad as pg
from paragrad.llm.anthropic import Anthropic
from paragrad.llm.google import Google
model = pg.llm.connect("anthropic:claude-haiku-4-5", api_key="k"), pg.llm.connect("google:gemini-2.5-flash", api_key="k"), pg.llm.wrap
search = pg.Retriever(pg.retrieval.SQL(lambda: __import__("sqlite3").connect(":memory:"), "SELECT :query AS text"))
program = pg.Generator("Answer.", inputs=["passages"])
with pg.llm.use(pg.llm.Fake(lambda request: "yes")):
    assert program(passages=search("red")).value == "yes"
search.close()
names = {module.partition(".")[0] for module in set(sys.modules) - before}
print(sorted(names - set(sys.stdlib_module_names) - {"paragrad"}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["httpx2", "openai", "anthropic"])
def test_T18_a_missing_client_package_concerns_only_those_who_use_it(package: str) -> None:
    program = f"""
import sys
sys.modules[{package!r}] = None
import paragrad as pg
with pg.llm.use(pg.llm.Fake(lambda request: "yes")):
    assert pg.Generator("Answer.").predict(question="?") == "yes"
assert pg.Retriever(["a red fox"]).predict("fox") == ["a red fox"]
"""
    subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
