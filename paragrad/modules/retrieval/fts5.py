"""FTS5: SQLite's full-text index, in memory or in a file of its own."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from paragrad.errors import DataError, Outage, UsageError
from paragrad.modules.retrieval.bm25 import words
from paragrad.modules.retrieval.connections import Connections, is_outage

_NAME = re.compile(r"[A-Za-z_]\w*")
MEMORY = ":memory:"


class FTS5:
    """Ranks rows by the words they share with the query, over an index that SQLite keeps.

    Every word of the query is searched as a word: no query is an error, and none is an instruction.

    Args:
        rows: texts, or mappings of columns to texts, written into a new index; None: the index is there.
        path: the file, or ":memory:".
        table: the index's name in the file.
        weights: one number per column, how much it counts; None: all alike. A Parameter is trained.

    Raises:
        DataError: no rows, no file, or an index that is there already.
        UsageError: a name that is none, or a SQLite without FTS5.
    """

    external = False

    def __init__(
        self, rows: Iterable[Any] | None = None, path: str | Path = MEMORY, *, table: str = "documents", weights: Any = None
    ) -> None:
        self.settings: Mapping[str, Any] = {} if weights is None else {"weights": weights}
        self.table = _named(table)
        if rows is None and str(path) == MEMORY:
            raise DataError("an index in memory needs rows: FTS5(rows)")
        written = None if rows is None else [_row(row, place) for place, row in enumerate(rows)]
        self._kept = None if written is None else _write(str(path), self.table, written)
        self._connections = Connections(path if self._kept is None else self._kept, read_only=True, seconds=60.0)
        self._columns = self._known_columns()

    def search(self, asked: Mapping[str, Any]) -> Sequence[Any]:
        """The best rows with their ``score``, higher is better."""
        wanted = " OR ".join(f'"{word}"' for word in dict.fromkeys(words(str(asked["query"]))))
        if not wanted:
            return []
        weights = [float(number) for number in asked.get("weights", ())]
        if weights and len(weights) != len(self._columns):
            raise UsageError(f"{len(weights)} weights for {len(self._columns)} columns ({', '.join(self._columns)}); give one number each")
        rank = f"bm25({self.table}{', ?' * len(weights)})"
        text = f"SELECT rowid, *, -{rank} FROM {self.table} WHERE {self.table} MATCH ? ORDER BY {rank}, rowid LIMIT ?"
        found = self._rows(text, (*weights, wanted, *weights, int(asked["k"])))
        return [{"id": id, **dict(zip(self._columns, cells, strict=True)), "score": round(score, 6)} for id, *cells, score in found]

    def close(self) -> None:
        """Close the connections; an index in memory is gone then."""
        self._connections.close()
        if self._kept is not None:
            self._kept.close()

    def _rows(self, text: str, values: Sequence[Any]) -> list[Any]:
        with self._connections.use() as connection:
            try:
                with closing(connection.execute(text, values)) as cursor:
                    return list(cursor.fetchall())
            except sqlite3.Error as error:
                if is_outage(error):
                    raise Outage(f"the index failed: {error}") from error
                raise

    def _known_columns(self) -> tuple[str, ...]:
        try:
            with self._connections.use() as connection, closing(connection.execute(f"SELECT * FROM {self.table} LIMIT 0")) as cursor:
                return tuple(column[0] for column in cursor.description)
        except sqlite3.Error as error:
            raise DataError(f"there is no index {self.table!r} to search: {error}") from error


def _named(table: str) -> str:
    if _NAME.fullmatch(table) is None:
        raise UsageError(f"{table!r} is no name for an index; use letters, digits and _")
    return table


def _row(row: Any, place: int) -> dict[str, str]:
    if isinstance(row, str):
        return {"text": row}
    if not isinstance(row, Mapping) or not row:
        raise DataError(f"row {place} is no text and no mapping: {row!r:.60}")
    return {_named(str(name)): str(value) for name, value in row.items()}


def _write(path: str, table: str, rows: list[dict[str, str]]) -> sqlite3.Connection | None:
    """Make the index; the connection is returned when it is the only place the index lives in."""
    if not rows:
        raise DataError("there is nothing to search: FTS5 was given no rows")
    columns = list(rows[0])
    odd = next((place for place, row in enumerate(rows) if set(row) != set(columns)), None)
    if odd is not None:
        raise DataError(
            f"row {odd} has the columns {', '.join(rows[odd])}, the first one {', '.join(columns)}; give all rows the same ones"
        )
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        with connection:
            connection.execute(f"CREATE VIRTUAL TABLE {table} USING fts5({', '.join(columns)})")
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", [[row[name] for name in columns] for row in rows])
    except sqlite3.OperationalError as error:
        connection.close()
        if "no such module" in str(error):
            raise UsageError("this Python's SQLite has no FTS5; use retrieval.BM25, which needs nothing") from error
        raise DataError(f"the index {table!r} cannot be made in {path}: {error}; to search one that is there, give no rows") from error
    if path == MEMORY:
        return connection
    connection.close()
    return None
