"""Language models: connect one by name, ask it, script one for tests.

Importing this package imports no third-party module; the ``openai`` SDK is loaded by the first call
that needs it.
"""

from __future__ import annotations

from paragrad.errors import ModelError
from paragrad.llm.budget import Budget
from paragrad.llm.budget_ledger import BudgetLedger
from paragrad.llm.cache import caching
from paragrad.llm.callable import CallableModel
from paragrad.llm.connect import connect
from paragrad.llm.current import as_model, current_model, model_in_use, use
from paragrad.llm.fake import Fake
from paragrad.llm.openai import OpenAICompatible
from paragrad.llm.parsing import ReplyError, extract_json
from paragrad.llm.prices import Price
from paragrad.llm.replay import Replay
from paragrad.llm.schema import Structured, structured
from paragrad.llm.stack import Stacked, stack
from paragrad.llm.stream import Stream
from paragrad.llm.types import Request, Response, ToolCall, Usage
from paragrad.llm.wrap import wrap
from paragrad.protocols.model import LanguageModel

__all__ = [
    "Budget",
    "BudgetLedger",
    "CallableModel",
    "Fake",
    "LanguageModel",
    "ModelError",
    "OpenAICompatible",
    "Price",
    "Replay",
    "ReplyError",
    "Request",
    "Response",
    "Stacked",
    "Stream",
    "Structured",
    "ToolCall",
    "Usage",
    "as_model",
    "caching",
    "connect",
    "current_model",
    "extract_json",
    "model_in_use",
    "stack",
    "structured",
    "use",
    "wrap",
]
