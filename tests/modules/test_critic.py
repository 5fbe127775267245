"""The default critic: one call per operation, tolerant of form and strict about content; it can be trained itself. Models are simulated."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import pytest

import paragrad as pg
from paragrad import events
from paragrad.errors import ServerFailed
from paragrad.modules import Critic
from paragrad.modules.critic import words_in
from paragrad.modules.excerpts import excerpts, longest, readable
from paragrad.propagators import Text
from paragrad.trace.call import Call, Views
from paragrad.trace.nodes import extra_of


@pg.bundle(effects=())
def joined(head: str, tail: Any, note: str = "n") -> str:
    """Two texts as one."""
    return f"{head} {tail}"


def sent_back(reply: str | Callable[[Any], str], *, words: str = "too long", **options: Any) -> tuple[Any, Any, Any]:
    """The words that reached two Parameters through one operation, and the (simulated) model."""
    model = pg.llm.Fake(reply if callable(reply) else lambda _: reply)
    a, b = (
        pg.Parameter("one", "the head", name="a"),
        pg.Parameter("two", "the tail", name="b", instruction_to_critic="judge its tone alone"),
    )
    joined(a, b).backward(words, propagators=[Text(Critic(pg.llm.stack(model, retries=0), **options))])
    return [g.value for g in a.grad], [g.value for g in b.grad], model


def test_words_on_a_container_are_words_on_its_parts() -> None:
    assert words_in('{"docs": "too many", "docs[1]": "off topic"}', ["docs[0]", "docs[1]"]) == {
        "docs[0]": "too many",
        "docs[1]": "off topic",
    }


def test_one_call_says_what_concerns_every_argument() -> None:
    a, b, model = sent_back(json.dumps({"head": "shorter, please", "tail": None}))
    assert (a, b, model.calls) == (["shorter, please"], [], 1)
    system, case = [message["content"] for message in model.requests[0].messages]
    assert "JSON object" in system
    for part in ("joined: Two texts as one.", "## head (the head)\none", "## tail (the tail; judge its tone alone)\ntwo", "## note\nn"):
        assert part in case
    assert case.endswith("# Feedback on the output\ntoo long\n\n# Wanted\n- head\n- tail")


@pytest.mark.parametrize(
    ("reply", "head", "tail"),
    [
        ('{"head": "h", "tail": "t"}', "h", "t"),
        ('Sure!\n```json\n{"head": "h", "tail": null}\n```', "h", None),
        ('{"Head ": "h", "`tail`": "t"}', "h", "t"),
        ('{"reasoning": "...", "head": ["one", "two"]}', "one\ntwo", None),
        ('{"head": "none", "tail": "  "}', None, None),
        ('<think>hm {"head": "no"}</think>{"head": "h"}', "h", None),
    ],
)
def test_what_a_reply_may_look_like(reply: str, head: str | None, tail: str | None) -> None:
    found = words_in(reply, ["head", "tail"])
    assert (found.get("head"), found.get("tail")) == (head, tail)


@pytest.mark.parametrize(
    "reply", ["", "it is too long", "[]", '{"head": 3}', '{"head": {"fix": "x"}}', '{"other": "x"}', '{"head": "cut o', '{"head": []}']
)
def test_an_unusable_reply_is_asked_again_and_never_becomes_feedback(reply: str) -> None:
    warnings: list[str] = []
    off = events.on("warning", lambda event: warnings.append(event["text"]))
    a, b, model = sent_back(reply)
    off()
    assert (a, b, model.calls) == ([], [], 3)
    assert "joined could not be used" in warnings[0]
    again = sent_back(lambda request: reply if len(request.messages) == 2 else '{"head": "h"}')
    assert (again[0], again[2].calls) == (["h"], 2)
    assert [m["role"] for m in again[2].requests[1].messages] == ["system", "user", "assistant", "user"]


def test_an_outage_stays_one_and_delivers_nothing() -> None:
    def down(_: Any) -> Any:
        raise ServerFailed("502")

    p = pg.Parameter("one", name="p")
    out = joined(p, "x")
    with pytest.raises(ServerFailed):
        out.backward("w", propagators=[Text(Critic(pg.llm.stack(pg.llm.Fake(down), retries=0)))])
    assert list(p.grad) == []
    out.backward("w")  # the graph is still there
    assert len(p.grad) == 1


def test_a_model_call_is_seen_with_its_raw_reply_and_why_it_could_not_be_read() -> None:
    seen: list[str] = []

    def critic(request: Any) -> str:
        seen.append(request.messages[-1]["content"])
        return '{"instruction": "name the options"}'

    with pg.llm.use(pg.llm.Fake(lambda _: "It is **red**, I think.")):
        ask = pg.Generator("Which colour?", output=Literal["red", "blue"], inputs=["thing"], name="ask")
        with pytest.raises(pg.errors.ExecutionError) as caught:
            ask(thing="a rose")
    caught.value.output.backward("no colour", propagators=[Text(Critic(pg.llm.Fake(critic)))])
    assert "It is **red**, I think.\n\n(This could not be read: " in seen[0]
    assert "## thing\na rose" in seen[0]
    assert [g.value for g in ask.instruction.grad] == ["name the options"]


def test_A16_a_component_shows_critics_a_view_of_its_own() -> None:
    seen: list[str] = []

    def critic(request: Any) -> str:
        seen.append(request.messages[-1]["content"])
        return '{"head": null, "tail": "fewer", "x": "fewer"}'

    @pg.bundle(effects=())
    def retrieve(x: str) -> list[str]:
        """Passages."""
        return [x * 500]

    p = pg.Parameter("p", name="p")
    found: Any = retrieve(p)
    extra_of(found._n).call = Call(views=Views(critic="[title of passage 1]"))
    joined("head", found).backward("off topic", propagators=[Text(Critic(pg.llm.Fake(critic)))])
    assert "## tail\n[title of passage 1]" in seen[0]  # as an argument
    assert "# Output\n[title of passage 1]" in seen[1]  # as an output


def test_long_values_are_shortened_and_short_ones_stay_whole() -> None:
    shown: list[str] = []

    def critic(request: Any) -> str:
        shown.append(request.messages[-1]["content"])
        return '{"head": "shorter"}'

    p = pg.Parameter("a short head", name="p")
    joined(p, "x" * 1_000_000).backward("w", propagators=[Text(Critic(pg.llm.Fake(critic), limit=2000))])
    assert len(shown[0]) < 2600
    assert "a short head" in shown[0]
    assert longest([10, 10, 1000], 100) == 80
    assert excerpts(["a", "b" * 10], 6) == ["a", "bb…bb"]
    assert longest([], 10) == 0


def test_values_read_the_same_in_every_process() -> None:
    class Thing:
        pass

    assert "0x" not in readable(Thing())
    assert "0x" not in readable({"a": [Thing()]})
    assert readable({"b", "a", "c"}) == '["a", "b", "c"]'
    assert readable([{"k": {3, 1}}]) == '[{"k": [1, 3]}]'
    assert readable({(1, 2): "x"}) == "{(1, 2): 'x'}"


def test_V8_feedback_on_a_criticism_reaches_the_critics_instruction_and_what_it_was_made_of() -> None:
    critic = Critic(pg.llm.Fake(lambda _: '{"head": "be better", "x": "be better"}'), "Criticise.")
    p = pg.Parameter("one", name="p")
    upper = pg.bundle(effects=())(lambda x: x.upper())
    joined(upper(p), "two").backward("too long", create_graph=True, propagators=[Text(critic)])
    (criticism,) = p.grad
    assert (criticism.value, criticism.requires_grad) == ("be better", True)
    p.zero_grad()
    criticism.backward("name the length", retain_graph=True)
    assert {g.value for g in critic.instruction.grad} == {"name the length"}
    assert len(critic.instruction.grad) == 2  # it took part in both criticisms
    assert {g.value for g in p.grad} == {"name the length"}
    critic.instruction.zero_grad()
    criticism.backward("again", inputs=[p])
    assert list(critic.instruction.grad) == []
    assert critic.instruction.peers == ()


def test_without_create_graph_a_criticism_is_plain_words() -> None:
    a, _, _ = sent_back('{"head": "h"}')
    assert a == ["h"]
    fixed = Critic(pg.llm.Fake(), pg.Variable("Criticise."))
    assert fixed.parameters() == []
