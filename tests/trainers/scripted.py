"""A program of every kind of Parameter, and a simulated model that answers it, criticises it and writes proposals for it.

Everything is a function of the prompt. Whether a question is answered right depends on the instruction, the
style, the number of demos and on which side of ``cut`` the question lies, so each kind alone has something to gain.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from paragrad import data
from paragrad.modules import Generator
from paragrad.spaces import Choice, Number
from paragrad.trace import Module, Parameter, Variable, bundle

BANK = ("Think first.", "Check the units.", "Read it twice.", "Answer in one word.", "Never guess.")
GOOD = {"Think first.": 25, "Read it twice.": 20, "Never guess.": -20}
STYLES = {"plain": 0, "careful": 20, "hasty": -30}
CUTS = (20, 40, 60, 80)
WANTED = ("# Parameters you may rewrite", "# Parameters\n", "# The parameter\n", "# Variables", "# Playbooks")


def percent(text: str) -> int:
    """A number from 0 to 99 that is the same everywhere."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % 100


class Mixed(Module):
    """A text, demos, a choice and a number."""

    def __init__(self) -> None:
        self.style: Any = Parameter("plain", "the style of the answer", space=Choice(list(STYLES)))
        self.cut: Any = Parameter(75, "from where on a question counts as sure", space=Number(low=0, high=100, integer=True))
        self.answer: Any = Generator("Answer the question.", demos=2, template="{instruction} {style} {sure}", max_tokens=200)

    def forward(self, question: Any) -> Any:
        """Ask."""
        return self.answer(question=question, style=styled(self.style), sure=marked(sureness(question), self.cut))


class Weighed(Module):
    """Two numbers that turn what the model says into a score; the model's answer has a length, and that is all."""

    def __init__(self) -> None:
        self.weight: Any = Parameter(0.0, "what a character is worth", space=Number(low=-1, high=1))
        self.offset: Any = Parameter(0.0, "what an empty answer is worth")
        self.answer: Any = Generator(Variable("Answer the question."), template="{instruction} style plain", max_tokens=200)

    def forward(self, question: Any) -> Any:
        """Ask, and weigh."""
        return self.weight * sized(self.answer(question=question)) + self.offset


@bundle(effects=())
def sized(text: str) -> float:
    """How long a text is, in words of five."""
    return len(text) / 5


def closeness(output: Any, target: float) -> Any:
    """Minus the squared distance."""
    return -((output - target) ** 2)


def weights(name: str, count: int) -> Any:
    """Questions, and what the right numbers make of their answers."""
    texts = [task_of(f"q{name}{i}") for i in range(count)]
    return data.rows([({"question": f"q{name}{i}"}, 0.5 * len(text) / 5 + 1) for i, text in enumerate(texts)])


def task_of(question: str) -> str:
    """What the model says to a question, as :class:`Weighed` asks it."""
    return f"a{question[1:]}" if percent(question) < 40 and percent(f"sure {question}") >= 40 else "no idea"


@bundle(effects=())
def styled(style: str) -> str:
    """The style in words."""
    return f"style {style}"


@bundle(effects=())
def sureness(question: str) -> int:
    """How sure a question is, from 0 to 99."""
    return percent(f"sure {question}")


@bundle(effects=())
def marked(sure: int, cut: int) -> str:
    """The mark in words."""
    return "sure" if sure >= cut else "unsure"


def metric(output: Any, target: Any) -> tuple[float, str]:
    """Exactly right, and what is wrong with it."""
    return float(output == target), "" if output == target else f"the answer is not {target}; see the instruction and the style"


def rows(name: str, count: int) -> Any:
    """Questions and answers of one split."""
    return data.rows([(f"q{name}{i}", f"a{name}{i}") for i in range(count)]).bind(["question"])


def model(request: Any) -> str:
    """The task's answer, a criticism or a proposal, by what the prompt asks for."""
    whole = "\n".join(str(message["content"]) for message in request.messages)
    if "# Wanted" in whole:
        return criticism(whole)
    return proposal(whole) if "Reply with one JSON object" in whole else task(request)


def task(request: Any) -> str:
    """Right for as many questions as the prompt is good."""
    system, question = str(request.messages[0]["content"]), str(request.messages[-1]["content"])
    skill = 40 + sum(worth for phrase, worth in GOOD.items() if phrase in system)
    skill += STYLES[next(s for s in STYLES if f"style {s}" in system)] + 15 * (len(request.messages) // 2 - 1)
    right = percent(question) < skill and ("unsure" in system) == (percent(f"sure {question}") < 40)
    return f"a{question[1:]}" if right else "no idea"


def criticism(prompt: str) -> str:
    """Something about every wanted argument."""
    names = re.findall(r"^- (\S+)$", prompt.rpartition("# Wanted")[2], re.MULTILINE)
    return json.dumps({name: f"{name} should be more careful ({percent(prompt)})." for name in names})


def proposal(prompt: str) -> str:
    """The JSON envelope with a new value for everything that may be changed."""
    section = next(prompt.partition(head)[2] for head in WANTED if head in prompt)
    blocks = re.split(r"^## ", re.split(r"^# ", section, maxsplit=1, flags=re.MULTILINE)[0], flags=re.MULTILINE)[1:]
    if '"operations"' in prompt:
        operations = [{"op": "ADD", "playbook": block.split()[0], "text": phrase_for(block, prompt)} for block in blocks]
        return json.dumps({"reasoning": "one rule more", "no_change": False, "operations": operations})
    values = {block.split()[0]: value_for(block, prompt) for block in blocks}
    return json.dumps({"reasoning": "as the feedback says", "no_change": False, "values": values})


def phrase_for(block: str, prompt: str) -> str:
    """A phrase the text does not hold yet."""
    new = [phrase for phrase in BANK if phrase not in block]
    return new[percent(prompt) % len(new)] if new else "Say no more."


def value_for(block: str, prompt: str) -> Any:
    """A new value by the Parameter's name."""
    name = block.split()[0]
    if name.endswith("style"):
        return list(STYLES)[percent(prompt) % len(STYLES)]
    if name.endswith("cut"):
        return CUTS[percent(prompt) % len(CUTS)]
    if name.endswith("demos"):
        return [{"inputs": {"question": f"qx{percent(prompt) % 10}"}, "output": f"ax{percent(prompt) % 10}"}]
    now = re.search(r"```\n(.*?)\n```", block, re.DOTALL)
    return f"{now[1] if now else ''} {phrase_for(block, prompt)}".strip()
