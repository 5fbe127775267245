"""The peers: what is stored is compared over the same seeds, failures are told as such, and nothing is needed that is not there."""

import pytest

from benchmarks import p07_search
from benchmarks.peers import stored
from benchmarks.peers.__main__ import ROOT, answers
from benchmarks.peers.serving import Task, _one
from benchmarks.peers.settings import HERE, PEERS, WAITING

JOB = {"variant": "friendly", "validation": 20, "seed": 1, "budget": 200, "setting": "pareto b=3"}


def runs(*hits):
    return {"runs": [{"hit": hit, "final": 0.9 if hit else 0.2, "calls": 3000} for hit in hits]}


KEPT = {
    "gepa": {"search": {"hard": {"pareto b=3": runs(None, None), "current_best b=9": runs(1000, 2000, 100)}}},
    "textgrad": {"search": {"hard": {"step b=3": runs(50, 50), "revert b=3": runs(None, 900)}}},
}


def test_targets_are_those_of_the_best_setting_over_the_same_seeds():
    assert p07_search.target("hard", KEPT, 2).startswith("target ≤ 900, 0.6× of GEPA's best setting; goal 450")
    assert p07_search.target("hard", KEPT, 3).startswith("target ≤ 600")
    assert p07_search.target("hard", {}, 2) == "no target"
    assert "every peer" in p07_search.target("trap", KEPT, 2)


def test_peers_without_a_gate_are_told_apart():
    line = p07_search.peers_line("hard", KEPT, 2)
    assert line == "gepa current_best b=9 2/2 · 1,500 · 0.90; textgrad revert b=3 1/2 · – · 0.55; textgrad step b=3† 2/2 · 50 · 0.90"
    assert p07_search.peers_line("hard", {}, 2) == ""


def test_nothing_stored_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(stored, "RESULTS", tmp_path)
    assert stored.stored() == stored.measured("utilisation") == {}
    p07_search._about(stored.stored())
    assert "no stored results; sh benchmarks/peers/setup.sh" in capsys.readouterr().out


def test_every_peer_has_a_runner_and_a_pinned_version():
    pins = (HERE / "setup.sh").read_text(encoding="utf-8")
    for name, peer in PEERS.items():
        assert name == peer.package
        assert (ROOT / (peer.runner.replace(".", "/") + ".py")).exists()
        assert f'{name}) echo "' in pins


def test_a_run_that_breaks_is_told_as_one():
    def breaks(task):
        task.observe(0, task.start)
        task.look(task.start)
        raise RuntimeError("no")

    found = _one(breaks, JOB)
    assert (found["error"], found["calls"], found["hit"]) == ("RuntimeError: no", 1, None)


def test_waiting_is_measured_where_it_happens():
    task = Task({**WAITING, "task_seconds": 0.01, "proposer_seconds": 0.01, "slots": 4, "seed": 0, "setting": ""})
    task.observe_all(list(task.landscape.train)[:8], task.start)
    task.rewrite("c0", "start", [])
    assert task.summary(0.05)["utilisation"] == pytest.approx((8 * 0.01 + 0.01) / (4 * 0.05))


@pytest.mark.peers
@pytest.mark.parametrize("name", sorted(PEERS))
def test_a_peer_answers_the_same_twice(name):
    peer = PEERS[name]
    if not peer.python.exists():
        pytest.skip(f"{name} is not installed: sh benchmarks/peers/setup.sh {name}")
    one, two = answers(peer, [{**JOB, "setting": peer.settings[0]}] * 2, 1)
    assert "error" not in one
    assert {**one, "seconds": 0} == {**two, "seconds": 0}
    assert one["calls"] >= JOB["budget"] - 20
