"""The forms of operands: arguments of a call with a Slot for every operand, and the tensors that fill them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from paragrad.ops.torch_values import cast, needed, whole


class Slot:
    """The place of an operand in the arguments of a call; ``real``: the type its tensors are cast to, or None."""

    __slots__ = ("at", "real")

    def __init__(self, at: int, real: Any) -> None:
        self.at = at
        self.real = real


def filled(template: Any, forms: Sequence[Any]) -> Any:
    """The arguments with every Slot replaced by its operand's form."""
    if isinstance(template, Slot):
        form = forms[template.at]
        return form if template.real is None else cast(form, template.real)
    if isinstance(template, (list, tuple)):
        return type(template)([filled(x, forms) for x in template])
    if isinstance(template, dict):
        return {key: filled(x, forms) for key, x in template.items()}
    return template


def tensors_in(form: Any) -> Iterator[Any]:
    """The tensors of a form, in order."""
    if isinstance(form, (list, tuple)):
        for part in form:
            yield from tensors_in(part)
    elif isinstance(form, dict):
        for part in form.values():
            yield from tensors_in(part)
    elif isinstance(form, needed().Tensor):
        yield form


def shaped(form: Any, gradients: Iterator[Any], masks: Iterator[bool]) -> Any:
    """Gradients in the form of an operand, zeros for tensors that have none."""
    if isinstance(form, (list, tuple)):
        return type(form)([shaped(part, gradients, masks) for part in form])
    if isinstance(form, dict):
        return {key: shaped(part, gradients, masks) for key, part in form.items()}
    return next(gradients) if next(masks) else needed().zeros_like(form)


def has_gradient(value: Any) -> bool:
    """Whether a value has a gradient in its own form: floats through and through."""
    if isinstance(value, (list, tuple)):
        return bool(whole([has_gradient(x) or None for x in value], list))
    if isinstance(value, dict):
        return has_gradient(list(value.values()))
    return isinstance(value, float) or getattr(getattr(value, "dtype", None), "kind", "") == "f"
