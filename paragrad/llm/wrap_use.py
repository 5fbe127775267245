"""When a wrapped client's calls concern anybody: inside a run, or where a cache is asked for."""

from __future__ import annotations

from paragrad.context import current_scope
from paragrad.llm.cache import mode_in_use
from paragrad.llm.layer import current_call


def in_use() -> bool:
    """Whether a call made now is to be recorded.

    A call that a model backend makes while it answers is that backend's business: it is counted and
    recorded there, once.
    """
    if current_call() is not None:
        return False
    return current_scope() is not None or mode_in_use() not in (None, "off")
