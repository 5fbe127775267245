"""Valid: whether an output is of a given form, as a metric."""

from __future__ import annotations

from typing import Any

from paragrad.errors import UsageError
from paragrad.llm import extract_json
from paragrad.protocols.gradient import Feedback
from paragrad.spaces import Json
from paragrad.trace.variable import Variable


class Valid:
    """1.0 for outputs of a form, 0.0 with the error in words for others; made by ``pg.metrics.schema``."""

    __name__ = "schema"

    def __init__(self, model: Any) -> None:
        if model is None:
            raise UsageError("schema(None) accepts every output; give a pydantic model or a JSON schema")
        try:
            self.space = Json(model)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{model!r:.80} is nothing an output can be checked against: {error}") from error
        self.schema: Any = self.space.options()["schema"]

    def __call__(self, output: Any) -> Feedback:
        """Whether ``output`` is valid."""
        value = output.value if isinstance(output, Variable) else output
        try:
            self.space.check(extract_json(value) if isinstance(value, str) and self.schema.get("type") != "string" else value)
        except (TypeError, ValueError) as error:
            return Feedback(0.0, f"The output does not have the wanted form: {error}")
        return Feedback(1.0)
