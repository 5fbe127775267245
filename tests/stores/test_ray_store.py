"""RayStore: one cluster, in a process of its own, answers everything; starting it takes seconds."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from paragrad import stores
from paragrad.errors import StoreError, UsageError
from paragrad.testing.store_kit import CHECKS
from paragrad.testing.stores import LAWS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the program said: the first word of each line to the others."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("no ray in this environment; pip install 'paragrad[ray]'")
    command = [sys.executable, "-m", "tests.stores.ray_programs", "main", str(tmp_path_factory.mktemp("ray"))]
    quiet = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=240, env=quiet)
    assert done.returncode == 0, done.stderr[-4000:]
    return {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line}


def test_ray_passes_the_kit(said: dict[str, list[str]]) -> None:
    assert LAWS
    assert said["kit"] == [str(len(CHECKS))]


def test_acknowledged_pushes_survive_the_actor_and_count_once(said: dict[str, list[str]]) -> None:
    assert said["killed"] == ["True", "True"]


def test_several_drivers_meet_the_same_actor(said: dict[str, list[str]]) -> None:
    assert said["drivers"] == ["['pushed',", "'20.0']", "21.0"]


def test_the_actor_applies_the_rule_and_the_store_behind_has_the_result(said: dict[str, list[str]]) -> None:
    assert said["applied"] == ["-12.0", "0.0", "True"]
    assert said["behind"] == ["-12.0", "0.0", "[0.0,", "0.0,", "0.0]"]


def test_its_promise_is_that_of_the_store_behind(said: dict[str, list[str]]) -> None:
    assert said["durable"] == ["True"]
    assert said["refused"] == ["True"]


@pytest.mark.parametrize(
    "url", ["ray://", "ray://host:10001", "ray://?before=sqlite:///x.db", "ray://?behind=", "ray://?behind=ray://?behind=memory:"]
)
def test_a_url_without_a_store_behind_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no store behind"):
        stores.open(url)


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(StoreError, match=r"paragrad\[ray\]"):
        stores.open("ray://?behind=sqlite:///x.db")
