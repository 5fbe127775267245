"""Traced calls of the user's functions: plain values in, a record out."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from paragrad.errors import ExecutionError
from paragrad.protocols.data import Step
from paragrad.trace.binding import Binder
from paragrad.trace.call import Call
from paragrad.trace.escapes import Reads, label_of
from paragrad.trace.failure import PASSING, Failure, failure_of
from paragrad.trace.nodes import Const, Node, extra_of
from paragrad.trace.operation import Operation
from paragrad.trace.record import Edges, make
from paragrad.trace.state import STATE, State
from paragrad.trace.values import freeze
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

    __slots__ = ("arguments", "binder", "bound", "catch", "edges", "op", "plain", "reads", "started", "state")

    def __init__(self, op: Operation, binder: Binder, args: tuple[Any, ...], kwargs: Mapping[str, Any], catch: bool, strict: bool, bound: Any = None) -> None:
        self.op = op
        self.binder = binder
        self.catch = catch
        self.bound = bound
        self.state: State = STATE.get()
        self.edges = Edges()
        self.arguments = binder(args if bound is None else (bound, *args), kwargs)
        skip = binder.names[0] if bound is not None and binder.names else None
        self.plain = {n: (v if n == skip else self.edges.plain(v, n)) for n, v in self.arguments.items()}
        self.reads = Reads(strict, self.state.reads, every=True)
        self.reads.declare(self.edges.nodes)
        self.started = time.time()

    def inside(self) -> State:
        """The state in which the function's body runs."""
        return self.state.but(reads=self.reads)

    def snapshot(self) -> Mapping[str, Any]:
        """The arguments as they were, by name."""
        skip = self.binder.names[0] if self.bound is not None and self.binder.names else None
        return MappingProxyType({n: freeze(v) for n, v in self.plain.items() if n != skip})

    def finish(self, result: Any) -> Variable[Any]:
        """Record the result; a Variable among it keeps its own history."""
        edges = self.edges
        value = edges.plain(result, "return") if _holds_variable(result) else result
        declared = {id(node) for node in edges.nodes}
        for node in self.reads.nodes:
            if id(node) not in declared:
                edges.add(f"read:{label_of(node)}", node)
        return wrap(self._record(freeze(value)))

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
        node = make(self.state, value, self.op, self.edges.nodes, self.edges.paths)
        call = Call(self.snapshot(), error=error, started=self.started, ended=time.time(), component=self.op.name)
        extra_of(node).call = call
        if self.state.steps is not None:
            self.state.steps.append(Step(call.component, call.input_args, value))
        return node


def _holds_variable(value: Any) -> bool:
    cls = value.__class__
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
        if inspect.isgenerator(result):
            result = list(result)
    except PASSING:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - any failure of the user's function is an output
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
    except (Exception, SystemExit) as error:  # noqa: BLE001 - any failure of the user's function is an output
        if not tracing.catch:
            raise
        raise tracing.fail(error) from None
    finally:
        STATE.reset(token)
    return tracing.finish(result)


def with_reads(value: Any, reads: Reads) -> Variable[Any]:
    """A program's result, with an edge to everything it read as a plain value."""
    if isinstance(value, Variable) and not reads.nodes:
        return value
    edges = Edges()
    plain = edges.plain(value, "value") if _holds_variable(value) else value
    if isinstance(value, Variable):
        known = {id(value._n), *map(id, value._n.operands())}
    else:
        known = set(map(id, edges.nodes))
    fresh = [node for node in reads.nodes if id(node) not in known]
    if isinstance(value, Variable) and not fresh:
        return value
    if not fresh and not edges.nodes:
        return wrap(Const(freeze(plain)))
    for node in fresh:
        edges.add(f"read:{label_of(node)}", node)
    return wrap(make(STATE.get(), freeze(plain), READ, edges.nodes, edges.paths))
