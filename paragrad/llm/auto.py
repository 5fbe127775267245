"""auto: what is there to ask on this machine. Never the embedded model, unless it is allowed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from paragrad.errors import NotConnected
from paragrad.events import emit
from paragrad.llm.providers import AUTO_ORDER, PROVIDERS

PORTS = (11434, 8080, 8000, 1234)
LARGEST_LIST = 1 << 20


@dataclass(frozen=True, slots=True)
class Choice:
    """What ``auto`` took, why, and what must hold before it may spend money (None: it costs none)."""

    name: str
    why: str
    needs_budget: str | None = None


def choose(*, embedded_ok: bool = False, seconds: float = 0.3) -> Choice:
    """The first of: a key in the environment, a server on a local port, the embedded model if allowed.

    Says which it took with an event ``model``.

    Raises:
        NotConnected: nothing was found; the message says what was looked for.
    """
    choice = _by_key() or _by_port(seconds) or (Choice("embedded", "allowed by embedded_ok=True") if embedded_ok else None)
    if choice is None:
        raise NotConnected(nothing_found())
    emit("model", name=choice.name, why=choice.why, chosen_by="auto")
    return choice


def nothing_found() -> str:
    """What is said when there is no model."""
    keys = ", ".join(PROVIDERS[prefix].key_env[0] for prefix in AUTO_ORDER)
    ports = " ".join(f":{port}" for port in PORTS)
    return (
        "no language model is connected\n"
        f"  looked for {keys}; servers on {ports}\n"
        f"  do one of  export {PROVIDERS[AUTO_ORDER[0]].key_env[0]}=… | ollama pull qwen3 | --model NAME --base-url http://HOST/v1\n"
        "  (the embedded model knows only its toy world: that is for `paragrad demo`)"
    )


def _by_key() -> Choice | None:
    for prefix in AUTO_ORDER:
        found = next((name for name in PROVIDERS[prefix].key_env if os.environ.get(name, "").strip()), None)
        if found is not None:
            name = f"{prefix}:{PROVIDERS[prefix].default}"
            text = f"{name} was chosen by 'auto' because {found} is set, and it costs money: give a budget, or name the model yourself"
            return Choice(name, f"{found} is set", text)
    return None


def _by_port(seconds: float) -> Choice | None:
    for port in PORTS:
        model = first_model(port, seconds)
        if model is not None:
            name = f"ollama:{model}" if port == 11434 else f"http://127.0.0.1:{port}/v1#{model}"
            return Choice(name, f"a server answers on port {port}")
    return None


def first_model(port: int, seconds: float) -> str | None:
    """The first model a server on this port lists, None when there is no such server."""
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", "/v1/models")
        response = connection.getresponse()
        if response.status != 200:
            return None
        listed = json.loads(response.read(LARGEST_LIST))
    except (OSError, HTTPException, ValueError, RecursionError):
        return None
    finally:
        connection.close()
    rows = listed.get("data") if isinstance(listed, dict) else None
    names = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return next((name for name in names if isinstance(name, str) and name), None)
