"""Retrievers: what they find, what they keep on record, what no input can make them do."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paragrad as pg
from paragrad.context import Coordinate, Scope, scope
from paragrad.errors import DataError, ExecutionError, Outage, ProposalError, UsageError
from paragrad.journal import RunJournal
from paragrad.modules.retrieval import BM25, FTS5, SQL
from paragrad.modules.retrieval.bm25 import words
from paragrad.modules.retrieval.statement import bound, names_in, read_only

TEXTS = ["the red fox runs", "a blue whale swims", "red wine and red cheese", "nothing of interest"]
SHOP = "SELECT name, spent FROM customers WHERE country = :country AND name LIKE '%' || :query || '%' ORDER BY spent DESC LIMIT :k"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A small database."""
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE customers (name TEXT, country TEXT, spent REAL)")
        rows = [("Ana", "PT", 3.5), ("Bruno", "PT", 9.0), ("Anabela", "PT", 1.0), ("Anders", "SE", 7.0)]
        connection.executemany("INSERT INTO customers VALUES (?, ?, ?)", rows)
    return path


@pytest.fixture
def sql(shop: Path) -> Iterator[SQL]:
    """A source over it."""
    source = SQL(shop, SHOP)
    yield source
    source.close()


def found(retriever: pg.Retriever, *args: Any, **inputs: Any) -> Any:
    """The plain output."""
    return retriever.predict(*args, **inputs)


# --- what is found ---------------------------------------------------------------------------------
def test_texts_are_ranked_by_their_words() -> None:
    search = pg.Retriever(TEXTS, k=2)
    assert found(search, "RED fox?") == [TEXTS[0], TEXTS[2]]
    assert found(search, "whale") == [TEXTS[1]], "what shares no word is left out"
    assert found(search, "") == []
    rows = [{"body": text, "page": k} for k, text in enumerate(TEXTS)]
    (best,) = found(pg.Retriever(BM25(rows, text="body"), k=1, output="documents", text="body"), "cheese")
    assert (best["page"], best["body"], best["score"] > 0) == (2, TEXTS[2], True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("ab c", min_size=1, max_size=12), min_size=1, max_size=12), st.text("ab c", max_size=8))
def test_bm25_is_the_formula(texts: list[str], query: str) -> None:
    import math

    k1, b = 1.2, 0.75
    split = [words(text) for text in texts]
    mean = sum(map(len, split)) / len(split) or 1.0

    def score(document: list[str]) -> float:
        total = 0.0
        for word in words(query):
            holders = sum(word in other for other in split)
            times = document.count(word)
            idf = math.log(1 + (len(split) - holders + 0.5) / (holders + 0.5))
            total += idf * times * (k1 + 1) / (times + k1 * (1 - b + b * len(document) / mean)) if times else 0.0
        return total

    wanted = sorted((place for place in range(len(texts)) if score(split[place])), key=lambda place: (-score(split[place]), place))
    got = BM25(texts).search({"query": query, "k": 100, "weights": (k1, b)})
    assert [row["score"] for row in got] == pytest.approx([score(split[place]) for place in wanted], abs=1e-5)
    assert {row["id"] for row in got} == set(wanted)


def test_an_index_of_sqlite_in_memory_and_in_a_file(tmp_path: Path) -> None:
    memory = FTS5(TEXTS)
    assert found(pg.Retriever(memory, k=2), "red fox") == [TEXTS[0], TEXTS[2]]
    memory.close()
    path = tmp_path / "docs.db"
    rows = [{"title": "animals", "body": text} for text in TEXTS[:2]] + [{"title": "red", "body": "plain"}]
    FTS5(rows, path).close()
    assert found(pg.Retriever(SQL(path, "SELECT body FROM documents WHERE documents MATCH :query"), k=2), "whale") == [TEXTS[1]]
    again = FTS5(path=path, weights=pg.Parameter([10.0, 1.0], "how much a column counts"))
    search = pg.Retriever(again, k=3, output="documents")
    assert [row["body"] for row in found(search, "red")] == ["plain", TEXTS[0]]
    assert list(search.named_parameters()) == ["weights"]
    with search.overlay({"weights": [0.0, 10.0]}):
        assert next(row["body"] for row in found(search, "red")) == TEXTS[0]
    search.close()
    with pytest.raises(DataError, match="cannot be made"):
        FTS5(rows, path)


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=30))
def test_no_query_is_an_error_or_an_instruction_to_the_index(query: str) -> None:
    assert all(row["text"] in TEXTS for row in INDEX.search({"query": query, "k": 4}))


