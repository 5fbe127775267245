"""Traced calls of the user's functions: plain values in, a record out."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import GeneratorType, MappingProxyType
from typing import Any

from paragrad.errors import ExecutionError
from paragrad.protocols.data import Step
from paragrad.trace.binding import Binder
from paragrad.trace.call import NO_VIEWS, Call
from paragrad.trace.escapes import Reads, label_of
from paragrad.trace.failure import PASSING, Failure, failure_of
from paragrad.trace.nodes import Const, Node, extra_of
from paragrad.trace.operation import Operation
from paragrad.trace.parameter import Parameter
from paragrad.trace.record import Edges, make
from paragrad.trace.state import STATE, State
from paragrad.trace.values import ATOMS, freeze, thaw
from paragrad.trace.variable import Variable, wrap

READ = Operation("read", lambda value, *_: value, kind="read")


class Tracing:
    """One call in progress: its edges, what it reads, how it ends.

    Args:
        op: the operation called.
        binder: names its arguments.
        catch: whether an exception becomes an output.
        strict: whether an undeclared read is an error.
        bound: the object a method is bound to, handed on but no argument of the record.
    """

    __slots__ = ("binder", "catch", "edges", "kept", "op", "plain", "reads", "started", "state")

    def __init__(
        self, op: Operation, binder: Binder, args: tuple[Any, ...], kwargs: Mapping[str, Any], catch: bool, strict: bool, bound: Any = None
    ) -> None:
        self.op = op
        self.binder = binder
        self.catch = catch
        self.state: State = STATE.get()
        self.edges = edges = Edges()
        self.plain: dict[str, Any] = {}
        self.kept: dict[str, Any] = {}
        plain, kept, both = self.plain, self.kept, edges.both
        hidden = binder.names[0] if bound is not None and binder.names else None
        for name, given in binder.pairs(args if bound is None else (bound, *args), kwargs):
            if name == hidden:
                plain[name] = given
            elif given.__class__ in ATOMS:
                plain[name] = kept[name] = given
            else:
                plain[name], kept[name] = both(given, name)
        self.reads = Reads(strict, self.state.reads, True, edges.nodes)
        self.started = time.time()

    def inside(self) -> State:
        """The state in which the function's body runs."""
        return self.state.reading(self.reads)

    def finish(self, result: Any) -> Variable[Any]:
        """Record the result; a Variable among it keeps its own history."""
        edges = self.edges
        value = result
        if result.__class__ not in ATOMS:
            value = freeze(edges.plain(result, "return") if _holds_variable(result) else result)
        declared = {id(node) for node in edges.nodes} if self.reads.nodes else ()
        for node in self.reads.nodes:
            if id(node) not in declared:
                edges.add(f"read:{label_of(node)}", node)
        return wrap(self._record(value))

    def fail(self, error: BaseException) -> ExecutionError:
        """The exception as this call's output."""
        inner = error.output if isinstance(error, ExecutionError) else None
        failure = failure_of(error)
        for node in self.reads.nodes:
            self.edges.add(f"read:{label_of(node)}", node)
        if isinstance(inner, Variable):
            self.edges.add("raised", inner._n)
        output = wrap(self._record(failure, failure))
        return ExecutionError(f"{self.op.name} failed: {failure}", output)

    def _record(self, value: Any, error: Failure | None = None) -> Node:
        op, state = self.op, self.state
        node = make(state, value, op, self.edges.nodes, self.edges.paths)
        kept = MappingProxyType(self.kept)
        extra_of(node).call = Call._make((kept, None, error, None, self.started, time.time(), NO_VIEWS, op.name))
        if state.steps is not None:
            state.steps.append(Step(op.name, kept, value))
        return node


