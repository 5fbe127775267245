"""Retriever: finds documents, as a part of a program."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

from paragrad.context import current_scope
from paragrad.errors import ExecutionError, UsageError
from paragrad.modules.retrieval.bm25 import BM25
from paragrad.modules.retrieval.source import Document, Function, Source
from paragrad.protocols.data import Step
from paragrad.trace.call import Call
from paragrad.trace.failure import PASSING, Failure, failure_of
from paragrad.trace.module import Module
from paragrad.trace.nodes import extra_of
from paragrad.trace.operation import Operation
from paragrad.trace.parameter import Parameter
from paragrad.trace.record import Edges, make
from paragrad.trace.state import STATE
from paragrad.trace.values import freeze
from paragrad.trace.variable import Variable, wrap

MOST = 10_000


class Retriever(Module):
    """Finds the documents that fit a query.

    The output is a list of texts (or of mappings, with ``output="documents"``); its ``.call`` holds
    ``input_args`` and, as ``raw_response``, the documents with every column. Settings of the source
    (``sql``, ``weights``) are attributes; those that are Parameters are trained, and so is ``k``.

    Args:
        source: a list of texts or rows (ranked by :class:`~paragrad.modules.retrieval.BM25`), a function
            ``(query, k) -> documents``, or a source from :mod:`paragrad.modules.retrieval`:
            ``FTS5``, ``SQL``, one of your own.
        k: how many documents; a Parameter (Number or Choice) is trained.
        output: "texts" or "documents".
        text: the column shown by "texts"; where there is none, all columns are, by name.
        name: its name in graphs and episodes; None: its place in the program.

    Raises:
        UsageError: a source that is none, or a ``k`` that is no whole number from 1 to 10,000.
    """

    k: Any
    effects = ()
    _whole = True

    def __init__(
        self, source: Any, *, k: Any = 5, output: Literal["texts", "documents"] = "texts", text: str = "text", name: str | None = None
    ) -> None:
        if output not in ("texts", "documents"):
            raise UsageError(f"output={output!r}: write 'texts' or 'documents'")
        self.source: Source = source_of(source, text)
        self.k = k if isinstance(k, Variable) else _checked_k(k)
        self.output = output
        self.text = text
        self.name = name
        for setting, value in self.source.settings.items():
            setattr(self, setting, value)

    def forward(self, query: Any, **inputs: Any) -> Any:
        """Search.

        Args:
            query: what is looked for.
            **inputs: further values a source wants: those that a SQL text names.

        Raises:
            ExecutionError: the source failed; ``.output`` says how.
            Outage: a database is gone. It is no score.
        """
        given = {"query": query, "k": self.k, **{name: getattr(self, name) for name in self.source.settings}, **inputs}
        edges = Edges()
        asked = {name: edges.plain(value, name) for name, value in given.items()}
        started = time.time()
        failure: Failure | None = None
        documents: list[Document] = []
        try:
            asked["k"] = _checked_k(asked["k"])
            documents = self._documents(asked)
        except PASSING:
            raise
        except Exception as error:  # noqa: BLE001  any failure of a source is an output
            failure = _told(error, asked)
        shown = [self._shown(document) for document in documents]
        call = Call(
            input_args=MappingProxyType({name: freeze(value) for name, value in asked.items()}),
            raw_response=tuple(MappingProxyType(document) for document in documents),
            error=failure,
            started=started,
            ended=time.time(),
            component=self.component,
        )
        out = self._record(failure if failure is not None else shown, edges, call)
        if failure is not None:
            raise ExecutionError(f"{self.component} failed: {failure}", out)
        return out

    @property
    def component(self) -> str:
        """Its name: the one it was given, its place in the program ("search" for ``program.search``), or "retriever"."""
        if self.name:
            return self.name
        own = [part for part in (self.k, *(getattr(self, name) for name in self.source.settings)) if isinstance(part, Parameter)]
        return next((str(p._meta.path).rpartition(".")[0] for p in own if p._meta.path and "." in p._meta.path), "retriever")

    @property
    def _takes_ordinal(self) -> bool:  # type: ignore[override]
        scope = current_scope()
        return self.source.external and scope is not None and scope.journal is not None

    def close(self) -> None:
        """Close what the source holds open."""
        close = getattr(self.source, "close", None)
        if close is not None:
            close()

    def _documents(self, asked: Mapping[str, Any]) -> list[Document]:
        """The documents, from the record when the run was there before."""
        scope = current_scope()
        if not self.source.external or scope is None or scope.journal is None:
            return self._found(asked)
        text = json.dumps({"component": self.component, **asked}, sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        payload, _ = scope.journal.effect(
            scope.coordinate(),
            "retrieval",
            digest,
            lambda: {"documents": self._found(asked)},
            describe=lambda: {"component": self.component, "query": str(asked["query"])[:400]},
            paid=False,
        )
        documents: list[Document] = payload["documents"]
        return documents

    def _found(self, asked: Mapping[str, Any]) -> list[Document]:
        rows = list(self.source.search(asked))[: asked["k"]]
        return [_plain(row, self.text) for row in rows]

    def _shown(self, document: Document) -> Any:
        if self.output == "documents":
            return document
        if self.text in document:
            return str(document[self.text])
        columns = [name for name in document if name != "score"]
        return str(document[columns[0]]) if len(columns) == 1 else ", ".join(f"{name}: {document[name]}" for name in columns)

    def _record(self, value: Any, edges: Edges, call: Call) -> Variable[Any]:
        state = STATE.get()
        if state.steps is not None:
            state.steps.append(Step(call.component, call.input_args, value))
        node = make(state, freeze(value), self._op, edges.nodes, edges.paths)
        extra_of(node).call = call
        return wrap(node)

    @cached_property
    def _op(self) -> Operation:
        names = ("query", "k", *self.source.settings)
        return Operation(self.component, self.forward, names, kind="bundle", description="the documents that fit the query, best first")


def source_of(source: Any, text: str = "text") -> Source:
    """What people give as a source.

    Raises:
        UsageError: it is none.
    """
    if isinstance(source, Source):
        return source
    if callable(source) and not isinstance(source, type):
        return Function(source)
    if isinstance(source, Iterable) and not isinstance(source, (str, bytes, Mapping)):
        return BM25(source, text=text)
    raise UsageError(
        f"{source!r:.60} is no source of documents; give a list of texts or rows, a function (query, k), "
        "or retrieval.BM25(...), retrieval.FTS5(...), retrieval.SQL(...)"
    )


def _checked_k(k: Any) -> int:
    whole = isinstance(k, (int, float)) and not isinstance(k, bool) and math.isfinite(k) and k == int(k)
    if not whole or not 1 <= k <= MOST:
        raise UsageError(f"k={k!r:.40}: write how many documents are wanted, a whole number from 1 to {MOST:,}")
    return int(k)


def _plain(row: Any, text: str) -> Document:
    """A document as plain data."""
    if isinstance(row, Mapping):
        return {str(name): _cell(value) for name, value in row.items()}
    if isinstance(row, Sequence) and not isinstance(row, (str, bytes)):
        return {f"column {place + 1}": _cell(value) for place, value in enumerate(row)}
    return {text: _cell(row)}


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(name): _cell(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cell(inner) for inner in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _told(error: Exception, asked: Mapping[str, Any]) -> Failure:
    """A failure that shows the SQL text instead of this library's lines."""
    if "sql" not in asked:
        return failure_of(error)
    return Failure(type(error).__name__, str(error), f"the SQL text was:\n{asked['sql']}"[:4000])
