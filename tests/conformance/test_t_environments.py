"""T16, the part of interactive environments: episodes with reset and step, tools, scores and words. Models are scripted (simulated)."""

from __future__ import annotations

import importlib.util
import json
import re
import runpy
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import paragrad as pg
from paragrad.errors import Diverged, Outage, ServerFailed
from paragrad.llm import providers
from paragrad.optimizers import EditSearch
from paragrad.optimizers.base import Transform
from paragrad.testing.wire import Connection, FaultServer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(name: str) -> ModuleType:
    """A fresh copy of an example: its agent is trained in place."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_T16_an_agent_learns_a_text_game_from_the_game_itself(tmp_path: Path) -> None:
    game = example("text_game")
    result = game.main(home=tmp_path, progress=False)
    assert result.significant
    assert (result.baseline, result.score) == (pytest.approx(0.19, abs=0.1), 1.0)
    learnt = game.agent.instruction.value
    assert learnt == result.best.values["player.instruction"]
    assert "Pick up everything you see." in learnt
    assert "without the lamp" in learnt
    assert "SIMULATED" in str(game.__doc__)


def train(tmp_path: Path, **options: Any) -> Any:
    """A short training on the game; returns the result."""
    game = example("text_game")
    given = {"model": pg.llm.Fake(game.player), "run": "r", "home": tmp_path, "budget": "500 calls", "progress": False, **options}
    rows = pg.data.rows(game.houses(12)).split(1 / 3, 1 / 3, 1 / 3)
    return pg.fit(game.agent, *rows, metric="environment", optimizer=EditSearch(bank=game.ADVICE), **given)


class Failing:
    """Goes away after some calls."""

    name = identity = "fake"
    cacheable, simulated = False, True

    def __init__(self, after: int) -> None:
        self.fake, self.left = pg.llm.Fake(example("text_game").player), after

    def complete(self, requests: list[Any], /) -> list[Any]:
        """Answer, while it lasts."""
        self.left -= len(requests)
        return self.fake.complete(requests) if self.left >= 0 else [ServerFailed("gone") for _ in requests]


def test_T16_episodes_are_the_same_at_any_number_of_workers_and_after_an_outage(tmp_path: Path) -> None:
    alone = train(tmp_path / "alone", workers=1)
    assert train(tmp_path / "many", workers=16).sha256 == alone.sha256
    half = pg.llm.stack(Failing(120), retries=0, cache=False)
    with pytest.raises(Outage, match="rows got no answer"):
        train(tmp_path / "parked", model=half, workers=4)
    again = Failing(10_000)
    resumed = train(tmp_path / "parked", model=pg.llm.stack(again, retries=0, cache=False), workers=4)
    assert (resumed.sha256, resumed.score) == (alone.sha256, alone.score)
    assert 10_000 - again.left == alone.spent["calls"] - 120


def test_T16_a_run_is_not_resumed_with_another_environment(tmp_path: Path) -> None:
    with pytest.raises(Outage):
        train(tmp_path, model=pg.llm.stack(Failing(100), retries=0, cache=False))
    game = example("text_game")
    changed = pg.Agent(game.agent.instruction.value, tools=type("House", (Lazy, game.House), {}), max_steps=14, name="player")
    rows = pg.data.rows(game.houses(12)).split(1 / 3, 1 / 3, 1 / 3)
    model = pg.llm.stack(Failing(10_000), retries=0, cache=False)
    with pytest.raises(Diverged, match="program"):
        pg.fit(
            changed, *rows, metric="environment", optimizer=EditSearch(bank=game.ADVICE), model=model, run="r", home=tmp_path,
            budget="500 calls", progress=False,
        )  # fmt: skip


class Lazy(pg.Environment):
    """Another environment."""


class Watching(Transform):
    """Proposes nothing, and keeps the evidence."""

    kinds = frozenset({"text"})
    needs = frozenset({"episodes", "blame"})

    def __init__(self) -> None:
        super().__init__()
        self._seen: list[Any] = []

    def propose(self, evidence: Any, state: Any, *, n: int = 1, ask: Any) -> tuple[list[Any], Any]:
        """Look."""
        self._seen.append(evidence)
        return [], state


class Till(pg.Environment):
    """Give change."""

    def reset(self, row: pg.Row) -> str:
        """The bill."""
        self.due, self.given = row.target, 0
        return f"The change is {row.inputs['change']}."

    @pg.tool
    def give(self, coins: int) -> str:
        """Give coins."""
        if coins < 1:
            raise ValueError(f"{coins} coins cannot be given")
        self.given += coins
        return f"{self.given} so far"

    def score(self, episode: pg.Episode) -> pg.Feedback:
        """Exactly what is due."""
        return pg.Feedback(self.given == self.due, f"{self.given} given, {self.due} due", actions=len(episode.steps))


def cashier(request: Any) -> Any:
    """Always gives three coins, after a mistake."""
    turn = sum(message["role"] == "assistant" for message in request.messages)
    call = pg.llm.types.ToolCall("1", "give", {"coins": [0, 3][turn]}) if turn < 2 else None
    return pg.llm.Response("", tool_calls=(call,)) if call is not None else "Here you are."


def test_T16_scores_words_and_episodes_of_an_environment_reach_the_optimizer(tmp_path: Path) -> None:
    watching, agent = Watching(), pg.Agent("Give change.", tools=Till)
    rows = pg.data.rows([{"change": f"{i % 4} of row {i}", "target": i % 4} for i in range(24)])
    pg.fit(
        agent, *rows.split(1 / 3, 1 / 3, 1 / 3), metric="environment", model=pg.llm.Fake(cashier), optimizer=watching, budget="400 calls",
        home=tmp_path, progress=False,
    )  # fmt: skip
    evidence = watching._seen[0]
    wrong = next(item for item in evidence.items if item.score == 0.0)
    assert wrong.scores == {"score": 0.0, "actions": 3.0}
    assert wrong.feedback == f"3 given, {wrong.target} due\ngive failed: (ValueError) 0 coins cannot be given"
    (episode,) = wrong.episodes
    assert [(step.component, dict(step.input_args), step.row.target) for step in episode.steps[1:]] == [
        ("give", {"coins": 0}, wrong.target),
        ("give", {"coins": 3}, wrong.target),
        ("agent", {"observation": f"The change is {wrong.inputs['change']}."}, wrong.target),
    ]
    for id in ("instruction", "tools.give.description"):
        found = evidence.parameters[id]
        assert set(found.peers) == {"instruction", "tools.give.description"} - {id}
        assert wrong.feedback in wrong.gradients[id]
        assert {c.item for c in found.gradients} == {item.item for item in evidence.items if item.score == 0.0}


# --- the shop, as its program is written, on servers of the protocol -------------------------------


def shop_model(connection: Connection) -> None:
    """A scripted server: it refunds what was paid if its instruction says so, else always 5; the optimizer's model says so."""
    messages, system = connection.body["messages"], connection.body["messages"][0]["content"]
    if "tools" not in connection.body:
        values = {"instruction": "You serve customers of a shop. Refund exactly what was paid."}
        return answered(connection, content=json.dumps({"reasoning": "", "no_change": False, "values": values}))
    number = re.findall(r"order o(\d+)", messages[1]["content"])[0]
    turn = sum(message["role"] == "assistant" for message in messages)
    if turn == 0:
        return answered(connection, calls=[("find_orders", {"email": f"m{number}@x"})])
    if turn == 1:
        (order,) = json.loads(messages[-1]["content"])
        return answered(
            connection, calls=[("refund", {"order_id": order["id"], "amount": order["paid"] if "what was paid" in system else 5.0})]
        )
    answered(connection, content="It is refunded.")


