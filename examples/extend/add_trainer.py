"""A trainer: each step takes the best of a few candidates, if it beats the current values."""

from dataclasses import replace

import paragrad as pg
from paragrad.registry import algorithms
from paragrad.trainers.session import Session
from paragrad.trainers.state import State


@algorithms.register("greedy")
class Greedy(pg.trainers.AlgorithmBase):
    """Four candidates per step, all on the validation rows. Simple, and it believes in luck."""

    def step(self, session: Session, state: State) -> State:
        step, rows = state.step + 1, self.validation_rows
        if step > 5 or not session.affords(4 * len(rows) * state.calls_per_row):
            return replace(state, done="enough steps, or no budget for another")
        base = session.evaluate(state.best, self.train_rows, step=step, learn=True)
        found, optimizer = session.propose(state.best, base, state.optimizer, step=step, n=4)
        if not found:
            return replace(state, optimizer=optimizer, done="nothing more to propose")
        scored = [(session.evaluate(c.values, rows, step=step, candidate=i), c) for i, c in enumerate(found, 1)]
        evaluation, winner = max(scored, key=lambda pair: pair[0].score)
        if evaluation.score > sum(score or 0.0 for score in state.scores([p.number for p in rows])) / len(rows):
            seen = {int(item.item): item.score for item in evaluation.items}
            return replace(state, best=dict(winner.values), seen=seen, optimizer=optimizer)
        return replace(state, optimizer=optimizer)


if __name__ == "__main__":
    tone: pg.Parameter[str] = pg.Parameter("plain", name="tone", space=pg.Choice(["plain", "loud", "formal"]))
    program = pg.bundle(lambda word: word.upper() if tone.value == "loud" else word)
    data = [{"word": f"w{i}", "target": f"W{i}"} for i in range(40)]
    result = pg.fit(program, data, metric="exact_match", parameters=[tone], algorithm="greedy", journal=False)
    print(result.score, tone.value)
