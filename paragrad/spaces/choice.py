"""Choice: one of the options given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from paragrad.spaces.base import Base, words_of
from paragrad.spaces.plain import dump, load, plain, short
from paragrad.spaces.wording import change, shorten


class Choice(Base[Any]):
    """One of several JSON-like options, told apart by value and type: True is not 1.

    Args:
        options: at least one, all different; their order is kept.
    """

    kind = "choice"
    plain = True
    choices: tuple[Any, ...]
    _shown: dict[str, str]

    def __init__(self, options: Iterable[Any]) -> None:
        if isinstance(options, str | bytes):
            raise TypeError(f"options must be a list of options, got the text {short(options)}; write Choice([{short(options)}, ...])")
        choices = tuple(plain(option, f"options[{index}]") for index, option in enumerate(options))
        if not choices:
            raise ValueError("a Choice needs at least one option")
        keys = [_key(option) for option in choices]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise ValueError(f"the option {short(choices[index])} is given twice; give it once")
        self._fix(choices=choices, _shown=dict(zip(keys, _texts(choices), strict=True)))

    def options(self) -> dict[str, Any]:
        """The options, as fresh copies."""
        return {"options": [plain(option) for option in self.choices]}

    def check(self, value: Any) -> Any:
        """A fresh copy of the option equal to ``value``.

        Raises:
            TypeError: not JSON-like.
            ValueError: not one of the options.
        """
        found = plain(value)
        if _key(found) not in self._shown:
            raise ValueError(f"{short(value)} is not an option; choose one of {self._listed()}")
        return found

    def show(self, value: Any, limit: int | None = None) -> str:
        """The option's own words; JSON for other values than texts, and for texts that look like another option."""
        return shorten(self._shown[_key(value)], limit)

    def parse(self, text: str) -> Any:
        """The option shown as ``text``: exactly, else the only one that differs by case or outer blanks."""
        words = words_of(self.kind, text)
        for option in self.choices:
            if self._shown[_key(option)] == words:
                return plain(option)
        folded = words.strip().casefold()
        near = [option for option in self.choices if self._shown[_key(option)].strip().casefold() == folded]
        if len(near) == 1:
            return plain(near[0])
        fault = "fits several options" if near else "is not an option"
        raise ValueError(f"{short(words)} {fault}; write exactly one of {self._listed()}")

    def encode(self, value: Any) -> bytes:
        """The option as JSON, written as it was given."""
        return dump(next(option for option in self.choices if _key(option) == _key(value))).encode()

    def decode(self, data: bytes) -> Any:
        """The option a JSON text says."""
        return self.check(load(data, what="an option"))

    def diff(self, a: Any, b: Any) -> str:
        """``old → new``."""
        return change(self.show(a), self.show(b))

    def __repr__(self) -> str:
        return f"Choice({shorten(repr(list(self.choices)), 200)})"

    def _listed(self) -> str:
        return shorten(" | ".join(shorten(text, 60) for text in self._shown.values()), 400)


def _key(option: Any) -> str:
    return dump(option, sort=True)


def _texts(choices: tuple[Any, ...]) -> list[str]:
    texts = [option if isinstance(option, str) else dump(option) for option in choices]
    return texts if len(set(texts)) == len(texts) else [dump(option) for option in choices]