def answered(connection: Connection, content: str | None = None, calls: Sequence[tuple[str, dict[str, Any]]] = ()) -> None:
    """One chat completion."""
    made = [{"id": f"c{i}", "type": "function", "function": {"name": n, "arguments": json.dumps(a)}} for i, (n, a) in enumerate(calls)]
    message = {"role": "assistant", "content": content, **({"tool_calls": made} if made else {})}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if made else "stop"}
    connection.reply({"choices": [choice], "model": connection.body["model"], "usage": {"prompt_tokens": 9, "completion_tokens": 9}})


def requests(count: int) -> str:
    """Requests of customers, one JSON object per line."""
    lines = []
    for i in range(count):
        paid = 5.0 if i % 2 else 7.0
        orders = [{"id": f"o{i}", "email": f"m{i}@x", "paid": paid}, {"id": f"p{i}", "email": "other@x", "paid": 3.0}]
        lines.append(json.dumps({"request": f"Please refund order o{i}.", "orders": orders, "refunds": {f"o{i}": paid, f"p{i}": 0.0}}))
    return "\n".join(lines)


def test_T16_the_shop_s_agent_runs_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARAGRAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    (tmp_path / "requests.jsonl").write_text(requests(8), encoding="utf-8")
    with FaultServer(shop_model) as server:
        for name in ("ollama", "openai"):
            monkeypatch.setitem(providers.PROVIDERS, name, replace(providers.PROVIDERS[name], base_url=server.url))
        runpy.run_path(str(EXAMPLES / "shop_agent.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed.splitlines()[:3] == ["instruction", "tools.find_orders.description", "tools.refund.description"]
    assert "HELD OUT before" in printed
    assert (tmp_path / "agent" / "instruction.md").is_file()
    sent = [body for _, _, body in server.requests if "tools" in body]
    assert {tuple(tool["function"]["name"] for tool in body["tools"]) for body in sent} == {("find_orders", "refund")}
    assert max(len(body["messages"]) for body in sent) == 6
