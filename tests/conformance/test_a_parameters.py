"""Section A: parameters of prompt programs (seed 000)."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import ExecutionError
from paragrad.propagators import Score, Text
from paragrad.protocols.gradient import Feedback
from paragrad.trace import Module, Parameter, Variable, bundle, overlay
from paragrad.trace.call import Call, Views
from paragrad.trace.nodes import extra_of


@bundle(effects=())
def answer(instruction: str, question: str) -> str:
    """Answers a question."""
    return f"{instruction}|{question}"


class Program(Module):
    """One instruction, one call."""

    def __init__(self) -> None:
        self.instruction = Parameter("Be brief.")

    def forward(self, question: Any) -> Any:
        return answer(self.instruction, question)


def in_item(item: int, work: Callable[[], Any]) -> Any:
    """``work`` as item ``item`` of a run."""
    with scope(Scope(Coordinate(item=item))):
        return work()


def test_A1_persistent_and_once_off_are_types() -> None:
    p = Parameter("Be brief.", role="instruction")
    out = answer(p, Variable("Why?"))
    loss = out + " is wrong"
    assert isinstance(p, Parameter)
    assert p.kind == "text"
    for once_off in (Variable("input"), out, loss):
        assert isinstance(once_off, Variable)
        assert not isinstance(once_off, Parameter)
    kinds = {Parameter(v).kind for v in ("text", 1.5, [1.0, 2.0], {"a": 1})}
    assert kinds == {"text", "number", "tensor", "json"}


def test_A2_every_run_makes_new_once_off_variables() -> None:
    program = Program()
    one, two = program("Why?"), program("Why?")
    assert one is not two
    assert one.variable_id != two.variable_id
    assert one.predecessors["instruction"] is two.predecessors["instruction"] is program.instruction


def test_A3_dropped_runs_leave_no_node_alive(left_alive: Callable[[], int]) -> None:
    program = Program()
    program("warm").backward("warm")
    program.instruction.zero_grad()
    start = left_alive()
    for i in range(1000):
        out = program(f"question {i}")
        loss = out.upper() + "!" if i % 2 else out
        if i % 3 == 0:
            loss.backward("shorter")
            program.instruction.zero_grad()
    del out, loss
    assert left_alive() - start == 0


def test_A3_failed_runs_leave_no_node_alive(left_alive: Callable[[], int]) -> None:
    @bundle
    def broken(x: str) -> str:
        raise ValueError(x)

    p = Parameter("abc")
    for _ in range(100):
        with pytest.raises(ExecutionError, match="ABC"):
            broken(p.upper())
    assert left_alive() <= 1  # the Parameter's one version


def test_A4_a_parameter_stays_a_leaf() -> None:
    class Plus(Module):
        def __init__(self) -> None:
            self.p = Parameter("abc")

        def forward(self) -> Any:
            self.p += "x"
            return self.p

    program = Plus()
    with pytest.raises(RuntimeError, match="in place"):
        program()
    with pytest.raises(TypeError, match="stays a leaf"):
        program.p = program.p + "x"
    with pytest.raises(TypeError, match="stays a leaf"):
        program.p = "plain"
    assert program.p.value == "abc"
    assert program.p.is_leaf
    program.p = Parameter("another")
    assert program.p.value == "another"
    with pytest.raises(TypeError):
        Parameter("abc", predecessors=[Variable("x")])  # type: ignore[call-arg]
    numbers = Parameter([1.0, 2.0])
    with pytest.raises(RuntimeError):
        numbers[0] = 3.0
    with pytest.raises(RuntimeError):
        Parameter({"a": 1}).update({"b": 2})


def test_A5_the_graph_is_drawn_three_ways(tmp_path: Any) -> None:
    program = Program()
    out = program(Variable("Why?", role="question"))
    graph = out.graph()
    data = graph.to_dict()
    kinds = {node["label"]: node["persistent"] for node in data["nodes"]}
    assert kinds == {"answer": False, "instruction": True, "question": False}
    assert {(e["argument"]) for e in data["edges"]} == {"instruction", "question"}
    root = ET.fromstring(graph.svg(tmp_path / "g.svg"))
    assert root.tag.endswith("svg")
    assert (tmp_path / "g.svg").read_text(encoding="utf-8") == graph.svg()
    assert "http" not in graph.svg().replace("http://www.w3.org/2000/svg", "")
    mermaid = graph.mermaid()
    assert mermaid.startswith("flowchart TD")
    assert '[("instruction' in mermaid
    assert mermaid.count("-->") == 2


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"]; end; %% {}', "]]>&lt;", "a\x00\x1b[31m\nb", "```\n</svg>", "\ud800", "‮x"]
)
def test_A5_hostile_names_and_data_stay_text(hostile: str, tmp_path: Any) -> None:
    v = Variable(hostile.replace("\ud800", "\ud800"), role=hostile, requires_grad=True, name=hostile)
    graph = answer(v, hostile).graph()
    svg = graph.svg(tmp_path / "x.svg")
    root = ET.fromstring(svg)
    tags = {e.tag.rpartition("}")[2] for e in root.iter()}
    assert tags <= {"svg", "defs", "marker", "path", "rect", "g", "title", "text"}
    lines = graph.mermaid().splitlines()
    assert len(lines) == 1 + len(graph.nodes) + len(graph.edges)
    for line in lines[1:]:
        assert line.count('"') == 2
        assert "<script" not in line


def test_A6_a_batch_accumulates_everything_in_item_order() -> None:
    program = Program()

    def one(item: int) -> None:
        out = program(f"q{item}")
        out.backward(Feedback(item / 100, f"words {item}"))

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(copy_context().run, in_item, item, lambda item=item: one(item)) for item in reversed(range(100))]:
            done.result()
    p = program.instruction
    assert [g.value for g in p.grad] == [f"words {i}" for i in range(100)]
    assert [(s.item, s.value) for s in p.scores] == [(i, i / 100) for i in range(100)]
    assert [(e.item, e.steps[0].input_args["question"]) for e in p.episodes] == [(i, f"q{i}") for i in range(100)]


def test_A6_numbers_sum_to_the_same_bits_in_any_order() -> None:
    values = [10.0**k * (-1) ** k for k in range(-8, 9)] * 6

    def total(order: list[int], workers: int) -> tuple[float, int]:
        p = Parameter(1.0)
        with ThreadPoolExecutor(workers) as pool:
            jobs = [pool.submit(copy_context().run, in_item, i, lambda i=i: (p * values[i]).backward()) for i in order]
            for job in jobs:
                job.result()
        return p.grad[0].value, p.grad.count

    forward, backward = list(range(len(values))), list(reversed(range(len(values))))
    assert len({total(forward, 1), total(backward, 1), total(forward, 8)}) == 1


def test_A6_arrays_sum_to_the_same_bits_in_any_order() -> None:
    np = pytest.importorskip("numpy")
    values = [np.array([10.0**k, 1.0 / 3]) * (-1) ** k for k in range(-8, 9)]
    seen = set()
    for order in (range(len(values)), reversed(range(len(values)))):
        p = Parameter(np.ones(2))
        for i in order:
            in_item(i, lambda i=i, p=p: (p * values[i]).backward(np.ones(2)))
        seen.add(p.grad[0].value.tobytes())
        assert p.grad.count == len(values)
    assert len(seen) == 1


def test_A6_concurrent_candidates_share_no_accumulator() -> None:
    program = Program()

    def candidate(k: int) -> tuple[str, list[str]]:
        with overlay({program.instruction: f"candidate {k}"}):
            for _ in range(20):
                out = program("Why?")
                out.backward(f"about {k}")
            return out.value, [g.value for g in program.instruction.grad]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(candidate, range(8)))
    for k, (value, grads) in enumerate(results):
        assert value == f"candidate {k}|Why?"
        assert grads == [f"about {k}"] * 20
    assert list(program.instruction.grad) == []
    assert program.instruction.value == "Be brief."


def test_A7_predecessors_are_ordered_named_edges_at_any_nesting() -> None:
    @bundle
    def many(a: Any, *rest: Any, key: Any, **more: Any) -> str:
        return "out"

    v = {name: Variable(name, requires_grad=True) for name in "abcdefg"}
    out = many(v["a"], [v["b"], {"k": v["c"]}], (1, (v["d"],)), key={"x": [v["e"]]}, z=v["f"], y=v["g"])
    assert list(out.predecessors) == ["a", "rest[0][0]", "rest[0][1]['k']", "rest[1][1][0]", "key['x'][0]", "more['z']", "more['y']"]
    assert [p.value for p in out.predecessors.values()] == list("abcdefg")
    assert all(p is v[p.value] for p in out.predecessors.values())
    total = v["a"] + v["b"]
    assert list(total.predecessors.items()) == [("left", v["a"]), ("right", v["b"])]
    joined = Variable("-").join([v["a"], "x", v["b"]])
    assert [p.value for p in joined.predecessors.values()] == ["-", "a", "b"]
    replaced = v["a"].replace("a", v["b"])
    assert [p.value for p in replaced.predecessors.values()] == ["a", "b"]


def test_A11_a_call_is_tracked_as_an_immutable_snapshot() -> None:
    history = [{"role": "user", "content": "hi"}]
    settings = {"temperature": 0.5}

    @bundle(effects=())
    def chat(messages: list[dict[str, str]], settings: dict[str, float], *, stop: str = ".") -> str:
        return messages[-1]["content"]

    out = chat(history, settings)
    history[0]["content"] = "changed"
    settings["temperature"] = 1.0
    call = out.call
    assert dict(call.input_args) == {"messages": [{"role": "user", "content": "hi"}], "settings": {"temperature": 0.5}, "stop": "."}
    with pytest.raises(TypeError):
        call.input_args["stop"] = "!"
    with pytest.raises(AttributeError):
        call.input_args = {}
    assert call.error is None
    assert call.started <= call.ended
    assert out.data == "hi"


def test_A11_a_generator_tracks_reply_parse_error_and_usage() -> None:
    from paragrad.llm import Fake, Response
    from paragrad.llm.types import Usage
    from paragrad.modules.generator import Generator

    replies = iter(["42", "forty-two"])
    model = Fake(lambda request: Response(text=next(replies), usage=Usage(input_tokens=7, output_tokens=2)))
    generator = Generator("How many?", output=int, inputs=["thing"], model=model)
    out = generator(thing="apples")
    assert (out.value, out.call.raw_response, out.call.error) == (42, "42", None)
    assert out.call.usage.input_tokens == 7
    assert dict(out.call.input_args) == {"thing": "apples"}
    with pytest.raises(ExecutionError) as caught:
        generator(thing="pears")
    failed = caught.value.output
    assert failed.call.raw_response == "forty-two"
    assert failed.call.error is not None
    assert "instruction" in failed.predecessors


def test_A11_threads_never_see_each_others_calls() -> None:
    def one(i: int) -> tuple[int, Any]:
        return i, answer(f"i{i}", f"q{i}").call.input_args

    with ThreadPoolExecutor(16) as pool:
        for i, args in pool.map(one, range(400)):
            assert dict(args) == {"instruction": f"i{i}", "question": f"q{i}"}


def test_A12_any_component_can_make_such_a_variable() -> None:
    p, q = Parameter("p"), Variable("q")
    by_name = Variable(
        ["doc"], role="retrieved", name="retriever_output", predecessors={"query": q, "index": p}, input_args={"k": 3, "query": q}
    )
    assert by_name.predecessors == {"query": q, "index": p}
    assert (by_name.name, by_name.role, by_name.data) == ("retriever_output", "retrieved", ["doc"])
    assert dict(by_name.call.input_args) == {"k": 3, "query": "q"}
    in_order = Variable(1, predecessors=[p, q])
    assert list(in_order.predecessors.values()) == [p, q]
    by_name.backward("wrong document")
    assert [g.value for g in p.grad] == ["wrong document"]
    with pytest.raises(TypeError, match="predecessor"):
        Variable("x", predecessors=["not a variable"])  # type: ignore[list-item]
    parse = bundle(lambda text: text.split(","))
    assert parse(Variable("a,b", requires_grad=True)).value == ["a", "b"]
    assert parse.forward("a,b") == ["a", "b"]
    assert Program().forward(q).value == "Be brief.|q"


def test_A14_scores_and_words_travel_separately() -> None:
    program = Program()
    p = program.instruction
    program("q").backward(Feedback(0.25))
    assert [s.value for s in p.scores] == [0.25]
    assert list(p.grad) == []
    p.zero_grad()
    program("q").backward(Feedback(text="too long"))
    assert [g.value for g in p.grad] == ["too long"]
    assert p.scores == []
    p.zero_grad()
    asked: list[str] = []
    program("q").backward(Feedback(0.5, "words"), propagators=[Score()])
    assert (len(p.scores), len(p.grad)) == (1, 0)
    p.zero_grad()
    program("q").backward(Feedback(0.5, "words"), propagators=[Text(lambda record, g: asked.append(g) or {"instruction": g.upper()})])
    assert (p.scores, [g.value for g in p.grad], asked) == ([], ["WORDS"], ["words"])


def test_A15_scores_are_records() -> None:
    program = Program()
    p = program.instruction
    program("q").backward(Feedback(-3.5, exact=0, length=1e9, broken=math.nan))
    program("q").backward(Feedback(None, status="outage"))
    program("q").backward(Feedback(0.0))
    found = [(s.metric, s.value, s.status, s.component) for s in p.scores]
    assert found[:4] == [
        ("score", -3.5, "ok", "answer"),
        ("exact", 0.0, "ok", "answer"),
        ("length", 1e9, "ok", "answer"),
        ("broken", None, "nan", "answer"),
    ]
    assert found[4][1:3] == (None, "outage")
    assert found[5][1:3] == (0.0, "ok")


def test_A16_consumer_critic_and_metric_have_their_own_view() -> None:
    p = Parameter("Be brief.")
    out = answer(p, "q")
    extra_of(out._n).call = Call(raw_response="<b>raw</b>", views=Views(critic="what the critic reads", metric="what the metric reads"))
    assert out.value == "Be brief.|q"
    shown: list[Any] = []

    def critic(record: Any, words: Any) -> dict[str, str]:
        shown.append((record.value, record.call.views.critic, record.call.views.metric))
        return {"instruction": words}

    out.backward("no", propagators=[Text(critic)])
    assert shown == [("Be brief.|q", "what the critic reads", "what the metric reads")]
