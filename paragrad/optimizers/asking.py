"""Asking a model for proposals: typed, scope-checked, re-asked with the exact error, salvaged when cut off.

The reply is one JSON object: ``{"reasoning": "...", "no_change": false, "values": {"<id>": ...}}``.
"No change" is a field and never a magic word; a value is taken only when its space, its constraints
and the scope rules of its peers take it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from paragrad.llm.parsing import ReplyError, extract_json
from paragrad.protocols.evidence import Ask, ParameterEvidence
from paragrad.spaces.scope import trespasses

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a model proposed.

    Attributes:
        values: parameter id to checked value; empty for "no change" and when nothing usable came.
        refused: what was wrong with the replies, in order.
        salvaged: whether the values come from a reply that was cut off.
    """

    values: Mapping[str, Any]
    reasoning: str = ""
    no_change: bool = False
    refused: tuple[str, ...] = ()
    salvaged: bool = field(default=False)


def ask_for_values(
    ask: Ask,
    messages: Sequence[Mapping[str, Any]],
    wanted: Mapping[str, ParameterEvidence],
    peers: Mapping[str, ParameterEvidence],
    *,
    attempts: int = ATTEMPTS,
) -> Proposal:
    """Ask until the reply holds values that everything accepts, at most ``attempts`` times.

    Args:
        ask: ``ask(messages) -> str``.
        wanted: the Parameters that may be changed, by id.
        peers: every Parameter, for the scope rules.
    """
    said: list[Mapping[str, Any]] = list(messages)
    refused: list[str] = []
    last = ""
    for _ in range(attempts):
        last = ask(said)
        try:
            return _checked(extract_json(last, dict), wanted, peers, tuple(refused))
        except ValueError as error:
            refused.append(str(error))
            said = [
                *messages,
                {"role": "assistant", "content": last},
                {"role": "user", "content": wording("refused").replace("{error}", str(error)[:2000])},
            ]
    return _salvaged(last, wanted, peers, tuple(refused))


def _checked(
    reply: Mapping[str, Any], wanted: Mapping[str, ParameterEvidence], peers: Mapping[str, ParameterEvidence], refused: tuple[str, ...]
) -> Proposal:
    reasoning = str(reply.get("reasoning", ""))
    if reply.get("no_change") is True:
        return Proposal({}, reasoning, no_change=True, refused=refused)
    values = reply.get("values")
    if not isinstance(values, dict) or not values:
        raise ReplyError(
            'the reply has no "values" object; write {"reasoning": "...", "values": {"<name>": <new value>}} or "no_change": true'
        )
    unknown = [name for name in values if name not in wanted]
    if unknown:
        raise ReplyError(f"{unknown[0]!r} is not a parameter you may change; you may change {', '.join(wanted)}")
    return Proposal({id: value_of(wanted[id], raw, peers) for id, raw in values.items()}, reasoning, refused=refused)


def value_of(parameter: ParameterEvidence, raw: Any, peers: Mapping[str, ParameterEvidence]) -> Any:
    """A reply's value for one Parameter, strictly.

    Raises:
        ReplyError: another type, a value the space or a constraint refuses, or a trespass on a peer's scope.
    """
    space = parameter.space
    try:
        written = isinstance(raw, str) and parameter.kind not in ("text", "code", "choice")
        value = space.parse(raw) if written else space.check(raw)
    except (TypeError, ValueError) as error:
        raise ReplyError(f"{parameter.id}: {error}") from error
    for rule in _rules(parameter):
        verdict = rule(value)
        if verdict is not True and verdict is not None:
            raise ReplyError(f"{parameter.id}: {verdict if isinstance(verdict, str) else 'its constraint refuses this value'}")
    others = {id: peers[id] for id in parameter.peers if id in peers}
    trespass = trespasses(parameter.kind, value, others, parameter.value)
    if trespass is not None:
        raise ReplyError(f"{parameter.id}: {trespass}")
    return value


def _rules(parameter: ParameterEvidence) -> list[Any]:
    given = parameter.constraint
    rules = list(given) if isinstance(given, (list, tuple)) else [given]
    return [rule for rule in rules if callable(rule)]


def _salvaged(
    reply: str, wanted: Mapping[str, ParameterEvidence], peers: Mapping[str, ParameterEvidence], refused: tuple[str, ...]
) -> Proposal:
    """Whole values out of a reply that was cut off; none when a whole reply was wrong."""
    values = {}
    for name, raw in whole_pairs(reply).items():
        if name in wanted:
            try:
                values[name] = value_of(wanted[name], raw, peers)
            except ReplyError:
                continue
    return Proposal(values, refused=refused, salvaged=bool(values))


def whole_pairs(reply: str) -> dict[str, Any]:
    """Pairs of the "values" object of a reply that ends in the middle; the last, unfinished one is left out.

    Nothing of a reply that goes on after the object, or names a parameter twice: that is not cut off but ambiguous.
    """
    place = reply.find('"values"')
    start = reply.find("{", place) if place >= 0 else -1
    if start < 0 or _is_whole(reply):
        return {}
    decoder = json.JSONDecoder()
    pairs: dict[str, Any] = {}
    at = start + 1
    while True:
        at = _skip(reply, at, " \t\r\n,")
        try:
            name, at = decoder.raw_decode(reply, at)
            at = _skip(reply, at, " \t\r\n")
            if not isinstance(name, str) or reply[at : at + 1] != ":":
                return pairs
            value, at = decoder.raw_decode(reply, _skip(reply, at + 1, " \t\r\n"))
        except (ValueError, IndexError, RecursionError):
            return pairs
        at = _skip(reply, at, " \t\r\n")
        if reply[at : at + 1] not in (",", "}"):
            return pairs
        if name in pairs:
            return {}
        pairs[name] = value
        if reply[at] == "}":
            return {} if reply[at + 1 :].strip() else pairs


def _is_whole(reply: str) -> bool:
    try:
        extract_json(reply, dict)
    except ReplyError:
        return False
    return True


def _skip(text: str, at: int, blanks: str) -> int:
    while at < len(text) and text[at] in blanks:
        at += 1
    return at


@cache
def wording(name: str) -> str:
    """A prompt of this package, by file name."""
    return (files("paragrad.optimizers") / "prompts" / f"{name}.md").read_text("utf-8").rstrip("\n")
