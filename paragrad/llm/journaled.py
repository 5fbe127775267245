"""Journal layer: every answer is durable before it is delivered, and is never paid for twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paragrad.context import Scope
from paragrad.errors import BadRequest
from paragrad.llm.inline import without_data
from paragrad.llm.layer import Call, Layer, Spent
from paragrad.llm.types import Response


class Journaled:
    """Records each call as an effect of kind ``"model"`` at its coordinate, in the scope's journal.

    Outcomes are answers and permanent refusals (``BadRequest``): asked again, they would be the same.
    Everything else (a missing key, an outage, a spent budget) leaves no outcome, so a resumed run
    asks again. The payload holds the request, the model's identity, the answer and what it took;
    never a header or a key.
    """

    def __init__(self, inner: Layer) -> None:
        self.inner = inner

    def handle(self, call: Call) -> Response:
        call.check_open()
        scope = call.scope
        if scope is None:
            return self.inner.handle(call)
        response = self._answer(call, scope)
        usage = response.usage
        scope.spent.add(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, usd=usage.usd)
        return response

    def _answer(self, call: Call, scope: Scope) -> Response:
        if scope.journal is None or call.at is None:
            return self.inner.handle(call)
        payload, replayed = scope.journal.effect(
            call.at, "model", call.digest(), lambda: self._perform(call), describe=lambda: _described(call)
        )
        if replayed and scope.ledger is not None:
            spent = Spent(**payload["spent"])
            scope.ledger.replay(phase=call.phase, calls=spent.calls, tokens=spent.tokens, usd=spent.usd)
        return read_outcome(payload)

    def _perform(self, call: Call) -> Mapping[str, Any]:
        payload: dict[str, Any] = {"model": call.identity, "request": call.public_request().to_json()}
        try:
            payload["response"] = self.inner.handle(call).to_json()
        except BadRequest as error:
            payload["refused"] = {"message": str(error), "status": error.status}
        spent = call.spent
        payload["spent"] = {"calls": spent.calls, "tokens": spent.tokens, "usd": spent.usd}
        return payload


def read_outcome(payload: Mapping[str, Any]) -> Response:
    """The answer in a recorded payload.

    Raises:
        BadRequest: the recorded outcome is a refusal.
    """
    refused = payload.get("refused")
    if refused is not None:
        raise BadRequest(refused["message"], status=refused["status"])
    return Response.from_json(payload["response"])


def _described(call: Call) -> Mapping[str, Any]:
    """The last message of a request, for the message of a run that diverges."""
    messages = call.request.messages
    last = str(without_data(messages[-1:])[0].get("content", "")) if messages else ""
    return {"model": call.identity, "messages": len(messages), "last": last[-400:]}
