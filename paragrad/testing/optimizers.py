"""Conformance kit of optimizers: ``check_optimizer(MyOptimizer)``."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from paragrad.errors import ProposalError
from paragrad.optimizers.base import Transform, evidence_of
from paragrad.propagators.subgraph import FEEDBACK, Calling, Operand
from paragrad.protocols.data import Demo, Episode, Step
from paragrad.protocols.evidence import Candidate, Evidence, ItemEvidence
from paragrad.registry import spaces
from paragrad.trace.accumulator import Contribution
from paragrad.trace.parameter import Parameter
from paragrad.trainers.evaluation import Evaluation
from paragrad.trainers.values import to_json

GARBAGE = ("", "no", "{", "<b>x</b>", "TERMINATE", "```json\n{}\n```", '{"a": [1, 2', "\u202e\ufeff", "x" * 20_000)
SEED = 7
SIMPLE = ("text", "choice", "number")


def check_optimizer(make: Callable[[], Transform], *, reply: Callable[[str], str] | None = None, rounds: int = 4) -> int:
    """Check the laws of an optimizer.

    It is pure: the same evidence, state and seed give the same candidates, and neither evidence, nor
    state, nor any Parameter, nor the process' random numbers are changed. Its state survives JSON. It
    proposes at most ``n`` candidates, total over the trained Parameters and inside their spaces, also
    when the model it asks answers garbage; what it does not serve keeps its value. Rows without an answer
    (outages), rows on which the program failed, and evidence without any rows are no reason to fail.

    Args:
        make: a new optimizer, or its class.
        reply: what the model it asks would answer to a prompt; without it, texts that mean nothing.
        rounds: how often it proposes and is told what came of it.

    Returns:
        How many candidates it proposed.

    Raises:
        AssertionError: names the law that is broken.
    """
    parameters = _parameters(make())
    before = _written(parameters)
    asked: list[str] = []
    first = reply or (lambda _: GARBAGE[2])

    def noted(prompt: str) -> str:
        asked.append(prompt)
        return first(prompt)

    proposed = _search(make, parameters, noted, rounds)
    for text in GARBAGE if asked else ():  # who asks nobody is told nothing
        proposed += _search(make, parameters, lambda _, text=text: text, rounds)  # type: ignore[misc]
    _bare(make, parameters, first)
    _law(_written(parameters) == before, "no Parameter is written: proposals are candidates")
    _law(isinstance(make().describe(), str), "describe() is its name")
    return proposed


def _search(make: Callable[[], Transform], parameters: Sequence[Parameter[Any]], answer: Callable[[str], str], rounds: int) -> int:
    """Propose and observe for a while; the number of candidates."""
    optimizer, other = make(), make()
    state = optimizer.init(parameters)
    proposed = 0
    for number in range(rounds):
        state = _plain(state, "init" if not number else "observe")
        n = (1, 3, 8)[number % 3]
        candidates, after = _twice(optimizer, other, parameters, state, n, answer)
        proposed += len(candidates)
        state = _plain(after, "propose")
        for place, candidate in enumerate(candidates):
            evaluation = Evaluation(_items(), delta=0.1 - 0.1 * place, accepted=place == 0)
            held = json.dumps(state)
            next_state = optimizer.observe(state, candidate, evaluation)
            _law(json.dumps(state) == held, "observe() returns a new state and leaves the old one alone")
            state = _plain(next_state, "observe")
    return proposed


def _bare(make: Callable[[], Transform], parameters: Sequence[Parameter[Any]], answer: Callable[[str], str]) -> None:
    """Evidence without rows, teacher and history; and rows of which none has a score."""
    lost = tuple(replace(item, scores={}, output=None, feedback=None, episodes=(), status="outage") for item in _items()[:3])
    for items in ((), lost):
        optimizer = make()
        seen = {p.id: evidence_of(p, p.requires_grad) for p in parameters}
        evidence = Evidence(seen, items, random=random.Random(SEED))
        try:
            candidates, state = optimizer.propose(evidence, optimizer.init(parameters), n=2, ask=lambda prompt, **_: answer(str(prompt)))
        except ProposalError:
            continue
        _plain(state, "propose")
        for candidate in candidates:
            _check(candidate, parameters)


def _twice(
    one: Transform, other: Transform, parameters: Sequence[Parameter[Any]], state: Any, n: int, answer: Callable[[str], str]
) -> tuple[list[Candidate], Any]:
    """Two proposals from equal evidence, by two instances; both must be the same."""
    found: list[tuple[list[Candidate], Any]] = []
    for optimizer in (one, other):
        evidence, held = _evidence(parameters), json.dumps(state)
        shown, dice = _shown(evidence), random.getstate()
        try:
            candidates, after = optimizer.propose(evidence, state, n=n, ask=lambda prompt, **_: answer(str(prompt)))
        except ProposalError:
            candidates, after = [], state
        _law(_shown(evidence) == shown, "evidence is not changed")
        _law(json.dumps(state) == held, "propose() returns a new state and leaves the old one alone")
        _law(random.getstate() == dice, "randomness comes from evidence.random alone")
        found.append((list(candidates), after))
    (first, after), (second, again) = found
    for candidate in first:
        _check(candidate, parameters)
        wrong = [p.id for p in parameters if p.id in candidate.changed() and not one.serves(p)]
        _law(not wrong, f"Parameters that it does not serve keep their values, {', '.join(wrong)} too")
    _law(len(first) <= n, f"at most n={n} candidates, not {len(first)}")
    written = [[_values(candidate, parameters) for candidate in part] for part in (first, second)]
    _law(written[0] == written[1] and json.dumps(after) == json.dumps(again), "the same evidence, state and seed give the same candidates")
    return first, after


def _check(candidate: Candidate, parameters: Sequence[Parameter[Any]]) -> None:
    trained = [p.id for p in parameters if p.requires_grad]
    _law(
        sorted(candidate.values) == sorted(trained),
        f"a candidate has a value for every trained Parameter ({', '.join(trained)}) and no other",
    )
    for parameter in parameters:
        if parameter.id in candidate.values:
            try:
                parameter.accepts(candidate.values[parameter.id])
            except ProposalError as error:
                raise AssertionError(f"check_optimizer: candidates stay inside their spaces: {error}") from error


def _parameters(optimizer: Transform) -> list[Parameter[Any]]:
    """Trained Parameters of the kinds it serves and of another (of the simple kinds when it serves any), and one it may not touch."""
    made: dict[str, Callable[[], Parameter[Any]]] = {
        "text": lambda: Parameter("Be kind. Take your time. Answer with a number.", "an instruction", name="kit.instruction"),
        "choice": lambda: Parameter("plain", "a style", name="kit.style", space=spaces.get("choice")(["plain", "careful", "short"])),
        "number": lambda: Parameter(0.5, "a temperature", name="kit.temperature", space=spaces.get("number")(low=0.0, high=1.0)),
        "json": lambda: Parameter({"steps": 2}, "settings", name="kit.settings", space=spaces.get("json")()),
        "list": lambda: Parameter(["a", "b"], "labels", name="kit.labels", space=spaces.get("list")()),
        "tensor": lambda: Parameter([0.5, 0.0, 1.0], "weights", name="kit.weights", space=spaces.get("tensor")(low=-2.0, high=2.0)),
        "demos": lambda: Parameter(None, "examples", name="kit.demos", space=spaces.get("demos")(max_shots=3)),
        "code": lambda: Parameter(
            "def f(x):\n    return x\n", "a function", name="kit.code", space=spaces.get("code")(signature="def f(x):")
        ),
    }
    served = optimizer.kinds or frozenset(SIMPLE)
    wanted = [kind for kind in made if kind in served]
    wanted += [kind for kind in made if kind not in served][: bool(optimizer.kinds)]
    fixed: Parameter[Any] = Parameter(3, "fixed", False, name="kit.fixed", space=spaces.get("number")(integer=True))
    return [*(made[kind]() for kind in wanted), fixed]


def _evidence(parameters: Sequence[Parameter[Any]]) -> Evidence:
    seen = {p.id: evidence_of(p, p.requires_grad) for p in parameters}
    words = tuple(Contribution(i.item, i.feedback, "kit", "instruction") for i in _items() if i.feedback)
    reached = {id: replace(p, gradients=words) if p.kind == "text" else p for id, p in seen.items()}
    evidence = Evidence(reached, _items(), random=random.Random(SEED), teacher=_items())
    return replace(evidence, history=(evidence.candidate({}).scored({"score": 0.5}),))


def _items() -> tuple[ItemEvidence, ...]:
    """Ten rows, half of them right; one on which the program failed, and one without an answer."""
    items = []
    for number in range(10):
        right = number % 2 == 0
        inputs, output = {"question": f"q{number}"}, f"a{number}" if right else "no idea"
        episode = Episode((Step("kit", inputs, output),), output, float(right), number)
        feedback = None if right else f"a{number} was wanted"
        gradients = {"kit.instruction": [feedback]} if feedback else {}
        graph = (_calling(number, output, feedback, float(right)),)
        scores = {"score": float(right)}
        items.append(ItemEvidence(number, inputs, f"a{number}", output, scores, feedback, gradients, (episode,), graph))
    items.append(ItemEvidence(10, {"question": "q10"}, "a10", "ValueError: no", {"score": 0.0}, "The program failed: no", status="error"))
    items.append(ItemEvidence(11, {"question": "q11"}, "a11", None, {}, "no connection", status="outage"))
    return tuple(items)


def _calling(number: int, output: str, feedback: str | None, score: float) -> Calling:
    """One call that reads the Parameters and a number of its own, and the feedback that its output was given."""
    said = Calling(FEEDBACK, FEEDBACK, None, (Operand("output", (), output, number + 1),), (), feedback, number, 0, feedback, score)
    read = [("instruction", "kit.instruction", "Be kind. Take your time. Answer with a number."), ("limit", "kit.temperature", 0.5)]
    operands = [Operand("question", (), f"q{number}"), Operand("sure", (), (0.5 + number / 40) if score else 0.2 + number / 40)]
    operands += [Operand(name, (), value, 100 + i, id) for i, (name, id, value) in enumerate(read)]
    given = tuple((operand.name, operand.value) for operand in operands)
    return Calling("kit", "bundle", "Answers a question.", tuple(operands), given, output, number, number + 1, consumers=(said,))


def _values(candidate: Candidate, parameters: Sequence[Parameter[Any]]) -> Mapping[str, Any]:
    named = {p.id: p for p in parameters}
    return to_json(named, {id: named[id].checked(value) for id, value in candidate.values.items()})


def _shown(evidence: Evidence) -> str:
    return repr([(p.id, p.space.encode(p.value), p.version, p.gradients) for p in evidence.parameters.values()]) + repr(
        (evidence.items, evidence.teacher, evidence.history)
    )


def _written(parameters: Sequence[Parameter[Any]]) -> list[tuple[str, int, str]]:
    return [(p.id, p.version, repr(p.value)) for p in parameters]


def _plain(state: Any, where: str) -> Any:
    """The state as a resumed run would find it."""
    try:
        return json.loads(json.dumps(state, default=_demo))
    except TypeError as error:
        raise AssertionError(
            f"check_optimizer: the state after {where}() is plain data (str, numbers, bool, None, list, dict): {error}"
        ) from error


def _demo(value: Any) -> Any:
    if isinstance(value, Demo):
        return {"inputs": dict(value.inputs), "output": value.output}
    raise TypeError(f"a {type(value).__name__} is no plain data")


def _law(holds: bool, text: str) -> None:
    if not holds:
        raise AssertionError(f"check_optimizer: {text}")