def quick(op: Operation, args: Sequence[Any]) -> Variable[Any] | None:
    """A call of an ``@op`` on Variables and atoms, recorded like a generated operator; None when it needs the general way."""
    state = STATE.get()
    if not state.fast or state.steps is not None:
        return None
    operands: list[Any] = []
    plain: list[Any] = []
    for x in args:
        if x.__class__ in ATOMS:
            operands.append(x)
            plain.append(x)
        elif isinstance(x, Variable):
            node = x._n
            value = node.value
            operands.append(node)
            plain.append(value if value.__class__ in ATOMS else thaw(value))
        else:
            return None
    reads = Reads(False, state.reads, True, operands)
    token = STATE.set(state.reading(reads))
    try:
        value = op.fn(*plain)
    finally:
        STATE.reset(token)
    if value.__class__ in ATOMS and not reads.nodes:
        return wrap(make(state, value, op, operands))
    return _with_all(state, op, operands, reads, value)


def _with_all(state: State, op: Operation, operands: Sequence[Any], reads: Reads, value: Any) -> Variable[Any]:
    """The record of a quick call that returned more than an atom, or read what it had not declared."""
    edges = Edges()
    value = list(value) if value.__class__ is GeneratorType else value
    value = freeze(edges.plain(value, "return"))
    for node in reads.nodes:
        edges.add(f"read:{label_of(node)}", node)
    if not edges.nodes:
        return wrap(make(state, value, op, operands))
    return wrap(make(state, value, op, [*operands, *edges.nodes], [*op.names(len(operands)), *edges.paths]))


def _holds_variable(value: Any) -> bool:
    cls = value.__class__
    if cls in ATOMS:
        return False
    if isinstance(value, Variable):
        return True
    if cls is dict:
        return any(_holds_variable(x) for x in value.values())
    return cls in (list, tuple) and any(_holds_variable(x) for x in value)


def run(tracing: Tracing, fn: Callable[..., Any]) -> Variable[Any]:
    """Call ``fn`` on plain values and record what comes back.

    Raises:
        ExecutionError: it raised and ``catch`` is on; ``.output`` is the error as a Variable.
    """
    token = STATE.set(tracing.inside())
    try:
        result = tracing.binder.call(fn, tracing.plain)
        if result.__class__ is GeneratorType:
            result = list(result)
    except PASSING:
        raise
    except (Exception, SystemExit) as error:
        if not tracing.catch:
            raise
        raise tracing.fail(error) from None
    finally:
        STATE.reset(token)
    return tracing.finish(result)


async def run_async(tracing: Tracing, fn: Callable[..., Any]) -> Variable[Any]:
    """The same for coroutine functions and async generators."""
    token = STATE.set(tracing.inside())
    try:
        made = tracing.binder.call(fn, tracing.plain)
        result = [x async for x in made] if inspect.isasyncgen(made) else await made
    except PASSING:
        raise
    except (Exception, SystemExit) as error:
        if not tracing.catch:
            raise
        raise tracing.fail(error) from None
    finally:
        STATE.reset(token)
    return tracing.finish(result)


def with_reads(value: Any, reads: Reads) -> Variable[Any]:
    """A program's result, with an edge to everything it read as a plain value."""
    group = STATE.get().parallel
    if group is not None and group.among((value,), {}):
        return group.step("module", partial(with_reads, reads=reads), value)  # type: ignore[no-any-return]
    if not reads.nodes and isinstance(value, Variable):
        return value
    edges = Edges()
    plain = edges.plain(value, "value") if _holds_variable(value) else value
    known = set(map(id, edges.nodes))
    if isinstance(value, Variable):
        known.update(map(id, value._n.operands()))
    fresh = [node for node in reads.nodes if id(node) not in known]
    if isinstance(value, Variable) and not fresh:
        return value
    if not fresh and not edges.nodes:
        return wrap(Const(freeze(plain)))
    for node in fresh:
        edges.add(f"read:{label_of(node)}", node)
    made = make(STATE.get(), freeze(plain), READ, edges.nodes, edges.paths)
    return _like(value, made) if isinstance(value, Variable) else wrap(made)


def _like(value: Variable[Any], node: Node) -> Variable[Any]:
    """A handle of the kind of ``value`` on ``node``, with its name, role and call."""
    old = value._n.extra
    if old is not None:
        extra = extra_of(node)
        extra.name, extra.role, extra.space, extra.call = old.name, old.role, old.space, old.call
    made: Variable[Any] = Variable.__new__(Variable if isinstance(value, Parameter) else type(value))
    made._n = node
    return made
