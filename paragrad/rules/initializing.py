"""``init_optimizer`` and ``apply_update``: a rule over the parameters of a function, or over ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from paragrad.errors import NothingToTrain, UsageError
from paragrad.registry import facets
from paragrad.rules.composite import Optimizer
from paragrad.rules.implementing import IMPLEMENTATIONS

Groups = dict[int, tuple[Any, list[Any]]]


def init_optimizer(conf: Any, ids: Any, context: Any = None) -> Optimizer:
    """An optimizer over the parameters of a generative function, or over ids.

    Args:
        conf: a configuration such as ``FixedStepGradientDescent(0.01)``; an optimizer that has one (``pg.optimizers.SGD``)
            stands for its own.
        ids: a generative function (anything with ``parameter_ids(context)``), an id, or several: strings, pairs
            (function, name), Parameters that live in stores; or ``{store: ids}``.
        context: a store or its URL, or ``{key: store}``; None: the surrounding ``pg.parameter_context``, else the default.

    Returns:
        What ``apply_update`` takes: one optimizer per store. Its state lives in the stores under a name made of the
        configuration and the ids, so the same call in a new process goes on where this one ended.

    Raises:
        KeyError: unknown id. TypeError: a parameter that holds no floats.
        NothingToTrain: no ids. UsageError: no store for an id, or an id given twice.
    """
    conf = getattr(conf, "rule", conf)
    groups, parameters = _grouped(ids, context)
    if not groups:
        raise NothingToTrain(
            f"{ids!r:.80} has no parameters in this context; name at least one id. Parameters of a generative function whose names "
            "or first values are computed exist once it has run: gen.simulate(f, args, context)"
            if hasattr(ids, "parameter_ids")
            else f"no ids were given ({ids!r:.80}); name at least one, such as ['theta']"
        )
    parts = [IMPLEMENTATIONS.get(conf, store)(conf, own, store) for store, own in groups.values()]
    return Optimizer(conf, parts, parameters)


def apply_update(optimizer: Any) -> None:
    """One step: take the gradients, update values and state, leave the gradients at zero; in all stores, or in none.

    Pushes that arrive meanwhile are kept for the next step. When it fails, values, state and gradients are as before.

    Args:
        optimizer: what ``init_optimizer`` gave; or an optimizer bound to Parameters (``pg.optimizers.SGD([p])``), whose ``.grad``
            is cleared.

    Raises:
        ValueError: a gradient is nan or infinite; the message names the parameter.
        Conflict: other writers were faster again and again.
        StoreError: a store failed. Where that came after several stores had decided, the message says that the update holds.
    """
    apply = getattr(optimizer, "apply", None)
    if apply is not None:
        apply()
    elif hasattr(optimizer, "step") and hasattr(optimizer, "zero_grad"):
        optimizer.step()
        optimizer.zero_grad()
    else:
        raise UsageError(f"apply_update takes what init_optimizer gave, or an optimizer bound to Parameters, not {optimizer!r:.80}")


def _grouped(ids: Any, context: Any) -> tuple[Groups, list[tuple[Any, Any]]]:
    """Ids by store, in order, and the Parameters among them."""
    groups: Groups = {}
    parameters: list[tuple[Any, Any]] = []
    if hasattr(ids, "parameter_ids"):
        ids = ids.parameter_ids(_context(context))
    if isinstance(ids, Mapping):
        for store, own in ids.items():
            groups.setdefault(id(store), (store, []))[1].extend(own)
        return {key: group for key, group in groups.items() if group[1]}, parameters
    home = None
    for each in _several(ids):
        if hasattr(each, "_cell"):
            store, each = _bound(each, parameters)
        else:
            store = home = home if home is not None else _home(context)
        groups.setdefault(id(store), (store, []))[1].append(each)
    return groups, parameters


def _several(ids: Any) -> Iterable[Any]:
    single = isinstance(ids, str) or hasattr(ids, "_cell")
    pair = isinstance(ids, tuple) and len(ids) == 2 and isinstance(ids[1], str) and not isinstance(ids[0], str)
    if single or pair:
        return [ids]
    if isinstance(ids, Iterable):
        return ids
    raise UsageError(f"{ids!r:.80} is no generative function and no ids; give a list of ids, or something with parameter_ids(context)")


def _bound(parameter: Any, parameters: list[tuple[Any, Any]]) -> tuple[Any, str]:
    """The store and id of a Parameter."""
    cell = parameter._bound
    if not hasattr(cell, "store"):
        raise UsageError(
            f"{parameter!r:.80} lives in no store: make it with store=, or train it with pg.optimizers.SGD([parameter], lr=...)"
        )
    parameters.append((parameter, cell.store))
    return cell.store, cell.id


def _context(context: Any) -> Mapping[Any, Any]:
    """A context as ``{key: store}``."""
    if context is None:
        found = facets.get("ambient_stores")()
        return found if found is not None else facets.get("default_context")()  # type: ignore[no-any-return]
    if isinstance(context, Mapping):
        return context
    if isinstance(context, str):
        context = facets.get("open_store")(context)
    if not hasattr(context, "get_entry"):
        raise UsageError(f"{context!r:.80} is no store and no context; give a store, its URL, or {{key: store}}")
    return {"default": context, context.key: context}


def _home(context: Any) -> Any:
    """The store of ids that name none.

    Raises:
        UsageError: the context has several stores and none of them is "default".
    """
    known = _context(context)
    stores = {id(store): store for store in known.values()}
    if "default" in known:
        return known["default"]
    if len(stores) == 1:
        return next(iter(stores.values()))
    raise UsageError(f'the ids belong to no store: the context has {sorted(map(str, known))}; give the store, or name one "default"')