INDEX = FTS5(TEXTS)


def test_a_database_answers_with_bound_values(sql: SQL) -> None:
    search = pg.Retriever(sql, k=2)
    assert found(search, "An", country="PT") == ["name: Ana, spent: 3.5", "name: Anabela, spent: 1.0"]
    assert found(pg.Retriever(sql, k=1, text="name"), "An", country="PT") == ["Ana"]
    assert found(pg.Retriever(sql, k=9, output="documents"), "An", country="SE") == [{"name": "Anders", "spent": 7.0}]
    assert found(pg.Retriever(SQL(sql.connections._connect, "SELECT name FROM customers"), k=2), "") == ["Ana", "Bruno"], (
        "k is a limit of its own"
    )
    with pytest.raises(ExecutionError, match="wants :country"):
        found(search, "An")


def test_any_function_is_a_source() -> None:
    assert found(pg.Retriever(lambda query, k: [query] * (k + 3), k=2), "x") == ["x", "x"]
    assert found(pg.Retriever(lambda query: [{"text": query, "n": 1}]), "x") == ["x"]
    assert found(pg.Retriever(lambda **asked: [str(sorted(asked))]), "x", year=3) == ["['k', 'query', 'year']"]
    assert found(pg.Retriever(lambda query: [(1, b"two", None)]), "x") == ["column 1: 1, column 2: two, column 3: None"]

    async def remote(query: str) -> list[str]:
        return [f"far {query}"]

    assert found(pg.Retriever(remote), "x") == ["far x"]


# --- a part of a program ---------------------------------------------------------------------------
class Rag(pg.Module):
    """Retrieval, then an answer."""

    def __init__(self, source: Any) -> None:
        self.search = pg.Retriever(source, k=pg.param(1, "how many passages are read", space=pg.Choice([1, 2, 3])))
        self.answer = pg.Generator("Answer from the passages.")

    def forward(self, question: str) -> Any:
        return self.answer(question=question, passages=self.search(question))


def test_the_output_tracks_what_was_asked_and_what_was_found() -> None:
    weights = pg.Parameter(np.array([1.2, 0.75]), "k1 and b", space=pg.Tensor(low=[0, 0], high=[3, 1]))
    program = Rag(BM25(TEXTS, weights=weights))
    query = pg.Variable("red fox", requires_grad=True, name="query")
    program.named_parameters()
    out: Any = program.search(query)
    assert (out.call.input_args["query"], out.call.input_args["k"], out.call.component) == ("red fox", 1, "search")
    assert list(out.call.input_args["weights"]) == [1.2, 0.75]
    assert [document["id"] for document in out.call.raw_response] == [0]
    assert list(out.predecessors) == ["query", "k", "weights"]
    with pytest.raises(TypeError):
        out.call.raw_response[0]["id"] = 7
    out.backward("Look for the wine.")
    assert [str(g.value) for g in query.grad]
    assert list(program.named_parameters()) == ["search.k", "search.weights", "answer.instruction"]


def test_the_steps_of_an_episode_and_a_trained_k() -> None:
    program, asked = Rag(TEXTS), []

    def reads(request: Any) -> str:
        asked.append(request.messages[-1]["content"])
        return "cheese" if "cheese" in asked[-1] else "no idea"

    rows = [{"question": "red fox", "target": "cheese"} for _ in range(3)] + [
        {"question": f"red fox {k}", "target": "cheese"} for k in range(21)
    ]
    with pg.llm.use(pg.llm.Fake(reads)):
        with pg.teacher() as steps:
            program("red fox")
        result = pg.fit(
            program,
            pg.data.rows(rows),
            metric="exact_match",
            optimizer="edit",
            parameters=[program.search.k],
            budget="400 calls",
            journal=False,
        )
    assert [step.component for step in steps] == ["search", "answer"]
    assert steps[0].output == [TEXTS[0]]
    assert (result.baseline, result.score) == (0.0, 1.0)
    assert program.search.k.value in (2, 3)


