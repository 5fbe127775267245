"""A ParameterStore in a directory, or on any file system that fsspec knows."""

from __future__ import annotations

from paragrad.stores.files.store import FileStore

__all__ = ["FileStore"]
