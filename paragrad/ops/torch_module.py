"""``from_torch``: a torch function or ``nn.Module`` as one operation of the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Self

from paragrad.context import current_scope
from paragrad.errors import UsageError
from paragrad.ops.torch_call import Code, record
from paragrad.ops.torch_twins import Twins
from paragrad.ops.torch_values import array_of, needed, tensor_of
from paragrad.trace.module import Module
from paragrad.trace.parameter import Parameter
from paragrad.trace.variable import Variable


class TorchFunction(Module):
    """A torch function in the graph: Variables go in as tensors, tensors come out as a Variable, nothing is copied.

    Args:
        fn: takes tensors (of arrays, floats and flat lists of floats) and plain values (texts, ints, ...), and
            returns tensors or numbers, alone or in a list, tuple or dict.
        random: whether it draws random numbers; they are then seeded by the coordinate of the call.
        device: where it computes, as torch names it; None leaves tensors on the CPU.
    """

    effects = ()

    def __init__(self, fn: Callable[..., Any], *, random: bool = False, device: Any = None) -> None:
        name = getattr(fn, "__qualname__", type(fn).__name__).rpartition("<locals>.")[2]
        self.code = Code(fn, name, random=random, device=device)
        self.__doc__ = fn.__doc__

    @property
    def _takes_ordinal(self) -> bool:  # type: ignore[override]
        return self.code.random

    @property
    def _whole(self) -> bool:  # type: ignore[override]
        return _overlaps(self.code.random)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function; recorded with one edge per Variable among the arguments, at any nesting."""
        return record(self.code, args, kwargs)


