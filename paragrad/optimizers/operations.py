"""Operations on a playbook, as a model writes them: typed, checked one by one, whole ones saved from a reply that was cut off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from paragrad.llm.parsing import ReplyError
from paragrad.optimizers.items import one_line
from paragrad.optimizers.replies import whole_elements
from paragrad.optimizers.vetting import value_of
from paragrad.protocols.evidence import ParameterEvidence
from paragrad.spaces import Text
from paragrad.spaces.wording import shorten

MOST = 12
"""Operations that one reply may hold."""

Items = Mapping[int, tuple[str, str]]
"""Item id to its playbook and words."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One change of one item. ``old``: the item's present words; ``text``: its new ones."""

    op: str
    playbook: str
    text: str = ""
    old: str = ""

    def words(self) -> str:
        """For a person."""
        return f"{self.op.lower()} {shorten(self.text or self.old, 80)!r}"


def read_operations(given: Any, playbooks: Mapping[str, ParameterEvidence], items: Items, length: int) -> list[Operation]:
    """The operations of a reply.

    Raises:
        ReplyError: says which operation is wrong, and how.
    """
    if not isinstance(given, list) or not given:
        raise ReplyError('the reply has no "operations" list; write {"reasoning": "...", "operations": [...]} or "no_change": true')
    if len(given) > MOST:
        raise ReplyError(f"{len(given)} operations are given; at most {MOST} are taken, choose those that matter")
    found = [_operation(raw, place, playbooks, items, length) for place, raw in enumerate(given)]
    named = [operation.old for operation in found if operation.old]
    twice = next((old for old in named if named.count(old) > 1), None)
    if twice is not None:
        raise ReplyError(f"two operations name the item {shorten(twice, 60)!r}; name an item once")
    return found


def saved_operations(reply: str, playbooks: Mapping[str, ParameterEvidence], items: Items, length: int) -> list[Operation]:
    """Whole operations of a reply that was cut off; none when one of them is wrong."""
    elements = whole_elements(reply, "operations")
    try:
        return read_operations(elements, playbooks, items, length) if elements else []
    except ReplyError:
        return []


def _operation(raw: Any, place: int, playbooks: Mapping[str, ParameterEvidence], items: Items, length: int) -> Operation:
    where = f"operations[{place}]"
    if not isinstance(raw, dict):
        raise ReplyError(f'{where} is not an object such as {{"op": "ADD", "playbook": "<name>", "text": "..."}}')
    op = raw.get("op")
    if op not in ("ADD", "EDIT", "REMOVE"):
        raise ReplyError(f'{where}: "op" is {str(op)[:40]!r}; write "ADD", "EDIT" or "REMOVE"')
    if op == "ADD":
        name = raw.get("playbook", next(iter(playbooks)) if len(playbooks) == 1 else None)
        if not isinstance(name, str) or name not in playbooks:
            raise ReplyError(f'{where}: "playbook" is {str(name)[:80]!r}; write one of {", ".join(playbooks)}')
        return Operation(op, name, _text(raw.get("text"), where, playbooks[name], length))
    number = raw.get("item")
    if isinstance(number, bool) or not isinstance(number, int) or number not in items:
        known = ", ".join(map(str, items)) or "none"
        raise ReplyError(f'{where}: "item" is {str(number)[:40]!r}; write the number of an item (there are: {known})')
    name, old = items[number]
    return Operation(op, name, _text(raw.get("text"), where, playbooks[name], length) if op == "EDIT" else "", old)


def _text(raw: Any, where: str, parameter: ParameterEvidence, length: int) -> str:
    """An item's words on one line, vetted like any text a model writes."""
    if not isinstance(raw, str):
        raise ReplyError(f'{where}: "text" is {str(raw)[:40]!r}; write the item as a JSON string')
    alone = replace(parameter, space=Text(), constraint=None, peers=(), value="")
    words = one_line(value_of(alone, raw, {}))
    if not words:
        raise ReplyError(f'{where}: "text" is empty; write the item')
    if len(words) > length:
        raise ReplyError(f"{where}: the item has {len(words)} characters; write at most {length}")
    return words
