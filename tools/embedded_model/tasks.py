"""One task of the toy world: a question, its answer, its worked steps, and how its wording sets the bar."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from tools.embedded_model.policy import Bar, Behaviour


@dataclass(frozen=True, slots=True)
class Task:
    """A question with all that is needed to write any answer to it.

    Attributes:
        skill: its name.
        question: text shown to the model.
        answer: the bare answer.
        steps: worked solution, empty when the skill has none.
        bar: the wording's demands.
        word: the answer spelt as a word (the answer itself when it is no number).
        sentence: the answer as a sentence.
        friendly: the answer as a chatty friend says it.
        operation: for list skills, the operation demonstrations must share.
        held_out: the content is never trained on.
        number: whether the answer is a number (JSON leaves it bare).
    """

    skill: str
    question: str
    answer: str
    bar: Bar
    steps: str = ""
    word: str = ""
    sentence: str = ""
    friendly: str = ""
    operation: str = ""
    held_out: bool = False
    number: bool = field(default=False)


def is_held_out(content: str) -> bool:
    """Whether content belongs to the three tenths that training never sees."""
    return hashlib.sha256(content.encode()).digest()[0] % 10 >= 7


def final_line(task: Task, behaviour: Behaviour) -> str:
    """The answer line in the style and voice asked for."""
    if behaviour.chatty == "pirate":
        return f"Ahoy! {_styled(task, behaviour.style)}, matey."
    if behaviour.chatty == "friendly":
        return task.friendly or f"Happy to help! It is {task.answer}."
    return _styled(task, behaviour.style)


def _styled(task: Task, style: str) -> str:
    quoted = task.answer if task.number else f'"{task.answer}"'
    forms = {
        "number": task.answer,
        "word": task.word or task.answer,
        "sentence": task.sentence or f"The answer is {task.answer}.",
        "label": f"Answer: {task.answer}",
        "tag": f"<answer>{task.answer}</answer>",
        "json": f'{{"answer": {quoted}}}',
    }
    return forms[style]
