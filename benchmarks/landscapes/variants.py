"""The landscapes by name, with the parameters of ``performance.md`` (P7), and the columns that are measured."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Variant:
    """What a landscape and its proposer are like.

    Attributes:
        rules: how many rules there are; rule k belongs to component ``k % components``.
        shown: how many tokens of a component's text count.
        p_add, p_remove: chance that a named missing rule is added, a named harmful distractor removed.
        p_distractor: chance that a rewrite adds a new distractor. ``harm``: it breaks one in so many examples.
        p_drop, p_collapse: chance that a rewrite loses one token, half of the text.
        p_name_harm: chance that feedback on a broken example names the distractor.
        p_strategy: chance that a rewrite takes the other strategy, and the same for the bridge token; 0: no strategies.
        solved: share of the examples that the first strategy can solve.
        p_hidden: chance that a rewrite adds a rule-like token that breaks a quarter of the examples and is never named.
        noise: chance that an observed score is flipped.
        chain: every example needs the same so many rules (needle); 0: every example has its own needs.
        named: feedback names at most so many missing rules of an example; 0: all of them.
        shifts: the rules are weighted the other way round in the second half of the budget.
    """

    rules: int = 24
    components: int = 1
    shown: int = 40
    p_add: float = 0.7
    p_remove: float = 0.7
    p_distractor: float = 0.35
    harm: int = 8
    p_drop: float = 0.15
    p_collapse: float = 0.0
    p_name_harm: float = 1.0
    p_strategy: float = 0.0
    solved: float = 0.6
    p_hidden: float = 0.0
    hidden_harm: int = 4
    noise: float = 0.0
    chain: int = 0
    named: int = 0
    shifts: bool = False


FRIENDLY = Variant()
HARD = Variant(p_distractor=0.6, harm=5, p_name_harm=0.3, p_collapse=0.15)

VARIANTS: dict[str, Variant] = {
    "friendly": FRIENDLY,
    "hard": HARD,
    "trap": replace(HARD, p_strategy=0.15),
    "noise": replace(HARD, noise=0.1),
    "overfit": replace(FRIENDLY, p_hidden=0.8),
    "friendly4": replace(FRIENDLY, components=4),
    "hard4": replace(HARD, components=4),
    "needle": replace(FRIENDLY, chain=6, named=2),
    "shift": replace(HARD, shifts=True),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A landscape at a size: what one column of the comparison measures."""

    name: str
    variant: str
    validation: int

    def __str__(self) -> str:
        return f"{self.name}, V={self.validation}"


COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        Column("hard", "hard", 200),
        Column("friendly", "friendly", 200),
        Column("hard4", "hard4", 50),
        Column("noise", "noise", 50),
        Column("trap", "trap", 100),
        Column("overfit", "overfit", 200),
        Column("needle", "needle", 50),
        Column("shift", "shift", 100),
    )
}
