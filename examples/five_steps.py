"""The five steps of a trainable workflow, in one script: traced program, module, data and feedback, trainer, run.

Run it with ``python examples/five_steps.py``; a second, no key, no network. THE OPTIMIZER'S MODEL IS SIMULATED: a script that
reads the prompt that OptoPrime writes and answers from it. With a real one, ``OptoPrime(model="openai:gpt-5")`` is all that changes.
"""

import json
import re

import paragrad as pg
from paragrad import trace
from paragrad.optimizers import OptoPrime
from paragrad.trainers import AutoGuide, DataLoader, MinibatchAlgorithm


# 1. The traceable workflow and its trainable parameters; 2. wrapped as a module.
@trace.model
class Greeter:
    """Greets people by their family name."""

    def __init__(self) -> None:
        self.style = trace.node("Yo", trainable=True, description="the greeting word")
        self.title = trace.node("pal", trainable=True, description="how the person is addressed, before the name")

    @trace.bundle(trainable=True)  # code: a Parameter too, kept as it is until there is a sandbox to run proposals in
    def surname(self, request: str) -> str:
        """The family name of the person to greet."""
        return request.split()[-1]

    @trace.bundle
    def greet(self, style: str, title: str, name: str) -> str:
        """Put the greeting together."""
        return f"{style} {title} {name}"

    def forward(self, request: str) -> object:
        """The greeting for a full name."""
        return self.greet(self.style, self.title, self.surname(request))


# 3. A data loader and the feedback oracle.
class Polite(AutoGuide):
    """Says what the greeting should have been."""

    def get_feedback(self, query: str, response: str, reference: str | None = None) -> tuple[float, str]:
        """1 for the very words, else 0, and what was wanted."""
        return float(response == reference), f"{response!r} should be {reference!r}"


FIRST, LAST = ("Ada", "Alan", "Grace", "Edsger", "Barbara"), ("Lovelace", "Turing", "Hopper", "Dijkstra", "Liskov", "Noether")
people = [(f"{first} {last}", f"Dear Professor {last}") for first in FIRST for last in LAST]
loader = DataLoader(people[:10], batch_size=5, seed=0)


def simulated(request: pg.llm.Request) -> str:
    """Stands for the optimizer's model: finds in the prompt which words differ, and which variables hold them."""
    prompt = str(request.messages[0]["content"])
    pairs = re.findall(r"'([^'\n]+)' should be '([^'\n]+)'", prompt)
    wanted = {old: new for said, should in pairs for old, new in zip(said.split(), should.split(), strict=False) if old != new}
    section = prompt.partition("# Variables")[2].partition("# Constraints")[0]
    variables = dict(re.findall(r"^## (\S+).*\n```\n(.*)\n```", section, re.MULTILINE))
    values = {name: wanted[value] for name, value in variables.items() if value in wanted}
    return json.dumps({"reasoning": "The words differ.", "values": values} if values else {"no_change": True})


def main() -> tuple[Greeter, pg.Result]:
    """4. A trainer made of module, optimizer, loader and oracle; 5. run it."""
    agent = Greeter()
    optimizer = OptoPrime(model=pg.llm.Fake(simulated, name="simulated writer"))
    trainer = MinibatchAlgorithm(agent, optimizer, loader, Polite(), validate=people[10:20], test=people[20:], budget="200 calls")
    return agent, trainer.train()


if __name__ == "__main__":
    greeter, result = main()
    print(result)
