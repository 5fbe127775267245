"""Evidence of a loop written by hand: what Parameters have collected in the current context, as trainers would give it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

from paragrad.optimizers.execution import execution_of
from paragrad.propagators.subgraph import FEEDBACK, Calling, calls_after
from paragrad.protocols.data import Episode
from paragrad.protocols.evidence import Evidence, ItemEvidence, ParameterEvidence
from paragrad.trace.accumulator import Contribution, by_item, item_key
from paragrad.trace.parameter import Parameter
from paragrad.trace.variable import Variable


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
        gradients=gradients_of(parameter),
    )


def gradients_of(parameter: Parameter[Any]) -> tuple[Contribution, ...]:
    """Its textual gradients as plain words in the order of the items, then the sum of the numeric ones."""
    accumulator = parameter._accumulator()
    words = [c._replace(value=_plain(c.value)) for c in by_item(accumulator.texts)]
    total = accumulator.total()
    return tuple(words) if total is None else (*words, Contribution(None, _plain(total), "", ""))


def with_peers(parameters: Iterable[Parameter[Any]]) -> dict[str, ParameterEvidence]:
    """Parameters to train (those that require a gradient), and after them their peers, which stay as they are."""
    own = {p.id: p for p in parameters}
    found = {id: evidence_of(p, p.requires_grad) for id, p in own.items()}
    for parameter in own.values():
        for peer in parameter.peers:
            if peer.id not in found and peer.space is not None:
                found[peer.id] = evidence_of(peer, False)
    return found


def collected(parameters: Sequence[Parameter[Any]], random: Random) -> Evidence:
    """The whole evidence; items are those whose tags the gradients, graphs, scores and episodes carry."""
    return Evidence(with_peers(parameters), tuple(_items(parameters)), random=random)


def _items(parameters: Sequence[Parameter[Any]]) -> list[ItemEvidence]:
    """One per example that left a trace, in order."""
    found = {p.id: p._accumulator() for p in parameters}
    words = {id: gradients_of(p) for id, p in zip(found, parameters, strict=True)}
    graphs = _by_example([start for accumulator in found.values() for start in accumulator.graphs])
    scores: dict[Any, dict[str, float]] = {}
    episodes: dict[Any, list[Episode]] = {}
    for accumulator in found.values():
        for record in accumulator.scores:
            if record.value is not None:
                scores.setdefault(record.item, {})[record.metric] = record.value
        for episode in accumulator.episodes:
            episodes.setdefault(episode.item, []).append(episode)
    tags = {*graphs, *scores, *episodes, *(c.item for said in words.values() for c in said if isinstance(c.value, str))}
    made = []
    for item in sorted(tags - {None}, key=item_key):
        gradients = {id: tuple(c.value for c in said if c.item == item and isinstance(c.value, str)) for id, said in words.items()}
        gradients = {id: said for id, said in gradients.items() if said}
        made.append(_item(item, graphs.get(item, ()), scores.get(item, {}), episodes.get(item, []), gradients))
    return made


def _item(
    item: Any, starts: tuple[Calling, ...], scores: Mapping[str, float], episodes: Sequence[Episode], gradients: Mapping[str, Any]
) -> ItemEvidence:
    """One example. Its inputs and output are read off the graph."""
    execution = execution_of(starts)
    ends = [call for call in calls_after(starts) if call.op == FEEDBACK]
    outputs = [call.operands[0].value for call in ends] or [episode.output for episode in episodes]
    steps = tuple({id(step): step for episode in episodes for step in episode.steps}.values())
    return ItemEvidence(
        item,
        {name: value for name, value in execution.inputs.items() if name not in execution.brief},
        None,
        outputs[0] if len(outputs) == 1 else outputs or None,
        scores,
        "\n".join(dict.fromkeys(call.feedback for call in ends if call.feedback)) or None,
        gradients=gradients,
        episodes=(Episode(steps, outputs[0], scores.get("score"), item),) if steps else (),
        graph=starts,
    )


def _by_example(starts: Sequence[Calling]) -> dict[Any, tuple[Calling, ...]]:
    """Calls by the example they belong to. Calls that serve several outputs join these into one example, the first of them."""
    starts = list(dict.fromkeys(starts))
    first: dict[Any, Any] = {}

    def root(item: Any) -> Any:
        while first.get(item, item) != item:
            item = first[item]
        return item

    reached: dict[int, frozenset[Any]] = {}
    for call in reversed(calls_after(starts)):
        own = frozenset({call.item}) if call.op == FEEDBACK else frozenset()
        reached[id(call)] = own.union(*(reached[id(consumer)] for consumer in call.consumers))
    for start in starts:
        roots = sorted({root(item) for item in reached[id(start)]}, key=item_key)
        first.update(dict.fromkeys(roots[1:], roots[0]))
    found: dict[Any, list[Calling]] = {}
    for start in starts:
        found.setdefault(root(min(reached[id(start)], key=item_key)), []).append(start)
    return {item: tuple(calls) for item, calls in found.items()}


def _plain(value: Any) -> Any:
    return value._n.value if isinstance(value, Variable) else value
