"""Whole prompts for fixed evidence: what a model is sent, as files that a change must be seen in.

``python tests/optimizers/sent_prompts.py --write`` brings the files in ``snapshots/`` up to date.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import paragrad as pg
from paragrad.optimizers import OPRO, OptoPrime, Playbook, Reflect, TextGrad
from paragrad.optimizers.collected import collected
from paragrad.protocols.evidence import Evidence

FOLDER = Path(__file__).parent / "snapshots"
FIX = "if the change is meant: python tests/optimizers/sent_prompts.py --write"
TICKETS = {"My card was charged twice.": "billing", "The app crashes on start.": "bug", "Where is my invoice?": "billing"}


class Desk(pg.Module):
    """Looks up rules, then sorts a ticket."""

    def __init__(self) -> None:
        space = pg.Number(low=1, high=4, integer=True)
        self.count = pg.param(2, "how many rules are looked up", space=space)
        instruction = pg.Parameter("Name the team.", "how to sort a ticket", constraint="name no customer")
        self.sort: Any = pg.Generator(instruction, inputs=["ticket", "rules"], demos=2)

    def forward(self, ticket: str) -> Any:
        rules = self.look_up(ticket, self.count)
        return self.sort(ticket=ticket, rules=[rules[0], "bugs go to bug"])

    @pg.bundle(description="The rules whose words occur in the ticket, best first.")
    def look_up(self, ticket: str, count: int) -> list[str]:
        return [f"rule {i} about {ticket.split()[1]}" for i in range(count)]


def answers(request: pg.llm.Request) -> str:
    """The simulated task model: sorts everything as a bug, and speaks too much."""
    return "I would say: bug"


def criticisms(request: pg.llm.Request) -> str:
    """The simulated critic."""
    return json.dumps({"instruction": "It does not say that the bare name is wanted.", "count": None, "rules[0]": "It names no team."})


@cache
def desk() -> tuple[Evidence, str]:
    """Evidence of three tickets, one of them right, and what the critic was sent first."""
    critic = pg.llm.Fake(criticisms)
    program = Desk()
    optimizer = TextGrad(program.parameters(), model=critic)
    with pg.llm.use(pg.llm.Fake(answers)):
        outputs = [program(ticket) for ticket in TICKETS]
    said = [pg.Feedback(float(team == "bug"), f"The team was {team}.") for team in TICKETS.values()]
    optimizer.backward(outputs, said)
    asked = sorted("\n\n--- user ---\n".join(str(m["content"]) for m in request.messages) for request in critic.requests)
    return collected(program.parameters(), Random(0)), asked[0]


def sent(optimizer: Any, evidence: Evidence, state: Any, n: int = 1) -> list[str]:
    """The prompts of one proposal."""
    prompts: list[str] = []

    def ask(messages: Any, **_: Any) -> str:
        prompts.append(messages[-1]["content"])
        return '{"no_change": true}'

    optimizer.propose(evidence, state, n=n, ask=ask)
    return prompts


def prompts() -> dict[str, str]:
    """Name to whole prompt."""
    evidence, critic = desk()
    history = {"sort.instruction": [{"value": "Sort it.", "said": ["It names no team."]}]}
    tried = {"sort.instruction": [["Say the team's name.", -0.125, False]]}
    rewriter = TextGrad(constraints=["at most two sentences"], in_context=["Name the month. Answer with the name alone."])
    texts = sent(rewriter, evidence, {"history": history, "tried": tried})
    graph = sent(OptoPrime(), evidence, {"tried": [["sort.instruction\n[-Name-][+Say+] the team.", 0.25, True]]}, n=1)
    (rewrite,) = [text for text in texts if "## sort.instruction\nkind" in text.partition("# Beside it")[0]]
    plain = {"critic": critic, "textgrad": rewrite, "optoprime": graph[0]}
    return plain | {name: sent(one, history_of(evidence), one.init([]))[0] for name, one in ASKING.items()}


ASKING: dict[str, Any] = {"reflect": Reflect(), "playbook": Playbook(items=3), "opro": OPRO(most=2)}


def history_of(evidence: Evidence) -> Evidence:
    """The same evidence after an earlier candidate, with a list under the instruction."""
    text = "Name the team.\n\n- Read the rules first.\n- Bugs are bugs."
    own = replace(evidence.parameters["sort.instruction"], value=text)
    changed = replace(evidence, parameters={**evidence.parameters, own.id: own}, random=Random(0))
    return replace(changed, history=(changed.candidate({own.id: "Sort it."}).scored({"score": 0.25}),))


if __name__ == "__main__" and "--write" in sys.argv:
    FOLDER.mkdir(exist_ok=True)
    for name, text in prompts().items():
        (FOLDER / f"{name}.md").write_text(text + "\n", encoding="utf-8")
