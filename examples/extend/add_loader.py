"""A loader: easy rows first, hard ones later. A trainer takes the batches in its order."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from paragrad.trainers import DataLoader


class Curriculum(DataLoader):
    """Rows by rising difficulty, in a few tiers that grow; within a tier in an order that seed and epoch decide.

    Args:
        difficulty: ``difficulty(row) -> float``. ``tiers``: epochs until every row is drawn.
    """

    def __init__(self, dataset: Any, batch_size: int = 1, *, difficulty: Callable[[Any], float], tiers: int = 3, seed: int = 0) -> None:
        super().__init__(dataset, batch_size, seed=seed)
        self.difficulty, self.tiers = difficulty, tiers

    def order(self, epoch: int) -> list[int]:
        """The easiest rows in the first epoch, all of them from the last tier on."""
        places = sorted(range(len(self.dataset)), key=lambda place: self.difficulty(self.dataset[place]))
        known = places[: -(-len(places) * min(epoch + 1, self.tiers) // self.tiers)]
        return Random(f"{self.seed}/{epoch}").sample(known, len(known))

    def _over(self, data: Any, weights: Sequence[float] | None) -> "Curriculum":
        """The same loader over other rows, such as those a trainer has bound to the program's inputs."""
        return Curriculum(data, self.batch_size, difficulty=self.difficulty, tiers=self.tiers, seed=self.seed)


if __name__ == "__main__":
    rows = [{"sum": " + ".join("1" * n), "target": n} for n in (9, 2, 7, 1, 5, 3)]
    loader = Curriculum(rows, 2, difficulty=lambda row: len(row.inputs["sum"]))
    print([[row.target for row in batch] for batch in loader], "then", [[row.target for row in batch] for batch in loader])
