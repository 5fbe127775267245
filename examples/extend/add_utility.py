"""A utility with an optional dependency: a metric that needs NumPy only when it is used, and says so when it is missing."""

from collections import Counter
from typing import Any

import paragrad as pg
from paragrad.registry import metrics


@metrics.register("cosine")
def cosine(output: str, target: str) -> tuple[float, str]:
    """How alike two texts are: the cosine between counts of their letter triples, 0 to 1.

    Raises:
        UsageError: NumPy is not installed.
    """
    try:
        import numpy  # here and not above: who never uses the metric never needs the package
    except ImportError as error:
        raise pg.errors.UsageError("the metric 'cosine' needs NumPy; install it with  pip install numpy") from error
    ours, theirs = triples(output), triples(target)
    names = sorted({*ours, *theirs})
    a, b = (numpy.array([float(counts[name]) for name in names]) for counts in (ours, theirs))
    score = float(a @ b / (numpy.linalg.norm(a) * numpy.linalg.norm(b) or 1.0))
    missing = [name for name in theirs if name not in ours]
    return round(score, 6), f"missing: {', '.join(missing[:5])}" if missing else ""


def triples(text: Any) -> Counter[str]:
    """Every three letters in a row, with how often they stand there."""
    padded = f"  {str(text).lower()} "
    return Counter(padded[i : i + 3] for i in range(len(padded) - 2))


if __name__ == "__main__":
    found = pg.evaluate(pg.bundle(lambda word: word.upper()), [("colour", "COLOR"), ("grey", "GREY")], metric="cosine")
    print([round(item.score or 0.0, 2) for item in found.items], found.items[0].feedback)
