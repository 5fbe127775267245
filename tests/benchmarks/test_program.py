"""The landscape as a Paragrad program: one Parameter per component, all behind the output; every evaluation counted (simulated)."""

from random import Random

import paragrad as pg
from benchmarks.landscapes import Counter, Landscape
from benchmarks.landscapes.program import Program, ScriptedReflect, data, metric, model
from benchmarks.p07_search import one
from paragrad.protocols.evidence import Evidence, ItemEvidence


def test_the_output_depends_on_every_component():
    landscape = Landscape("hard4", 0, 10)
    program = Program(landscape.start)
    with pg.llm.use(model()):
        output = program(3)
    assert [p.id for p in program.parameters()] == landscape.components
    assert output.value.split("\n") == list(landscape.start)
    pg.backward(output, "wrong: missing r1 in c1")
    assert all(len(p.grad) == 1 for p in program.parameters())


def test_evaluations_are_metric_calls():
    landscape = Landscape("friendly", 0, 10)
    counter = Counter(landscape)
    found = pg.evaluate(Program(landscape.start), data(landscape.validate), metric=metric(counter), model=model())
    assert counter.calls == 10
    assert found.score == sum(landscape.score(e, landscape.start)[0] for e in landscape.validate) / 10


def test_every_blamed_component_is_rewritten():
    landscape = Landscape("hard4", 0, 10)
    parameters = {p.id: pg.optimizers.base.evidence_of(p) for p in Program(landscape.start).parameters()}
    said = ["wrong: missing r1 in c1", "wrong: missing r2 in c2; missing r5 in c1", "correct"]
    items = [ItemEvidence(i, {}, None, None, {"score": float(text == "correct")}, text) for i, text in enumerate(said)]
    evidence = Evidence(parameters, items, random=Random(0))
    candidates, _ = ScriptedReflect(landscape).propose(evidence, {}, n=8, ask=None)
    assert len(candidates) == 8
    assert {id for c in candidates for id in c.changed()} == {"c1", "c2"}
    only, _ = ScriptedReflect(landscape, one=True).propose(evidence, {}, n=8, ask=None)
    assert {id for c in only for id in c.changed()} == {"c1"}
    assert ScriptedReflect(landscape).propose(Evidence(parameters, items[2:]), {}, n=2, ask=None) == ([], {})


def test_a_run_is_counted_and_repeatable():
    first, second = (one("minibatch", "noise", 30, 0, 600) for _ in range(2))
    told = ("texts", "final", "reported", "stopped")  # counts depend on the rounds under way
    assert [first[key] for key in told] == [second[key] for key in told]
    assert 0 < first["calls"] <= 600
    assert first["final"] > 0.1
