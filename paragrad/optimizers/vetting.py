"""Vetting: whether a value that a model wrote may become a Parameter's value.

Strict: the space's type, the constraints, the scope of the peers, and what a text shows of a reply gone wrong (the
reply's own form written into it, a magic word instead of a text, characters that hide or reorder others). A refusal
says why, in words for whoever proposed the value. Nothing is repaired silently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from paragrad.llm.parsing import ReplyError
from paragrad.protocols.evidence import ParameterEvidence
from paragrad.spaces.scope import is_about_format, trespasses

LONGEST = 20_000
"""Characters that any proposal may have; a longer one must not be more than four times the present value."""

_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_MAGIC = frozenset({
    "terminate", "[terminate]", "no_change", "no-change", "no change", "no changes", "no change needed", "unchanged", "same", "same as before",
    "see above", "none", "null", "n/a", "todo", "tbd", "", "…", "<value>", "<new value>", "<its new value>",
})  # fmt: skip
_WRAPPED = re.compile(
    r"\s*<(response|reply|value|values|new_value|improved_variable|improved_prompt|new_prompt|new_variable|proposed_variable|variable)>.*",
    re.IGNORECASE | re.DOTALL,
)
_FENCED = re.compile(r"\s*```[^\n`]*\n.*```\s*", re.DOTALL)
_WORDS = ("text", "code")


def value_of(parameter: ParameterEvidence, raw: Any, peers: Mapping[str, ParameterEvidence]) -> Any:
    """A reply's value for one Parameter, strictly.

    Args:
        raw: the value as JSON gave it.
        peers: every Parameter by id; those that reach the same model call count for the scope rules.

    Raises:
        ReplyError: another type, a value the space or a constraint refuses, a trespass on a peer's scope, or a reply gone wrong.
    """
    space = parameter.space
    fault = _fault(parameter, raw)
    if fault is not None:
        raise ReplyError(f"{parameter.id}: {fault}")
    try:
        written = isinstance(raw, str) and parameter.kind not in (*_WORDS, "choice")
        value = space.parse(raw) if written else space.check(raw)
    except (TypeError, ValueError, RecursionError) as error:
        raise ReplyError(f"{parameter.id}: {error}") from error
    for rule in _rules(parameter):
        verdict = _verdict(rule, value)
        if verdict is not True and verdict is not None:
            raise ReplyError(f"{parameter.id}: {verdict if isinstance(verdict, str) else 'its constraint refuses this value'}")
    refuse_trespass(parameter, value, peers)
    return value


def refuse_trespass(parameter: ParameterEvidence, value: Any, peers: Mapping[str, ParameterEvidence]) -> None:
    """Refuse a value that does the work of a peer.

    Raises:
        ReplyError: which peer's, and what to do.
    """
    others = {id: peers[id] for id in parameter.peers if id in peers}
    own = is_about_format(parameter.id, parameter.role)
    trespass = trespasses(parameter.kind, value, others, parameter.value, owns_format=own)
    if trespass is not None:
        raise ReplyError(f"{parameter.id}: {trespass}")


def _rules(parameter: ParameterEvidence) -> list[Any]:
    given = parameter.constraint
    rules = list(given) if isinstance(given, (list, tuple)) else [given]
    return [rule for rule in rules if callable(rule)]


def _verdict(rule: Any, value: Any) -> Any:
    try:
        return rule(value)
    except Exception as error:  # noqa: BLE001 - a rule that fails on a hostile value has not taken it
        return f"its constraint fails on this value: {type(error).__name__}: {error}"


def _fault(parameter: ParameterEvidence, raw: Any) -> str | None:
    """What shows that the reply went wrong, whatever the space says."""
    before = parameter.value
    size, known = _size(raw), _size(before)
    if size > LONGEST and size > 4 * known:
        return f"the new value has {size} characters, the present one {known}; write at most {max(LONGEST, 4 * known)}"
    hidden = _hidden(raw, before)
    if hidden is not None:
        return f"the character U+{ord(hidden):04X} hides or reorders others; leave it out"
    if parameter.kind in _WORDS and isinstance(raw, str):
        return _fault_of_words(parameter, raw, before if isinstance(before, str) else "")
    return None


def _fault_of_words(parameter: ParameterEvidence, text: str, before: str) -> str | None:
    said = " ".join(text.split()).strip(" .\"'").casefold()
    if not text.strip():
        return None if not before.strip() else 'the new value is empty; to keep the present one, leave it out of "values"'
    if said in _MAGIC and text.strip() != before.strip():
        return f'{text.strip()!r} is no value; to keep the present one, write "no_change": true'
    if _is_envelope(parameter.id, text) and not _is_envelope(parameter.id, before):
        return "the new value holds the form of the reply itself; write the text alone as a JSON string"
    if parameter.kind == "text" and _FENCED.fullmatch(text) and not _FENCED.fullmatch(before):
        return "the whole text stands in a code fence; write the text alone"
    return None


def _is_envelope(id: str, text: str) -> bool:
    """Whether a text holds the reply's JSON form, another library's tags around the whole, or the way Parameters are shown."""
    if re.search(r'"(?:values|operations)"\s*:\s*[{\[]', text) and (f'"{id}"' in text or '"reasoning"' in text or '"no_change"' in text):
        return True
    if text.lstrip().startswith("{") and re.search(r'"no_change"\s*:\s*(?:true|false)', text):
        return True
    wrapped = _WRAPPED.fullmatch(text)
    if wrapped is not None and text.rstrip().casefold().endswith(f"</{wrapped[1].casefold()}>"):
        return True
    return text.lstrip().startswith(f"## {id}\n")


def _hidden(raw: Any, before: Any) -> str | None:
    """The first character that hides or reorders others, unless the present value has it too."""
    known = {char for part in _strings(before) for char in _HIDDEN.findall(part)}
    return next((char for part in _strings(raw) for char in _HIDDEN.findall(part) if char not in known), None)


def _strings(value: Any) -> Iterator[str]:
    """Every text in a value, keys too (iterative)."""
    todo = [value]
    while todo:
        part = todo.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, Mapping):
            todo += [*part.keys(), *part.values()]
        elif isinstance(part, (list, tuple)):
            todo += part
        elif hasattr(part, "inputs") and hasattr(part, "output"):
            todo += [part.inputs, part.output]


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    try:
        return len(json.dumps(value, default=str))
    except (TypeError, ValueError, RecursionError):
        return len(repr(value))
