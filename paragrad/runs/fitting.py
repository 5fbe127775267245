"""``fit`` and ``Task``: train a program on data and a metric, with one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from paragrad import events, registry
from paragrad.data import DataLoader
from paragrad.errors import UsageError
from paragrad.llm import Budget, as_model
from paragrad.runs.header import header_of
from paragrad.runs.inputs import metric_of, model_of, parts, program_of
from paragrad.runs.plan import Plan, plan_of
from paragrad.runs.progress import shown
from paragrad.trainers.base import AUTO_CALLS, AlgorithmBase
from paragrad.trainers.result import Result


class Task:
    """A training job that is fully described and not yet run; takes what :func:`fit` takes."""

    def __init__(self, program: Any, train: Any, validate: Any = None, test: Any = None, *, metric: Any, **options: Any) -> None:
        unknown = [name for name in options if name not in OPTIONS]
        if unknown:
            import difflib

            near = difflib.get_close_matches(unknown[0], OPTIONS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it takes {', '.join(sorted(OPTIONS))}"
            raise UsageError(f"fit has no option {unknown[0]!r}{hint}")
        self.program, self.train, self.validate, self.test, self.metric, self.options = program, train, validate, test, metric, options

    def plan(self) -> Plan:
        """Calls, tokens, dollars, minutes: nothing is spent."""
        return plan_of(self.trainer())

    def fit(self, *, about: Mapping[str, Any] | None = None, **overrides: Any) -> Result:
        """Run it; ``overrides`` replace options. ``about``, JSON-like, is kept in the run's status."""
        options = {**self.options, **overrides}
        trainer = self.trainer(**overrides)
        trainer.about = dict(about or {})
        with ExitStack() as stack:
            stack.enter_context(shown(options.get("progress", "auto")))
            for callback in options.get("callbacks", ()):
                stack.callback(events.on("*", callback))
            result = trainer.train()
        if options.get("store") is not None and result.significant:
            registry.facets.get("publish_values")(result, options["store"])
        return result

    def trainer(self, **overrides: Any) -> AlgorithmBase:
        """The trainer, ready to run; every mistake in the task is named here."""
        return build(self.program, self.train, self.validate, self.test, metric=self.metric, **{**self.options, **overrides})


def build(
    program: Any,
    train: Any,
    validate: Any = None,
    test: Any = None,
    *,
    metric: Any,
    parameters: Sequence[Any] | None = None,
    model: Any = None,
    optimizer: Any = "auto",
    optimizer_model: Any = None,
    algorithm: Any = "auto",
    budget: Any = "auto",
    run: str | None = None,
    resume: Any = "auto",
    fork: bool = False,
    seed: int = 0,
    workers: int | None = None,
    deadline: float | None = 120.0,
    apply: bool = True,
    home: Any = None,
    journal: bool = True,
    **_: Any,
) -> AlgorithmBase:
    """Check everything, then make the trainer; nothing is paid for and nothing written."""
    module = program_of(program)
    algorithm_class = _algorithm(algorithm)
    train_rows, validation_rows, test_rows = parts(module, train, validate, test, seed=seed)
    bound = metric_of(metric, train_rows)
    loader = train if isinstance(train, DataLoader) and len(train.dataset) == len(train_rows) else None
    answering = model_of(module, model)
    trainer = algorithm_class(
        module,
        optimizer,
        loader.bind(list(train_rows.inputs))
        if loader is not None
        else DataLoader(train_rows, algorithm_class.batch_size, shuffle=True, seed=seed),
        bound,
        validate=validation_rows,
        test=test_rows,
        budget=_budget(budget, answering),
        run=run,
        seed=seed,
        workers=workers,
        parameters=parameters,
        model=answering,
        optimizer_model=as_model(optimizer_model) if optimizer_model is not None else None,
        deadline=deadline,
        home=home,
        journal=journal,
        apply=apply,
        resume=False if fork else resume,
    )
    trainer.header = header_of(trainer, algorithm=algorithm_class.__name__)
    return trainer


