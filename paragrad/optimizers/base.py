"""Transform: an optimizer as a pure function, and the torch-like shell around it.

Without Parameters an optimizer is a plain value for ``fit``, ``partition`` and trainers. With them
it is bound: ``zero_grad``, ``backward``, ``step``, as in a loop written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from paragrad import registry
from paragrad.errors import UsageError
from paragrad.protocols.evidence import Ask, Candidate, Evidence, ParameterEvidence
from paragrad.trace.backward import backward
from paragrad.trace.overlay import transaction
from paragrad.trace.parameter import Parameter


class Transform:
    """What an author of an optimizer writes: ``init``, ``propose``, ``observe``; state is plain data.

    Attributes:
        kinds: kinds of Parameters it can propose values for; empty: any.
        per_step: most candidates worth asking for at once; None: as many as the trainer wants.
        needs: what evidence it reads beyond values and scores: "episodes", "gradients", "graph", "teacher".

    Args:
        parameters: Parameters to bind to, or None for a plain value.
        model: who writes proposals, for optimizers that ask a model.
    """

    kinds: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    per_step: int | None = None

    def __init__(self, parameters: Sequence[Parameter[Any]] | None = None, *, model: Any = None) -> None:
        self.model = model
        self.bound = list(parameters) if parameters is not None else None
        self._state: Any = None
        self._steps = 0

    # --- what authors write ------------------------------------------------------------------------

    def init(self, parameters: Sequence[Any]) -> Any:
        """The first state: plain data."""
        return {}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """At most ``n`` candidates, best idea first, and the next state."""
        raise NotImplementedError(f"{type(self).__name__} must propose: def propose(self, evidence, state, *, n=1, ask)")

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """The state after ``candidate`` was evaluated."""
        return state

    def serves(self, parameter: Any) -> bool:
        """Whether it can propose values for a Parameter (or its evidence)."""
        return not self.kinds or parameter.kind in self.kinds

    def describe(self) -> str:
        """Its name for people."""
        return type(self).__name__

    # --- the bound shell ---------------------------------------------------------------------------

    def zero_grad(self) -> None:
        """Forget what the Parameters have collected in this context."""
        for parameter in self._parameters():
            parameter.zero_grad()

    zero_feedback = zero_grad

    def backward(self, outputs: Any, feedback: Any = None) -> None:
        """Send feedback back from one or several outputs."""
        backward(outputs, feedback)

    def step(self) -> bool:
        """Propose one candidate from what was collected and write it: all Parameters or none.

        Returns:
            Whether anything changed.
        """
        candidates = self.propose_now(1)
        if not candidates:
            return False
        chosen = candidates[0]
        changes = {p: p.accepts(chosen.values[p.id]) for p in self._parameters() if p.id in chosen.changed()}
        with transaction():
            for parameter, value in changes.items():
                parameter.write(value)
        self._steps += 1
        return bool(changes)

    def propose_now(self, n: int = 1) -> list[Candidate]:
        """Candidates from what the bound Parameters have collected; nothing is written."""
        parameters = self._parameters()
        if self._state is None:
            self._state = self.init(parameters)
        evidence = Evidence({p.id: evidence_of(p) for p in parameters}, random=Random(self._steps))
        candidates, self._state = self.propose(evidence, self._state, n=n, ask=self._ask())
        return candidates

    def state_dict(self) -> Mapping[str, Any]:
        """Its state as plain data."""
        return {"state": self._state, "steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self._state, self._steps = state["state"], state["steps"]

    def _parameters(self) -> list[Parameter[Any]]:
        if self.bound is None:
            raise UsageError(f"{type(self).__name__} is not bound to Parameters; write {type(self).__name__}(program.parameters())")
        return self.bound

    def _ask(self) -> Callable[..., str]:
        from paragrad.llm import as_model, current_model

        def ask(prompt: Any, **request: Any) -> str:
            model = as_model(self.model) if self.model is not None else current_model()
            return str(model(prompt, **request))

        return ask

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def evidence_of(parameter: Parameter[Any], trainable: bool = True) -> ParameterEvidence:
    """A Parameter as an optimizer sees it, read in the current context."""
    return ParameterEvidence(
        id=parameter.id,
        kind=parameter.kind,
        value=parameter.value,
        version=parameter.version,
        space=parameter.space,
        role=parameter.role,
        constraint=parameter.constraint,
        peers=tuple(peer.id for peer in parameter.peers),
        trainable=trainable,
        instruction=parameter._meta.instruction_to_optimizer,
        gradients=tuple(parameter.grad),
    )


def make(optimizer: Any) -> Transform:
    """An optimizer from its name, class or value.

    Raises:
        UnknownName: no optimizer of that name. UsageError: not an optimizer.
    """
    if isinstance(optimizer, str):
        optimizer = registry.optimizers.get(optimizer)
    if isinstance(optimizer, type):
        optimizer = optimizer()
    if not hasattr(optimizer, "propose"):
        raise UsageError(f"{optimizer!r} is no optimizer; pass a name ({', '.join(registry.optimizers.names())}) or a Transform")
    return optimizer  # type: ignore[no-any-return]


def register(name: str) -> Callable[[Any], Any]:
    """Decorator: an optimizer under a name, for ``fit(optimizer=name)``."""
    return registry.optimizers.register(name)
