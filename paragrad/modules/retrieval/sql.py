"""SQL: documents from any database with a DB-API (PEP 249) driver."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from paragrad.errors import Outage, UsageError
from paragrad.modules.retrieval.connections import Connections, is_outage, style_of
from paragrad.modules.retrieval.statement import bound, read_only


class SQL:
    """Runs one SQL text with bound values: ``:query``, ``:k``, and every further input by its name.

    Inputs never become part of the text, so they cannot change what it does. The text itself may be a
    Parameter; it is then checked again at each use (give it ``constraint=read_only`` to have proposals
    checked as well), and on SQLite nothing but reading is compiled at all.

    Args:
        connect: the path of a SQLite file, a function that connects (called once per thread), or a
            connection (threads take turns).
        sql: the text; a str or a Parameter.
        read_only: refuse statements that may write. On databases other than SQLite this is a look at
            the words: connect as a user that may only read.
        seconds: a SQLite query is cut off after so long.
        style: the driver's ``paramstyle``; None: asked of the driver.

    Raises:
        UsageError: a text that may write, or no database.
        DataError: there is no such SQLite file.
    """

    external = True

    def __init__(
        self,
        connect: str | Path | Callable[[], Any] | Any,
        sql: Any,
        *,
        read_only: bool = True,
        seconds: float = 10.0,
        style: str | None = None,
    ) -> None:
        self.settings: Mapping[str, Any] = {"sql": sql}
        self.read_only = read_only
        self.style = style
        self.connections = Connections(connect, read_only=read_only, seconds=seconds)
        self._refuse(str(getattr(sql, "data", sql)))

    def search(self, asked: Mapping[str, Any]) -> Sequence[Any]:
        """The first ``k`` rows, as mappings from column to value.

        Raises:
            UsageError: the text may write, or wants a value the call does not have.
            Outage: the database failed. Other errors of the driver are raised as they are: the text is wrong.
        """
        text = str(asked["sql"])
        self._refuse(text)
        values = {name: value for name, value in asked.items() if name != "sql"}
        with self.connections.use() as connection:
            statement, given = bound(text, values, self.style or style_of(connection))
            return self._rows(connection, statement, given, int(asked["k"]))

    def close(self) -> None:
        """Close the connections that were opened here."""
        self.connections.close()

    def _rows(self, connection: Any, statement: str, given: Any, k: int) -> Sequence[Any]:
        try:
            cursor = connection.cursor()
            try:
                cursor.execute(statement, given)
                if cursor.description is None:
                    return []
                names = [str(column[0]) for column in cursor.description]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchmany(k)]
            finally:
                cursor.close()
                if self.read_only and not isinstance(connection, sqlite3.Connection):  # it begins none to read
                    connection.rollback()
        except Exception as error:  # a driver's errors have no common base
            if not is_outage(error):
                raise
            self.connections.drop()
            raise Outage(f"the database failed: {type(error).__name__}: {error}") from error

    def _refuse(self, text: str) -> None:
        verdict = read_only(text) if self.read_only else True
        if verdict is not True:
            raise UsageError(f"{verdict}; the text was {text[:120]!r} (read_only=False lifts this)")
