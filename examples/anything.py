"""Anything that can be scored can be optimized: the retry policy of a client, and the words of a notice.

No model and no network: a simulation scores the policy, a rule scores the words.

    python examples/anything.py
"""

from __future__ import annotations

from random import Random
from typing import Any

import paragrad as pg

POLICY = {
    "retries": pg.Parameter(1, "how often a call is tried again", space=pg.Number(low=0, high=8, integer=True)),
    "wait": pg.Parameter(4.0, "seconds before the first retry", space=pg.Number(low=0.05, high=10, log=True)),
    "growth": pg.Choice(["constant", "doubling"]),
}

FACTS = ("orders", "10 UTC", "refunded")
PHRASES = ("New orders are paused.", "We expect to be back at 10 UTC.", "Double charges will be refunded.", "Stay tuned!")


def simulate(policy: dict[str, Any]) -> tuple[float, dict[str, float]]:
    """How many of 300 calls to a server that is often away get an answer, less what waiting costs."""
    random, answered, waited = Random(0), 0, 0.0
    for _ in range(300):
        away, now = random.expovariate(1.0) - 0.4, 0.0
        for attempt in range(policy["retries"] + 1):
            if now > away:
                answered += 1
                break
            pause = policy["wait"] * (2**attempt if policy["growth"] == "doubling" else 1)
            now, waited = now + pause, waited + pause
    return answered / 300 - 0.02 * waited / 300, {"answered": answered / 300, "seconds waited": waited / 300}


def judge(notice: str) -> tuple[float, str]:
    """One third for each fact, less a little for every word."""
    missing = [fact for fact in FACTS if fact not in notice]
    return 1 - len(missing) / len(FACTS) - 0.005 * len(notice.split()), f"missing: {', '.join(missing) or 'nothing'}"


def main(**options: Any) -> tuple[pg.Result, pg.Result]:
    """Both searches."""
    policy = pg.optimize_anything(POLICY, simulate, budget="120 calls", **options)
    notice = pg.optimize_anything(
        "We are sorry. Some things do not work.",
        judge,
        optimizer=pg.optimizers.EditSearch(bank=PHRASES),
        budget="60 calls",
        **options,
    )
    return policy, notice


if __name__ == "__main__":
    for result in main():
        print(result, "\n")
