"""kill -9 at named and random points: the journal stays readable, nothing acknowledged is lost or paid for twice."""

import os
import random
import resource
import signal
import subprocess
import sys
import time

import pytest

from paragrad.context import Coordinate
from paragrad.errors import JournalError
from paragrad.journal import RunJournal
from paragrad.journal.crashpoints import CRASH_POINTS, CrashPlan

# Each process appends one line per paid call to a file of its own, and prints what was acknowledged.
CHILD = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from paragrad.context import Coordinate
from paragrad.journal import RunJournal
from paragrad.journal.crashpoints import crash_point

journal = RunJournal(sys.argv[1], {"program": "p"})
paid = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def call(step, item):
    def perform():
        os.write(paid, f"{step}/{item}\\n".encode())
        return {"n": step * 100 + item}
    payload, replayed = journal.effect(Coordinate(step=step, item=item), "model", f"{step}-{item}", perform)
    os.write(1, f"{step}/{item} {payload['n']}\\n".encode())
    return payload["n"]

last = journal.last_checkpoint()
state = last[1] if last else {"step": 0, "total": 0}
with ThreadPoolExecutor(8) as pool:
    for step in range(state["step"], int(sys.argv[3])):
        total = state["total"] + sum(pool.map(lambda item: call(step, item), range(12)))
        state = {"step": step + 1, "total": total}
        journal.note(Coordinate(step=step), "decision", total)
        journal.checkpoint(state, Coordinate(step=step))
crash_point("before-publish")
journal.note(Coordinate(step=10000 + int(sys.argv[3])), "result", state["total"])
crash_point("after-publish")
journal.close()
os.write(1, f"total {state['total']}\\n".encode())
"""


def start(tmp_path, steps, crash=None):
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    if crash:
        environment["PARAGRAD_CRASH_AT"] = crash
    arguments = [sys.executable, "-c", CHILD, str(tmp_path / "journal.db"), str(tmp_path / "paid"), str(steps)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def check(tmp_path, steps, acknowledged, kills):
    """After the last, uninterrupted process: everything is there, and each kill cost at most eight repeated calls."""
    paid = (tmp_path / "paid").read_text().split()
    assert set(paid) == {f"{step}/{item}" for step in range(steps) for item in range(12)}
    with RunJournal(tmp_path / "journal.db") as journal:
        outcomes = {event.coordinate: event.payload["n"] for event in journal.events("model", "outcome")}
        assert len(outcomes) == 12 * steps == len(list(journal.events("model", "outcome")))
        assert len(list(journal.events("decision"))) == steps
        assert [event.payload for event in journal.events("result")][-1] == total(steps)
    for line in acknowledged:
        where, number = line.split()
        step, item = where.split("/")
        assert outcomes[str(Coordinate(step=int(step), item=int(item)))] == int(number)
    repeated = len(paid) - len(set(paid))
    assert repeated <= 8 * kills
    return repeated


def total(steps):
    return sum(step * 100 + item for step in range(steps) for item in range(12))


def acknowledged_of(output):
    return [line for line in output.decode().split("\n")[:-1] if "/" in line]


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_every_named_point(tmp_path, point):
    child = start(tmp_path, 2, f"{point}:{1 if 'publish' in point else 2}")
    output, errors = child.communicate()
    assert child.returncode == -signal.SIGKILL, errors.decode()
    acknowledged = acknowledged_of(output)
    child = start(tmp_path, 2)
    output, errors = child.communicate()
    assert child.returncode == 0, errors.decode()
    assert output.decode().split()[-1] == str(total(2))
    check(tmp_path, 2, acknowledged + acknowledged_of(output), kills=1)


def killed_at_random(tmp_path, kills, seed):
    chance = random.Random(seed)
    steps, acknowledged, done = 40, [], 0
    while done < kills:
        child = start(tmp_path, steps)
        first = child.stdout.readline()
        time.sleep(chance.random() * 0.1)
        child.kill()
        output, errors = child.communicate()
        assert child.returncode in (0, -signal.SIGKILL), errors.decode()
        acknowledged += acknowledged_of(first + output)
        done += child.returncode != 0
        steps += 20
    child = start(tmp_path, steps)
    output, errors = child.communicate()
    assert child.returncode == 0, errors.decode()
    repeated = check(tmp_path, steps, acknowledged + acknowledged_of(output), kills)
    print(f"{kills} kills: {len(acknowledged)} acknowledged, 0 lost, {repeated} calls repeated (at most {8 * kills})")


def test_random_kills(tmp_path):
    killed_at_random(tmp_path, 6, seed=0)


@pytest.mark.faults
def test_random_kills_long(tmp_path):
    for series in range(10):
        folder = tmp_path / str(series)
        folder.mkdir()
        killed_at_random(folder, 20, seed=series)


FULL = """
import resource, sys
from paragrad.context import Coordinate
from paragrad.errors import JournalError
from paragrad.journal import RunJournal
journal = RunJournal(sys.argv[1], {"program": "p"})
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
done = 0
try:
    for item in range(1000):
        journal.effect(Coordinate(item=item), "model", "d", lambda: {"text": "x" * 2000})
        done += 1
except JournalError as error:
    print(done, error)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs a limit on file sizes")
def test_a_full_disk_loses_nothing_acknowledged(tmp_path):
    path = tmp_path / "journal.db"
    found = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": os.getcwd()}
    )
    done, _, message = found.stdout.partition(" ")
    assert "writing to the run journal failed" in message
    assert "free some disk space" in message
    with RunJournal(path, {"program": "p"}) as journal:
        assert len(list(journal.events(phase="outcome"))) == int(done) > 0
        journal.effect(Coordinate(item=5000), "model", "d", lambda: {})


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_is_not_writable(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(JournalError, match="writable"):
        RunJournal(tmp_path / "journal.db", {"program": "p"})


def test_plans():
    assert (CrashPlan("after-intent:3").name, CrashPlan("after-intent:3").at) == ("after-intent", 3)
    for wrong in ("nowhere", "after-intent:x", ""):
        with pytest.raises(ValueError, match="before-intent"):
            CrashPlan(wrong)
