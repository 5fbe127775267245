"""T15: the user's own loader decides what is trained on, and files of every kind give the same rows. Models are scripted (simulated)."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import paragrad as pg
from paragrad.optimizers.base import Transform

ROWS = [{"ticket": f"t{i}", "plan": "free", "target": "billing" if i % 2 else "bug"} for i in range(24)]


@pg.prompt
def route(ticket: str, plan: str = "free") -> str:
    """Decide."""
    ...


class Watching(Transform):
    """Proposes a longer instruction each time, and remembers which rows it was shown."""

    kinds = frozenset({"text"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[str]] = []

    def propose(self, evidence: Any, state: Any, *, n: int = 1, ask: Any) -> tuple[list[Any], Any]:
        """One candidate."""
        self.seen.append([item.inputs["ticket"] for item in evidence.items])
        id, parameter = next((id, p) for id, p in evidence.parameters.items() if p.trainable)
        return [evidence.candidate({id: f"{parameter.value} {len(self.seen)}."})], state


def trained(data: Any, **options: Any) -> list[list[str]]:
    """The rows of every step of a run on ``data``."""
    watching = Watching()
    wire = pg.llm.Fake(lambda request: "bug")
    validate = [{"ticket": f"v{i}", "plan": "free", "target": "bug" if i else "billing"} for i in range(8)]
    given = {"validate": validate, "optimizer": watching, "algorithm": "minibatch", "budget": "2000 calls", **options}
    pg.fit(route, data, metric="exact_match", model=pg.llm.stack(wire, cache=False), journal=False, progress=False, apply=False, **given)
    assert len(watching.seen) >= 4
    return watching.seen


def tickets(batches: Any) -> list[list[str]]:
    return [[row.inputs["ticket"] for row in batch] for batch in batches]


def epochs(loader: pg.DataLoader, steps: int) -> list[list[str]]:
    """The first batches of a loader, epoch after epoch."""
    count = -(-steps // len(loader))
    return list(chain.from_iterable(tickets(loader.epoch(n)) for n in range(count)))[:steps]


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 5},
        {"batch_size": 5, "shuffle": True, "seed": 7},
        {"batch_size": 5, "shuffle": True, "seed": 8},
        {"batch_size": 7, "weights": [0.0] * 12 + [float(i) for i in range(1, 13)], "seed": 3},
    ],
)
def test_T15_the_loader_that_is_given_is_used(options: dict[str, Any]) -> None:
    loader = pg.DataLoader(ROWS, **options)
    seen = trained(loader)
    assert seen == epochs(pg.DataLoader(ROWS, **options), len(seen))
    assert seen == trained(pg.DataLoader(ROWS, **options), workers=1, seed=99), "the run's own seed and workers change nothing"
    watching = Watching()
    trainer = pg.trainers.MinibatchAlgorithm(
        route, watching, pg.DataLoader(ROWS, **options), "exact_match", model=pg.llm.stack(pg.llm.Fake(lambda r: "bug"), cache=False),
        journal=False, apply=False,
    )  # fmt: skip
    trainer.train()
    assert watching.seen == seen[: len(watching.seen)]


def test_T15_a_loader_that_is_split_keeps_its_batches_seed_and_weights() -> None:
    loader = pg.DataLoader(ROWS, 4, shuffle=True, seed=7, weights=[1.0 + i % 3 for i in range(24)])
    train = loader.dataset.split(0.5, 0.25, 0.25, seed=0)[0]
    seen = trained(loader, validate=None)
    assert seen == epochs(loader.only(train), len(seen))
    assert {len(batch) for batch in seen} == {4}


class Theirs:
    """A loader of another kind: an iterable of batches with a length."""

    batch_size = 5

    def __init__(self, form: Any) -> None:
        self.form, self.random = form, random.Random(3)

    def __len__(self) -> int:
        return 5

    def __iter__(self) -> Iterator[Any]:
        order = self.random.sample(ROWS, 24)
        return iter([self.form(order[first : first + 5]) for first in range(0, 24, 5)])


@pytest.mark.parametrize(
    "form", [list, lambda part: {name: [one[name] for one in part] for name in part[0]}], ids=["lists of rows", "dicts of columns"]
)
def test_T15_loaders_of_other_kinds(form: Any) -> None:
    theirs = Theirs(list)
    wanted = [[one["ticket"] for one in batch] for _ in range(8) for batch in theirs]
    seen = trained(Theirs(form))
    assert seen == wanted[: len(seen)]


class Table:
    """Behaves like a data frame."""

    columns = ["ticket", "plan", "target"]

    def to_dict(self, orient: str) -> list[dict[str, Any]]:
        assert orient == "records"
        return [dict(row) for row in ROWS]


class Hub:
    """Behaves like a Hugging Face data set."""

    column_names = ["ticket", "plan", "target"]

    def __len__(self) -> int:
        return len(ROWS)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return dict(ROWS[place])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter([dict(row) for row in ROWS])


class Places:
    """Behaves like a torch data set: a length and places, nothing to iterate."""

    def __len__(self) -> int:
        return len(ROWS)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return dict(ROWS[place])


PAIRS = [({"ticket": row["ticket"], "plan": row["plan"]}, row["target"]) for row in ROWS]


@pytest.mark.parametrize(
    "data", [ROWS, PAIRS, Table(), Hub(), Places(), pg.data.rows(ROWS)], ids=["dicts", "pairs", "frame", "hub", "places", "Dataset"]
)
def test_T15_rows_of_every_kind_are_batched_by_the_run(data: Any) -> None:
    seen = trained(data, seed=4)
    assert seen == trained(ROWS, seed=4)
    assert sorted(chain(*seen[:2])) == sorted(row["ticket"] for row in ROWS)


def test_T15_files_of_every_kind_give_the_same_rows(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    lines = "\n".join(json.dumps(row) for row in ROWS)
    (tmp_path / "a.jsonl").write_text(lines + "\n")
    (tmp_path / "a.csv").write_text("ticket,plan,target\n" + "".join(f"{r['ticket']},{r['plan']},{r['target']}\n" for r in ROWS))
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    read = {kind: pg.data.read(tmp_path / f"a.{kind}", target="target") for kind in ("jsonl", "csv", "parquet")}
    assert read["jsonl"] == read["csv"] == read["parquet"] == pg.data.rows(ROWS)
    seen = trained(ROWS, seed=4)
    for kind in read:
        assert trained(str(tmp_path / f"a.{kind}"), seed=4) == seen
    assert trained(pa.Table.from_pylist(ROWS), seed=4) == seen
