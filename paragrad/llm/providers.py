"""Who can be asked: one table from a name's prefix to an address and a key."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from paragrad.errors import NotConnected
from paragrad.llm.prices import FREE, Price


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider.

    Attributes:
        base_url: the address; ``{NAME}`` stands for an environment variable that must then be set.
        key_env: environment variables that may hold the key, the first one found wins; empty: no key.
        default: the model that ``auto`` takes; empty: never taken by ``auto``.
        limit_name: what it calls the limit of output tokens.
        price: a price that holds for all its models.
        wire: the protocol it speaks, a name in the registry of models.
    """

    base_url: str
    key_env: tuple[str, ...] = ()
    default: str = ""
    limit_name: str = "max_tokens"
    price: Price | None = None
    wire: str = "openai"


PROVIDERS = {
    "anthropic": Provider("https://api.anthropic.com/v1/", ("ANTHROPIC_API_KEY",), "claude-haiku-4-5", wire="anthropic"),
    "azure": Provider("{AZURE_OPENAI_ENDPOINT}/openai/v1/", ("AZURE_OPENAI_API_KEY",), limit_name="max_completion_tokens"),
    "bedrock": Provider("https://bedrock-runtime.{AWS_REGION}.amazonaws.com/openai/v1", ("AWS_BEARER_TOKEN_BEDROCK",)),
    "deepseek": Provider("https://api.deepseek.com/v1", ("DEEPSEEK_API_KEY",)),
    "google": Provider(
        "https://generativelanguage.googleapis.com/v1beta/", ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "gemini-2.5-flash", wire="google"
    ),
    "groq": Provider("https://api.groq.com/openai/v1", ("GROQ_API_KEY",)),
    "mistral": Provider("https://api.mistral.ai/v1", ("MISTRAL_API_KEY",)),
    "ollama": Provider("http://127.0.0.1:11434/v1", price=FREE),
    "openai": Provider("https://api.openai.com/v1", ("OPENAI_API_KEY",), "gpt-5-mini", "max_completion_tokens"),
    "openrouter": Provider("https://openrouter.ai/api/v1", ("OPENROUTER_API_KEY",)),
    "together": Provider("https://api.together.xyz/v1", ("TOGETHER_API_KEY",)),
    "xai": Provider("https://api.x.ai/v1", ("XAI_API_KEY",)),
}

AUTO_ORDER = ("openai", "anthropic", "google")


def address(prefix: str) -> str:
    """The provider's base URL, its environment variables filled in.

    Raises:
        NotConnected: one of them is not set.
    """

    def fill(match: re.Match[str]) -> str:
        value = os.environ.get(match[1], "").strip().rstrip("/")
        if not value:
            raise NotConnected(f"{prefix} needs {match[1]} in the environment, or base_url=")
        return value

    return re.sub(r"\{(\w+)\}", fill, PROVIDERS[prefix].base_url)


def key_of(prefix: str) -> str | None:
    """The provider's key from the environment; None where it takes none.

    Raises:
        NotConnected: it takes one and none is set.
    """
    names = PROVIDERS[prefix].key_env
    if not names:
        return None
    key = next((value for name in names if (value := os.environ.get(name, "").strip())), None)
    if key is None:
        raise NotConnected(f"no key for {prefix}: {' or '.join(names)} is not set; export it, or give api_key= or api_key_env=")
    return key