def _budget(budget: Any, model: Any) -> Budget:
    """The budget; "auto" is 2,000 calls, and $5 where prices are known and not zero. Never unlimited."""
    if budget != "auto":
        found = Budget.of(budget)
        return found if found else Budget(calls=AUTO_CALLS)
    price = getattr(model, "price", None)
    paid = price is not None and any(x for x in ((price.input, price.output) if hasattr(price, "input") else price))
    return Budget(calls=AUTO_CALLS, usd=5.0 if paid else None)


def _algorithm(algorithm: Any) -> type[AlgorithmBase]:
    if algorithm == "auto":
        algorithm = "minibatch"
    if isinstance(algorithm, str):
        algorithm = registry.algorithms.get(algorithm)
    if not (isinstance(algorithm, type) and issubclass(algorithm, AlgorithmBase)):
        raise UsageError(
            f"{algorithm!r} is no algorithm; pass a name ({', '.join(registry.algorithms.names())}) or a subclass of AlgorithmBase"
        )
    return algorithm


def fit(
    program: Any,
    train: Any,
    validate: Any = None,
    test: Any = None,
    *,
    metric: Any,
    parameters: Sequence[Any] | None = None,
    model: Any = None,
    optimizer: Any = "auto",
    optimizer_model: Any = None,
    algorithm: Any = "auto",
    budget: Any = "auto",
    run: str | None = None,
    resume: Any = "auto",
    fork: bool = False,
    seed: int = 0,
    workers: int | None = None,
    deadline: float | None = 120.0,
    progress: Any = "auto",
    callbacks: Sequence[Callable[[Any], None]] = (),
    store: Any = None,
    apply: bool = True,
    home: Any = None,
    journal: bool = True,
) -> Result:
    """Train a program.

    Args:
        program: a Module, prompt, bundle or function.
        train, validate, test: rows, a Dataset, a DataLoader or a path. A single one is split 50/25/25.
        metric: a function of (output, target, ...) bound by name, an AutoGuide, or a name. Higher is better.
        parameters: what to train; None: the program's own.
        model: who answers. ``optimizer_model``: who writes proposals.
        optimizer, algorithm: names, values or "auto".
        budget: "500 calls", "$2", "10 min", a Budget, or "auto" (2,000 calls and $5 at most).
        run: a name; an unfinished run of it continues. ``fork``: start anew beside it.
        seed: decides every random choice. ``workers``: rows at once; the result does not depend on it.
        deadline: seconds one row may take.
        progress: "auto" (where there is a terminal), True or False.
        callbacks: functions called with every event.
        store: a store that gets the best values, when a gain is proven.
        apply: write the best values into the program when a gain is proven.
        home: the ``.paragrad`` folder; None: found upwards from here.
        journal: False records nothing.

    Returns:
        The result. Files of the user's are never written.

    Raises:
        UsageError, DataError, NothingToTrain, NotConnected: something in the task is wrong; nothing was paid for.
        Outage: the model went away; the run is parked and continues when called again.
        Diverged: an unfinished run of this name has another program, data or metric.
    """
    task = Task(
        program, train, validate, test, metric=metric, parameters=parameters, model=model, optimizer=optimizer, optimizer_model=optimizer_model,
        algorithm=algorithm, budget=budget, run=run, resume=resume, fork=fork, seed=seed, workers=workers, deadline=deadline, progress=progress,
        callbacks=callbacks, store=store, apply=apply, home=home, journal=journal,
    )  # fmt: skip
    return task.fit()


OPTIONS = frozenset(
    {
        "algorithm", "apply", "budget", "callbacks", "deadline", "fork", "home", "journal", "model", "optimizer", "optimizer_model",
        "parameters", "progress", "resume", "run", "seed", "store", "workers",
    }
)  # fmt: skip
