"""A guide: scores an answer and says in words what was wrong with it."""

from typing import Any

import paragrad as pg
from paragrad.registry import metrics


class Brief(pg.AutoGuide):
    """Right and short. Its words are what optimizers learn from; its name makes ``metric="brief"`` possible."""

    def __init__(self, most: int = 3) -> None:
        self.most = most

    def get_feedback(self, query: Any, response: Any, reference: Any = None) -> tuple[float, str]:
        """Half for the right word, half for brevity."""
        words = str(response).split()
        right, short = str(reference) in words, len(words) <= self.most
        said = [] if right else [f"{reference!r} is missing"]
        return (right + short) / 2, "; ".join(said if short else [*said, f"{len(words)} words; at most {self.most} are wanted"])


metrics.register("brief")(Brief())

if __name__ == "__main__":

    @pg.bundle
    def answer(country: str) -> str:
        """Where its government sits."""
        return {"France": "It is Paris, of course.", "Italy": "Rome"}[country]

    found = pg.evaluate(answer, [("France", "Paris"), ("Italy", "Rome")], metric="brief")
    print(found.score, "|", found.items[0].feedback)
