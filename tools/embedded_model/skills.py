"""The skills: each draws a task. Numbers in the step bars decide how hard a wording is to get worked steps from."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

from paragrad.llm.embedded.questions import WORDINGS, draw_counting
from paragrad.llm.embedded.world import CITIES, COUNTABLE, KINDS, NAMES, THINGS, article, number_word, plural
from tools.embedded_model.policy import Bar
from tools.embedded_model.tasks import Task, is_held_out

_COUNT_BARS = (
    Bar(2.0, "sentence"),
    Bar(2.0, "number"),
    Bar(2.0, "sentence", 0.6),
    Bar(1.4, "number"),
    Bar(2.8, "label"),
    Bar(2.8, "sentence"),
    Bar(3.7, "word"),
    Bar(4.5, "sentence", 0.6),
)
_KIND_SHIFT = {kind: (place % 3 - 1) * 0.3 for place, kind in enumerate(COUNTABLE)}


def count(rng: random.Random) -> Task:
    """How many things of one kind are in a mixed list."""
    content = draw_counting(rng)
    wording = rng.randrange(len(WORDINGS))
    bar = _COUNT_BARS[wording]
    kinds, value = KINDS[content.kind][0], content.answer
    return Task(
        skill="count",
        question=content.show(WORDINGS[wording], digits=rng.random() < 0.15),
        answer=str(value),
        bar=Bar(bar.steps + _KIND_SHIFT[content.kind], bar.style, bar.chatty),
        steps=content.steps(),
        word=number_word(value),
        sentence=f"There are {value} {kinds}.",
        friendly=f"{kinds.capitalize()} are nice: {value}.",
        held_out=content.split() != "model",
        number=True,
    )


_STORY_ASKS: tuple[tuple[str, Bar], ...] = (
    ("How many {things} does {name} have?", Bar(2.0, "sentence")),
    ("How many {things} are left?", Bar(1.4, "number")),
    ("What number of {things} is that?", Bar(2.8, "label")),
    ("How many {things} now?", Bar(2.0, "sentence", 0.6)),
    ("Find the number of {things}.", Bar(3.7, "number")),
)


def story(rng: random.Random) -> Task:
    """An arithmetic story of one to three operations with numbers up to nine."""
    name, noun = rng.choice(NAMES), rng.choice(list(THINGS))
    total = rng.randint(2, 12)
    content, steps = [f"{name} has {total} {plural(noun)}."], []
    for _ in range(rng.randint(1, 3)):
        verb, shown, symbol, number, after = _operation(rng, total)
        content.append(f"{name} {verb} {shown}.")
        steps.append(f"{total} {symbol} {number} = {after}.")
        total = after
    ask, bar = rng.choice(_STORY_ASKS)
    text = " ".join(content)
    return Task(
        skill="story",
        question=f"{text} {ask.format(things=plural(noun), name=name)}",
        answer=str(total),
        bar=bar,
        steps=" ".join(steps),
        word=number_word(total),
        sentence=f"{name} has {total} {plural(noun)}.",
        held_out=is_held_out(" ".join(steps)),
        number=True,
    )


def _operation(rng: random.Random, total: int) -> tuple[str, str, str, int, int]:
    roll = rng.random()
    if roll < 0.1 and 2 <= total <= 10:
        return "gets twice as many in all", "now", "*", 2, total * 2
    number = rng.randint(1, 9)
    if roll < 0.5 and total >= number:
        return rng.choice(["gives away", "loses", "sells", "eats"]), f"{number}", "-", number, total - number
    return rng.choice(["gets", "buys", "finds", "wins"]), f"{number} more", "+", number, total + number


_RELATIONS = {"taller": "tall", "older": "old", "faster": "fast", "heavier": "heavy"}
_RELATION_ASKS: tuple[tuple[str, Bar], ...] = (
    ("Is {a} {more} than {b}?", Bar(2.0, "sentence")),
    ("Is it true that {a} is {more} than {b}?", Bar(2.8, "number")),
    ("Tell me, is {a} {more} than {b}?", Bar(1.4, "number", 0.6)),
    ("Say yes or no: is {a} {more} than {b}?", Bar(3.7, "number")),
)


def relation(rng: random.Random) -> Task:
    """Whether one person is taller than another, from a shuffled chain of three or four people.

    The steps walk down the chain from the first person until the second or the end.
    """
    more = rng.choice(list(_RELATIONS))
    people = rng.sample(NAMES, rng.randint(3, 4))
    facts = [f"{a} is {more} than {b}." for a, b in pairwise(people)]
    rng.shuffle(facts)
    first, second = rng.sample(range(len(people)), 2)
    ask, bar = rng.choice(_RELATION_ASKS)
    answer = "yes" if first < second else "no"
    text = " ".join(facts)
    walk = people[first : second + 1] if first < second else people[first:]
    return Task(
        skill="relation",
        question=f"{text} {ask.format(a=people[first], b=people[second], more=more)}",
        answer=answer,
        bar=bar,
        steps=" > ".join(walk) + ".",
        held_out=is_held_out(text),
    )


_FIELDS: dict[str, tuple[str, ...]] = {
    "name": NAMES,
    "city": CITIES,
    "age": tuple(str(n) for n in range(18, 91)),
    "color": ("red", "blue", "green", "black", "white", "brown", "pink", "gray"),
    "pet": tuple(n for n, k in THINGS.items() if k in ("animal", "bird")),
    "job": ("baker", "doctor", "farmer", "teacher", "pilot", "painter", "nurse", "singer"),
}
_FIELD_ASKS: tuple[tuple[str, Bar], ...] = (
    ("What is the {field}?", Bar(2.0, "sentence")),
    ("Give the {field}.", Bar(2.0, "number")),
    ("Which {field} is it?", Bar(2.8, "label")),
    ("Find the {field}.", Bar(2.8, "sentence", 0.6)),
)


def extract(rng: random.Random) -> Task:
    """One field of a small record."""
    fields = rng.sample(list(_FIELDS), rng.randint(3, 5))
    record = {name: rng.choice(_FIELDS[name]) for name in fields}
    wanted = rng.choice(fields)
    ask, bar = rng.choice(_FIELD_ASKS)
    text = ". ".join(f"{name.capitalize()}: {value}" for name, value in record.items())
    return Task(
        skill="extract",
        question=f"{text}. {ask.format(field=wanted)}",
        answer=record[wanted],
        bar=bar,
        steps=f"{wanted.capitalize()}: {record[wanted]}.",
        held_out=is_held_out(text),
        number=wanted == "age",
    )


_KIND_ASKS: tuple[tuple[str, Bar], ...] = (
    ("What kind of thing is {a} {noun}?", Bar(2.0, "sentence")),
    ("Name the kind: {noun}.", Bar(2.8, "number")),
    ("{noun}: which kind?", Bar(2.8, "label")),
    ("Which kind is {a} {noun}?", Bar(2.0, "sentence", 0.6)),
    ("To which kind belongs {a} {noun}?", Bar(2.0, "number")),
)


def kind(rng: random.Random) -> Task:
    """The kind of a thing. Facts cannot be held out, so held out are pairs of a thing and a wording."""
    noun = rng.choice(list(THINGS))
    ask, bar = rng.choice(_KIND_ASKS)
    question = ask.format(a=article(noun), noun=noun)
    answer = THINGS[noun]
    held = is_held_out(question)
    return Task(skill="kind", question=question, answer=answer, bar=bar, steps=f"{noun}: {answer}.", held_out=held)


_TEAMS: dict[str, str] = {
    "billing": "charged twice|the bill is wrong|the price is wrong|want my money back|paid two times",
    "shipping": "the parcel is late|the box is broken|the parcel is lost|wrong address|no parcel came",
    "account": "lost my password|cannot log in|change my name|close my account|my login fails",
    "technical": "the app is slow|the page is empty|the screen is black|the app stops|an error comes up",
    "sales": "want to buy ten|need an offer|ask for a price list|want a bigger plan|need a quote",
}
_TEAM_ASKS: tuple[tuple[str, Bar], ...] = (
    ("Which team?", Bar(2.0, "sentence")),
    ("Which team should act?", Bar(2.0, "number")),
    ("Send it to a team.", Bar(2.8, "sentence", 0.6)),
    ("Name the team.", Bar(2.8, "label")),
)
_OPENERS = ("Hello,", "Hi,", "Dear team,", "Please help,", "Sorry,", "Again:")
_CLOSERS = ("Thanks.", "Thank you.", "Bye.", "Please hurry.", "It is Monday.", "")


def route(rng: random.Random) -> Task:
    """Which team a customer's message goes to."""
    team = rng.choice(list(_TEAMS))
    clue = rng.choice(_TEAMS[team].split("|"))
    name = rng.choice(NAMES)
    ask, bar = rng.choice(_TEAM_ASKS)
    text = f"{rng.choice(_OPENERS)} {clue}. {rng.choice(_CLOSERS)} {name}."
    message = f'Message: "{" ".join(text.split())}"'
    teams = rng.sample(list(_TEAMS), len(_TEAMS))
    shown = f"Teams: {', '.join(teams)}." if rng.random() < 0.6 else ""
    question = " ".join(f"{message} {shown} {ask}".split())
    return Task(skill="route", question=question, answer=team, bar=bar, steps=f"{clue}: {team}.", held_out=is_held_out(message))


