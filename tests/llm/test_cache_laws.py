"""Laws of the cache: paid for once, repeats stay different, damage is a miss."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import NotConnected, RateLimited, UsageError
from paragrad.llm import BudgetLedger, Fake, Request, Response, caching, stack
from paragrad.llm.cache_table import CacheTable


def ask(text: str, **more) -> Request:
    return Request([{"role": "user", "content": text}], **more)


def counting() -> Fake:
    count = iter(range(10**6))
    return Fake(lambda request: f"answer {next(count)}")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache.sqlite"


def test_the_same_question_is_paid_for_once_and_outlives_the_model(path):
    fake = counting()
    model = stack(fake, cache=path)
    assert [model("a"), model("a"), model("b")] == ["answer 0", "answer 0", "answer 1"]
    again = stack(counting(), cache=path)
    assert again("a") == "answer 0"
    assert fake.calls == 2


def test_model_options_and_samples_have_answers_of_their_own(path):
    fake = counting()
    model = stack(fake, cache=path)
    (several,) = model.complete([ask("a", n=3)])
    assert len(set(several.texts)) == 3
    assert model.complete([ask("a", temperature=0.5)])[0].text == "answer 3"
    other = stack(Fake(lambda request: "other", name="another"), cache=path)
    assert other("a") == "other"


def in_scope(model, text: str, times: int = 1, **at) -> list[str]:
    with scope(Scope(Coordinate(**at))):
        return [model(text) for _ in range(times)]


def test_items_and_candidates_share_answers_but_repeats_and_several_askings_do_not(path):
    model = stack(counting(), cache=path)
    first = in_scope(model, "q", 3)
    assert len(set(first)) == 3, "five votes for one question are five samples"
    assert in_scope(model, "q", 3) == first
    assert in_scope(model, "q", 3, step=4, candidate=2, item=9) == first
    assert not set(in_scope(model, "q", 3, repeat=1)) & set(first)


def test_an_optimizer_is_never_told_the_same_twice_within_a_run(path):
    model = stack(counting(), cache=path)
    said = [in_scope(model, "improve", 2, step=step, phase="optimizer") for step in range(3)]
    assert len({text for pair in said for text in pair}) == 6
    assert [in_scope(model, "improve", 2, step=step, phase="optimizer") for step in range(3)] == said


def test_sixty_four_threads_asking_the_same_cost_one_call(path):
    release = threading.Event()

    def answer(request: Request) -> str:
        release.wait(5)
        return "one"

    fake = Fake(answer)
    model = stack(fake, cache=path)
    ledger = BudgetLedger()

    def one(k: int) -> str:
        with scope(Scope(Coordinate(item=k), ledger=ledger)):
            return model("same")

    with ThreadPoolExecutor(64) as pool:
        futures = [pool.submit(one, k) for k in range(64)]
        time.sleep(0.1)
        release.set()
        assert {future.result() for future in futures} == {"one"}
    assert fake.calls == ledger.total.calls == 1


def test_many_threads_and_questions_cost_one_call_each(path):
    fake = Fake(lambda request: time.sleep(0.001) or str(request.messages[0]["content"]))
    model = stack(fake, cache=path)
    questions = [str(Random(k).randrange(20)) for k in range(400)]
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(model, questions)) == questions
    assert fake.calls == 20


def test_those_who_wait_share_a_failure_and_nothing_is_stored(path):
    started = threading.Event()

    def fail(request: Request):
        started.set()
        time.sleep(0.1)
        return RateLimited("slow down")

    fake = Fake(fail)
    model = stack(fake, cache=path, retries=0)
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(model.complete, [ask("a")])
        started.wait(5)
        follower = pool.submit(model.complete, [ask("a")])
        assert isinstance(leader.result()[0], RateLimited)
        assert isinstance(follower.result()[0], RateLimited)
    assert fake.calls == 1
    assert isinstance(model.complete([ask("a")])[0], RateLimited)
    assert fake.calls == 2


def test_cached_answers_cost_nothing_but_say_what_they_took(path):
    model = stack(Fake(lambda request: "xxxx" * 10, price=(1000, 1000)), cache=path)
    ledger = BudgetLedger()
    answers = []
    for _ in range(3):
        with scope(Scope(Coordinate(), ledger=ledger)):
            answers += model.complete([ask("a")])
    assert answers[0] == answers[1] == answers[2]
    assert answers[0].usage.usd > 0
    total = ledger.total
    assert (total.calls, total.cached_calls) == (1, 2)
    assert total.cached_tokens == 2 * total.tokens


def test_modes(path):
    fake = counting()
    model = stack(fake, cache=path)
    with caching("replay-only"):
        assert isinstance(model.complete([ask("a")])[0], NotConnected)
    assert model("a") == "answer 0"
    with caching("off"):
        assert model("a") == "answer 1"
    with caching("refresh"):
        assert model("a") == "answer 2"
    with caching("replay-only"):
        assert model("a") == "answer 2"
    with pytest.raises(UsageError, match="replay-only"), caching("sometimes"):
        pass


def test_scripted_models_are_cached_only_where_a_path_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PARAGRAD_HOME", str(tmp_path / "home"))
    model = stack(counting())
    assert model("a") != model("a")
    assert not (tmp_path / "home").exists()


def test_the_home_folder_is_made_at_first_use(tmp_path, monkeypatch):
    monkeypatch.delenv("PARAGRAD_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    model = stack(counting(), cache="read-write")
    assert list(tmp_path.iterdir()) == []
    assert model("a") == model("a")
    assert (tmp_path / ".paragrad" / "cache.sqlite").is_file()
    assert (tmp_path / ".paragrad" / ".gitignore").read_text() == "*\n"


def test_a_damaged_row_is_a_miss(path):
    assert stack(counting(), cache=path)("a") == "answer 0"
    for change in (
        "UPDATE answer SET payload = replace(payload, 'answer', 'Answer')",
        "UPDATE answer SET payload = 'x'",
        "UPDATE answer SET sha256 = ''",
    ):
        with sqlite3.connect(path) as db:
            db.execute(change)
        db.close()
        fresh = stack(Fake(["asked again", "answer 0"]), cache=path)
        assert fresh("a") == "asked again"
        assert stack(Fake([]), cache=path)("a") == "asked again"


def test_flipped_bytes_never_give_a_wrong_answer(tmp_path):
    """Any byte of the file: the right answer, or asked again."""
    path = tmp_path / "whole.sqlite"
    table = CacheTable(path)
    for k in range(20):
        table.put(f"key {k}", {"text": f"answer {k}"})
    table.close()
    whole = path.read_bytes()
    random = Random(0)
    for trial in range(150):
        damaged = bytearray(whole)
        for _ in range(random.choice([1, 40])):
            damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
        target = tmp_path / f"{trial}.sqlite"
        target.write_bytes(damaged if trial % 3 else damaged[: random.randrange(len(damaged))])
        hurt = CacheTable(target)
        for k in range(20):
            assert hurt.get(f"key {k}") in (None, {"text": f"answer {k}"})
        hurt.close()


def test_a_file_that_is_no_database_is_set_aside(path):
    path.write_text("this is no database, whatever its name says" * 50)
    model = stack(counting(), cache=path)
    assert model("a") == "answer 0"
    assert model("a") in ("answer 0", "answer 1")
    assert model("a") == model("a")
    assert list(path.parent.glob("cache.damaged-*"))


def test_a_folder_that_cannot_be_written_costs_only_the_cache(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert stack(counting(), cache=blocked / "cache.sqlite")("a") == "answer 0"


def test_a_row_of_another_shape_is_a_miss(path):
    assert stack(counting(), cache=path)("a") == "answer 0"
    table = CacheTable(path)
    with sqlite3.connect(path) as db:
        ((key,),) = db.execute("SELECT key FROM answer").fetchall()
    db.close()
    table.put(key, {"no": "answer"})
    table.close()
    assert stack(Fake(["asked again"]), cache=path)("a") == "asked again"


_WORKER = """
import sys, time
from pathlib import Path
from paragrad.llm import Fake, stack
def answer(request):
    with open(sys.argv[2], "a") as log:
        log.write("call\\n")
    if len(sys.argv) > 3:
        import os
        os.kill(os.getpid(), 9)
    time.sleep(0.2)
    return "x"
