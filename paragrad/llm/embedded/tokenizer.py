"""Words to numbers and back, without loss for any Unicode text.

A known word is one token; its case is a token before it (``<cap>``, ``<up>``). Spaces are implied
by simple rules; a text that breaks them says so with ``<glue>`` and ``<space>``. An unknown word is
spelt out in letters, any other character in the sixteen nibbles of its UTF-8 bytes. Text never
encodes to a control token, so no message can forge a turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

PAD, SYSTEM, USER, BOT, END = "<pad>", "<sys>", "<user>", "<bot>", "<end>"
CAP, UP, GLUE, SPACE, NEWLINE = "<cap>", "<up>", "<glue>", "<space>", "\n"
CONTROL = (PAD, SYSTEM, USER, BOT, END)
WHOLE = ('{"answer":', "<answer>", "</answer>")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_NIBBLES = tuple(f"<h{d:x}>" for d in range(16))
_NO_SPACE_BEFORE = frozenset(".,:;?!)]}%'") | {"</answer>", NEWLINE}
_NO_SPACE_AFTER = frozenset("([{'#$") | {"<answer>", NEWLINE}
_PIECE = re.compile(r'\n| +|\{"answer":|</?answer>|[A-Za-z]+|[0-9]+|.', re.DOTALL)


def base_vocabulary() -> list[str]:
    """The tokens every vocabulary starts with: control, layout, letters, digits, punctuation, numbers to 100."""
    layout = [*CONTROL, CAP, UP, GLUE, SPACE, NEWLINE, *_NIBBLES]
    spelling = [f"##{c}" for c in _LETTERS + _DIGITS] + list(_LETTERS)
    return [*layout, *spelling, *_PUNCTUATION, *WHOLE, *(str(n) for n in range(101))]


class Tokenizer:
    """Encodes text with a fixed vocabulary.

    Args:
        vocabulary: all tokens; must begin with :func:`base_vocabulary`.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = tuple(vocabulary)
        self.ids = {token: number for number, token in enumerate(self.vocabulary)}
        if len(self.ids) != len(self.vocabulary) or list(self.vocabulary[: len(base_vocabulary())]) != base_vocabulary():
            raise ValueError("a vocabulary has no token twice and begins with base_vocabulary()")
        self.pad, self.system, self.user, self.bot, self.end = (self.ids[t] for t in CONTROL)
        self.newline = self.ids[NEWLINE]

    def __len__(self) -> int:
        return len(self.vocabulary)

    def encode(self, text: str) -> list[int]:
        """Token ids of ``text``; ``decode(encode(text)) == text`` (lone surrogates become ``?``)."""
        return [self.ids[token] for token in self._tokens(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids; control tokens are dropped."""
        decoder = Decoder(self)
        return "".join([decoder.push(number) for number in ids]) + decoder.flush()

    def _tokens(self, text: str) -> list[str]:
        out: list[str] = []
        previous, gap = "", 0
        for piece in _PIECE.findall(text):
            if piece[0] == " ":
                gap = len(piece)
                continue
            spelt = self._spell(piece)
            surface = next(t for t in spelt if t not in (CAP, UP))
            wanted = _default_gap(previous, surface)
            out += [GLUE] if gap < wanted else [SPACE] * (gap - wanted)
            out += spelt
            previous, gap = spelt[-1], 0
        return out + [SPACE] * gap

    def _spell(self, piece: str) -> list[str]:
        if piece in self.ids and piece not in CONTROL:
            return [piece]
        if piece.isascii() and piece.isalpha():
            return self._spell_word(piece)
        if piece.isascii() and piece.isdigit():
            return [piece[0], *(f"##{digit}" for digit in piece[1:])]
        return [_NIBBLES[n] for byte in piece.encode("utf-8", "replace") for n in (byte >> 4, byte & 15)]

    def _spell_word(self, word: str) -> list[str]:
        low = word.lower()
        if low in self.ids:
            if word == low.capitalize():
                return [CAP, low]
            if word == low.upper():
                return [UP, low]
            if word == low:
                return [low]
        out: list[str] = []
        for place, letter in enumerate(word):
            if letter.isupper():
                out.append(CAP)
            out.append(letter.lower() if place == 0 else f"##{letter.lower()}")
        return out


def _default_gap(previous: str, token: str) -> int:
    """How many spaces stand between two tokens when nothing else is said."""
    if not previous or previous in _NO_SPACE_AFTER or token in _NO_SPACE_BEFORE or token.startswith("##"):
        return 0
    return 0 if token in _NIBBLES and previous in _NIBBLES else 1


class Decoder:
    """Decodes one token after the other, for streaming. ``push`` gives the text that token adds."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._vocabulary = tokenizer.vocabulary
        self._previous = ""
        self._case = ""
        self._glued = False
        self._nibbles: list[int] = []

    def push(self, number: int) -> str:
        """Text added by this token; bytes of an unfinished character are held back."""
        token = self._vocabulary[number]
        if token in CONTROL:
            return ""
        if token in (CAP, UP):
            self._case = token
            return ""
        if token == GLUE:
            self._glued = True
            return ""
        if token in _NIBBLES:
            return self._push_nibble(token)
        head = self.flush()
        if token == SPACE:
            return head + " "
        space = "" if self._glued else " " * _default_gap(self._previous, token)
        self._previous, self._glued = token, False
        return head + space + self._cased(token.removeprefix("##"))

    def flush(self) -> str:
        """The held-back bytes as text."""
        values, self._nibbles = self._nibbles, []
        if len(values) % 2:
            values.append(0)
        return bytes(values[i] << 4 | values[i + 1] for i in range(0, len(values), 2)).decode("utf-8", "replace")

    def _push_nibble(self, token: str) -> str:
        space = "" if self._glued else " " * _default_gap(self._previous, token)
        self._previous, self._glued = token, False
        head = self.flush() if space else ""
        self._nibbles.append(int(token[2], 16))
        return head + space

    def _cased(self, token: str) -> str:
        case, self._case = self._case, ""
        if case == CAP:
            return token.capitalize()
        return token.upper() if case == UP else token
