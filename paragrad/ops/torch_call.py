"""A call of torch code as one record: what goes in, what comes out, and its vector-Jacobian product.

The record's operation is made for this call and owns torch's graph, so torch's graph is freed exactly
when the record is. Under ``create_graph`` the product is itself such a call: forward runs again, with
the same random numbers, and torch differentiates it with a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any

from paragrad.context import current_scope
from paragrad.errors import UsageError
from paragrad.ops.torch_forms import Slot, filled, has_gradient, shaped, tensors_in
from paragrad.ops.torch_values import flat, lend, matching, needed, of_python, returned, taken
from paragrad.trace.escapes import Reads, label_of
from paragrad.trace.nodes import Node
from paragrad.trace.operation import Operation
from paragrad.trace.record import make
from paragrad.trace.state import STATE, within
from paragrad.trace.values import freeze, is_floating
from paragrad.trace.variable import Variable, wrap

_DRAWING = RLock()  # torch's generator is one for all threads


class Code:
    """Torch code that can be called in the graph.

    Args:
        fn: takes and returns tensors, numbers and containers of them.
        name: of its records.
        random: whether it draws random numbers: it is then seeded by the coordinate of the call, one call at a time.
        device: where it computes; None leaves tensors where they are.
        real: the type in which it gets Python floats, which have no width of their own; None: float64, so that no digit is lost.
        constant: whether a result outside torch's graph is meant to have no gradient; else a gradient that reaches one is an error.

    Attributes:
        writes: arguments it was seen to write into; they are handed over as copies. None before the first call, which
            gets copies of everything.
    """

    def __init__(
        self, fn: Callable[..., Any], name: str, *, random: bool = False, device: Any = None, real: Any = None, constant: bool = False
    ) -> None:
        self.fn = fn
        self.name = name
        self.random = random
        self.device = device
        self.real = real
        self.constant = constant
        self.writes: frozenset[str] | None = None

    def noticed(self, changed: frozenset[str] | None) -> None:
        """Keep what a call that had copies wrote into; others may have found more meanwhile."""
        self.writes = changed if self.writes is None or changed is None else self.writes | changed

    def run(self, args: Sequence[Any], kwargs: Mapping[str, Any], seed: int | None, grad: bool) -> Any:
        """The plain call, with or without torch's graph."""
        torch = needed()
        with _drawing(seed), torch.set_grad_enabled(grad):
            return self.fn(*args, **kwargs)


