"""Playbook: itemised text that grows by operations on single items instead of rewrites.

Items are added, edited and removed; counters of what each has brought are kept in the state, and the least helpful go when
there are too many. The Parameter's value stays plain text: what stood in it at first, and a list under it. (Zhang et al.,
"Agentic Context Engineering", 2025, for itemised context with counters and deterministic merging.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from paragrad.llm.parsing import ReplyError
from paragrad.optimizers.asking import ask_all, ask_until, no_change, value_of
from paragrad.optimizers.base import Transform
from paragrad.optimizers.blame import blamed
from paragrad.optimizers.examples import chosen, said
from paragrad.optimizers.fingerprints import fresh
from paragrad.optimizers.items import joined, split
from paragrad.optimizers.operations import Operation, read_operations, saved_operations
from paragrad.optimizers.showing import examples_text, fenced, ideas, peers_of, peers_text, sections
from paragrad.protocols.evidence import Ask, Candidate, Evidence, ParameterEvidence

Book = Mapping[str, Mapping[str, Any]]
"""One playbook in the state: an item's words to its id and counters."""


class Playbook(Transform):
    """Keeps a list of rules under each text. One call per candidate, all at once.

    Args:
        parameters: Parameters to bind to, or None.
        model: who writes operations; None: the run's optimizer model.
        items: most items of one text.
        length: most characters of one item.
        examples: rows shown per call, the worst first. ``good``: how many of them went well.
    """

    kinds = frozenset({"text"})
    needs = frozenset({"blame"})
    per_step = 4

    def __init__(
        self, parameters: Any = None, *, model: Any = None, items: int = 20, length: int = 300, examples: int = 8, good: int = 2
    ) -> None:
        super().__init__(parameters, model=model)
        if parameters is not None:
            self.needs = self.needs | {"graph"}  # a loop by hand: inputs and outputs are read off the graph
        self.items, self.length, self.examples, self.good = items, length, examples, good

    def init(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """The next item's id; per Parameter the words of every known item with its id and counters."""
        return {"next": 1, "books": {}}

    def propose(self, evidence: Evidence, state: Any, *, n: int = 1, ask: Ask) -> tuple[list[Candidate], Any]:
        """``n`` sets of operations, each applied to the present text; nothing, and no call, when nothing went wrong."""
        texts = [id for id, p in evidence.parameters.items() if p.trainable and p.kind == "text" and isinstance(p.value, str)]
        state = self._numbered(state, {id: evidence.parameters[id].value for id in texts})
        wanted = [id for id, _ in blamed(evidence, texts)]
        if not wanted:
            return [], state
        own = {id: evidence.parameters[id] for id in wanted}
        idea = ideas(n)
        calls = [partial(self._changes, evidence, own, state, Random(evidence.random.getrandbits(64)), i, idea[i], ask) for i in range(n)]
        found = [evidence.candidate(changes, origin=origin) for changes, origin in ask_all(calls) if changes]
        return fresh(found), state

    def observe(self, state: Any, candidate: Candidate, evaluation: Any) -> Any:
        """Count for every item that came what it brought, and for every one that went the opposite."""
        changed = candidate.changed()
        delta = float(evaluation.delta)
        if not delta or any(candidate.spaces[id].kind != "text" for id in changed):
            return state  # nothing to learn, or something else may have done it
        state = self._numbered(state, {id: candidate.values[id] for id in changed})
        books = {id: {words: dict(entry) for words, entry in book.items()} for id, book in state["books"].items()}
        for id in changed:
            before, after = split(candidate.before[id])[1], split(candidate.values[id])[1]
            for words, good in [*((w, delta > 0) for w in after if w not in before), *((w, delta < 0) for w in before if w not in after)]:
                if words in books[id]:
                    books[id][words]["helped" if good else "harmed"] += 1
        return {**state, "books": books}

    # --- one call ----------------------------------------------------------------------------------

    def _changes(
        self, evidence: Evidence, own: Mapping[str, ParameterEvidence], state: Any, random: Random, place: int, idea: str, ask: Ask
    ) -> tuple[dict[str, Any], str]:
        """New texts by id, and what was done in words."""
        rows = chosen(evidence, own, most=self.examples, good=self.good, place=place, random=random)
        prompt = sections(
            "playbook",
            {
                "playbooks": "\n\n".join(_shown(p, state["books"][id]) for id, p in own.items()),
                "peers": peers_text(peers_of(own.values(), evidence.parameters)),
                "examples": examples_text(rows, self.examples) if rows else "",
                "said": "" if any(row.feedback for row in rows) else said(evidence, own),
                "length": str(self.length),
                "most": str(self.items),
                "idea": idea,
            },
        )
        items = {entry["id"]: (id, words) for id in own for words, entry in state["books"][id].items() if words in split(own[id].value)[1]}

        def applied(operations: Sequence[Operation]) -> tuple[dict[str, Any], str]:
            texts = {id: self._applied(own[id], state["books"][id], [o for o in operations if o.playbook == id]) for id in own}
            changes = {id: value_of(own[id], text, evidence.parameters) for id, text in texts.items() if text != own[id].value}
            return changes, "; ".join(operation.words() for operation in operations)

        def read(reply: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
            if no_change(reply, "operations"):
                return {}, ""
            return applied(read_operations(reply.get("operations"), own, items, self.length))

        found, talk = ask_until(ask, [{"role": "user", "content": prompt}], read)
        if found is None:
            found = _first_usable(applied, [saved_operations(reply, own, items, self.length) for reply in reversed(talk.replies)])
        return found

    def _applied(self, parameter: ParameterEvidence, book: Book, operations: Sequence[Operation]) -> str:
        """The text after its operations, in their order; the least helpful old items go when there are too many."""
        head, items = split(parameter.value)
        if not operations:
            return str(parameter.value)
        new: list[str] = []
        for operation in operations:
            words = operation.text
            if operation.op == "REMOVE" or (operation.op == "EDIT" and _same(words, items, but=operation.old)):
                items = [item for item in items if item != operation.old]
            elif operation.op == "EDIT":
                items = [words if item == operation.old else item for item in items]
                new.append(words)
            elif not _same(words, items):
                items.append(words)
                new.append(words)
        limit = getattr(parameter.space, "max_length", None)
        while len(items) > self.items or (limit is not None and len(joined(head, items)) > limit and any(i not in new for i in items)):
            old = [item for item in items if item not in new] or items
            items.remove(min(old, key=lambda item: _worth(item, book)))
        return joined(head, items)

    def _numbered(self, state: Any, texts: Mapping[str, str]) -> Any:
        """The state in which every item of these texts has an id; of items that are in none of them the latest are kept."""
        following, books = state["next"], dict(state["books"])
        for id, text in texts.items():
            items = split(text)[1]
            book = dict(books.get(id, {}))
            for words in items:
                if words not in book:
                    book[words] = {"id": following, "helped": 0, "harmed": 0}
                    following += 1
            gone = sorted((entry["id"], words) for words, entry in book.items() if words not in items)
            for _, words in gone[: max(0, len(gone) - 4 * self.items)]:
                del book[words]
            books[id] = book
        return {"next": following, "books": books}


def _first_usable(applied: Any, saved: Sequence[Sequence[Operation]]) -> tuple[dict[str, Any], str]:
    """What whole operations of a reply that was cut off come to."""
    for operations in saved:
        if operations:
            try:
                found: tuple[dict[str, Any], str] = applied(operations)
            except ReplyError:
                continue
            return found
    return {}, ""


def _shown(parameter: ParameterEvidence, book: Book) -> str:
    head, items = split(parameter.value)
    lines = [f"## {parameter.id}"]
    lines += [f"role: {parameter.role}"] if parameter.role else []
    lines += ["text above the list (stays as it is):", fenced(head)] if head else []
    lines += ["items:"] if items else ["items: none yet"]
    for words in items:
        entry = book[words]
        counts = f" (helped {entry['helped']}, harmed {entry['harmed']})" if entry["helped"] or entry["harmed"] else ""
        lines.append(f"[{entry['id']}] {words}{counts}")
    return "\n".join(lines)


def _same(words: str, items: Sequence[str], but: str = "") -> bool:
    return any(item.casefold() == words.casefold() for item in items if item != but)


def _worth(words: str, book: Book) -> tuple[int, int]:
    """What an item brought, then its age: of equal ones the oldest goes."""
    entry = book.get(words, {"id": 0, "helped": 0, "harmed": 0})
    return entry["helped"] - entry["harmed"], entry["id"]
