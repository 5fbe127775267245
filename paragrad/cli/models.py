"""Which model a command asks: named on the line, remembered by ``paragrad connect``, or found by ``auto``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from paragrad.errors import ModelError, UsageError

F = TypeVar("F", bound=Callable[..., Any])

FILE = "model.json"
PROBE_TOKENS = 200


@dataclass(frozen=True)
class Choice:
    """A model in words. ``api_key_env`` names the variable that holds the key; the key itself is kept nowhere."""

    model: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    price: tuple[float, float] | None = None

    def connect(self, **options: Any) -> Any:
        """The model, stacked.

        Raises:
            UnknownName, NotConnected, UsageError: nothing was sent.
        """
        from paragrad.llm import connect

        check_url(self.base_url)
        check_url(self.model if self.model and "://" in self.model else None)
        name = self.model or ("default" if self.base_url else "auto")
        price = (self.price[0], self.price[1]) if self.price else None
        return connect(name, base_url=self.base_url, api_key_env=self.api_key_env, price=price, **options)


def model_options(command: F) -> F:
    """``--model``, ``--base-url``, ``--api-key-env``, ``--price``."""
    for option in (
        click.option("--price", nargs=2, type=float, metavar="IN OUT", help="Dollars per million tokens, where no list price is known."),
        click.option("--api-key-env", metavar="NAME", help="The environment variable that holds the key."),
        click.option("--base-url", metavar="URL", help="Any OpenAI-compatible server, e.g. http://127.0.0.1:8000/v1."),
        click.option(
            "--model",
            metavar="NAME",
            help="Who answers: openai:gpt-5-mini, ollama:qwen3, embedded, …  [default: what `connect` chose, else what is found]",
        ),
    ):
        command = option(command)
    return command


def chosen(home: Path, options: Mapping[str, Any]) -> Choice:
    """What the line names, else what is remembered."""
    model, base_url, api_key_env, price = (options.get(name) for name in ("model", "base_url", "api_key_env", "price"))
    if model or base_url or api_key_env:
        return Choice(model, base_url, api_key_env, tuple(price) if price else None)
    try:
        found = Choice(**json.loads((home / FILE).read_text("utf-8")))
        return replace(found, price=tuple(price)) if price else found
    except FileNotFoundError:
        return Choice()
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{home / FILE} cannot be read: {error}; run  paragrad connect MODEL  again, or remove the file") from error


def remember(home: Path, choice: Choice) -> None:
    """Keep the choice for later commands: names and addresses, nothing secret."""
    from paragrad.home import made
    from paragrad.runs.records import write_text

    made(home)
    write_text(home / FILE, json.dumps(asdict(choice), indent=1) + "\n")


def check_url(url: str | None) -> None:
    """Refuse an address with a key in it.

    Raises:
        UsageError: it would end up in records.
    """
    from paragrad.llm.secrets import redact

    if url is None:
        return
    if urlsplit(url).password or urlsplit(url).username or redact(url) != url:
        raise UsageError(
            "the address holds a key or a password; take it out, put it into an environment variable and name that with --api-key-env"
        )


def probe(model: Any) -> tuple[Any, float]:
    """One small question, not from the cache: the answer and the seconds it took.

    Raises:
        ModelError: the model does not answer.
    """
    from paragrad.context import Coordinate, Scope, scope
    from paragrad.llm import Budget, BudgetLedger, Request, caching

    ledger = BudgetLedger(Budget(calls=10))
    request = Request([{"role": "user", "content": "Reply with the word OK."}], max_tokens=PROBE_TOKENS)
    started = time.perf_counter()
    with scope(Scope(Coordinate(), ledger=ledger)), caching("off"):
        (answer,) = model.complete([request])
    if isinstance(answer, ModelError):
        raise answer
    return answer, time.perf_counter() - started
