"""Rules in a memory store: updates of whole flat groups, and the short history they leave.

A group has one version for all its members. Of what steps wrote the last versions stay readable (at most
:data:`KEPT`, at most :data:`~paragrad.stores.flat.MEMORY` bytes); what ``set_parameter_value``, ``publish`` and ``init_parameter`` wrote, and what a release
holds, stays for ever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from paragrad.protocols.store import Entry
from paragrad.stores.backend import Pointer, Row
from paragrad.stores.flat_group import KEPT, Group, Plan
from paragrad.stores.flat_live import FlatLive
from paragrad.stores.ids import HEAD, gradient_key, state_key
from paragrad.stores.live import Live
from paragrad.stores.states import encode_state


class FlatRules:
    """The flat groups of one memory store."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.places: dict[str, tuple[Group, int]] = {}
        self.plans: dict[str, tuple[Plan, Any]] = {}
        self.head: tuple[bytes, int, bytes | None] = (b"", 0, None)
        self.lost: dict[str, tuple[int, int]] = {}

    # --- steps -------------------------------------------------------------------------------------

    def apply(self, rule: Any, ids: Sequence[str], name: str) -> Any:
        """One step; NotImplemented where the general way has to do it. The store's lock is held by the caller."""
        found = self.plans.get(name)
        plan = found[0] if found is not None else self._plan(rule, ids, name)
        head = self.store._stored[HEAD]
        if head is not self.head[0]:
            self.head = (head, *_read(head))
        if plan is None or self.head[2] is None:  # a transaction over several stores is under way
            return NotImplemented
        states = plan.states
        if states is None:
            document = self.store.state(name)
            states = [rule.resume(group, document) for group in plan.groups]
        if plan.alone is not None:  # what almost every step is
            with plan.alone.lock:
                return self._alone(rule, plan, plan.alone, states[0])
        with plan.groups[0].holding() as stack:
            for group in plan.groups[1:]:
                stack.enter_context(group.holding())
            return self._step(rule, plan, states)

    def _alone(self, rule: Any, plan: Plan, group: Group, state: Any) -> int:
        """The same as ``_step`` for one group."""
        if group.written:
            self._merge(group)
        buffer, after = group.stepped(rule, state)
        _, commit, form = self.head
        commit += 1
        group.commit(commit, buffer)
        plan.states = [after]
        head: bytes = form % commit  # type: ignore[operator, assignment]  # looked at by the caller
        self.store._stored[HEAD] = head
        self.head = (head, commit, form)
        return commit

    def _step(self, rule: Any, plan: Plan, states: list[Any]) -> int:
        for group in plan.groups:
            if group.written:
                self._merge(group)
        made = [group.stepped(rule, state) for group, state in zip(plan.groups, states, strict=True)]
        _, commit, form = self.head
        commit += 1
        for group, (buffer, _) in zip(plan.groups, made, strict=True):
            group.commit(commit, buffer)
        plan.states = [state for _, state in made]
        head: bytes = form % commit  # type: ignore[operator, assignment]  # looked at by the caller
        self.store._stored[HEAD] = head
        self.head = (head, commit, form)
        return commit

    def _merge(self, group: Group) -> None:
        """Take over what was written one by one; the versions of the others stay those of the last step."""
        place = {id: at for at, id in enumerate(group.ids)}
        changes = {place[id]: self.store._histories[id][-1].data for id in group.written}
        group.buffer = group.replaced(changes)
        group.written.clear()

    def _plan(self, rule: Any, ids: Sequence[str], name: str) -> Plan | None:
        """Lay ids out in groups, one per type of element; None when one of them cannot lie flat."""
        if not rule.elementwise or self.store.reproducible or self.store._stripes > 1:
            return None
        rows = {id: self.store._row(id) for id in ids}
        kinds: dict[str, list[str]] = {}
        for id, row in rows.items():
            kind = element_kind(row.data, self.store._space(row.spec).spec()) if row is not None else None
            if kind is None:
                return None
            kinds.setdefault(kind, []).append(id)
        plan = Plan([self._group(own, rows) for own in kinds.values()])
        self.plans[name] = (plan, rule)
        return plan

    def _group(self, ids: Sequence[str], rows: Mapping[str, Row]) -> Group:
        known = self.places.get(ids[0], (None, 0))[0]
        if known is not None and known.ids == tuple(ids):
            return known
        for id in ids:
            if id in self.places:
                self.dissolve(self.places[id][0])
        specs = [self.store._space(rows[id].spec).spec() for id in ids]
        made = Group(ids, [rows[id].data for id in ids], [(spec.get("low"), spec.get("high")) for spec in specs])
        for place, id in enumerate(ids):
            self.places[id] = (made, place)
            live = self.store._live[gradient_key(id)]
            with live.held():
                self.store._live[gradient_key(id)] = FlatLive(made, place, live.snapshot(), live.tokens)
                live.moved = True
        return made

    def dissolve(self, group: Group) -> None:
        """Members stand alone again, with their values and sums."""
        for name, (plan, rule) in list(self.plans.items()):
            if group in plan.groups:
                self.forget(name, keep=(plan, rule))
        with group.holding():
            for id in group.ids:
                row = self.store._row(id)
                if row is not None and row.version > self.store._histories[id][-1].version:
                    self.store._histories[id].append(row)
                if group.past:
                    first = self.lost.get(id, group.dropped)[0] or group.dropped[0] or group.past[0][0]
                    self.lost[id] = (first, group.past[-1][0])
                live = self.store._live.get(gradient_key(id))
                if live is not None:
                    alone = self.store._live[gradient_key(id)] = Live(live.snapshot(), self.store._stripes, self.store.reproducible)
                    alone.tokens = live.tokens
                    live.moved = True
        for id in group.ids:
            del self.places[id]

    # --- reading -----------------------------------------------------------------------------------

    def rows(self, id: str) -> list[Row]:
        """The versions that steps wrote and that are held, oldest first."""
        found = self.places.get(id)
        if found is None:
            return []
        group, place = found
        before = self.store._histories[id][-1]
        return [
            Row(id, version, before.ordinal + 1 + at, when, None, before.spec, group.leaf(place, buffer), before.shape)
            for at, (version, when, buffer) in enumerate(group.steps())
        ]

    def entry(self, id: str, at: int | None) -> Entry | None:
        """What the last step wrote, where that is what commit ``at`` (None: now) reads; None: look closely."""
        found = self.places.get(id)
        if found is None or found[0].last is None:
            return None
        group, place = found
        version, when, buffer = group.last  # type: ignore[misc]  # read as one: steps do not wait for readers
        if version < self.store._histories[id][-1].version or (at is not None and version > at):
            return None
        return Entry(version, group.leaf(place, buffer), when)

    def together(self, ids: Sequence[str], at: int) -> tuple[int, list[Any]] | None:
        """What the last step wrote to members of one group, where that is what commit ``at`` reads."""
        places, histories = self.places, self.store._histories
        group = places[ids[0]][0] if ids[0] in places else None
        last = group.last if group is not None else None
        if last is None or last[0] > at:
            return None
        version, _, buffer = last
        values = []
        for id in ids:
            found = places.get(id)
            if found is None or found[0] is not group or histories[id][-1].version > version:
                return None
            values.append(found[0].leaf(found[1], buffer))
        return version, values

    def newest(self, id: str, at: int | None) -> Row | None:
        """The newest step not later than commit ``at``.

        Raises:
            KeyError: it was one that is no longer held.
        """
        found = self.places.get(id)
        if found is None or not found[0].version:
            return None
        group, place = found
        before = self.store._histories[id][-1]
        for version, when, buffer in reversed(group.steps()):
            if at is None or version <= at:
                return Row(id, version, before.ordinal + 1, when, None, before.spec, group.leaf(place, buffer), before.shape)
        return None

    def refuse_dropped(self, id: str, at: int | None, found: Row | None) -> None:
        """Raise where a step between ``found`` and ``at`` is no longer held."""
        if at is None:
            return
        have = found.version if found is not None else 0
        group = self.places[id][0] if id in self.places else None
        for first, last in (self.lost.get(id, (0, 0)), group.dropped if group is not None else (0, 0)):
            if max(have + 1, first) <= min(at, last):
                raise self._dropped(id, at)

    def _dropped(self, id: str, at: int) -> KeyError:
        return KeyError(
            f"the value of {id!r:.120} at commit {at} is no longer held: a memory store keeps the last steps only (at most {KEPT}); "
            "make a release of what must stay"
        )

    def pointer(self, id: str) -> Pointer | None:
        """Where a member stands, when a step was the last to write it."""
        found = self.places.get(id)
        rows = self.store._histories[id]
        if found is None or found[0].version < rows[-1].version:
            return None
        return Pointer(found[0].version, rows[-1].ordinal + 1 + len(found[0].past) + 1, rows[-1].spec, rows[-1].shape)

    # --- what the store writes beside steps ---------------------------------------------------------

    def wrote(self, row: Row) -> None:
        """A member was written by itself; with another space or shape its group ends (before the write)."""
        found = self.places.get(row.id)
        if found is None:
            return
        before = self.store._histories[row.id][-1]
        if (before.spec, before.shape, element_kind(before.data, {})) != (row.spec, row.shape, element_kind(row.data, {})):
            self.dissolve(found[0])
        else:
            found[0].written.add(row.id)

    def document(self, key: str) -> bytes | None:
        """A live state as the document under its key."""
        found = self._plan_of(key)
        if found is None or found[1].states is None:
            return None
        name, plan, rule = found
        return encode_state(name, rule.document(zip(plan.groups, plan.states or [], strict=True)))

    def stored(self, key: str) -> None:
        """A state was written by another way: read it from there at the next step."""
        found = self._plan_of(key)
        if found is not None:
            found[1].states = None

    def _plan_of(self, key: str) -> tuple[str, Plan, Any] | None:
        return next(((name, plan, rule) for name, (plan, rule) in self.plans.items() if state_key(name) == key), None)

    def forget(self, name: str, keep: tuple[Plan, Any] | None = None) -> None:
        """Drop a plan; with ``keep`` its state becomes a document first."""
        if keep is not None and keep[0].states is not None:
            state = keep[1].document(zip(keep[0].groups, keep[0].states, strict=True))
            self.store._stored[state_key(name)] = encode_state(name, state)
        self.plans.pop(name, None)

    def hold(self, release: bytes) -> None:
        """Keep the versions of a release."""
        for id, version in json.loads(release)["versions"].items():
            rows = self.store._histories[id]
            if id in self.places and all(row.version != version for row in rows):
                held = next((row for row in self.rows(id) if row.version == version), None)
                if held is not None:
                    rows.append(held)
                    rows.sort(key=lambda row: row.version)


def _read(head: bytes) -> tuple[int, bytes | None]:
    """The commit of a store's head, and the head of any other commit as a format; None where transactions are in doubt."""
    commit, _, rest = head.partition(b" ")
    return int(commit), b"%d " + rest.replace(b"%", b"%%") if rest.endswith(b" ") else None


def element_kind(value: Any, spec: Mapping[str, Any]) -> str | None:
    """The type of element of a value that may lie in a flat group, or None."""
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        return None if spec.get("integer") else "float64"
    name = getattr(getattr(value, "dtype", None), "name", "")
    return name if name in ("float32", "float64") else None
