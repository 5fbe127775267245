"""Templates: ``{name}`` is replaced by the text of a value, nothing else is interpreted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from paragrad.errors import UsageError
from paragrad.modules.wording import text_of
from paragrad.trace.operation import PASS, TABLE, Operation
from paragrad.trace.record import operate

NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
LIMIT = 4_000_000


def names_in(template: str) -> list[str]:
    """The placeholders of a template, each once, in order."""
    return list(dict.fromkeys(NAME.findall(template)))


def fill(template: str, values: Mapping[str, Any]) -> str:
    """``template`` with its placeholders replaced; braces around anything else stay as they are.

    Raises:
        UsageError: a placeholder without a value, or a result over 4,000,000 characters.
    """
    missing = [name for name in names_in(template) if name not in values]
    if missing:
        raise UsageError(f"the template wants {{{missing[0]}}} but was given {', '.join(values) or 'nothing'}; pass {missing[0]}=...")
    filled = NAME.sub(lambda match: text_of(values[match[1]]), template)
    if len(filled) > LIMIT:
        raise UsageError(f"the filled template has {len(filled)} characters; at most {LIMIT} are sent. Shorten the inputs")
    return filled


def _fill(template: str, **values: Any) -> str:
    return fill(template, values)


FORMAT = TABLE.add(Operation("format_template", _fill, ("template",)))
FORMAT.rules["text"] = PASS


def format(template: Any, /, **values: Any) -> Any:
    """A text from a template and values, traced: each value is an edge under its name.

    ``pg.format("{a}\\n{b}", a=x, b=y)``; the template may be a Variable or Parameter itself.

    Raises:
        UsageError: a placeholder without a value.
    """
    return operate(FORMAT, (template,), values)
