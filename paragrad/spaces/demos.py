"""Demos: worked examples shown to a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paragrad.protocols.data import Demo
from paragrad.spaces.base import Base, whole_number, words_of
from paragrad.spaces.plain import dump, load, plain, short, unfence
from paragrad.spaces.wording import shorten, visible


class Demos(Base[tuple[Demo, ...]]):
    """At most ``max_shots`` examples, in order; inputs and outputs are JSON-like.

    Args:
        max_shots: most examples.
    """

    kind = "demos"
    reads_back = False
    max_shots: int

    def __init__(self, max_shots: int = 4) -> None:
        if max_shots is None:
            raise TypeError("max_shots must be an int, got None")
        self._fix(max_shots=whole_number("max_shots", max_shots))

    def options(self) -> dict[str, Any]:
        """max_shots."""
        return {"max_shots": self.max_shots}

    def check(self, value: Any) -> tuple[Demo, ...]:
        """Demos, mappings ``{"inputs": ..., "output": ...}`` or pairs ``(inputs, output)`` as a tuple of fresh Demos.

        Raises:
            TypeError: another shape, or an element that is not JSON-like.
            ValueError: more than ``max_shots``.
        """
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            raise TypeError(f"data: {short(value)} is not a list of demos; write [pg.Demo(inputs={{...}}, output=...), ...]")
        if len(value) > self.max_shots:
            raise ValueError(f"{len(value)} demos are given, at most {self.max_shots} are allowed; choose the best ones")
        return tuple(_demo(part, f"data[{index}]") for index, part in enumerate(value))

    def show(self, value: tuple[Demo, ...], limit: int | None = None) -> str:
        """One block per demo: its inputs by name, then the output after an arrow."""
        return shorten("\n\n".join(_block(demo) for demo in value) or "(no demos)", limit)

    def parse(self, text: str) -> tuple[Demo, ...]:
        """A JSON list of ``{"inputs": {...}, "output": ...}``, bare or in a json fence."""
        return self._read(load(unfence(words_of(self.kind, text), ("json",)), what="a JSON list of demos"))

    def encode(self, value: tuple[Demo, ...]) -> bytes:
        """JSON; the order of inputs is kept."""
        return dump(_plain(value)).encode()

    def decode(self, data: bytes) -> tuple[Demo, ...]:
        """The demos a JSON text says."""
        return self._read(load(data, what="a JSON list of demos"))

    def diff(self, a: tuple[Demo, ...], b: tuple[Demo, ...]) -> str:
        """``0 -> 3``, then the demos taken out (-) and put in (+), or a note that only the order changed."""
        old, new = [dump(part, sort=True) for part in _plain(a)], [dump(part, sort=True) for part in _plain(b)]
        if old == new:
            return ""
        rows = [f"{len(a)} -> {len(b)}"]
        rows += [f"- {_line(demo)}" for demo in _surplus(a, old, new)]
        rows += [f"+ {_line(demo)}" for demo in _surplus(b, new, old)]
        return visible("\n".join(rows if len(rows) > 1 else [*rows, "the same demos in another order"]))

    def _read(self, found: Any) -> tuple[Demo, ...]:
        try:
            return self.check(found)
        except TypeError as error:
            raise ValueError(str(error)) from None


def _demo(part: Any, path: str) -> Demo:
    if isinstance(part, Demo):
        inputs, output = part.inputs, part.output
    elif isinstance(part, Mapping) and part.keys() == {"inputs", "output"}:
        inputs, output = part["inputs"], part["output"]
    elif isinstance(part, list | tuple) and len(part) == 2:
        inputs, output = part
    else:
        raise TypeError(f"{path}: {short(part)} is not a demo; write pg.Demo(inputs={{...}}, output=...) or a pair (inputs, output)")
    if not isinstance(inputs, Mapping):
        raise TypeError(f"{path}.inputs: {short(inputs)} is not a mapping from argument to value; write {{'question': ...}}")
    return Demo(plain(inputs, f"{path}.inputs", models=True), plain(output, f"{path}.output", models=True))


def _plain(value: Iterable[Demo]) -> list[dict[str, Any]]:
    return [{"inputs": dict(demo.inputs), "output": demo.output} for demo in value]


def _words(value: Any) -> str:
    return value if isinstance(value, str) else dump(value)


def _block(demo: Demo) -> str:
    return "\n".join([*(f"{name}: {_words(part)}" for name, part in demo.inputs.items()), f"→ {_words(demo.output)}"])


def _line(demo: Demo) -> str:
    inputs = ", ".join(f"{name}: {_words(part)}" for name, part in demo.inputs.items())
    return f"{shorten(' '.join(inputs.split()), 80)} → {shorten(' '.join(_words(demo.output).split()), 60)}"


def _surplus(demos: Sequence[Demo], own: list[str], other: list[str]) -> list[Demo]:
    """The demos that stand in ``own`` more often than in ``other``."""
    left = list(other)
    found = []
    for demo, text in zip(demos, own, strict=True):
        if text in left:
            left.remove(text)
        else:
            found.append(demo)
    return found