class Inputs:
    """The arguments of one call: Variables become operands, their values tensors.

    Attributes:
        nodes, paths: one per operand.
        leaves: per operand the tensors made from its value; those that may get a gradient require one.
        template: positional and named arguments with a Slot for every operand.
    """

    def __init__(self, code: Code, record: bool) -> None:
        self.code = code
        self.record = record
        self.writes = code.writes
        self.nodes: list[Node] = []
        self.paths: list[str] = []
        self.leaves: list[list[Any]] = []
        self.lent: list[tuple[str, Any]] = []
        self.forms: list[Any] = []

    def read(self, value: Any, path: str) -> Any:
        """``value`` with Variables replaced by Slots; arrays of the user's are copied once, unless they are read-only."""
        if isinstance(value, Variable):
            return self._operand(value._n, path)
        if isinstance(value, (list, tuple)):
            return type(value)([self.read(x, f"{path}[{i}]") for i, x in enumerate(value)])
        if isinstance(value, dict):
            return {key: self.read(x, f"{path}[{key!r}]") for key, x in value.items()}
        if hasattr(value, "__array_interface__"):
            return lend(freeze(value), lambda tensor: self._hand(tensor, path))
        if hasattr(value, "tape"):
            raise UsageError(
                f"{self.code.name} got a value that a generative function tracks; in its body use paragrad.gen.from_torch(function)"
            )
        return value

    def _operand(self, node: Node, path: str) -> Slot:
        leaves: list[Any] = []
        wants = self.record and node.requires

        def made(tensor: Any) -> Any:
            if wants and tensor.is_floating_point():
                tensor.requires_grad_()
            leaves.append(tensor)
            return self._hand(tensor, path)

        self.forms.append(lend(node.value, made))
        self.nodes.append(node)
        self.paths.append(path)
        self.leaves.append(leaves)
        return Slot(len(self.nodes) - 1, self.code.real if of_python(node.value) else None)

    def _hand(self, tensor: Any, path: str) -> Any:
        """What torch gets for a tensor: the tensor, or a copy where it may be written into."""
        given = tensor.clone() if self.writes is None or path in self.writes else tensor
        self.lent.append((path, given))
        return given if self.code.device is None else given.to(self.code.device)

    def check(self, before: Sequence[int]) -> None:
        """Notice what the call wrote into.

        Raises:
            RuntimeError: it wrote into a value of the graph.
        """
        changed = frozenset(path for (path, tensor), count in zip(self.lent, before, strict=True) if tensor._version != count)
        if self.writes is None:
            self.code.noticed(changed)
        elif changed - self.writes:
            raise RuntimeError(
                f"{self.code.name} wrote into its argument {min(changed - self.writes)}, a value of the graph, which it had left alone "
                "until now; write into a copy: x = x.clone()"
            )

    @property
    def wants(self) -> bool:
        """Whether any operand may get a gradient."""
        return any(leaf.requires_grad for leaves in self.leaves for leaf in leaves)


def record(
    code: Code, args: Sequence[Any], kwargs: Mapping[str, Any], weights: Mapping[str, Any] | None = None, seed: int | None = None
) -> Any:
    """Call torch code on Variables and plain values; the result is a Variable.

    Args:
        weights: Variables by name, handed to the code as its first argument.
        seed: of its random numbers; None: that of the next coordinate.
    """
    state = STATE.get()
    inputs = Inputs(code, state.record)
    named = {name: inputs.read(value, name) for name, value in (weights or {}).items()}
    positional = [inputs.read(value, f"x{i}") for i, value in enumerate(args)]
    template = ([named, *positional] if weights is not None else positional, {key: inputs.read(x, key) for key, x in kwargs.items()})
    seed = _seed() if code.random and seed is None else seed
    before = [tensor._version for _, tensor in inputs.lent]
    reads = Reads(False, state.reads, True, inputs.nodes)
    with within(reads=reads):
        given, named_too = filled(template, inputs.forms)
        result = code.run(given, named_too, seed, inputs.wants)
    inputs.check(before)
    tensors: list[Any] = []
    value = taken(result, tensors, code.name)
    op = Operation(code.name, code.fn, kind="op", description=code.fn.__doc__)
    if inputs.wants:
        op.rules["numeric"] = Pullback(code, inputs, template, tensors, value, seed)
    paths = [*inputs.paths, *(f"read:{label_of(node)}" for node in reads.nodes)]
    return wrap(make(state, value, op, [*inputs.nodes, *reads.nodes], paths))


