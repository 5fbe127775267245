"""Scope rules: a proposal for one Parameter must not do the work of a peer.

Rules are few and refuse only what is hardly ever meant; what a rule lets pass is left to the score.

==========================  ===========================================================================================
a Text, with a Demos peer   writes two or more worked examples (question and answer with content), or numbers of examples
a Text, with a Demos peer   quotes a long input or output of one of the peer's demos
a Text, with a Text peer    repeats the peer's whole text, when that is long
a Text, with a Choice peer  writes out an option of several words that is not the chosen one
a Text, with a peer that    orders a notation (JSON, YAML, XML, a table, …); the peer's id or role names the format of
owns the output's format    the output, and this one's does not
Code, with a Text peer      holds the peer's whole text, when that is long
Code, with a Demos peer     holds a long input or output of one of the peer's demos
a Demos, with a Text peer   has a demo that repeats the peer's whole text, when that is long
==========================  ===========================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from paragrad.protocols.evidence import ParameterEvidence
from paragrad.spaces.wording import shorten

LONG = 40
"""Characters from which a repeated passage is no accident; it also has at least six words."""

PHRASE = 20
"""Characters from which an option is a phrase of its own; it also has at least four words."""

_QUESTION = re.compile(r"^\W*(?:q|question|input|user|query|ticket|problem|request|human)\W{0,2}\s*\d*\W{0,2}[:：](.*)$", re.IGNORECASE)
_ANSWER = re.compile(r"^\W*(?:a|answer|output|assistant|response|label|result|solution)\W{0,2}\s*\d*\W{0,2}[:：](.*)$", re.IGNORECASE)
_EXAMPLE = re.compile(r"^\W*(?:example|demo|demonstration)\s*#?(\d+)\b.*$", re.IGNORECASE)
_FORMAT_ID = re.compile(r"(?:^|[._-])(?:format|formatting|(?:output|answer|reply|response)_(?:schema|layout|form))$", re.IGNORECASE)
_FORMAT_ROLE = re.compile(
    r"\b(?:output|answer|reply|response)(?:['’]?s)?[ _-]+(?:format|schema|layout|form)\b"
    r"|\b(?:format|schema|layout|form) of (?:the |its |every |each )?(?:output|answer|reply|response)",
    re.IGNORECASE,
)
_NOTATION = r"(?:json|yaml|xml|csv|tsv|toml|html|latex|markdown)"
_ORDERS_FORMAT = re.compile(
    r"\b(?:answer|respond|reply|return|output|write|give|format|produce|emit)\w*\b[^.!?\n]{0,80}?\b" + _NOTATION + r"\b"
    r"|\b(?:in|as|valid|strict)\s+(?:an?\s+)?(?:valid\s+|strict\s+)?" + _NOTATION + r"\s+(?:format|object|document|table|only)\b",
    re.IGNORECASE,
)
_SLOT = re.compile(r"\{+\w*\}+|<[^<>]*>|\[[^\[\]]*\]|\.\.\.|…|_{2,}")
_BLANKS = re.compile(r"\s+")


def trespasses(
    kind: str, value: Any, peers: Mapping[str, ParameterEvidence], before: Any = None, *, owns_format: bool = False
) -> str | None:
    """Why a proposal does the work of a peer, in words for whoever proposed it; None when it does not.

    Args:
        kind: the kind of the Parameter the proposal is for.
        value: the proposed value, checked by its space.
        peers: the Parameters that reach the same model call, by id.
        before: the present value; what it already contains is no trespass.
        owns_format: whether the output's format is this Parameter's own work; see :func:`is_about_format`.
    """
    for rule in _RULES.get(kind, ()):
        if rule is _orders_format and owns_format:
            continue
        for id, peer in peers.items():
            reason = rule(value, id, peer)
            if reason is not None and (before is None or rule(before, id, peer) is None):
                return reason
    return None


def is_about_format(id: str, role: str | None) -> bool:
    """Whether a Parameter's id or role says that the form of the output is its work."""
    return bool(_FORMAT_ID.search(id) or _FORMAT_ROLE.search(role or ""))


