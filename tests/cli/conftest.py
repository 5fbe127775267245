"""Helpers for command line tests: a runner, a scripted model that can be improved, small tables."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from paragrad.cli.app import app
from paragrad.llm.types import Request, Response, Usage
from paragrad.registry import models

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")
HELPS = "Read the whole input before you decide."


@dataclass
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str
    error: BaseException | None


@pytest.fixture
def pg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run a command in an empty folder without keys."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PARAGRAD_HOME", raising=False)
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("paragrad.llm.auto.PORTS", (9,))

    def run(*args: str, input: str | None = None) -> Ran:
        found = CliRunner().invoke(app, list(args), input=input)
        error = found.exception if not isinstance(found.exception, SystemExit) else None
        return Ran(found.exit_code, found.stdout, found.stderr, error)

    return run


class Scripted:
    """Says whether a number is even; right only when the instruction holds one of the general phrases."""

    cacheable = False
    price = None

    def __init__(self, name: str) -> None:
        self.name = self.identity = f"scripted:{name}"

    def complete(self, requests: list[Request]) -> list[Any]:
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Any:
        from paragrad.errors import AuthenticationFailed, NotConnected

        if self.name == "scripted:refused":
            return NotConnected("http://127.0.0.1:9/v1: connection refused; is the server running?")
        if self.name == "scripted:key":
            return AuthenticationFailed("the server refuses the key sk-abcdefghijklmnop1234567890", status=401)
        words = " ".join(str(m["content"]) for m in request.messages)
        number = "".join(c for c in str(request.messages[-1]["content"]) if c.isdigit()) or "0"
        right = "even" if int(number) % 2 == 0 else "odd"
        wrong = int(number) % 5 != 0 and HELPS not in words and self.name != "scripted:perfect"
        return Response("even" if wrong and right == "odd" else "odd" if wrong else right, usage=Usage(20, 1))


@pytest.fixture(autouse=True)
def scripted() -> Iterator[None]:
    """``--model scripted:NAME`` in this process."""
    models._found["scripted"] = Scripted
    yield
    models._found.pop("scripted", None)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """240 numbers and whether they are even, in numbers.csv; the prompt is in prompt.txt."""
    write_table(tmp_path / "numbers.csv", [{"number": f"n{i}", "kind": "even" if i % 2 == 0 else "odd"} for i in range(240)])
    (tmp_path / "prompt.txt").write_text("Say whether the number is even or odd.\n\nNumber: {number}\n", "utf-8")
    return tmp_path / "numbers.csv"


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
