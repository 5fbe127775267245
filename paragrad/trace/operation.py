"""Operation: what was called, its argument names, and its gradient rules.

Rules are looked up by kind of gradient. ``rules[kind]`` is either one function per edge,
``(g, out, *operands) -> gradient`` (``PASS`` hands g on, ``STOP`` hands nothing on), or one function
for all edges that returns a sequence or a mapping by argument name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paragrad import registry

Rule = Callable[..., Any]


def PASS(g: Any, *_: Any) -> Any:
    """The rule that hands the gradient on unchanged."""
    return g


def STOP(*_: Any) -> None:
    """The rule that hands nothing on."""


class Operation:
    """A traced operation.

    Attributes:
        name: unique for the generated operators ("add", "str.upper"); a qualified name for the user's.
        fn: the plain function on raw values.
        argnames: names of the arguments, or None for positional ``x0, x1, ...``.
        kind: "operator" (generated), "op", "bundle", "model", "component" or "read".
        description: for people and models; defaults to the docstring.
        effects: declared effects, or None for undeclared.
    """

    __slots__ = ("argnames", "description", "effects", "fn", "kind", "name", "owner", "rules")

    def __init__(
        self,
        name: str,
        fn: Callable[..., Any],
        argnames: tuple[str, ...] | None = None,
        *,
        kind: str = "operator",
        description: str | None = None,
        effects: Any = (),
        owner: Any = None,
    ) -> None:
        self.name = name
        self.fn = fn
        self.argnames = argnames
        self.kind = kind
        self.description = description
        self.effects = effects
        self.owner = owner
        self.rules: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<{self.title}>"

    @property
    def title(self) -> str:
        """The name as ``grad_fn`` shows it: ``Upper``, ``Add``; the user's own functions keep their name."""
        if self.kind != "operator":
            return self.name
        return "".join(part.capitalize() for part in self.name.rpartition(".")[2].split("_"))

    def names(self, count: int) -> tuple[str, ...]:
        """Names for ``count`` operands."""
        known = self.argnames or ()
        return known[:count] if len(known) >= count else (*known, *(f"x{i}" for i in range(len(known), count)))

    def pullback(self, kind: Any) -> Callable[[Rule], Rule]:
        """Decorator: ``rule(g, out, *arguments)`` gives the gradient of every argument for one kind.

        ``kind`` is a propagator's ``kind`` string or a Propagator class. The rule returns one gradient
        for a single argument, else a sequence in argument order or a mapping by name.
        """
        name = kind if isinstance(kind, str) else kind.kind

        def attach(rule: Rule) -> Rule:
            self.rules[name] = rule
            return rule

        return attach


class Table:
    """Operations by name, filled when the operators are generated; rules attach themselves by name."""

    def __init__(self) -> None:
        self.operations: dict[str, Operation] = {}
        self._ruled = False

    def add(self, operation: Operation) -> Operation:
        self.operations[operation.name] = operation
        return operation

    def attach(self, kind: str, rules: Mapping[str, Sequence[Rule]]) -> None:
        """Give each named operation its per-edge rules for ``kind``."""
        for name, per_edge in rules.items():
            self.operations[name].rules[kind] = tuple(per_edge)

    def ensure_rules(self) -> None:
        """Load the modules that hold the operators' rules; done once, before the first backward."""
        if not self._ruled:
            for name in registry.rules.names():
                registry.rules.get(name)
            self._ruled = True


TABLE = Table()