def test_a_failing_source_is_an_output_and_a_database_that_is_gone_is_not(sql: SQL) -> None:
    text = pg.param(SHOP, "the query", constraint=read_only)
    sql.settings = {"sql": text}
    search = pg.Retriever(sql, k=2)
    with search.overlay({"sql": "SELECT nme FROM customers"}), pytest.raises(ExecutionError, match="no such column: nme") as caught:
        search("An", country="PT")
    assert "SELECT nme" in str(caught.value.output.value)
    assert caught.value.output.call.error.type == "OperationalError"
    assert list(caught.value.output.predecessors) == ["k", "sql"] or list(caught.value.output.predecessors) == ["sql"]
    with pytest.raises(ProposalError, match="DROP"):
        text.accepts("DROP TABLE customers")
    gone = pg.Retriever(SQL(lambda: sqlite3.connect("/no/such/folder/x.db"), "SELECT 1"))
    with pytest.raises(Outage, match="cannot be reached"):
        gone("x")


def test_a_resumed_run_is_told_what_it_was_told(shop: Path, tmp_path: Path) -> None:
    source = SQL(shop, SHOP)
    search = pg.Retriever(source, k=2, text="name")

    def once() -> Any:
        with RunJournal(tmp_path / "journal.sqlite", {"program": "x"}) as journal, scope(Scope(Coordinate(), journal=journal)):
            return found(search, "An", country="PT")

    first = once()
    with closing(sqlite3.connect(shop)) as connection, connection:
        connection.execute("DELETE FROM customers")
    assert once() == first == ["Ana", "Anabela"]
    assert found(search, "An", country="PT") == []
    source.close()


