"""Section T: tracing (seed 003). Optimizers, trainers and data have files of their own."""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from paragrad.errors import ExecutionError, UsageError
from paragrad.propagators import Subgraph
from paragrad.trace import Module, Parameter, Variable, backward, bundle, model, node
from paragrad.trace.failure import Failure


def edges(out: Any) -> dict[str, Any]:
    return {name: v.value for name, v in out.predecessors.items()}


class Tools:
    """Methods of every kind."""

    factor = 3

    @bundle
    def method(self, x: int) -> int:
        return x * self.factor

    @bundle
    @staticmethod
    def static(x: int) -> int:
        return x + 1

    @bundle
    @classmethod
    def klass(cls, x: int) -> int:
        return x + cls.factor


def test_T1_node_marks_objects() -> None:
    plain = node("x", name="n", description="d")
    assert (type(plain), plain.name, plain.role, plain.requires_grad) == (Variable, "n", "d", False)
    trained = node("x", trainable=True, name="n", description="d", constraint="one word")
    assert (type(trained), trained.name, trained.role, trained.requires_grad, trained.constraint) == (Parameter, "n", "d", True, "one word")
    assert node(plain) is plain
    thing = object()
    assert node(thing).value is thing
    assert node(Variable("v"), trainable=True).value == "v"


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (bundle(lambda x: x * 2), {"x": 4}),
        (bundle(abs), {"x": 4}),
        (bundle(functools.partial(pow, 2)), None),
        (bundle(max), None),
        (Tools().method, {"x": 4}),
        (Tools().static, {"x": 4}),
        (Tools.static, {"x": 4}),
        (Tools().klass, {"x": 4}),
        (Tools.klass, {"x": 4}),
    ],
    ids=["lambda", "builtin", "partial", "no signature", "method", "static", "static of class", "class method", "class method of class"],
)
def test_T1_bundle_makes_operations_of_any_function(fn: Any, expected: dict[str, int] | None) -> None:
    x = Variable(4, requires_grad=True)
    args = (x, 3) if expected is None else (x,)
    out = fn(*args)
    plain = {"<lambda>": 8, "abs": 4, "partial": 2**4 % 3 if len(args) == 2 else None, "max": 4}
    name = out.grad_fn.name
    wanted = {"Tools.method": 12, "Tools.static": 5, "Tools.klass": 7}.get(name) or plain.get(name.rpartition(".")[2])
    assert out.value == wanted
    assert list(out.predecessors.values()) == [x]
    if expected is not None:
        assert edges(out) == expected or list(out.predecessors) == list(fn.op.argnames or ())[-1:]


def test_T1_functions_without_source_are_traced() -> None:
    namespace: dict[str, Any] = {}
    exec("def made(a, b=2, *rest, c=3, **more): return (a, b, rest, c, more)", namespace)
    out = bundle(namespace["made"])(Variable(1, requires_grad=True), c=Variable(9, requires_grad=True), z=1)
    assert out.value == (1, 2, (), 9, {"z": 1})
    assert edges(out) == {"a": 1, "c": 9}