def worked_examples(text: str) -> int:
    """How many question-and-answer pairs with content, or numbered examples, a text holds.

    A form such as ``Answer: <label>`` does not count.
    """
    pairs, asked, numbered = 0, False, set()
    for line in text.splitlines():
        question, answer, example = _QUESTION.match(line[:2000]), _ANSWER.match(line[:2000]), _EXAMPLE.match(line[:2000])
        if question is not None:
            asked = _has_content(question[1])
        elif answer is not None:
            pairs += asked and _has_content(answer[1])
            asked = False
        elif example is not None:
            numbered.add(example[1])
    return max(pairs, len(numbered))


def _writes_examples(value: str, id: str, peer: ParameterEvidence) -> str | None:
    count = worked_examples(value) if peer.kind == "demos" else 0
    return f"it writes {count} worked examples, and examples are the work of {id!r}; describe the task instead" if count >= 2 else None


def _quotes_demo(value: str, id: str, peer: ParameterEvidence) -> str | None:
    if peer.kind != "demos":
        return None
    text = _flat(value)
    for passage in _passages(peer.value):
        if _is_long(passage) and passage in text:
            return f"it repeats {shorten(passage, 60)!r} from the examples in {id!r}; leave examples to {id!r}"
    return None


def _repeats_text(value: str, id: str, peer: ParameterEvidence) -> str | None:
    if peer.kind != "text":
        return None
    passage = _flat(peer.value or "")
    if not _is_long(passage) or passage not in _flat(value):
        return None
    return f"it repeats the whole text of {id!r}, which the model reads anyway; leave that out"


def _names_option(value: str, id: str, peer: ParameterEvidence) -> str | None:
    text = _flat(value)
    for option in getattr(peer.space, "choices", ()) if peer.kind == "choice" else ():
        phrase = _flat(option) if isinstance(option, str) and option != peer.value else ""
        if len(phrase) >= PHRASE and len(phrase.split()) >= 4 and phrase in text:
            return f"it writes out {shorten(phrase, 60)!r}, which {id!r} may choose; leave the choice to {id!r}"
    return None


def _orders_format(value: str, id: str, peer: ParameterEvidence) -> str | None:
    if peer.kind not in ("text", "choice", "json") or not is_about_format(id, peer.role):
        return None
    ordered = _ORDERS_FORMAT.search(value[:20_000])
    if ordered is None:
        return None
    return f"it orders a notation ({shorten(_BLANKS.sub(' ', ordered[0]), 60)!r}), and the form of the output is the work of {id!r}; leave that out"


def _demo_repeats_text(value: Any, id: str, peer: ParameterEvidence) -> str | None:
    if peer.kind != "text":
        return None
    text = _flat(peer.value or "")
    if _is_long(text) and any(text in passage for passage in _passages(value)):
        return f"a demo repeats the whole text of {id!r}; keep only the example's own input and output"
    return None


_RULES: Mapping[str, tuple[Callable[[Any, str, ParameterEvidence], str | None], ...]] = {
    "code": (_quotes_demo, _repeats_text),
    "demos": (_demo_repeats_text,),
    "text": (_writes_examples, _quotes_demo, _repeats_text, _names_option, _orders_format),
}


def _passages(demos: Any) -> Iterator[str]:
    """Every text in demos, at any depth, flat."""
    todo = [part for demo in demos or () for part in (*demo.inputs.values(), demo.output)]
    while todo:
        part = todo.pop(0)
        if isinstance(part, str):
            yield _flat(part)
        elif isinstance(part, Mapping):
            todo.extend(part.values())
        elif isinstance(part, list | tuple):
            todo.extend(part)


def _flat(text: str) -> str:
    return _BLANKS.sub(" ", text).strip().casefold()


def _is_long(text: str) -> bool:
    return len(text) >= LONG and len(text.split()) >= 6


def _has_content(text: str) -> bool:
    return any(char.isalnum() for char in _SLOT.sub("", text))
