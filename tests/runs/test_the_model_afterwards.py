"""Which model answers a program that was trained: its own, the one in use, the one `fit` was given."""

from __future__ import annotations

import pytest

import paragrad as pg
from paragrad.errors import NotConnected

ROWS = [{"ticket": f"ticket {i}", "target": "billing" if i % 2 else "bug"} for i in range(24)]


def answering(word: str, price: tuple[float, float] = (0.0, 0.0)) -> pg.llm.Fake:
    return pg.llm.Fake(lambda request: word, price=price)


def trained(**options):
    @pg.prompt
    def route(ticket: str) -> str:
        """Decide which team must answer."""
        ...

    with pytest.raises(NotConnected):
        route.predict("a ticket")
    pg.fit(
        route, ROWS, metric="exact_match", journal=False, progress=False, optimizer=pg.optimizers.EditSearch(bank=["Be brief."]), **options
    )
    return route


def test_the_model_of_the_fit_answers_afterwards():
    route = trained(model=answering("billing"), budget="200 calls")
    assert route.predict("a ticket") == "billing"
    assert pg.evaluate(route, ROWS, metric="exact_match").score == 0.5
    with pg.llm.use(answering("other")):
        assert route.predict("a ticket") == "other"


def test_a_block_that_is_left_leaves_no_model_behind():
    @pg.prompt
    def route(ticket: str) -> str:
        """Decide which team must answer."""
        ...

    with pg.llm.use(answering("billing")):
        pg.fit(
            route,
            ROWS,
            metric="exact_match",
            journal=False,
            progress=False,
            optimizer=pg.optimizers.EditSearch(bank=["Be brief."]),
            budget="200 calls",
        )
    with pytest.raises(NotConnected):
        route.predict("a ticket")


@pytest.mark.parametrize("budget", ["auto", "$2", "2M tokens"])
def test_a_priced_model_needs_no_max_tokens(budget):
    """The first thing people write: a model of a provider, and no word about the length of its answers."""
    route = trained(model=answering("billing", (0.25, 2.0)), budget=budget)
    assert route.predict("a ticket") == "billing"