def test_T1_coroutines_and_generators_are_traced() -> None:
    @bundle
    async def slow(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    @bundle
    def some(x: int) -> Iterator[int]:
        yield x
        yield x + 1

    @bundle
    async def many(x: int) -> AsyncIterator[int]:
        yield x
        await asyncio.sleep(0)
        yield x + 1

    x = Variable(4, requires_grad=True)

    async def all_of_them() -> list[Any]:
        return [await slow(x), *await asyncio.gather(*(slow(x + i) for i in range(50))), await many(x)]

    first, *rest, last = asyncio.run(all_of_them())
    assert first.value == 5
    assert [r.value for r in rest] == [5 + i for i in range(50)]
    assert some(x).value == [4, 5]
    assert last.value == [4, 5]
    for out in (first, some(x), last):
        assert edges(out) == {"x": 4}


def test_T2_trainable_things_are_found_everywhere_once() -> None:
    shared = Parameter("shared")

    class Inner(Module):
        def __init__(self) -> None:
            self.p = Parameter("inner")
            self.again = shared

    @model
    class Outer:
        def __init__(self) -> None:
            self.a = node("a", trainable=True)
            self.fixed = node("fixed")
            self.many = [Parameter("m0"), {"k": Parameter("mk")}, (shared,)]
            self.inner = Inner()
            self.loop = self

        @bundle(trainable=True)
        def code(self, x: str) -> str:
            """Some code."""
            return x

        def forward(self, x: str) -> Any:
            return self.code(self.a)

    program = Outer()
    found = program.named_parameters()
    assert list(found) == ["a", "many.0", "many.1.k", "many.2.0", "inner.p", "code.code"]
    assert found["many.2.0"] is shared
    assert {p.value for p in program.parameters(kind="text")} == {"a", "m0", "mk", "shared", "inner"}
    assert [p.kind for p in program.parameters(kind="code")] == ["code"]
    assert [p.value for p in program.parameters(name="many.*")] == ["m0", "mk", "shared"]


def test_T3_the_graph_is_data_and_carries_feedback() -> None:
    p = node("Yo", trainable=True, name="style")
    first = bundle(lambda request: request.split()[0])(Variable("Ada Lovelace", name="request"))
    out = bundle(lambda style, name: f"{style} {name}")(p, first)
    data = json.loads(json.dumps(out.graph().to_dict()))
    assert len(data["nodes"]) == 4
    assert sorted(e["argument"] for e in data["edges"]) == ["name", "request", "style"]
    assert out.predecessors["name"].predecessors["request"].value == "Ada Lovelace"
    out.backward("be formal")
    assert [g.value for g in p.grad] == ["be formal"]


def test_T3_several_outputs_with_several_feedbacks_accumulate() -> None:
    p = node("Yo", trainable=True)
    greet = bundle(lambda style, name: f"{style} {name}")
    outs = [greet(p, name) for name in ("Ada", "Alan", "Grace")]
    backward(outs, ["one", "two", "three"])
    assert [g.value for g in p.grad] == ["one", "two", "three"]
    assert [c.item for c in p._accumulator().texts] == [0, 1, 2]
    with pytest.raises(ValueError, match="feedback"):
        backward(outs, ["only one"])


def test_T3_the_minimal_subgraph_reaches_the_optimizer() -> None:
    p = node("Yo", trainable=True)
    greet = bundle(lambda style, name: f"{style} {name}")
    greet(p, "Ada").backward("be formal", propagators=[Subgraph()])
    (calling,) = p._accumulator().graphs
    assert calling.arguments == (("style", "Yo"),)
    assert calling.consumers[0].feedback == "be formal"


def fails(message: str) -> str:
    """Fails on purpose."""
    checked = message.strip()
    raise ValueError(f"cannot use {checked}")


def test_T5_an_exception_is_an_output_with_the_annotated_line() -> None:
    p = node(" abc ", trainable=True)
    with pytest.raises(ExecutionError) as caught:
        bundle(fails)(p)
    out = caught.value.output
    assert isinstance(out.value, Failure)
    assert (out.value.type, out.value.message) == ("ValueError", "cannot use abc")
    assert 'raise ValueError(f"cannot use {checked}")  <--- (ValueError) cannot use abc' in out.value.report
    assert "checked = message.strip()" in out.value.report
    assert out.call.error is out.value
    assert edges(out) == {"message": " abc "}
    out.backward(str(out.value))
    assert "cannot use abc" in p.grad[0].value


def test_T5_exit_and_nested_failures_are_outputs_too() -> None:
    p = node("x", trainable=True)

    @bundle
    def leaves(x: str) -> str:
        sys.exit(3)

    @bundle
    def outer(x: str) -> str:
        return str(leaves(x))

    with pytest.raises(ExecutionError) as caught:
        outer(p)
    assert caught.value.output.value.type == "SystemExit"
    caught.value.output.backward("do not exit")
    assert [g.value for g in p.grad] == ["do not exit"]

    @bundle
    def without_words(x: str) -> str:
        raise KeyError

    with pytest.raises(ExecutionError, match="KeyError"):
        without_words(p)


def test_T5_ordinary_except_works_and_the_world_is_never_an_output() -> None:
    p = node("x", trainable=True)

    def careful(x: Any) -> Any:
        try:
            return bundle(fails)(x)
        except ExecutionError as error:
            return error.output

    assert careful(p).value.type == "ValueError"
    for world in (ConnectionError("down"), TimeoutError("late"), KeyboardInterrupt()):

        @bundle
        def outage(x: str, world: BaseException = world) -> str:
            raise world

        with pytest.raises(type(world)):
            outage(p)


def test_T6_undeclared_reads_are_found() -> None:
    hidden, other = node("hidden", trainable=True, name="hidden"), node("other", name="other")
    watched = Variable("w", requires_grad=True, name="watched")

    @bundle
    def sneaky(x: str) -> str:
        return f"{x} {hidden} {other!s} {watched.value}"

    out = sneaky(Variable("x", name="x"))
    assert list(out.predecessors) == ["x", "read:hidden", "read:other", "read:watched"]
    out.backward("w")
    assert len(hidden.grad) == len(watched.grad) == 1

    strict = bundle(strict=True, catch=False)(sneaky.fn)
    with pytest.raises(RuntimeError, match=r"hidden was read at test_t_tracing.py:\d+"):
        strict("x")

    @bundle(strict=True, catch=False)
    def local(x: str) -> str:
        return str(Variable(x).upper()) + Variable("own").value

    assert local(hidden).value == "HIDDENown"


def test_T6_a_declared_argument_is_no_hidden_read() -> None:
    p = node("p", trainable=True, name="p")

    @bundle(strict=True, catch=False)
    def declared(x: str, y: Any = None) -> str:
        return f"{x} {p}"

    assert list(declared(p).predecessors) == ["x"]


EXPORTED = """
import re as regex
import paragrad.trace as trace

SEPARATOR = " "

@trace.bundle
def words(text):
    return regex.split(SEPARATOR, text)

class Ending(trace.Module):
    def __init__(self):
        self.mark = trace.Parameter("?")
    def forward(self, text):
        return text + self.mark.value

@trace.model
class Greeter:
    '''Greets.'''

    def __init__(self, punctuation):
        self.style = trace.node("Yo", trainable=True, description="the greeting word")
        self.settings = trace.node({"upper": False, "times": [1, 2]}, trainable=True)
        self.punctuation = punctuation
        self.ending = Ending()
        self.more = [trace.node(1.5, trainable=True)]

    @trace.bundle(trainable=True)
    def surname(self, request):
        '''The family name.'''
        return words(request).value[0]

    @trace.bundle
    def greet(self, style, name, settings):
        return (style + " " + name + self.punctuation) * len(settings["times"])

    def forward(self, request):
        return self.ending(self.greet(self.style, self.surname(request), self.settings))
"""


def test_T14_a_plain_class_becomes_a_module_and_exports_to_plain_python(tmp_path: Any, monkeypatch: Any) -> None:
    (tmp_path / "greeter_module.py").write_text(EXPORTED, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    greeter = importlib.import_module("greeter_module").Greeter("!")
    assert isinstance(greeter, Module)
    assert greeter("Ada Lovelace").value == "Yo Ada!Yo Ada!?"
    greeter.style.data = 'Dear "friend"'
    greeter.settings.data = {"upper": True, "times": [1]}
    greeter.ending.mark.data = "."
    greeter.more[0].data = 2.5
    learnt = "def surname(self, request):\n    '''The family name.'''\n    return words(request)[-1]\n"
    greeter.parameters(kind="code")[0].data = learnt
    target = tmp_path / "exported.py"
    text = greeter.export(target)
    assert "paragrad" not in text.partition("\n")[2]
    assert target.read_text(encoding="utf-8") == text
    program = "import sys; sys.modules['paragrad'] = None\nfrom exported import Greeter\ng = Greeter('!')\nprint(g('Ada Lovelace'), g.style, g.more)"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ['Dear "friend" Lovelace!. Dear "friend" [2.5]']


def test_T14_what_cannot_be_written_is_an_error() -> None:
    class Holder(Module):
        def __init__(self) -> None:
            self.p = Parameter(object(), space=_opaque())

        def forward(self) -> Any:
            return self.p

    with pytest.raises(UsageError, match="cannot be written"):
        Holder().export()


def _opaque() -> Any:
    from paragrad.spaces.opaque import Opaque

    return Opaque()


def test_T21_layers() -> None:
    from tests.test_architecture import imports_of, package_files

    trace = [m for path in package_files() if "paragrad/trace/" in str(path) for m in imports_of(path)]
    assert trace
    allowed = {"errors", "registry", "events", "context", "protocols", "trace"}
    for name in trace:
        if name.startswith("paragrad."):
            assert name.split(".")[1] in allowed, name
    for path in package_files():
        if "paragrad/optimizers/" in str(path):
            assert not [m for m in imports_of(path) if m.startswith("paragrad.trainers")], path
