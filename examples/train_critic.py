"""A critic is a program too: feedback on its criticism reaches its own prompt, which TextGrad then improves.

A model that answers is corrected by a critic. The critic is vague, so the answering prompt does not get
better. One sentence about the criticism, sent back through ``create_graph=True``, trains the critic.
The models are scripted (simulated), so this runs in a second, with no key and no network:
``python examples/train_critic.py``.
"""

import json
from typing import Any

import paragrad as pg
from paragrad.modules import Critic
from paragrad.optimizers import TextGrad
from paragrad.propagators import Text

QUESTION = "When did Ada Lovelace publish her notes?"


@pg.prompt
def reply(question: str) -> str:
    """Answer the question."""
    ...


def train_the_reply(critic: Critic) -> str:
    """One step of TextGrad on the answering prompt, with this critic's words."""
    optimizer = TextGrad(reply.parameters(), critic=critic)
    optimizer.zero_grad()
    optimizer.backward(reply(QUESTION), "Nobody can tell when it was.")
    optimizer.step()
    return str(reply.instruction.value)


def train_the_critic(critic: Critic) -> str:
    """What people say of a criticism reaches the prompt of the critic that wrote it."""
    reply.instruction.zero_grad()
    pg.variable(reply(QUESTION)).backward("Nobody can tell when it was.", create_graph=True, propagators=[Text(critic)])
    (criticism,) = reply.instruction.grad
    optimizer = TextGrad(critic.parameters())
    optimizer.backward(criticism, "This is too vague to act on: it must say what is missing.")
    optimizer.step()
    return str(critic.instruction.value)


def main() -> dict[str, Any]:
    """The answering prompt after a step with the critic as it was, and after a step with the trained critic."""
    critic = Critic(instruction="You explain feedback. Be short.")
    with pg.llm.use(pg.llm.Fake(simulated)):
        before = train_the_reply(critic), reply.predict(QUESTION)
        learnt = train_the_critic(critic)
        after = train_the_reply(critic), reply.predict(QUESTION)
    return {"before": before, "critic": learnt, "after": after}


# --- the simulated models: one function that answers as the prompt it is sent allows ---------------


def simulated(request: pg.llm.Request) -> str:
    """A model that does just what it is told."""
    first, last = (str(request.messages[i]["content"]) for i in (0, -1))
    if first.startswith("You rewrite one parameter"):
        id = first.partition("## ")[2].partition("\n")[0]
        if id == "critic.instruction":
            return json.dumps({"values": {id: "You explain feedback. Name what is missing. Be short."}})
        better = "Answer the question with the year." if "does not ask for the year" in first else "Answer the question as well as you can."
        return json.dumps({"values": {id: better}})
    if last.startswith("# Operation\ncritic"):  # a criticism is criticised
        return json.dumps({"instruction": "It does not ask to name what is missing."})
    if last.startswith("# Operation"):
        return json.dumps({"instruction": "It does not ask for the year." if "Name what is missing." in first else "It could be better."})
    return "In 1843." if "year" in first else "A long time ago."


if __name__ == "__main__":
    found = main()
    print("with the critic as it was:", *found["before"], sep="\n  ")
    print("the trained critic:", found["critic"], sep="\n  ")
    print("with the trained critic:", *found["after"], sep="\n  ")
