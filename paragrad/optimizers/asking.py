"""Asking a model for proposals: typed, scope-checked, re-asked with the exact error, salvaged when cut off.

The reply is one JSON object: ``{"reasoning": "...", "no_change": false, "values": {"<id>": ...}}``.
"No change" is a field and never a magic word; a value is taken only when its space, its constraints
and the scope rules of its peers take it (:mod:`paragrad.optimizers.vetting`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from paragrad import registry
from paragrad.llm.parsing import ReplyError, extract_json
from paragrad.optimizers.replies import whole_pairs as whole_pairs
from paragrad.optimizers.vetting import refuse_trespass
from paragrad.optimizers.vetting import value_of as value_of
from paragrad.protocols.evidence import Ask, ParameterEvidence

ATTEMPTS = 3
ECHO = 4000
"""Characters of a refused reply that are shown to its author again."""

T = TypeVar("T")


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


@dataclass(frozen=True, slots=True)
class Conversation:
    """What came of asking until a reply was usable.

    Attributes:
        replies: every reply, in order.
        refused: what was wrong with them, in order; one fewer than replies when the last was taken.
    """

    replies: tuple[str, ...]
    refused: tuple[str, ...]


def ask_until(
    ask: Ask, messages: Sequence[Mapping[str, Any]], read: Callable[[dict[str, Any]], T], *, attempts: int = ATTEMPTS
) -> tuple[T | None, Conversation]:
    """Ask until ``read`` takes the JSON object in the reply, at most ``attempts`` times.

    Every refusal is told to the model in the exact words of its error. A model that gives no answer at all raises
    through this function: an outage is no reply.

    Args:
        ask: ``ask(messages) -> str``.
        read: makes something of the reply's object; a ValueError says what is wrong with it.

    Returns:
        What ``read`` made, or None, and the replies.
    """
    said: list[Mapping[str, Any]] = list(messages)
    replies: list[str] = []
    refused: list[str] = []
    for _ in range(attempts):
        given = ask(said)
        replies.append(given if isinstance(given, str) else "")
        try:
            return read(extract_json(replies[-1], dict)), Conversation(tuple(replies), tuple(refused))
        except ValueError as error:
            refused.append(str(error)[:2000])
            said = [
                *messages,
                {"role": "assistant", "content": _echo(replies[-1])},
                {"role": "user", "content": wording("refused").replace("{error}", refused[-1])},
            ]
    return None, Conversation(tuple(replies), tuple(refused))


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
    found, talk = ask_until(ask, messages, lambda reply: _checked(reply, wanted, peers, ()), attempts=attempts)
    if found is not None:
        return Proposal(found.values, found.reasoning, found.no_change, talk.refused)
    for reply in reversed(talk.replies):
        values = _salvaged(reply, wanted, peers)
        if values:
            return Proposal(values, refused=talk.refused, salvaged=True)
    return Proposal({}, refused=talk.refused)


def no_change(reply: Mapping[str, Any], rest: str = "values") -> bool:
    """Whether a reply says that nothing should change.

    Raises:
        ReplyError: the field is no bool, or the reply says so and holds changes too.
    """
    flag = reply.get("no_change")
    if flag is not None and not isinstance(flag, bool):
        raise ReplyError(f'"no_change" is true or false, not {str(flag)[:60]!r}')
    if flag and reply.get(rest):
        raise ReplyError(f'"no_change" is true and "{rest}" holds changes; write one of the two')
    return bool(flag)


def _checked(
    reply: Mapping[str, Any], wanted: Mapping[str, ParameterEvidence], peers: Mapping[str, ParameterEvidence], refused: tuple[str, ...]
) -> Proposal:
    reasoning = str(reply.get("reasoning", ""))
    if no_change(reply):
        return Proposal({}, reasoning, no_change=True, refused=refused)
    values = reply.get("values")
    if not isinstance(values, dict) or not values:
        raise ReplyError(
            'the reply has no "values" object; write {"reasoning": "...", "values": {"<name>": <new value>}} or "no_change": true'
        )
    outside = next((name for name in reply if name in wanted or name in peers), None)
    if outside is not None:
        raise ReplyError(f'{outside!r} stands beside "values"; put it inside')
    unknown = next((name for name in values if name not in wanted), None)
    if unknown is not None:
        raise ReplyError(f"{unknown[:200]!r} is not a parameter you may change; you may change {', '.join(wanted)}")
    return Proposal(vetted(values, wanted, peers), reasoning, refused=refused)


def vetted(values: Mapping[str, Any], wanted: Mapping[str, ParameterEvidence], peers: Mapping[str, ParameterEvidence]) -> dict[str, Any]:
    """Checked values of one reply; each must leave its peers their work also as the reply changes them.

    Raises:
        ReplyError: the first thing that is wrong.
    """
    found = {id: value_of(wanted[id], raw, peers) for id, raw in values.items()}
    changed = {id: replace(p, value=found[id]) if id in found else p for id, p in peers.items()}
    for id, value in found.items():
        refuse_trespass(wanted[id], value, changed)
    return found


def _salvaged(reply: str, wanted: Mapping[str, ParameterEvidence], peers: Mapping[str, ParameterEvidence]) -> dict[str, Any]:
    """Whole values out of a reply that was cut off; none when a whole reply was wrong."""
    values = {}
    for name, raw in whole_pairs(reply).items():
        if name in wanted:
            try:
                values[name] = value_of(wanted[name], raw, peers)
            except ReplyError:
                continue
    return values


def _echo(reply: str) -> str:
    return reply if len(reply) <= ECHO else f"{reply[: ECHO // 2]}\n[… cut …]\n{reply[-ECHO // 2 :]}"


def ask_all(requests: Sequence[Callable[[], T]]) -> list[T]:
    """Independent requests at once; results in their order, at coordinates that do not depend on timing."""
    if len(requests) < 2:
        return [request() for request in requests]
    found: list[T] = registry.facets.get("gather")(list(requests))
    return found


def reply_form(wanted: Mapping[str, ParameterEvidence]) -> str:
    """How to reply, with a line for each kind of value that needs one."""
    lines = [line.partition(": ") for line in wording("kinds").splitlines()]
    kinds = {p.kind for p in wanted.values()}
    return "\n".join([wording("reply"), *(f"- {words}" for kind, _, words in lines if kind in kinds)])


@cache
def wording(name: str) -> str:
    """A prompt of this package, by file name."""
    return (files("paragrad.optimizers") / "prompts" / f"{name}.md").read_text("utf-8").rstrip("\n")
