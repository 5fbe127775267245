"""Playbook: operations on items, counters, bounds, and text that stays plain. Models are simulated."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import paragrad as pg
from paragrad.optimizers import Playbook
from paragrad.optimizers.items import joined, one_line, split
from paragrad.protocols.evidence import Evidence, ItemEvidence, ParameterEvidence
from paragrad.testing import check_optimizer
from paragrad.trainers.evaluation import Evaluation

TEXT = "Route the ticket.\n\n- Refunds are billing.\n- Crashes are bugs."


def evidence(text: str = TEXT, space: Any = None, seed: int = 0) -> Evidence:
    own = ParameterEvidence("p", "text", text, 1, space or pg.Text(), "how to route")
    items = (ItemEvidence(0, {"x": "hello"}, "sales", "bug", {"score": 0.0}, "it was sales"),)
    return Evidence({"p": own}, items, random=Random(seed))


def operate(*operations: Any, text: str = TEXT, book: Playbook | None = None, state: Any = None, space: Any = None) -> tuple[Any, Any]:
    """The text after some operations, and the state."""
    book = book or Playbook()
    reply = json.dumps({"reasoning": "r", "operations": list(operations)})
    found, state = book.propose(evidence(text, space), state or book.init([]), n=1, ask=lambda *_, **__: reply)
    return (found[0].values["p"] if found else None), state


def add(text: str) -> Any:
    return {"op": "ADD", "playbook": "p", "text": text}


def test_conformance() -> None:
    replies = json.dumps({"operations": [{"op": "ADD", "text": "Say please."}]})
    assert check_optimizer(Playbook, reply=lambda _: replies, rounds=2) > 0


def test_operations_change_single_items() -> None:
    assert operate(add("Offers are sales."))[0] == f"{TEXT}\n- Offers are sales."
    assert operate({"op": "EDIT", "item": 1, "text": "Refunds and fees are billing."})[0] == TEXT.replace(
        "Refunds are", "Refunds and fees are"
    )
    assert operate({"op": "REMOVE", "item": 2})[0] == "Route the ticket.\n\n- Refunds are billing."
    both = operate(
        {"op": "REMOVE", "item": 1}, {"op": "EDIT", "item": 2, "text": "Crashes and errors are bugs."}, add("Offers are sales.")
    )[0]
    assert both == "Route the ticket.\n\n- Crashes and errors are bugs.\n- Offers are sales."
    assert operate(add("crashes ARE bugs."))[0] is None, "what stands there already is not added"
    assert operate({"op": "EDIT", "item": 1, "text": "Crashes are bugs."})[0] == "Route the ticket.\n\n- Crashes are bugs."


def test_a_text_without_a_list_gets_one_and_its_words_stay() -> None:
    assert operate(add("Be kind."), text="Route it.\n- not at the end\nGo.")[0] == "Route it.\n- not at the end\nGo.\n\n- Be kind."
    assert operate(add("Be kind."), text="")[0] == "- Be kind."
    assert operate(add("- Be\n  kind."), text="")[0] == "- Be kind.", "an item is one line"


@given(st.text(alphabet="ab -\n", max_size=40), st.lists(st.text(alphabet="ab c-", max_size=8).map(one_line).filter(bool), max_size=5))
def test_text_and_items_are_two_views_of_one_thing(head: str, items: list[str]) -> None:
    first = split(head)
    text = joined(first[0], [*first[1], *items])
    assert split(text) == (first[0], [*first[1], *items])
    assert joined(*split(text)) == text


def test_counters_follow_what_items_brought() -> None:
    book = Playbook()
    text, state = operate(add("Offers are sales."), {"op": "REMOVE", "item": 2}, book=book)
    base = evidence()
    candidate = base.candidate({"p": text})
    for delta in (0.2, 0.1, -0.3, 0.0):
        state = json.loads(json.dumps(book.observe(state, candidate, Evaluation(base.items, delta=delta))))
    entries = state["books"]["p"]
    assert entries["Offers are sales."] == {"id": 3, "helped": 2, "harmed": 1}
    assert entries["Crashes are bugs."] == {"id": 2, "helped": 1, "harmed": 2}
    assert entries["Refunds are billing."] == {"id": 1, "helped": 0, "harmed": 0}
    prompts: list[str] = []
    book.propose(evidence(text), state, n=1, ask=lambda m, **_: prompts.append(m[0]["content"]) or "")
    assert "[3] Offers are sales. (helped 2, harmed 1)" in prompts[0]
    other = Evidence({**base.parameters, "n": ParameterEvidence("n", "number", 1, 1, pg.Number())}, base.items)
    mixed = other.candidate({"p": text, "n": 2})
    assert book.observe(state, mixed, Evaluation(base.items, delta=1.0)) == state, "something else may have done it"


def test_it_stays_bounded_and_the_least_helpful_go() -> None:
    book = Playbook(items=3)
    text, state = operate(add("Three."), book=book)
    state["books"]["p"] = {**state["books"]["p"], "Three.": {"id": 3, "helped": 0, "harmed": 2}}
    text, state = operate(add("Four."), text=text, book=book, state=state)
    assert split(text)[1] == ["Refunds are billing.", "Crashes are bugs.", "Four."]
    text, state = operate(add("Five."), text=text, book=book, state=state)
    assert split(text)[1] == ["Crashes are bugs.", "Four.", "Five."], "of equal ones the oldest goes"
    short, _ = operate(add("Offers are sales."), space=pg.Text(max_length=60))
    assert short == "Route the ticket.\n\n- Crashes are bugs.\n- Offers are sales."
    for i in range(40):
        text, state = operate(add(f"Rule {i}."), text=text, book=book, state=state)
    assert len(split(text)[1]) == 3
    assert len(state["books"]["p"]) <= 5 * 3
    assert len(set(entry["id"] for entry in state["books"]["p"].values())) == len(state["books"]["p"])


def test_the_same_operations_come_to_the_same_text() -> None:
    operations = [add("One."), {"op": "EDIT", "item": 2, "text": "Two."}, add("Three."), {"op": "REMOVE", "item": 1}]
    assert len({operate(*operations)[0] for _ in range(3)}) == 1


def test_nothing_is_asked_when_nothing_is_wrong() -> None:
    calls: list[Any] = []
    fine = evidence()
    right = Evidence(fine.parameters, (ItemEvidence(0, {}, "a", "a", {"score": 1.0}),))
    assert Playbook().propose(right, Playbook().init([]), n=3, ask=lambda *a, **_: calls.append(a) or "")[0] == []
    assert not calls


def test_it_teaches_a_program_its_rules(tmp_path: Any) -> None:
    rules = {"r": "red", "g": "green", "b": "blue"}

    @pg.prompt
    def color(x: str) -> str:
        """Name the colour."""
        ...

    def answer(request: pg.llm.Request) -> str:
        said = str(request.messages[-1]["content"])[0]
        return rules[said] if f"{said} is {rules[said]}" in str(request.messages[0]["content"]) else "no idea"

    def write(request: pg.llm.Request) -> str:
        prompt = str(request.messages[0]["content"])
        missing = [k for k, v in rules.items() if f"wanted {v} for {k}" in prompt and f"{k} is {v}" not in prompt]
        operations = [{"op": "ADD", "text": f"{k} is {rules[k]}"} for k in missing]
        return json.dumps({"operations": operations} if operations else {"no_change": True})

    def grade(output: str, target: str, query: Any) -> tuple[float, str]:
        return float(output == target), f"wanted {target} for {str(query)[0] if isinstance(query, str) else query['x'][0]}"

    rows = [(f"{k}{i}", v) for i in range(20) for k, v in rules.items()]
    result = pg.fit(
        color, rows, metric=grade, model=pg.llm.Fake(answer), optimizer=Playbook(), optimizer_model=pg.llm.Fake(write), home=tmp_path,
        progress=False, budget="600 calls",
    )  # fmt: skip
    assert result.score == 1.0
    text: str = color.instruction.value  # type: ignore[attr-defined]
    assert text.startswith("Name the colour.\n\n- ")
    assert sorted(split(text)[1]) == sorted(f"{k} is {v}" for k, v in rules.items())