class Pullback:
    """The rule of one call: gradients of its operands by name, from torch's graph, which lives as long as this does."""

    __slots__ = ("code", "inputs", "seed", "template", "tensors", "value")

    def __init__(self, code: Code, inputs: Inputs, template: Any, tensors: list[Any], value: Any, seed: int | None) -> None:
        self.code = code
        self.inputs = inputs
        self.template = template
        self.tensors = tensors
        self.value = value
        self.seed = seed

    def __call__(self, g: Any, out: Any, *operands: Any) -> dict[str, Any]:
        if not self.code.constant:
            self._refuse_detached(g._n.value if isinstance(g, Variable) else g)
        if isinstance(out, Variable):
            return self.recorded(g, operands)
        gradients = iter(self.products(self.tensors, flat(g, self.value), self._wanting(), retain_graph=True))
        found = {}
        for path, node, leaves in zip(self.inputs.paths, self.inputs.nodes, self.inputs.leaves, strict=True):
            parts = iter([next(gradients) if leaf.requires_grad else None for leaf in leaves])
            found[path] = returned(node.value, parts)
        return found

    def _refuse_detached(self, gradient: Any) -> None:
        """Refuse a gradient of a number that torch's graph does not lead to: it would be lost without a word.

        Raises:
            RuntimeError: it is not zero.
        """
        for tensor, part, value in zip(self.tensors, flat(gradient, self.value), flat(self.value, self.value), strict=True):
            if (tensor is None or not tensor.requires_grad) and is_floating(value) and bool(needed().as_tensor(part).count_nonzero()):
                raise RuntimeError(
                    f"{self.code.name} cut its result from torch's graph, so the gradient cannot reach its arguments "
                    f"({', '.join(self._trained())}): return tensors, without .item(), .detach(), .numpy() or torch.no_grad() on the way; "
                    "where no gradient is meant, call it with x.detach()"
                )

    def _trained(self) -> list[str]:
        """Names of the arguments that require a gradient."""
        return [path for path, leaves in zip(self.inputs.paths, self.inputs.leaves, strict=True) if any(x.requires_grad for x in leaves)]

    def products(self, tensors: Sequence[Any], gradients: Iterator[Any], wanting: Sequence[Any], **options: Any) -> Sequence[Any]:
        """Vector-Jacobian products with respect to ``wanting``; None where nothing depends on it."""
        pairs = [(t, matching(g, t)) for t, g in zip(tensors, gradients, strict=True) if t is not None and t.requires_grad]
        if not pairs or not wanting:
            return [None] * len(wanting)
        outputs, seeds = zip(*pairs, strict=True)
        answer: Sequence[Any] = needed().autograd.grad(outputs, wanting, seeds, allow_unused=True, **options)
        return answer

    def recorded(self, g: Any, operands: Sequence[Any]) -> dict[str, Any]:
        """The same as a call in the graph, so that it has gradients of its own."""
        operands = operands[: len(self.inputs.nodes)]
        useful = [i for i, node in enumerate(self.inputs.nodes) if node.requires and has_gradient(node.value)]
        masks = [[leaf.requires_grad for leaf in leaves] for leaves in self.inputs.leaves]

        def vjp(forms: Sequence[Any], gradient: Any) -> list[Any]:
            """Gradients of the useful operands."""
            args, kwargs = filled(self.template, forms)
            tensors: list[Any] = []
            value = taken(self.code.run(args, kwargs, self.seed, True), tensors, self.code.name)
            wanting = [tensor for i in useful for tensor, wants in zip(tensors_in(forms[i]), masks[i], strict=True) if wants]
            products = self.products(tensors, flat(gradient, value), wanting, create_graph=True, materialize_grads=True)
            answer = iter(products)
            return [shaped(forms[i], answer, iter(masks[i])) for i in useful]

        inner = Code(vjp, f"vjp of {self.code.name}", device=self.code.device, constant=True)
        parts = record(inner, (list(operands), g), {})
        found = parts._n.value
        return {self.inputs.paths[i]: parts[at] for at, i in enumerate(useful) if found[at] is not None}

    def _wanting(self) -> list[Any]:
        return [leaf for leaves in self.inputs.leaves for leaf in leaves if leaf.requires_grad]


def _seed() -> int:
    """The seed of the next random draw: of the coordinate, or outside a run from torch's own generator."""
    scope = current_scope()
    if scope is not None:
        return scope.coordinate().seed(scope.seed)
    return int(needed().randint(2**62, ()))


@contextmanager
def _drawing(seed: int | None) -> Iterator[None]:
    """Run with torch's generator seeded, and put it back; None leaves it alone."""
    if seed is None:
        yield
        return
    torch = needed()
    with _DRAWING, torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        yield
