"""Transform: an optimizer as a pure function, and the torch-like shell around it.

Without Parameters an optimizer is a plain value for ``fit``, ``partition`` and trainers. With them
it is bound: ``zero_grad``, ``backward``, ``step``, as in a loop written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, wraps
from random import Random
from typing import Any

from paragrad import registry
from paragrad.errors import UsageError
from paragrad.optimizers.collected import collected
from paragrad.optimizers.collected import evidence_of as evidence_of
from paragrad.optimizers.sending import send_back
from paragrad.protocols.evidence import Ask, Candidate, Evidence
from paragrad.trace.overlay import transaction
from paragrad.trace.parameter import Parameter
from paragrad.trace.variable import Variable

WRITABLE = frozenset({"choice", "json", "list", "number", "text"})
"""Kinds whose values a model can write and a space can check. Code is not among them: it would have to be run to be judged."""


class Transform:
    """What an author of an optimizer writes: ``init``, ``propose``, ``observe``; state is plain data.

    Attributes:
        kinds: kinds of Parameters it can propose values for; empty: any.
        per_step: most candidates worth asking for at once; None: as many as the trainer wants.
        needs: what evidence it reads beyond values and scores: "episodes"; "teacher"; "blame" (whom the feedback
            reaches, in its own words), "gradients" (words that a critic carried back), "graph" (the executed sub-graph),
            "numbers" (numeric gradients).
        critic: ``critic(record, feedback)`` for "gradients"; None: the default critic.

    Args:
        parameters: Parameters to bind to, or None for a plain value.
        model: who writes proposals, for optimizers that ask a model.
    """

    kinds: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    per_step: int | None = None
    critic: Any = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Let ``propose`` of a bound optimizer be called without evidence."""
        super().__init_subclass__(**options)
        if "propose" in vars(cls):
            cls.propose = _proposing(cls.propose)  # type: ignore[method-assign]

    def __init__(self, parameters: Sequence[Parameter[Any]] | None = None, *, model: Any = None) -> None:
        self.model = model
        self.bound = _checked(type(self).__name__, parameters) if parameters is not None else None
        self._state: Any = None
        self._steps = 0
        self._items = 0

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

    def backward(self, outputs: Any, feedback: Any = None, **options: Any) -> None:
        """Send feedback back from one or several outputs to the bound Parameters it serves, and to no others.

        What it carries is what this optimizer ``needs``: "gradients" ask a critic once per operation, of outputs
        that leave something to wish for (a score of 1 is perfect, where no score is higher).

        Args:
            outputs: a Variable, or a sequence of them.
            feedback: words, a Feedback or a gradient; for several outputs one for each.
            **options: retain_graph, create_graph, stale, as for :func:`pg.backward`.

        Raises:
            NothingToTrain: no bound Parameter is reached.
            ModelError: the critic got no answer; nothing was delivered.
        """
        critic = self._critic() if "gradients" in self.needs else None
        served = [p for p in self._parameters() if self.serves(p)]
        self._items = send_back(served, outputs, feedback, self.needs, critic, first=self._items, **options)

    def step(self, candidate: Candidate | None = None) -> bool:
        """Write a candidate: all its changes or none.

        Args:
            candidate: one that ``propose(n=...)`` gave; None: propose one from what was collected.

        Returns:
            Whether anything changed.

        Raises:
            ProposalError: a space or constraint refuses a value; nothing was written.
        """
        if candidate is None:
            candidate = next(iter(self.propose_now(1)), None)
            self._steps += 1
        if candidate is None:
            return False
        changed = candidate.changed()
        changes = {p: p.accepts(candidate.values[p.id]) for p in self._parameters() if p.id in changed}
        with transaction():
            for parameter, value in changes.items():
                parameter.write(value)
        return bool(changes)

    def propose_now(self, n: int = 1) -> list[Candidate]:
        """Candidates from what the bound Parameters have collected; nothing is written. ``propose(n=...)`` calls this."""
        parameters = self._parameters()
        if self._state is None:
            self._state = self.init(parameters)
        evidence = collected(parameters, Random(self._steps))
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
        from paragrad.llm import current_model

        given = self._own_model

        def ask(prompt: Any, **request: Any) -> str:
            return str((given if given is not None else current_model())(prompt, **request))

        return ask

    def _critic(self) -> Any:
        return self.critic if self.critic is not None else self._default_critic

    @cached_property
    def _own_model(self) -> Any:
        """The model this optimizer was given, stacked once; None: the one in use."""
        from paragrad.llm import as_model

        return as_model(self.model) if self.model is not None else None

    @cached_property
    def _default_critic(self) -> Any:
        from paragrad.modules.critic import Critic

        return Critic(self._own_model)

    def __repr__(self) -> str:
        said = self.describe()
        return f"{type(self).__name__}({'' if said == type(self).__name__ else said})"


def _checked(name: str, parameters: Any) -> list[Parameter[Any]]:
    """Different Parameters with different ids; one that is given twice is one.

    Raises:
        UsageError: something else was given, nothing at all, or two Parameters with one id.
    """
    if isinstance(parameters, (Variable, str, Mapping)) or not hasattr(parameters, "__iter__"):
        raise UsageError(f"{name} takes Parameters in a list, not {parameters!r:.90}; write {name}([p, q]) or {name}(program.parameters())")
    known: dict[str, Parameter[Any]] = {}
    for parameter in parameters:
        if not isinstance(parameter, Parameter):
            kind = type(parameter).__name__
            raise UsageError(f"{name} trains Parameters, not {parameter!r:.90} of type {kind}; make one with pg.Parameter(value)")
        if known.setdefault(parameter.id, parameter) is not parameter:
            raise UsageError(f"two different Parameters given to {name} are called {parameter.id!r}; give them names of their own")
    if not known:
        raise UsageError(f"{name} got no Parameters: the list is empty; program.named_parameters() shows what there is")
    return list(known.values())


def _proposing(pure: Callable[..., Any]) -> Callable[..., Any]:
    """``propose(evidence, state, n=, ask=)`` as it is written, and ``propose(n=)`` of a bound optimizer."""

    @wraps(pure)
    def propose(self: Transform, *evidence: Any, **options: Any) -> Any:
        if evidence or "evidence" in options:
            return pure(self, *evidence, **options)
        return self.propose_now(**options)

    return propose


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
