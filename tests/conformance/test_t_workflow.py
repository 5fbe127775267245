"""Section T: the five-step workflow, and the four kinds of extension. Models are simulated."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import paragrad as pg
from paragrad import trace
from paragrad.errors import UsageError
from paragrad.optimizers import OptoPrime
from paragrad.trainers import AutoGuide, DataLoader, MinibatchAlgorithm
from tests.docs.pages import REGISTRIES

EXAMPLES = Path(__file__).parents[2] / "examples"
KINDS = {
    "new optimizer": ["optimizer"],
    "new algorithm, loader or guide": ["trainer", "loader", "guide"],
    "new trace hook": ["hook"],
    "new utility with an optional dependency": ["utility"],
}


@contextmanager
def example(name: str) -> Iterator[Any]:
    """An example file as a module; what it registers is forgotten afterwards."""
    spec = importlib.util.spec_from_file_location(f"example_{Path(name).stem}", EXAMPLES / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = {id(part): dict(part._found) for part in REGISTRIES}
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[spec.name]
        for part in REGISTRIES:
            part._found = before[id(part)]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARAGRAD_HOME", str(tmp_path / ".paragrad"))


def test_T19_the_five_steps_end_with_a_better_agent() -> None:
    with example("five_steps.py") as script:
        agent, result = script.main()
    assert (float(result.test.before.mean.value), float(result.test)) == (0.0, 1.0)
    assert result.significant
    assert (agent.style.value, agent.title.value) == ("Dear", "Professor")
    assert agent.parameters("code")[0].value.strip() == script.Greeter.surname.code.value.strip()
    assert agent("Kurt Gödel").value == "Dear Professor Gödel"


@trace.model
class Greeter:
    """The workflow of the Trace document, letter by letter; its code takes the wrong name, which no text can mend."""

    def __init__(self) -> None:
        self.style = trace.node("Yo", trainable=True, description="the greeting word")

    @trace.bundle(trainable=True)
    def surname(self, request: str) -> str:
        """The family name of the person to greet."""
        return request.split()[0]

    @trace.bundle
    def greet(self, style: str, name: str) -> str:
        return f"{style} {name}"

    def forward(self, request: str) -> object:
        return self.greet(self.style, self.surname(request))


class Polite(AutoGuide):
    """The feedback oracle."""

    def get_feedback(self, query: str, response: str, reference: str | None = None) -> tuple[float, str]:
        return float(response == reference), f"{response!r} should be {reference!r}"


def test_T19_the_documents_own_script_runs_and_claims_nothing() -> None:
    data = [("Ada Lovelace", "Dear Lovelace"), ("Alan Turing", "Dear Turing"), ("Grace Hopper", "Dear Hopper")]
    agent: Any = Greeter()
    writer = pg.llm.Fake(lambda request: json.dumps({"values": {"style": "Dear"}}))
    trainer = MinibatchAlgorithm(agent, OptoPrime(model=writer), DataLoader(data, batch_size=3, seed=0), Polite(), budget="10 calls")
    result = trainer.train()
    assert (result.score, result.significant, agent.style.value) == (0.0, False, "Yo")
    assert "NOT significant" in str(result)


@pytest.mark.parametrize("kind", KINDS)
def test_T20_every_kind_of_extension_is_a_documented_example_under_40_lines(kind: str) -> None:
    for part in KINDS[kind]:
        source = (EXAMPLES / "extend" / f"add_{part}.py").read_text(encoding="utf-8")
        page = (EXAMPLES.parent / "docs" / "howto" / f"add-{part}.md").read_text(encoding="utf-8")
        assert len(source.splitlines()) < 40
        assert source in page


def test_T20_a_new_optimizer_trains_by_name() -> None:
    prompt: Any = pg.Parameter("Shout. Say it twice.", name="prompt")
    program = pg.bundle(lambda word: word.upper() * (2 if "twice" in prompt.value else 1))
    data = [{"word": f"w{i}", "target": f"W{i}"} for i in range(40)]
    with example("extend/add_optimizer.py"):
        pg.fit(program, data, metric="exact_match", parameters=[prompt], optimizer="shorten", journal=False)
    assert prompt.value == "Shout"


def test_T20_a_new_loader_is_the_one_that_trains() -> None:
    drawn: list[list[int]] = []
    tone: Any = pg.Parameter("plain", name="tone", space=pg.Choice(["plain", "loud"]))
    program = pg.bundle(lambda word: word.upper() if tone.value == "loud" else word)
    rows = [{"word": "w" * n, "target": "W" * n} for n in range(1, 31)]
    with example("extend/add_loader.py") as script:
        loader = script.Curriculum(rows, 5, difficulty=lambda row: len(row.inputs["word"]))
        kept = loader.order(0)
        drawn = [loader.order(epoch) for epoch in range(3)]
        result = MinibatchAlgorithm(program, "edit", loader, "exact_match", validate=rows, parameters=[tone], journal=False).train()
    assert (sorted(kept), sorted(drawn[2])) == (list(range(10)), list(range(30)))
    assert (result.score, tone.value) == (1.0, "loud")


def test_T20_a_new_hook_sees_every_record_until_it_is_taken_out() -> None:
    with example("extend/add_hook.py") as script:
        census = script.Census()
        stop = pg.hooks.on_record(census)
        outs = [script.greet(pg.node("Dear"), name) for name in ("Ada", "Grace")]
        stop()
        script.greet(pg.node("Dear"), "Alan")
    assert len(outs) == sum(census.runs.values()) == 2


def test_T20_a_utility_names_the_package_it_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    with example("extend/add_utility.py") as script:
        assert script.cosine("same", "same")[0] == pytest.approx(1.0)
        monkeypatch.setitem(sys.modules, "numpy", None)
        with pytest.raises(UsageError, match="pip install numpy"):
            script.cosine("a", "b")
