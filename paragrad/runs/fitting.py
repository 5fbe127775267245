"""``fit`` and ``Task``: train a program on data and a metric, with one call."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from paragrad import events, registry
from paragrad.data import DataLoader, loader_of
from paragrad.errors import UsageError
from paragrad.llm import Budget, Price, as_model
from paragrad.runs.inputs import metric_of, model_of, parts, program_of, remember_model
from paragrad.runs.options import Options
from paragrad.runs.plan import Plan, calls_per_row, plan_of
from paragrad.runs.progress import shown
from paragrad.runs.tracking import tracked
from paragrad.trainers.auto import algorithm_for, asks_a_model
from paragrad.trainers.base import AUTO_CALLS, AlgorithmBase
from paragrad.trainers.baseline import refuse_small_budget
from paragrad.trainers.result import Result


class Task:
    """A training job that is fully described and not yet run; takes what :func:`fit` takes."""

    def __init__(self, program: Any, train: Any, validate: Any = None, test: Any = None, *, metric: Any, **options: Any) -> None:
        self.program, self.train, self.validate, self.test, self.metric = program, train, validate, test, metric
        self.options = Options().but(options)

    def plan(self) -> Plan:
        """Calls, tokens, dollars, minutes: nothing is spent."""
        return plan_of(self.trainer())

    def fit(self, **overrides: Any) -> Result:
        """Run it; ``overrides`` replace options."""
        return self.run(self.trainer(**overrides), self.options.but(overrides))

    def run(self, trainer: AlgorithmBase, options: Options) -> Result:
        """Run a trainer that :meth:`trainer` made, with progress and callbacks."""
        with ExitStack() as stack:
            stack.enter_context(shown(options.progress))
            for callback in options.callbacks:
                stack.callback(events.on("*", callback))
            stack.enter_context(tracked(options.track))
            result = trainer.train()
        remember_model(trainer.program, trainer.model)
        return result

    def trainer(self, **overrides: Any) -> AlgorithmBase:
        """The trainer, ready to run. Everything is checked here; nothing is paid for and nothing written."""
        options = self.options.but(overrides)
        module = program_of(self.program)
        own = loader_of(self.train)
        given = self.train if own is None else own
        train, validate, test = parts(module, given, self.validate, self.test, seed=options.seed)
        metric = metric_of(self.metric, train)
        model = model_of(module, options.model)
        budget = budget_of(options.budget, model)
        name, why = options.algorithm, ""
        if name == "auto":
            name, why = algorithm_for(
                validation=len(train if validate is None else validate),
                held_out=len(test or ()),
                calls=budget.calls,
                per_row=max(1, calls_per_row(module) + metric.calls),
                asks=asks_a_model(options.optimizer, options.optimizer_model),
            )
        algorithm = algorithm_of(name)
        trainer = algorithm(
            module,
            options.optimizer,
            _loader(given, train, algorithm, options.seed),
            metric,
            validate=validate,
            test=test,
            budget=budget,
            run=options.run,
            seed=options.seed,
            workers=options.workers,
            parameters=options.parameters,
            model=model,
            optimizer_model=as_model(options.optimizer_model) if options.optimizer_model is not None else None,
            deadline=options.deadline,
            home=options.home,
            journal=options.journal,
            apply=options.apply,
            resume=False if options.fork else options.resume,
            store=options.store,
            objective=options.objective,
        )
        trainer.reasons = [*([why] if why else []), *trainer.reasons]
        refuse_small_budget(trainer, min(1, calls_per_row(module)))  # at least; more is known after the first row
        return trainer


def fit(program: Any, train: Any, validate: Any = None, test: Any = None, *, metric: Any, **options: Any) -> Result:
    """Train a program.

    Args:
        program: a Module, prompt, bundle or function.
        train, validate, test: rows, a Dataset, a DataLoader or a path. A single one is split 50/25/25.
        metric: a function of (output, target, ...) bound by name, an AutoGuide, or a name. Higher is better.
        **options: any of

            parameters: what to train; None: the program's own, or those a plain function can read.
            model: who answers, afterwards too where no other is in use. ``optimizer_model``: who writes proposals.
            optimizer, algorithm: names, values or "auto": by the kinds of the Parameters, by budget and data; ``Task.plan`` says why.
            objective: what is maximised, when it is more than the metric: :class:`paragrad.Objective`, weights, or names for a front.
            budget: "500 calls", "$2", "10 min", a Budget, or "auto" (2,000 calls and $5 at most).
            run: a name; an unfinished run of it continues. ``fork``: start anew beside it.
            seed: decides every random choice. ``workers``: rows at once; the result does not depend on it.
            deadline: seconds one row may take.
            progress: "auto" (where there is a terminal), True or False.
            callbacks: functions called with every event; an error in one ends the run.
            track: experiment trackers, whose errors do not: "tensorboard:DIR", "mlflow:URI", "wandb:PROJECT",
                "wandb:offline", a :class:`paragrad.runs.tracking.Tracker`, or functions of an event.
            store: a store that gets the best values, when a gain is proven.
            apply: write the best values into the program when a gain is proven.
            home: the ``.paragrad`` folder; None: found upwards from here.
            journal: False records nothing, and nothing can be resumed.

    Returns:
        The result. Files of the user's are never written.

    Raises:
        UsageError, DataError, NothingToTrain, NotConnected: something in the task is wrong; nothing was paid for.
        Outage: the model went away; the run is parked and continues when called again.
        Diverged: an unfinished run of this name has another program, data or metric.
    """
    return Task(program, train, validate, test, metric=metric, **options).fit()


def budget_of(budget: Any, model: Any) -> Budget:
    """The budget; "auto" is 2,000 calls, and $5 where prices are known and not zero. Never unlimited."""
    if budget != "auto":
        found = Budget.of(budget)
        return found if found else Budget(calls=AUTO_CALLS)
    price: Price | None = getattr(model, "price", None)
    return Budget(calls=AUTO_CALLS, usd=5.0 if price is not None and not price.free else None)


def algorithm_of(algorithm: Any) -> type[AlgorithmBase]:
    """A trainer's class from its name or itself."""
    if isinstance(algorithm, str):
        algorithm = registry.algorithms.get(algorithm)
    if not (isinstance(algorithm, type) and issubclass(algorithm, AlgorithmBase)):
        names = ", ".join(registry.algorithms.names())
        raise UsageError(f"{algorithm!r} is no algorithm; pass a name ({names}) or a subclass of AlgorithmBase")
    return algorithm


def _loader(given: Any, rows: Any, algorithm: type[AlgorithmBase], seed: int) -> DataLoader:
    """The user's own loader, for these of its rows; else a shuffled one."""
    loader = loader_of(given)
    return DataLoader(rows, algorithm.batch_size, shuffle=True, seed=seed) if loader is None else loader.only(rows)