# --- what no input can do --------------------------------------------------------------------------
ATTACKS = [
    "x'; DROP TABLE customers; --",
    "' OR 1=1 --",
    '" OR ""="',
    "%",
    "\\",
    ":k",
    "?",
    "%s",
    "%(query)s",
    "x\x00y",
    "') UNION SELECT 1,2 --",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_inputs_are_values_whatever_they_say(sql: SQL, shop: Path, attack: str) -> None:
    search = pg.Retriever(sql, k=9)
    expected = 3 if attack == "%" else 0  # LIKE's own wildcard, inside its pattern
    assert len(found(search, attack, country="PT")) == expected
    assert found(search, "An", country=attack) == []
    with closing(sqlite3.connect(shop)) as connection:
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (4,)


WRITES = [
    "DELETE FROM customers",
    "INSERT INTO customers VALUES ('x', 'PT', 1)",
    "SELECT 1; DROP TABLE customers",
    "WITH x AS (SELECT 1) DELETE FROM customers",
    "PRAGMA writable_schema = 1",
    "ATTACH 'other.db' AS other",
    "/* SELECT */ UPDATE customers SET spent = 0",
    "SELECT 1 INTO x",
    "SELECT * FROM customers FOR UPDATE",
    "SELECT 1 /*! INTO OUTFILE 'x' */",
    "VACUUM INTO 'copy.db'",
    "",
    "-- SELECT",
]


@pytest.mark.parametrize("text", WRITES)
def test_a_text_that_may_write_is_refused(shop: Path, text: str) -> None:
    assert read_only(text) is not True
    with pytest.raises(UsageError, match="read_only=False"):
        SQL(shop, text)


@pytest.mark.parametrize(
    "text",
    [
        SHOP,
        "SELECT 'drop table; --' AS x, \"update\" FROM t WHERE y = 'it''s' -- delete\n ORDER BY 1;",
        "with a as (values (1)) select replace(x, 'a', 'b') from a",
        "SELECT $q$ delete; $q$, x::text FROM t; -- the end",
    ],
)
def test_a_text_that_reads_is_not(text: str) -> None:
    assert read_only(text) is True


def test_sqlite_itself_refuses_what_the_words_do_not_show(shop: Path) -> None:
    connection = sqlite3.connect(shop, check_same_thread=False)
    connection.execute("CREATE TABLE other (x)")
    connection.execute("INSERT INTO other VALUES (1)")  # the user's own open transaction
    search = pg.Retriever(SQL(connection, "SELECT load_extension('x')"))
    with pytest.raises(ExecutionError, match=r"not authorized|prohibited"):
        search("x")
    source = SQL(connection, "SELECT * FROM other")
    source._refuse = lambda text: None  # type: ignore[method-assign]
    for text in (
        "DELETE FROM customers",
        "CREATE TABLE more (x)",
        "ATTACH ':memory:' AS m",
        "PRAGMA query_only = 0",
        "UPDATE sqlite_master SET sql = ''",
    ):
        with pytest.raises(sqlite3.DatabaseError, match=r"not authorized|prohibited|may not be modified"):
            source.search({"sql": text, "k": 1, "query": ""})
    assert source.search({"sql": "SELECT * FROM other", "k": 1, "query": ""}) == [{"x": 1}]
    connection.execute("DELETE FROM other")  # its owner may still do everything, and the transaction is open
    connection.rollback()
    connection.close()


def test_writing_is_possible_where_it_is_asked_for(shop: Path) -> None:
    source = SQL(
        lambda: sqlite3.connect(shop, isolation_level=None),
        "INSERT INTO customers VALUES (:query, 'FR', 0) RETURNING name",
        read_only=False,
    )
    assert found(pg.Retriever(source), "Zoe") == ["Zoe"]
    source.close()
    with closing(sqlite3.connect(shop)) as connection:
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (5,)


def test_a_query_without_an_end_is_cut_off(shop: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    source = SQL(shop, endless, seconds=0.2)
    with pytest.raises(ExecutionError, match="interrupted"):
        pg.Retriever(source)("x")
    source.close()


# --- threads and drivers ---------------------------------------------------------------------------
def test_many_threads_have_connections_of_their_own_and_leave_none(shop: Path) -> None:
    opened: list[sqlite3.Connection] = []
    together = threading.Barrier(4)

    def connect() -> sqlite3.Connection:
        opened.append(sqlite3.connect(shop))  # for this thread alone
        return opened[-1]

    search = pg.Retriever(SQL(connect, SHOP), k=1)

    def ask(turn: int) -> Any:
        if turn < 4:
            together.wait(10)
        return found(search, "Ana", country="PT")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(40)))
    assert answers == [["name: Ana, spent: 3.5"]] * 40
    assert len(opened) == 4
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match=r"closed|thread"):
            connection.execute("SELECT 1")
    search.close()
    assert found(search, "Ana", country="PT") == ["name: Ana, spent: 3.5"], "it opens again"
    search.close()


def test_one_connection_is_shared_in_turns_or_refused(shop: Path) -> None:
    with pytest.raises(UsageError, match="give a function that connects"), closing(sqlite3.connect(shop)) as own:
        SQL(own, SHOP)
    with closing(sqlite3.connect(shop, check_same_thread=False)) as shared, ThreadPoolExecutor(8) as pool:
        search = pg.Retriever(SQL(shared, SHOP), k=1, text="name")
        assert set(map(tuple, pool.map(lambda _: found(search, "Ana", country="PT"), range(40)))) == {("Ana",)}


@pytest.mark.parametrize(
    ("style", "text", "values"),
    [
        ("named", "a = :x AND '%:x' = :y::text", {"x": 1, "y": 2}),
        ("qmark", "a = ? AND '%:x' = ?::text", (1, 2)),
        ("numeric", "a = :1 AND '%:x' = :2::text", (1, 2)),
        ("format", "a = %s AND '%%:x' = %s::text", (1, 2)),
        ("pyformat", "a = %(x)s AND '%%:x' = %(y)s::text", {"x": 1, "y": 2}),
    ],
)
def test_values_are_bound_in_every_style_of_the_standard(style: str, text: str, values: Any) -> None:
    assert names_in("a = :x AND '%:x' = :y::text") == ["x", "y"]
    assert bound("a = :x AND '%:x' = :y::text", {"x": 1, "y": 2, "z": 3}, style) == (text, values)


