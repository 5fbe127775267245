"""A text adventure: an agent learns to play it from the feedback of the game itself.

Run it with ``python examples/text_game.py``; a second or two, no key, no network. THE PLAYER IS SIMULATED: a script that
does what its instruction tells it, so that the example runs anywhere. With a real model, ``model="ollama:qwen3"`` is all
that changes.
"""

import re
from itertools import product
from typing import Any

import paragrad as pg
from paragrad.optimizers import EditSearch

ROOMS = {"hall": ["cellar", "kitchen"], "kitchen": ["attic", "hall"], "cellar": ["hall"], "attic": ["kitchen"]}


class House(pg.Environment):
    """Find the key and open the door in the hall. Who walks into the dark without the lamp, falls."""

    def reset(self, row: pg.Row) -> str:
        """Put the lamp and the key where the row says, and name the hall's exits in its order."""
        self.room, self.things, self.carried, self.end = "hall", {"lamp": row.inputs["lamp"], "key": row.inputs["key"]}, list[str](), ""
        self.dark, self.first = row.inputs["dark"], row.inputs["first"]
        return f"Find the key and open the door. Commands: go ROOM, take THING, open door.\n{self.seen()}"

    def step(self, action: str) -> tuple[str, float, bool]:
        """One command. Things are worth something on the way, the door the rest."""
        verb, _, what = action.strip().lower().partition(" ")
        if verb == "go" and what in ROOMS[self.room]:
            self.room = what
            if what == self.dark and "lamp" not in self.carried:
                self.end = f"You fell down in the dark {what}."
                return self.end, 0.0, True
        elif verb == "take" and self.things.get(what) == self.room:
            self.carried.append(what)
            del self.things[what]
            return self.seen(), 0.25 if what == "key" else 0.0, False
        elif action == "open door" and self.room == "hall" and "key" in self.carried:
            self.end = "The door is open. You are free."
            return self.end, 0.75, True
        else:
            return f"That does not work here. {self.seen()}", 0.0, False
        return self.seen(), 0.0, False

    def score(self, episode: pg.Episode) -> pg.Feedback:
        """The rewards, and what to know about them."""
        missing = [thing for thing in ("lamp", "key") if thing not in self.carried]
        text = f"{self.end or 'You are still inside.'} {f'You never took the {missing[0]}.' if missing else ''}"
        return pg.Feedback(episode.score, text, moves=len(episode.steps))

    def seen(self) -> str:
        """The room in words."""
        rooms = sorted(ROOMS[self.room], key=lambda room: room != self.first)
        exits = [f"{room} (dark)" if room == self.dark else room for room in rooms]
        here = [thing for thing, room in self.things.items() if room == self.room]
        parts = [("You are in the", [self.room]), ("Here:", here), ("Exits:", exits), ("You carry:", self.carried)]
        return " ".join(f"{name} {', '.join(found) or 'nothing'}." for name, found in parts)


def player(request: Any) -> str:
    """The simulated player: it explores, and heeds the advice it knows."""
    advice, scenes = request.messages[0]["content"], [m["content"] for m in request.messages if m["role"] == "user"]
    room, here, exits, carried = (re.split(", ", part) for part in re.findall(r"(?:in the|Here:|Exits:|carry:) ([^.]*)\.", scenes[-1]))
    if room[0] == "hall" and "key" in carried:
        return "open door"
    if here[0] != "nothing" and ("key" in here or "Pick up everything" in advice):
        return f"take {'key' if 'key' in here else here[0]}"
    careful = "dark" in advice and "lamp" not in carried
    ways = [exit.removesuffix(" (dark)") for exit in exits if not (careful and exit.endswith("(dark)"))]
    visits = {way: sum(f"in the {way}." in scene for scene in scenes) for way in ways}
    if "key" in carried and "hall" in ways:
        return "go hall"
    return f"go {min(ways, key=lambda way: visits[way])}"


def houses(count: int) -> list[dict[str, str]]:
    """Rows: where things are, which room is dark, which exit of the hall is named first."""
    choices = product(("kitchen", "attic"), ("cellar", "attic"), ("cellar", "attic"), ("kitchen", "cellar"))
    places = [(lamp, key, dark, first) for lamp, key, dark, first in choices if lamp != dark]
    columns = ("lamp", "key", "dark", "first", "game")
    return [dict(zip(columns, (*places[i % len(places)], f"game {i}"), strict=True)) for i in range(count)]


agent = pg.Agent("You play a text adventure. Answer with one command.", tools=House, max_steps=14, name="player")

ADVICE = ["Pick up everything you see.", "Never enter a dark room without the lamp.", "Hurry.", "Be polite to ghosts."]


def main(**options: Any) -> pg.Result:
    """Train the instruction on 16 games, choose on 16 others, look at 16 more at the end."""
    games = pg.data.rows(houses(48))
    model = pg.llm.Fake(player, name="simulated player")
    optimizer = EditSearch(bank=ADVICE)
    return pg.fit(
        agent, *games.split(1 / 3, 1 / 3, 1 / 3), metric="environment", model=model, optimizer=optimizer, budget="6000 calls", **options
    )


if __name__ == "__main__":
    print(main())
