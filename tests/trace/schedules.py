"""Random programs with effects, a pool that runs them in any order, and what the order must be."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from random import Random
from threading import Lock
from typing import Any

import paragrad as pg
from paragrad.context import Scope, scope
from paragrad.trace.nodes import Node, edge_names

RESOURCES = ("a", "b")
EFFECTS: tuple[Any, ...] = (
    (),
    (),
    None,
    pg.reads("a"),
    pg.reads("b"),
    pg.reads("a", "b"),
    pg.writes("a"),
    pg.writes("b"),
    (pg.reads("a"), pg.writes("b")),
    (pg.reads("a"), pg.writes("a")),
    pg.io("console"),
)


class Shuffled:
    """A pool of one thread that picks the next call at random.

    Args:
        haste: how likely a call is run as soon as another one is begun; 0: nothing runs before it is waited for.

    Attributes:
        most: the largest number of calls that could have run at once.
    """

    def __init__(self, random: Random, haste: float = 0.4) -> None:
        self.random = random
        self.haste = haste
        self.ready: list[tuple[Callable[[], Any], Context, Scope | None, Callable[[BaseException | None], Any]]] = []
        self.most = 0

    def start(self, call: Callable[[], Any], context: Context, within: Scope | None, told: Callable[[BaseException | None], Any]) -> None:
        self.ready.append((call, context, within, told))
        self.most = max(self.most, len(self.ready))
        while self.ready and self.random.random() < self.haste:
            self._one()

    def wait(self, turn: Lock) -> None:
        while turn.locked():
            assert self.ready, "nothing can run, and something is waited for"
            self._one()

    def close(self) -> None:
        pass

    def _one(self) -> None:
        call, context, within, told = self.ready.pop(self.random.randrange(len(self.ready)))
        try:
            context.run(_inside, within, call)
        except BaseException as error:  # noqa: BLE001 - as a pool does
            told(error)
        else:
            told(None)


def _inside(within: Scope | None, call: Callable[[], Any]) -> None:
    with scope(within):
        call()


class World:
    """What operations change, and what they did to it, in order."""

    def __init__(self) -> None:
        self.pause: Callable[[], None] = lambda: None
        self.reset()

    def reset(self) -> None:
        self.state = dict.fromkeys(RESOURCES, 1)
        self.log: dict[str, list[tuple[str, int]]] = {name: [] for name in (*RESOURCES, "console", "undeclared")}

    def read(self, name: str, number: int) -> int:
        self.log[name].append(("read", number))
        return self.state[name]

    def write(self, name: str, number: int, value: float) -> None:
        before = self.state[name]
        self.pause()
        self.state[name] = (before * 31 + number + int(value)) % 10_007
        self.log[name].append(("write", number))


@dataclass(frozen=True)
class Call:
    """One line of a program.

    ``form``: "bundle", "nested" (arguments inside containers), "add" (an operator), "depend", "read" (the program looks at it)
    or "inplace".
    """

    form: str
    inputs: tuple[int, ...]
    effects: Any = ()


def program_of(
    random: Random, length: int, forms: tuple[str, ...] = ("bundle", "bundle", "nested", "add", "depend", "read", "inplace")
) -> list[Call]:
    """A random program; line i uses results of lines before it."""
    lines: list[Call] = []
    for i in range(length):
        form = random.choice(forms) if i else "bundle"
        count = random.randint(0, min(i, 2)) if form in ("bundle", "nested") else 2
        inputs = tuple(random.randrange(i) for _ in range(count)) if i else ()
        lines.append(Call(form, inputs, random.choice(EFFECTS) if form in ("bundle", "nested") else ()))
    return lines


def operation(number: int, effects: Any, world: World) -> Any:
    """An operation that does what it declares; one that declares nothing does something to everything."""
    wanted = pg.bundle(lambda: 0, effects=effects).op.effects

    def work(*inputs: Any) -> float:
        total = _total(inputs) + number
        world.pause()
        if wanted is None:
            world.log["undeclared"].append(("write", number))
            total += world.read("a", number)
            world.write("b", number, total)
        for effect in wanted or ():
            if effect.kind == "read":
                total += world.read(effect.resource, number)
        for effect in wanted or ():
            if effect.kind == "write":
                world.write(effect.resource, number, total)
            elif effect.kind == "io":
                world.log[effect.resource].append(("write", number))
        return float(total % 1009)

    work.__qualname__ = f"work{number}"
    return pg.bundle(work, effects=effects, catch=False)


class Program:
    """A program, its operations and the world they act on."""

    def __init__(self, lines: list[Call], x: Any) -> None:
        self.lines = lines
        self.x = x
        self.world = World()
        self.operations = [operation(i, line.effects, self.world) for i, line in enumerate(lines)]

    def run(self, pool: Any = None, workers: int | None = None) -> Any:
        """Run it in a new world; everything that must be the same in every schedule: values, graph, final state, the order
        on every resource (reads may swap)."""
        self.world.reset()
        if pool is None and workers is None:
            made, out = _run(self.lines, self.operations, self.x)
        else:
            with pg.parallel(workers, pool=pool):
                made, out = _run(self.lines, self.operations, self.x)
        world = self.world
        return [m.value for m in made], shape(out), world.state, {name: _orders(log) for name, log in world.log.items()}


def _run(lines: list[Call], operations: list[Any], x: Any) -> tuple[list[Any], Any]:
    made: list[Any] = []
    for line, work in zip(lines, operations, strict=True):
        given = [made[i] for i in line.inputs]
        if line.form == "bundle":
            made.append(work(x, *given))
        elif line.form == "nested":
            made.append(work([x, {"k": given}], *given))
        elif line.form == "add":
            made.append(given[0] + given[1] * 2.0)
        elif line.form == "depend":
            made.append(pg.depend(given[0], given[1]))
        elif line.form == "read":
            made.append(given[0] + float(given[1].value > 500))
        else:
            changed = given[0] - 1.0
            changed += given[1]
            made.append(changed)
    out = made[0]
    for other in made[1:]:
        out = out + other
    return made, out


def _total(value: Any) -> float:
    if isinstance(value, (list, tuple)):
        return sum(_total(x) for x in value)
    if isinstance(value, dict):
        return sum(_total(x) for x in value.values())
    return float(value)


def shape(out: Any) -> list[Any]:
    """A graph as data: per node its operation, value, named operands and what it comes after, numbered from the output."""
    number: dict[int, int] = {}
    rows: list[Any] = []
    stack: list[Node] = [out._n]
    while stack:
        node = stack.pop()
        if id(node) in number:
            continue
        number[id(node)] = len(rows)
        after = node.extra.after if node.extra is not None else ()
        inner = [x for x in (*node.operands(), *after) if isinstance(x, Node)]
        rows.append((type(node).__name__, node.op.name if node.op else "", node.value, node, inner, after))
        stack.extend(inner)
    return [
        (kind, name, value, edge_names(node) if name else (), [number[id(x)] for x in inner], [number[id(x)] for x in after])
        for kind, name, value, node, inner, after in rows
    ]


def _orders(log: list[tuple[str, int]]) -> list[Any]:
    """Writes in order, with the reads between them as sets."""
    found: list[Any] = [set()]
    for kind, number in log:
        if kind == "read":
            found[-1].add(number)
        else:
            found += [number, set()]
    return found


def free_at_first(lines: list[Call]) -> int:
    """How many operations may begin at once at the start, by the definition: no earlier line is in conflict, none is an input."""
    calls = [(i, line) for i, line in enumerate(lines)]
    count = 0
    for i, line in calls:
        if line.form not in ("bundle", "nested") or line.inputs:
            continue
        count += not any(other.form in ("bundle", "nested") and conflict(other.effects, line.effects) for _, other in calls[:i])
    return count


def conflict(first: Any, second: Any) -> bool:
    """Whether two operations must keep their order."""
    one, two = (pg.bundle(lambda: 0, effects=effects).op.effects for effects in (first, second))
    if one is None or two is None:
        return (one is None and two is None) or bool(one) or bool(two)
    shared = {(str(e.resource), e.kind == "io") for e in one if e.kind != "read"} & {(str(e.resource), e.kind == "io") for e in two}
    shared |= {(str(e.resource), e.kind == "io") for e in two if e.kind != "read"} & {(str(e.resource), e.kind == "io") for e in one}
    return bool(shared)
