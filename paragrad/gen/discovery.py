"""Which parameters a generative function has: its own and its callees', by store."""

from __future__ import annotations

import ast
import inspect
from textwrap import dedent
from typing import Any

from paragrad.errors import UsageError
from paragrad.gen.environment import Environment, resolved
from paragrad.gen.interface import GenerativeFunction
from paragrad.stores.ids import encode_id


def parameter_ids(f: GenerativeFunction, context: Any = None) -> dict[Any, list[tuple[Any, str]]]:
    """Store to ids, in the order the functions are called; a function without parameters adds nothing.

    A function whose store the context lacks is left out, as it may have no parameters.
    """
    env = Environment(resolved(context))
    found: dict[Any, list[tuple[Any, str]]] = {}
    known: set[tuple[int, str]] = set()  # two functions of one qualified name share their parameters
    for gen_fn in reachable(f):
        stored = {(id(store), encode_id((gen_fn, name))): name for store, name in _stored(gen_fn, env)}
        names = [name for key, name in stored.items() if key not in known]
        known.update(stored)
        if names:
            found.setdefault(env.store(gen_fn), []).extend((gen_fn, name) for name in names)
    return found


def reachable(f: GenerativeFunction) -> list[GenerativeFunction]:
    """The function and everything it calls, each once."""
    found: dict[GenerativeFunction, None] = {}
    todo = [f]
    while todo:
        gen_fn = todo.pop()
        if gen_fn not in found:
            found[gen_fn] = None
            todo += reversed(list(gen_fn.callees()))
    return list(found)


def _stored(gen_fn: GenerativeFunction, env: Environment) -> list[tuple[Any, str]]:
    """The parameters it has in its store; those its source declares with a plain number or text are made."""
    try:
        store = env.store(gen_fn)
    except UsageError:
        return []
    for name, init in declared(gen_fn):
        env.param(gen_fn, name, init)
    prefix = encode_id((gen_fn, "x"))[:-1]
    return [(store, id[len(prefix) :]) for id in store.ids(prefix)]


def declared(gen_fn: GenerativeFunction) -> list[tuple[str, Any]]:
    """Name and first value of each ``gen.param("name", value)`` in the source, where both are literals.

    What is computed (a name made in a loop, an initial value from a variable) is met when the function runs.
    """
    function = getattr(gen_fn, "function", None)
    try:
        tree = ast.parse(dedent(inspect.getsource(function)))  # type: ignore[arg-type]
    except (OSError, TypeError, SyntaxError):  # typed at a prompt, or not Python: met when it runs
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and len(node.args) == 2 and ast.unparse(node.func).rpartition(".")[2] == "param":
            try:
                name, init = map(ast.literal_eval, node.args)
            except ValueError:
                continue
            found.append((name, init))
    return found
