"""Environments: episodes of agents, their scores, and what goes wrong in them. Models are scripted (simulated)."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any, Literal

import pytest

import paragrad as pg
from paragrad.errors import ExecutionError, MetricError, Outage, UsageError
from paragrad.guides import EnvironmentGuide, GymEnvironment, bind_metric
from paragrad.llm import Request, Response
from paragrad.llm.types import ToolCall
from paragrad.trace import Module, Variable


def turn(request: Request) -> int:
    """How many replies there were."""
    return sum(message["role"] == "assistant" for message in request.messages)


def call(name: str, **arguments: Any) -> Response:
    """A reply that calls one tool."""
    return Response("", tool_calls=(ToolCall("1", name, arguments),), finish="tool_calls")


class Countdown(pg.Environment):
    """Say the numbers down to zero."""

    made: list[Countdown] = []
    closed: list[Countdown] = []
    guard = threading.Lock()

    def __init__(self, bonus: float = 0.0) -> None:
        self.bonus = bonus
        with self.guard:
            self.made.append(self)

    def reset(self, row: pg.Row) -> Any:
        self.left = row.inputs["start"]
        self.thread = threading.get_ident()
        return {"left": self.left}

    def step(self, action: Any) -> tuple[Any, float, bool]:
        assert threading.get_ident() == self.thread
        if int(action) == self.left - 1:
            self.left -= 1
            return {"left": self.left}, 0.25 + self.bonus, self.left == 0
        return "wrong, you are out", 0.0, True

    def close(self) -> None:
        self.closed.append(self)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Countdown.made, Countdown.closed = [], []


def counting(request: Request) -> str:
    """Counts down, if it can read what is left."""
    left = request.messages[-1]["content"].partition(": ")[2].rstrip("}")
    return str(int(left) - 1)


def starts(*numbers: int) -> Any:
    return pg.data.rows([{"start": number, "game": i} for i, number in enumerate(numbers)], input=("start", "game"))


def evaluate(agent: Any, rows: Any, script: Any, metric: Any = "environment", **options: Any) -> Any:
    return pg.evaluate(agent, rows, metric=metric, model=pg.llm.Fake(script), **options)


def test_replies_are_moves_until_the_environment_is_done_and_rewards_add_up() -> None:
    agent = pg.Agent("Count down.", tools=Countdown)
    model = pg.llm.Fake(counting)
    found = pg.evaluate(agent, starts(4), metric="environment", model=model)
    (item,) = found.items
    assert (item.scores, item.feedback, item.status, item.output) == ({"score": 1.0}, None, "ok", "0")
    assert [message["content"] for message in model.requests[-1].messages] == [
        "Count down.", '{"left": 4}', "3", '{"left": 3}', "2", '{"left": 2}', "1", '{"left": 1}'
    ]  # fmt: skip
    assert model.requests[-1].tools == ()


def test_the_action_has_the_type_that_was_asked_for_and_the_output_is_the_last_one() -> None:
    agent = pg.Agent("Count down.", tools=Countdown, output=Literal[0, 1, 2])
    with pg.llm.use(pg.llm.Fake(lambda request: ["two!", "2", "1", "0"][turn(request)])):
        out: Any = agent(start=3)
    assert out.value == 0
    assert list(out.predecessors) == ["reply", "observation"]
    assert out.predecessors["observation"].value == {"left": 0}
    out.backward("Faster.")
    assert {g.value for g in agent.instruction.grad} == {"Faster."}
    assert (len(Countdown.made), len(Countdown.closed)) == (1, 1)


def test_a_whole_row_can_be_given_and_inputs_may_be_variables() -> None:
    agent = pg.Agent("Count down.", tools=Countdown)
    with pg.llm.use(pg.llm.Fake(counting)):
        assert agent.predict(pg.Row("r", {"start": 2})) == "0"
        start = Variable(2, requires_grad=True, name="start")
        out: Any = agent(start=start)
    out.backward("Hm.")
    assert {g.value for g in start.grad} == {"Hm."}


@pytest.mark.parametrize("workers", [1, 16])
def test_every_episode_has_an_instance_of_its_own(workers: int) -> None:
    agent = pg.Agent("Count down.", tools=partial(Countdown, bonus=0.25))
    found = evaluate(agent, starts(*[2 + i % 3 for i in range(40)]), counting, workers=workers)
    assert [item.score for item in found.items] == [0.5 * (2 + i % 3) for i in range(40)]
    assert len(set(Countdown.made)) == len(Countdown.closed) == 40
    assert {play.bonus for play in Countdown.made} == {0.25}


def test_an_environment_that_never_ends_is_cut_and_scored_with_one_clear_message() -> None:
    agent = pg.Agent("Count down.", tools=Countdown, max_steps=3)
    (item,) = evaluate(agent, starts(100), counting).items
    assert (item.score, item.status, item.output) == (0.75, "ok", "97")
    assert item.feedback == "the episode was ended after 3 replies of the agent (max_steps=3): the environment was not done"


class Stuck(Countdown):
    """A move that never returns in time."""

    release = threading.Event()

    def step(self, action: Any) -> tuple[Any, float, bool]:
        self.release.wait(20)
        return "at last", 0.0, False

    def close(self) -> None:
        """Closed when its thread comes back, which may be in another test."""


def test_a_move_that_takes_too_long_is_a_failure_of_its_row() -> None:
    try:
        (item,) = evaluate(pg.Agent("Wait.", tools=Stuck), starts(3), counting, deadline=0.2).items
    finally:
        Stuck.release.set()
    assert (item.score, item.status) == (0.0, "error")
    assert "took longer than its deadline of 0.2 s" in str(item.feedback)


class Broken(Countdown):
    """Raises where the row says."""

    def __init__(self) -> None:
        super().__init__()
        self.where = ""

    def reset(self, row: pg.Row) -> Any:
        self.where = row.meta["where"]
        self._fail("reset")
        return super().reset(row)

    def step(self, action: Any) -> Any:
        self._fail("step")
        return super().step(action) if self.where != "triple" else ("x", True)

    def score(self, episode: pg.Episode) -> Any:
        self._fail("score")
        return episode.score if self.where != "nothing" else None

    def close(self) -> None:
        super().close()
        self._fail("close")

    def _fail(self, here: str) -> None:
        if self.where == here:
            raise RuntimeError(f"broken {here}")
        if self.where == f"{here} away":
            raise ConnectionError("no simulator")


def broken(where: str) -> Any:
    return pg.data.rows([{"start": 2, "where": "fine"}, {"start": 1, "where": where}], input="start")


@pytest.mark.parametrize(
    ("where", "words"), [("reset", "broken reset"), ("step", "broken step"), ("triple", "return (observation, reward, done)")]
)
def test_what_raises_on_the_way_is_a_failure_of_the_program(where: str, words: str) -> None:
    fine, item = evaluate(pg.Agent("Go.", tools=Broken), broken(where), counting).items
    assert (fine.score, item.score, item.status) == (0.5, 0.0, "error")
    assert words in str(item.feedback)
    assert where == "triple" or f'broken {{here}}")  <--- (RuntimeError) {words}' in str(item.feedback)  # the line is shown
    assert len(Countdown.closed) == 2


@pytest.mark.parametrize(
    ("where", "words"),
    [("score", "raised RuntimeError: broken score"), ("nothing", "no score"), ("close", "raised RuntimeError: broken close")],
)
def test_what_raises_in_the_score_stops_the_run_and_names_the_row(where: str, words: str) -> None:
    with pytest.raises(MetricError, match="row '2'") as error:
        evaluate(pg.Agent("Go.", tools=Broken), broken(where), counting)
    assert words in str(error.value)


@pytest.mark.parametrize("where", ["reset away", "step away", "score away"])
def test_an_outage_of_the_environment_is_never_a_score(where: str) -> None:
    with pytest.raises(Outage, match=r"1 of 2 rows got no answer.*no simulator"):
        evaluate(pg.Agent("Go.", tools=Broken), broken(where), counting)


class Desk(pg.Environment):
    """A customer to talk to, and a register to write in: tools and moves together."""

    def reset(self, row: pg.Row) -> str:
        row.meta["orders"].clear()  # a copy: the row is not touched
        self.noted: list[str] = []
        return "A customer comes in."

    @pg.tool
    async def note(self, text: str) -> None:
        """Write down."""
        await asyncio.sleep(0)
        self.noted.append(text)

    async def step(self, action: str) -> tuple[str, float, bool]:
        await asyncio.sleep(0)
        return ("Bye.", 1.0, True) if "bye" in action else (f"You said {action!r}?", 0.0, False)

    async def score(self, episode: pg.Episode) -> pg.Feedback:
        first = episode.steps[0]
        assert (first.row.id, first.row.meta["orders"]) == ("1", ["a"])
        return pg.Feedback(episode.score if self.noted == ["tea"] else 0, f"{len(episode.steps)} steps", steps=len(episode.steps))


def test_tools_and_moves_can_be_mixed_and_methods_can_be_async() -> None:
    replies = ["Hello", call("note", text="tea"), call("nothing"), "Goodbye"]
    model = pg.llm.Fake(lambda request: replies[turn(request)])
    agent = pg.Agent("Serve.", tools=Desk)
    (item,) = pg.evaluate(agent, pg.data.rows([{"q": "x", "orders": ["a"]}], input="q"), metric="environment", model=model).items
    assert item.scores == {"score": 1.0, "steps": 4.0}
    components = ["reset", "step", "note", "nothing", "step", "agent"]
    assert [step.component for step in item.episodes[0].steps] == components
    assert [message["content"] for message in model.requests[-1].messages if message["role"] in ("user", "tool")] == [
        "A customer comes in.", "You said 'Hello'?", "done", "error: no tool is called 'nothing'; The tools are: note"
    ]  # fmt: skip


class Twice(Module):
    """Two episodes on one row."""

    def __init__(self) -> None:
        self.player = pg.Agent("Count down.", tools=Countdown)

    def forward(self, start: int) -> Any:
        """Count down from it, then from less."""
        first = self.player(start=start)
        return pg.format("{a} {b}", a=first, b=self.player(start=1))


def test_several_episodes_on_a_row_score_their_mean() -> None:
    (item,) = evaluate(Twice(), pg.data.rows([{"start": 3}], input="start"), counting).items
    assert (item.score, item.output) == ((0.75 + 0.25) / 2, "0 0")


def test_a_program_that_plays_nothing_has_no_environment_to_score_it() -> None:
    with pytest.raises(MetricError, match=r"the metric environment on row '1'.*nothing was played.*tools=MyEnvironment"):
        evaluate(pg.Generator("x"), [("a", "b")], lambda request: "b")
    with pytest.raises(UsageError, match="nothing was played"):
        EnvironmentGuide()("query", "response")


def test_an_environment_without_rewards_must_score() -> None:
    class Silent(pg.Environment):
        @pg.tool
        def look(self) -> str:
            """Look."""
            return "dark"

    with pytest.raises(MetricError, match="Silent gives no rewards; define score"):
        evaluate(pg.Agent("x", tools=Silent), [("a", "b")], lambda request: "done")
    with pytest.raises(NotImplementedError, match="define step"):
        Silent().step("x")


def test_the_guide_is_a_metric_that_needs_no_target() -> None:
    metric = bind_metric("environment")
    assert metric.needs == set()
    assert bind_metric(EnvironmentGuide()).digest == metric.digest
    assert bind_metric(lambda output, target=None: 1).needs == {"output"}
    rows = pg.data.rows([{"start": 2}], input="start")
    assert evaluate(pg.Agent("x", tools=Countdown), rows, counting, metric=EnvironmentGuide()).score == 0.5


# --- gymnasium -------------------------------------------------------------------------------------


def test_a_gymnasium_task_in_words() -> None:
    pytest.importorskip("gymnasium")
    task = partial(GymEnvironment, "FrozenLake-v1", is_slippery=False, render_mode="ansi")
    agent = pg.Agent("Reach G: 0 left, 1 down, 2 right, 3 up.", tools=task, output=int)
    model = pg.llm.Fake(lambda request: ["7", "1", "1", "2", "1", "2", "2"][turn(request)])
    (item,) = pg.evaluate(agent, [{"seed": 3}], metric="environment", model=model).items
    assert (item.score, item.output, item.feedback) == (1.0, 2, None)
    shown = [message["content"] for message in model.requests[-1].messages if message["role"] == "user"]
    assert shown[0] == "\n[S]FFF\nFHFH\nFFFH\nHFFG\n\nAnswer with an action from 0 to 3."
    assert shown[1] == "7 is no action here. Answer with an action from 0 to 3."
    assert shown[2] == "  (Down)\nSFFF\n[F]HFH\nFFFH\nHFFG\n"


def test_gymnasium_tasks_are_seeded_by_the_row_and_take_lists_for_boxes() -> None:
    pytest.importorskip("gymnasium")
    agent = pg.Agent("Push.", tools=partial(GymEnvironment, "Pendulum-v1"), output=list[float], max_steps=2)
    model = pg.llm.Fake(lambda request: "[0.5]")
    rows = pg.data.rows([{"seed": 1, "k": "a"}, {"seed": 1, "k": "b"}, {"seed": 2, "k": "c"}])
    first, again, other = pg.evaluate(agent, rows, metric="environment", model=model).items
    assert first.score == again.score != other.score
    assert str(first.feedback).endswith("the environment was not done")
    seen = {request.messages[1]["content"] for request in model.requests}
    assert len(seen) == 2
    assert all("Answer with an action from Box(-2.0, 2.0, (1,), float32)." in text for text in seen)


def test_without_gymnasium_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(UsageError, match=r"needs gymnasium, which is not installed: pip install 'paragrad\[gym\]'"):
        GymEnvironment("FrozenLake-v1")


def test_an_agent_that_failed_is_not_scored_by_its_environment() -> None:
    class Fussy(Desk):
        def score(self, episode: pg.Episode) -> Any:
            raise AssertionError("never asked")

    agent = pg.Agent("Serve.", tools=Fussy, output=int, max_steps=2)
    (item,) = evaluate(agent, pg.data.rows([{"q": "x", "orders": []}], input="q"), lambda request: "hm").items
    assert (item.score, item.status) == (0.0, "error")
    with pytest.raises(ExecutionError), pg.llm.use(pg.llm.Fake(lambda r: "hm")):
        agent(pg.Row("1", {"q": "x"}, meta={"orders": []}))