def test_a_driver_of_another_style_is_asked_for_it_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A double of a driver (simulated): what it is told, and which of its errors are outages."""
    driver = ModuleType("fakedb")
    driver.paramstyle = "pyformat"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fakedb", driver)
    told: list[Any] = []
    failing: list[Exception] = []

    class Cursor:
        description = [("text",)]

        def execute(self, text: str, values: Any) -> None:
            told.append((text, values))
            if failing:
                raise failing.pop()

        def fetchmany(self, k: int) -> list[Any]:
            return [("one",), ("two",)][:k]

        def close(self) -> None:
            told.append("closed")

    class Connection:
        def cursor(self) -> Cursor:
            return Cursor()

        def rollback(self) -> None:
            told.append("rollback")

        def close(self) -> None:
            told.append("gone")

    def connect() -> Connection:
        made.append(Connection())
        return made[-1]

    Connection.__module__ = "fakedb"
    made: list[Any] = []
    search = pg.Retriever(SQL(connect, "SELECT text FROM t WHERE a = :query"), k=1)
    assert found(search, "x") == ["one"]
    assert told == [("SELECT text FROM t WHERE a = %(query)s", {"query": "x"}), "closed", "rollback"]
    failing.append(type("ProgrammingError", (Exception,), {})("no such column"))
    with pytest.raises(ExecutionError, match="no such column"):
        search("x")
    failing.append(type("OperationalError", (Exception,), {})("server closed the connection"))
    with pytest.raises(Outage, match="server closed"):
        search("x")
    assert found(search, "x") == ["one"]
    assert len(made) == 2, "a broken connection is replaced"


def test_bad_sources_and_numbers_are_refused_with_the_fix(shop: Path) -> None:
    for make, error, says in [
        (lambda: pg.Retriever(7), UsageError, "no source of documents"),
        (lambda: pg.Retriever("docs.db"), UsageError, "no source of documents"),
        (lambda: pg.Retriever([]), DataError, "nothing to search"),
        (lambda: pg.Retriever([{"body": "x"}]), DataError, "no column 'text'"),
        (lambda: pg.Retriever(TEXTS, k=0), UsageError, "k=0"),
        (lambda: pg.Retriever(TEXTS, k=True), UsageError, "k=True"),
        (lambda: pg.Retriever(TEXTS, output="rows"), UsageError, "'texts' or 'documents'"),
        (lambda: FTS5(), DataError, "needs rows"),
        (lambda: FTS5(path=shop), DataError, "no index 'documents'"),
        (lambda: FTS5(TEXTS, table="x; DROP"), UsageError, "no name"),
        (lambda: FTS5([{"a": "x"}, {"b": "y"}]), DataError, "row 1 has the columns b"),
        (lambda: SQL("no-such.db", "SELECT 1"), DataError, "no SQLite file"),
        (lambda: SQL(7, "SELECT 1"), UsageError, "is no database"),
    ]:  # fmt: skip
        with pytest.raises(error, match=says):
            make()
    with pytest.raises(ExecutionError, match="k1 and b"):
        pg.Retriever(BM25(TEXTS, weights=(1.0,)))("red")


def test_no_third_party_module_is_loaded() -> None:
    program = """
import sys
before = set(sys.modules)
import paragrad as pg
search = pg.Retriever(pg.retrieval.FTS5(["a red fox", "a blue whale"]), k=pg.param(1, space=pg.Choice([1, 2])))
assert search.predict("red") == ["a red fox"]
assert pg.Retriever(["a red fox"])("fox").value == ["a red fox"]
with pg.llm.use(pg.llm.Fake(lambda request: "four")):
    assert pg.Generator("Answer.").predict(question="2 + 2") == "four"
names = {module.partition(".")[0] for module in set(sys.modules) - before}
print(sorted(names - set(sys.stdlib_module_names) - {"paragrad"}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_finding_parameters_does_not_walk_the_documents() -> None:
    small, large = pg.Retriever(["x"]), pg.Retriever([f"text {k}" for k in range(20_000)])
    counted: list[int] = []

    def steps(search: pg.Retriever) -> int:
        counted.append(0)
        sys.setprofile(lambda *_: counted.__setitem__(-1, counted[-1] + 1))
        try:
            search.named_parameters()
        finally:
            sys.setprofile(None)
        return counted[-1]

    assert steps(large) <= steps(small) + 5
