"""TPE: choices and numbers together by tree-structured Parzen estimators. (Bergstra et al., "Algorithms for hyper-parameter
optimization", 2011; multivariate: Falkner, Klein, Hutter, 2018.) The estimator is optuna's, extra ``[tpe]``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from paragrad.errors import not_installed
from paragrad.optimizers.base import Transform
from paragrad.optimizers.ranges import range_of
from paragrad.protocols.evidence import Ask, Candidate, Evidence, ParameterEvidence
from paragrad.spaces.plain import same

MOST = 500
"""Settings that are remembered, the latest."""


class TPE(Transform):
    """Learns which settings score well, jointly over all choices and numbers, and asks no model.

    Every proposal rebuilds the estimator from the state, so the state stays plain data and a resumed run goes on the same way.

    Args:
        parameters: Parameters to bind to, or None.
        startup: settings that are drawn at random before the estimator is used.

    Raises:
        UsageError: at the first proposal, when optuna is not installed.
    """

    kinds = frozenset({"choice", "number"})

    def __init__(self, parameters: Any = None, *, startup: int = 8, model: Any = None) -> None:
        super().__init__(parameters, model=model)
        self.startup = startup

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """Bounds by Parameter, from the first value where the space has none; settings with the sum of their scores."""
        return {"ranges": {}, "trials": []}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """``n`` settings that differ from each other and from the present one."""
        own = {id: p for id, p in evidence.parameters.items() if p.trainable and p.kind in self.kinds}
        ranges = {**{id: list(range_of(p)) for id, p in own.items() if p.kind == "number"}, **state["ranges"]}
        present = {id: _index(p.space, p.value) if p.kind == "choice" else p.value for id, p in own.items()}
        scores = [item.score for item in evidence.items if item.score is not None]
        state = {"ranges": ranges, "trials": _told(state["trials"], present, sum(scores), len(scores)) if scores else state["trials"]}
        open_ = {id: p for id, p in own.items() if _is_open(p, ranges.get(id))}
        if not open_:
            return [], state
        found = self._asked(open_, state, evidence.random.getrandbits(32), n, {id: present[id] for id in open_})
        values = [{id: _value(open_[id], raw) for id, raw in setting.items()} for setting in found]
        return [evidence.candidate(v, origin="TPE") for v in values], state

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """Remember what a setting scored, when the candidate set any of these."""
        own = {id: space for id, space in candidate.spaces.items() if space.kind in self.kinds}
        if not own.keys() & set(candidate.changed()) or not evaluation.items:
            return state
        setting = {id: _index(space, candidate.values[id]) if space.kind == "choice" else candidate.values[id] for id, space in own.items()}
        rows = len(evaluation.items)
        return {**state, "trials": _told(state["trials"], setting, float(evaluation.score) * rows, rows)}

    def _asked(
        self, own: Mapping[str, ParameterEvidence], state: Any, seed: int, n: int, present: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Settings from a study rebuilt from the state."""
        optuna = _optuna()
        space = {id: _distribution(optuna, p, state["ranges"].get(id)) for id, p in own.items()}
        found: list[dict[str, Any]] = []
        with _quiet(optuna):
            sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=self.startup)
            study = optuna.create_study(sampler=sampler, direction="maximize")
            for trial in state["trials"]:
                params = {id: trial["setting"][id] for id in space if id in trial["setting"]}
                if len(params) == len(space) and all(_holds(own[id], state["ranges"].get(id), raw) for id, raw in params.items()):
                    mean = trial["total"] / trial["rows"]
                    study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=mean))
            for _ in range(4 * n):
                setting = dict(study.ask(space).params)
                if setting != present and setting not in found:
                    found.append(setting)
                if len(found) == n:
                    break
        return found


def _told(trials: Sequence[Any], setting: Mapping[str, Any], total: float, rows: int) -> list[Any]:
    """The trials with another evaluation of a setting; evaluations of one setting are pooled."""
    rest = [trial for trial in trials if not same(trial["setting"], dict(setting))]
    known = next((trial for trial in trials if same(trial["setting"], dict(setting))), {"total": 0.0, "rows": 0})
    return [*rest, {"setting": dict(setting), "total": known["total"] + total, "rows": known["rows"] + rows}][-MOST:]


def _distribution(optuna: Any, parameter: ParameterEvidence, bounds: Any) -> Any:
    made = optuna.distributions
    if parameter.kind == "choice":
        return made.CategoricalDistribution(list(range(len(parameter.space.spec()["options"]))))
    low, high = bounds
    spec = parameter.space.spec()
    if spec.get("integer"):
        return made.IntDistribution(int(low), int(high), log=bool(spec.get("log")))
    return made.FloatDistribution(float(low), float(high), log=bool(spec.get("log")))


def _is_open(parameter: ParameterEvidence, bounds: Any) -> bool:
    """Whether there is more than one value to choose from."""
    if parameter.kind == "choice":
        return len(parameter.space.spec()["options"]) > 1
    return bool(bounds[0] < bounds[1])


def _holds(parameter: ParameterEvidence, bounds: Any, raw: Any) -> bool:
    """Whether an old setting is still one that may be chosen."""
    if parameter.kind == "choice":
        return isinstance(raw, int) and 0 <= raw < len(parameter.space.spec()["options"])
    return bool(bounds[0] <= raw <= bounds[1])


def _index(space: Any, value: Any) -> int:
    return next(i for i, option in enumerate(space.spec()["options"]) if same(option, value))


def _value(parameter: ParameterEvidence, raw: Any) -> Any:
    return parameter.space.spec()["options"][raw] if parameter.kind == "choice" else raw


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise not_installed("TPE", "optuna", "tpe") from error
    return optuna


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """No line on the terminal for every study."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
