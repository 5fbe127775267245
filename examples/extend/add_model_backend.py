"""A model backend: one method. Retries, cache, budget and journal come from ``pg.llm``'s stack."""

from collections.abc import Sequence

import paragrad as pg
from paragrad.registry import models
from paragrad.testing.models import check_model


@models.register("parrot")
class Parrot:
    """Repeats the last message; stands for a client of your own, on the wire or in this process.

    ``complete`` makes one attempt per request and never raises for one of them: a failure is a
    ModelError in the list, of the class that says whether a retry can help.
    """

    def __init__(self, model: str = "plain") -> None:
        self.name = f"parrot:{model}"  # for people
        self.identity = f"parrot:{model}:1"  # for digests: change it when the answers change

    def complete(self, requests: Sequence[pg.llm.Request]) -> list[pg.llm.Response | pg.errors.ModelError]:
        return [self._one(request) for request in requests]

    def _one(self, request: pg.llm.Request) -> pg.llm.Response | pg.errors.ModelError:
        text = str(request.messages[-1].get("content") or "")
        if not text:
            return pg.errors.BadRequest("there is nothing to repeat", status=400)
        usage = pg.llm.Usage(input_tokens=len(text.split()), output_tokens=len(text.split()))
        return pg.llm.Response(text=text, texts=(text,) * request.n, usage=usage, model=self.name)


if __name__ == "__main__":
    check_model(Parrot)
    model = pg.llm.connect("parrot:grey", cache=False)
    print(model("Hello"), model.identity)
