"""A shop's agent with tools: its instruction and the descriptions of its tools are trained in an interactive environment.

It needs a model that can call tools (``ollama:qwen3``), one that writes proposals, and ``requests.jsonl``: one JSON object per line
with ``request``, ``orders`` (a list of ``{"id", "email", "paid"}``) and ``refunds`` (order id to what should be refunded).
"""

from dataclasses import dataclass, field

import paragrad as pg


@dataclass
class Order:
    id: str
    email: str
    paid: float
    refunded: float = 0.0


@dataclass
class Shop(pg.Environment):
    """One instance per episode; its tools act on its own state. Nothing is shared between threads."""

    orders: dict[str, Order] = field(default_factory=dict)

    def reset(self, row: pg.Row) -> str:
        self.orders = {o["id"]: Order(**o) for o in row.meta["orders"]}
        return str(row.inputs["request"])  # the first observation

    @pg.tool  # schema from the type hints; the docstring is a trainable description
    def find_orders(self, email: str) -> list[Order]:
        """Find orders."""
        return [o for o in self.orders.values() if o.email == email]

    @pg.tool
    def refund(self, order_id: str, amount: float) -> str:
        """Refund."""
        order = self.orders[order_id]  # a KeyError becomes an observation and, later, feedback
        order.refunded += amount
        return f"refunded {amount:.2f}"

    def score(self, episode: pg.Episode) -> pg.Feedback:
        over = [o.id for o in self.orders.values() if o.refunded > o.paid]
        right = {o.id: o.refunded for o in self.orders.values()} == episode.steps[0].row.target
        return pg.Feedback(right and not over, f"Refunded more than was paid: {over}" if over else None, steps=len(episode.steps))


agent: pg.Agent[str] = pg.Agent("You serve customers of a shop. Solve the request, then tell what you did.", tools=Shop, max_steps=8)
tasks = pg.data.read("requests.jsonl", input="request", target="refunds")

if __name__ == "__main__":
    print(*agent.named_parameters(), sep="\n")  # instruction, tools.find_orders.description, tools.refund.description
    result = pg.fit(
        agent,
        *tasks.split(0.5, 0.25, 0.25),
        metric="environment",
        model="ollama:qwen3",
        optimizer_model="openai:gpt-5",
        algorithm="pareto",
        budget="400 calls",
        deadline=60,
    )
    print(result)
    agent.save("agent/")
