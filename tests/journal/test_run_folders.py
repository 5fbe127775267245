"""Run folders: numbers given once, found by number or name, driven by one."""

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from paragrad.errors import JournalError, UnknownName, UsageError
from paragrad.journal import RunFolder, Runs, find_home


def create(home):
    return [Runs(home).create("job").number for _ in range(10)]


def test_numbers_are_given_once_between_processes(tmp_path):
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        numbers = [number for found in pool.map(create, [tmp_path / "home"] * 4) for number in found]
    assert sorted(numbers) == list(range(1, 41))
    assert [run.number for run in Runs(tmp_path / "home").all()] == sorted(numbers)


def test_numbers_are_not_reused(tmp_path):
    runs = Runs(tmp_path)
    runs.create()
    second = runs.create("late")
    for file in second.path.iterdir():
        file.unlink()
    second.path.rmdir()
    assert runs.create().number == 3


def test_layout_status_and_leftovers(tmp_path):
    runs = Runs(tmp_path / ".paragrad")
    (runs.path / ".new-7").mkdir(parents=True)
    run = runs.create("route-weekly")
    assert run.path == tmp_path / ".paragrad" / "runs" / "1-route-weekly"
    assert (tmp_path / ".paragrad" / ".gitignore").read_text() == "*\n"
    assert sorted(path.name for path in runs.path.iterdir()) == [".last", "1-route-weekly"]
    assert run.status == "unfinished"
    run.set_status("parked", reason="the provider is down")
    assert RunFolder(run.path).info()["reason"] == "the provider is down"
    with pytest.raises(UsageError, match="finished, parked, unfinished"):
        run.set_status("done")
    (run.path / "status.json").write_text(json.dumps([1]))
    with pytest.raises(JournalError, match="no run status"):
        run.info()


def test_find(tmp_path):
    runs = Runs(tmp_path)
    with pytest.raises(UnknownName, match="no run"):
        runs.latest()
    first, other, second = runs.create("route"), runs.create(), runs.create("route")
    assert runs.latest().path == second.path
    assert runs.find("route").path == second.path
    assert runs.find(1).path == runs.find("1").path == runs.find("1-route").path == first.path
    assert runs.find(2).path == other.path
    with pytest.raises(UnknownName, match="did you mean 'route'"):
        runs.find("ruote")
    for wrong in ("../x", "a/b", "", "12", ".hidden", "x" * 100):
        with pytest.raises(UsageError, match="cannot name a run"):
            runs.create(wrong)


def test_one_driver_at_a_time(tmp_path):
    run = Runs(tmp_path).create()
    with run.lock(), pytest.raises(JournalError, match="being driven by process"), RunFolder(run.path).lock():
        pass
    with run.lock():
        pass


def test_home_is_found_upwards(tmp_path, monkeypatch):
    monkeypatch.delenv("PARAGRAD_HOME", raising=False)
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / ".paragrad").mkdir()
    assert find_home(deep) == tmp_path / ".paragrad"
    monkeypatch.chdir(deep)
    assert Runs().home == tmp_path / ".paragrad"
    monkeypatch.setenv("PARAGRAD_HOME", str(tmp_path / "elsewhere"))
    assert find_home(deep) == tmp_path / "elsewhere"
    assert not (tmp_path / "elsewhere").exists()


def test_a_home_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(JournalError, match="PARAGRAD_HOME"):
        Runs(tmp_path / "file").create()
