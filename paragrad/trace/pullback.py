"""Rules for a whole operation: one function that gives the gradient of every argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paragrad.trace.nodes import edge_names, edge_paths
from paragrad.trace.values import brief
from paragrad.trace.views import operand_values


def whole_rule(rule: Any, propagator: Any, g: Any, out: Any, node: Any, create_graph: bool) -> Sequence[Any]:
    """Call ``rule(g, out, *arguments)`` and hand its answer to the operands, at any nesting.

    Raises:
        TypeError: the rule gave another number of gradients than the operation has arguments.
    """
    if getattr(rule, "of_record", False):  # it wants the record itself, and answers in edge order
        return rule(g, node, create_graph)  # type: ignore[no-any-return]
    arguments = _arguments(node, create_graph)
    answer = rule(propagator.outward(g), out, *arguments.values())
    by_name = _named(answer, list(arguments), node)
    return [propagator.inward(part, g) for part in _by_path(by_name, node)]


def nested_rules(rules: Sequence[Any], g: Any, out: Any, node: Any) -> Sequence[Any]:
    """Rules per argument of an operator whose arguments hold Variables inside containers."""
    arguments = node.extra.args
    values = list(arguments.values())
    return _by_path({name: rule(g, out, *values) for name, rule in zip(arguments, rules, strict=False)}, node)


def _by_path(by_name: Mapping[str, Any], node: Any) -> list[Any]:
    """The part of each operand, in edge order."""
    gradients = []
    for path in edge_paths(node):
        steps: list[Any] = []
        while path.__class__ is tuple:
            path, step = path
            steps.append(step)
        gradients.append(_inside(by_name.get(path), reversed(steps)))
    return gradients


def _arguments(node: Any, create_graph: bool) -> dict[str, Any]:
    """Arguments by name, in the order of the signature."""
    call = node.extra.call if node.extra is not None else None
    names = edge_names(node)
    values = operand_values(node, create_graph)
    if call is None:
        return dict(zip(names, values, strict=True))
    arguments = dict(call.input_args)
    if create_graph:
        arguments.update({name: value for name, value in zip(names, values, strict=True) if name in arguments})
    return arguments


def _named(answer: Any, names: list[str], node: Any) -> Mapping[str, Any]:
    if isinstance(answer, Mapping):
        return answer
    if len(names) == 1 and not isinstance(answer, tuple):
        return {names[0]: answer}
    if isinstance(answer, (tuple, list)) and len(answer) == len(names):
        return dict(zip(names, answer, strict=True))
    raise TypeError(
        f"the pullback of {node.op!r} returned {brief(answer)}; return one gradient per argument ({', '.join(names)}), in order or by name"
    )


def _inside(gradient: Any, steps: Iterable[Any]) -> Any:
    """The part of an argument's gradient that belongs to one place inside it; words go everywhere."""
    for step in steps:
        if gradient is None or isinstance(gradient, str):
            return gradient
        gradient = gradient[step] if not isinstance(gradient, Mapping) else gradient.get(step)
    return gradient
