"""Two operations with gradient rules of their own: one for numbers, one for words."""

from typing import Any

import paragrad as pg


@pg.op
def squared_error(output: float, target: float) -> float:
    """(output - target)²."""
    return (output - target) ** 2


@squared_error.pullback("numeric")
def _(g: float, out: float, output: float, target: float) -> tuple[float, float]:
    slope = 2.0 * (output - target)
    return g * slope, -g * slope


@pg.op
def without(text: str, word: str) -> str:
    """``text`` with ``word`` cut out."""
    return text.replace(word, "")


@without.pullback("text")
def _(words: str, out: str, text: str, word: str) -> dict[str, str]:
    return {"text": f"(the reader did not see {word!r}) {words}"}


if __name__ == "__main__":
    weight: Any = pg.Parameter(3.0, name="weight")
    squared_error(weight * 2.0, 5.0).backward()
    step = 1e-6
    measured = ((2 * (3.0 + step) - 5.0) ** 2 - (2 * (3.0 - step) - 5.0) ** 2) / (2 * step)
    assert abs(weight.grad[0].value - measured) < 1e-6  # a rule agrees with finite differences
    style: Any = pg.Parameter("Be brief, please.", name="style")
    without(style, ", please").backward("too rude")
    print(weight.grad[0].value, "|", style.grad[0].value)
