"""Sources of documents for :class:`paragrad.Retriever`: words in memory, SQLite's full text, any database, any function.

All are read-only by default, take inputs only as bound values, and load no third-party module.
"""

from __future__ import annotations

from paragrad.modules.retrieval.bm25 import BM25
from paragrad.modules.retrieval.fts5 import FTS5
from paragrad.modules.retrieval.source import Function, Source
from paragrad.modules.retrieval.sql import SQL
from paragrad.modules.retrieval.statement import read_only

__all__ = ["BM25", "FTS5", "SQL", "Function", "Source", "read_only"]