model = stack(Fake(answer), cache=Path(sys.argv[1]))
for k in range(3):
    assert model(str(k)) == "x"
"""


def test_processes_share_one_call_and_a_killed_one_is_replaced(tmp_path):
    arguments = [sys.executable, "-c", _WORKER, str(tmp_path / "c.sqlite"), str(tmp_path / "log")]
    killed = subprocess.run([*arguments, "die"], check=False, timeout=60)
    assert killed.returncode == -9
    workers = [subprocess.Popen(arguments) for _ in range(3)]
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0, 0]
    assert (tmp_path / "log").read_text().count("call") == 1 + 3


_STORES = """
import sys
from pathlib import Path
from paragrad.llm.cache_table import CacheTable
for line in sys.stdin:
    table = CacheTable(Path(sys.argv[1]))
    table.put(line.strip(), {"text": line.strip()})
    print("stored", flush=True)
"""


def test_what_another_process_stores_is_found_at_once(path):
    table = CacheTable(path)
    arguments = [sys.executable, "-c", _STORES, str(path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        for number in range(5):
            key = f"{number:064x}"
            assert table.get(key) is None
            other.stdin.write(f"{key}\n")
            other.stdin.flush()
            assert other.stdout.readline() == "stored\n"
            assert table.get(key) == {"text": key}
        other.stdin.close()
    assert CacheTable(path).get("3".zfill(64)) == {"text": "3".zfill(64)}


def test_what_nobody_has_stored_is_not_looked_up(path):
    table = CacheTable(path)
    table.put("a" * 64, {"text": "a"})
    assert table.get("c" * 64) is None
    asked = []
    table._attempt = lambda work, otherwise: asked.append(work) or otherwise
    assert table.get("b" * 64) is None
    assert not asked
    table.get("a" * 64)
    assert len(asked) == 1


def test_answers_of_a_release_that_kept_no_list_are_found(path):
    table = CacheTable(path)
    table.put("a" * 64, {"text": "a"})
    table.close()
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE stored")
    db.close()
    assert CacheTable(path).get("a" * 64) == {"text": "a"}


def test_answers_of_a_run_are_written_together_and_at_the_latest_when_nobody_is_asked(path):
    """The journal has them already. The last answer that is on its way writes those that wait."""
    first, second = threading.Event(), threading.Event()
    fake = Fake(lambda request: (first if request.messages[0]["content"] == "a" else second).wait(20) and "yes")
    model = stack(fake, cache=path)

    class Recorded:
        def effect(self, at, kind, digest, perform, *, describe=None):
            return perform(), False

    def one(text):
        with scope(Scope(Coordinate(item=ord(text)), journal=Recorded())):
            return model(text)

    def stored():
        with sqlite3.connect(path) as db:
            return db.execute("SELECT count(*) FROM answer").fetchone()[0]

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(one, text) for text in "ab"]
        first.set()
        assert futures[0].result() == "yes"
        assert stored() == 0
        assert one("a") == "yes", "an answer that waits to be written is an answer"
        second.set()
        assert futures[1].result() == "yes"
        assert stored() == fake.calls == 2


def test_a_fork_opens_its_own_connection(path):
    model = stack(counting(), cache=path)
    assert model("a") == "answer 0"
    child = os.fork()
    if child == 0:
        os._exit(0 if model("a") == "answer 0" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert isinstance(model.complete([ask("a")])[0], Response)