class TorchModule(Module):
    """A torch module in the graph; every ``nn.Parameter`` is a Parameter of this program, under torch's name.

    A call computes with the values of the current context (``torch.func.functional_call``), lent to
    torch without copies, so candidates in several threads share one module and its calls run at once. (A module that changes
    its own attributes in a call runs one call at a time, see :class:`~paragrad.ops.torch_twins.Twins`.) The torch module's
    own tensors are not read; :meth:`sync` points them at the current values, :meth:`absorb` takes what
    torch code wrote into them. Buffers (running means) are Parameters that are not trained; a call in
    training mode that changes them writes them in the current context.

    Args:
        module: the torch module; its parameters are copied once, here.
        random: whether a call draws random numbers (dropout), seeded by its coordinate; None: in training mode.
        device: where it computes, as torch names it; None leaves tensors on the CPU.
        frozen: whether what does not require a gradient in torch becomes a Parameter too; else it stays torch's own.
    """

    def __init__(self, module: Any, *, random: bool | None = None, device: Any = None, frozen: bool = True) -> None:
        self.twins = Twins(module)
        self.random = random
        self.training = bool(module.training)
        self.code = Code(self._run, type(module).__name__, device=device)
        self.__doc__ = type(module).__doc__
        if any(hasattr(tensor, "materialize") for tensor in (*module.parameters(), *module.buffers())):
            raise UsageError(f"{type(module).__name__} has parameters whose shapes torch does not know yet; call it once, then from_torch")
        kept = set(module.state_dict())
        weights = {name: tensor for name, tensor in module.named_parameters() if frozen or tensor.requires_grad}
        buffers = {name: tensor for name, tensor in module.named_buffers() if frozen and name in kept}
        for name, tensor in {**weights, **buffers}.items():
            if hasattr(self, name):
                raise UsageError(f"{type(module).__name__} has a parameter called {name!r}, which a program needs for itself; rename it")
            self.__dict__[name] = Parameter(array_of(tensor), requires_grad=name in weights and tensor.requires_grad)
        self.names = (tuple(weights), tuple(buffers))
        own = [tensor_of(vars(self)[name]._n.value) if name in weights else tensor for name, tensor in module.named_parameters()]
        kinds = {tensor.dtype for tensor in own if tensor.is_floating_point()}
        self.code.real = kinds.pop() if len(kinds) == 1 else None

    effects = ()

    @property
    def _takes_ordinal(self) -> bool:  # type: ignore[override]
        return self.training if self.random is None else self.random

    @property
    def _whole(self) -> bool:  # type: ignore[override]
        return not (self.training and self.names[1]) and _overlaps(self._takes_ordinal)  # buffers are written in program order

    @property
    def module(self) -> Any:
        """The torch module."""
        return self.twins.module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module; the record has one edge per Parameter and per Variable among the arguments."""
        weights, buffers = ({name: vars(self)[name] for name in names} for names in self.names)
        before = {name: tensor_of(p._n.value) for name, p in buffers.items()}
        states = {name: tensor.clone() for name, tensor in before.items()} if self.training else before
        code = self.code
        if self._takes_ordinal:
            code = Code(code.fn, code.name, random=True, device=code.device, real=code.real)
            code.writes = self.code.writes
        made = record(code, args, {**kwargs, _STATES: states}, weights)
        self.code.noticed(code.writes)
        self._written(states, before)
        return made

    def _run(self, weights: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The plain call on tensors."""
        states = kwargs.pop(_STATES)
        if self.code.device is not None:
            states = {name: tensor.to(self.code.device) for name, tensor in states.items()}
        try:
            with self.twins.lent() as module:
                return needed().func.functional_call(module, {**weights, **states}, args, kwargs)
        except RuntimeError as error:
            others = {str(x.dtype)[6:] for x in (*args, *kwargs.values()) if hasattr(x, "is_floating_point") and x.is_floating_point()}
            wanted = str(self.code.real)[6:]
            if self.code.real is not None and others - {wanted}:
                error.add_note(f"{self.code.name} computes in {wanted} and got {', '.join(sorted(others))}: write x.astype({wanted!r})")
            raise

    def _written(self, states: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        """Keep the buffers that a call in training mode has changed.

        Raises:
            RuntimeError: a call in evaluation mode changed one.
        """
        for name, tensor in states.items():
            if self.training and not needed().equal(tensor, before[name]):
                vars(self)[name].write(array_of(tensor))
            elif not self.training and tensor._version:
                raise RuntimeError(f"{self.code.name} wrote into its buffer {name} in evaluation mode; call .train() first")

    def sync(self) -> Self:
        """Point the torch module's tensors at the values of the current context, without copies.

        Until the next ``sync`` torch reads the memory of these values: do not train the torch module
        in place after it; ``copy.deepcopy(program.module)`` is free.

        Returns:
            This program.
        """
        own = {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}
        for name in (*self.names[0], *self.names[1]):
            tensor = tensor_of(vars(self)[name]._n.value)
            own[name].data = tensor if self.code.device is None else tensor.to(self.code.device)
        return self

    def absorb(self) -> Self:
        """Write what the torch module's tensors hold into the Parameters (copied once), in the current context.

        Raises:
            TypeError, ValueError: a tensor's shape or dtype no longer fits; nothing was written.
        """
        own = {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}
        values = {name: vars(self)[name].checked(array_of(own[name])) for name in (*self.names[0], *self.names[1])}
        for name, value in values.items():
            parameter = vars(self)[name]
            if parameter._n.value.shape != value.shape:
                raise ValueError(
                    f"{name} now has the shape {value.shape} in torch, {parameter._n.value.shape} here; make the program again"
                )
        for name, value in values.items():
            vars(self)[name].write(value)
        return self

    def _mode(self, mode: bool) -> None:
        """Set training mode here and in the torch module."""
        self.module.train(mode)
        super()._mode(mode)


_STATES = "paragrad buffers"


def _overlaps(draws: bool) -> bool:
    """Whether a call in a ``pg.parallel`` block runs beside others: outside a run, draws are in program order from one generator."""
    return not draws or current_scope() is not None


def _usable(device: Any) -> None:
    """Refuse a device that is not there now, not in the middle of a run."""
    if device is None:
        return
    try:
        needed().empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise UsageError(f"device={device!r:.80} cannot be used here: {str(error).splitlines()[0]:.200}") from error


def from_torch(fn_or_module: Any = None, *, random: bool | None = None, device: Any = None, frozen: bool = True) -> Any:
    """A torch function or ``nn.Module`` as one operation of the graph, and as a program (``pg.Module``).

    Arrays, floats and flat lists of floats in Variables become tensors without copies of arrays; the
    result becomes a read-only array (a Python number, when it has no dimensions) without a copy.
    ``backward`` asks ``torch.autograd``; torch's graph lives in the record and is freed with it. Integers,
    texts and other values pass as they are and get no numeric gradient. May be used as a decorator.

    Args:
        fn_or_module: the function, or the module.
        random: whether it draws random numbers, which are then seeded by the coordinate of the call (outside a run by
            torch's generator). Default: modules in training mode.
        device: where to compute; values come from and return to the CPU.
        frozen: of a module: whether what does not require a gradient becomes a Parameter too; else it stays torch's own.

    Raises:
        UsageError: torch is not installed, the device is not there, or there is nothing to call.
    """
    _usable(device)
    if fn_or_module is None:
        return partial(from_torch, random=random, device=device, frozen=frozen)
    torch = needed()
    if isinstance(fn_or_module, torch.nn.Module):
        return TorchModule(fn_or_module, random=random, device=device, frozen=frozen)
    if isinstance(fn_or_module, type) and issubclass(fn_or_module, torch.nn.Module):
        raise UsageError(f"from_torch takes a module, not the class {fn_or_module.__name__}; write {fn_or_module.__name__}(...)")
    if not callable(fn_or_module) or isinstance(fn_or_module, (Variable, Module)):
        raise UsageError(f"from_torch takes a torch function or an nn.Module, not {fn_or_module!r}")
    return TorchFunction(fn_or_module, random=bool(random), device=device)