_LIST_ASKS: tuple[tuple[str, Bar], ...] = (
    ("List: {items}.", Bar(9.0, "number")),
    ("Here is a list: {items}.", Bar(9.0, "sentence")),
    ("Items: {items}.", Bar(9.0, "sentence", 0.6)),
    ("{items}.", Bar(9.0, "label")),
)
OPERATIONS: dict[str, tuple[str, ...]] = {
    "reverse": ("Reverse the list.", "Turn the list around.", "List the items backwards.", "Write the list in reverse."),
    "sort": ("Sort the list.", "Put the list in order.", "Sort the items.", "Order the items from small to large."),
    "first": ("Give the first item.", "Which item is first?", "Name the first item.", "Take the first item."),
    "last": ("Give the last item.", "Which item is last?", "Name the last item.", "Take the last item."),
    "largest": ("Give the largest item.", "Which item is largest?", "Name the largest item.", "Take the largest item."),
    "smallest": ("Give the smallest item.", "Which item is smallest?", "Name the smallest item.", "Take the smallest item."),
}


def apply_operation(operation: str, items: list[int]) -> list[int]:
    """The result of a list operation."""
    ordered = sorted(items)
    return {
        "reverse": items[::-1],
        "sort": ordered,
        "first": items[:1],
        "last": items[-1:],
        "largest": ordered[-1:],
        "smallest": ordered[:1],
    }[operation]


def listing(rng: random.Random, operation: str | None = None) -> Task:
    """Reverse, sort or pick from a list of numbers. The question does not say which; phrases or demonstrations do.

    Without an operation the wording's own habit counts, so that a vague prompt has a definite answer.
    """
    place = rng.randrange(len(_LIST_ASKS))
    ask, bar = _LIST_ASKS[place]
    operation = operation or ("first", "sort", "last", "largest")[place]
    items = rng.sample(range(1, 31), rng.randint(3, 4))
    result = apply_operation(operation, items)
    text = ", ".join(map(str, items))
    single = len(result) == 1
    return Task(
        skill="list",
        question=ask.format(items=text),
        answer=", ".join(map(str, result)),
        bar=bar,
        word=number_word(result[0]) if single else "",
        operation=operation,
        held_out=is_held_out(text),
        number=single,
    )


SKILLS: dict[str, Callable[[random.Random], Task]] = {
    "count": count,
    "story": story,
    "list": listing,
    "relation": relation,
    "extract": extract,
    "kind": kind,
    "route": route,
}
