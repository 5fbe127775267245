"""Laws of stores: releases and tags."""

from __future__ import annotations

from typing import Any

from paragrad.errors import Conflict
from paragrad.stores.contexts import resolve_context
from paragrad.testing.store_kit import Kit, law, refused, same, together
from paragrad.trace.parameter import Parameter


@law
def releases_are_numbered(kit: Kit) -> None:
    """Numbers count per name, and the release is found again."""
    id = kit.text()
    name = f"r{kit.prefix}"
    same([kit.store.release(name, [id]) for _ in range(3)], [f"{name}@{n}" for n in (1, 2, 3)])
    same([release.number for release in kit.store.releases(name)], [1, 2, 3])
    same(kit.store.release(f"other{kit.prefix}", [id]), f"other{kit.prefix}@1")


@law
def releases_are_immutable(kit: Kit) -> None:
    """A release keeps its versions when values move on."""
    id, name = kit.text(), f"r{kit.prefix}"
    first = kit.store.release(name, [id], note="first")
    kit.store.set_parameter_value(id, "two")
    kit.store.release(name, [id])
    same(kit.store.resolve_release(first).entry(id).value, "one")
    same(kit.store.resolve_release(name).entry(id).value, "two")
    same(kit.store.releases(name)[0].note, "first")


@law
def tags_move(kit: Kit) -> None:
    """A tag names a release, and moves."""
    id, name = kit.text(), f"r{kit.prefix}"
    first = kit.store.release(name, [id])
    kit.store.set_parameter_value(id, "two")
    second = kit.store.release(name, [id])
    kit.store.tag(first, "production")
    same(kit.store.resolve_release(f"{name}@production").number, 1)
    kit.store.tag(second, "production", expect=first)
    same(kit.store.resolve_release(f"{name}@production").entry(id).value, "two")
    same([release.tags for release in kit.store.releases(name)], [(), ("production",)])


@law
def tags_compare_and_set(kit: Kit) -> None:
    """Two people cannot both promote."""
    id, name = kit.text(), f"r{kit.prefix}"
    first, second = kit.store.release(name, [id]), kit.store.release(name, [id])
    kit.store.tag(second, "production", expect="")
    for expect in (first, ""):
        with refused(Conflict):
            kit.store.tag(first, "production", expect=expect)
    same(kit.store.resolve_release(f"{name}@production").number, 2)


@law
def releases_unknown(kit: Kit) -> None:
    """Unknown names, numbers and tags are KeyErrors."""
    id, name = kit.text(), f"r{kit.prefix}"
    kit.store.release(name, [id])
    for release in (f"no{name}@1", f"{name}@2", f"{name}@0", f"{name}@nightly"):
        with refused(KeyError):
            kit.store.resolve_release(release)
        with refused(KeyError):
            kit.store.tag(release, "production")


@law
def releases_from_threads(kit: Kit) -> None:
    """Concurrent releases get different numbers."""
    id, name = kit.text(), f"r{kit.prefix}"
    found: list[str] = []
    together(4, lambda _: found.append(kit.store.release(name, [id])))
    same(sorted(found), [f"{name}@{n}" for n in (1, 2, 3, 4)])


@law
def at_is_a_context(kit: Kit) -> None:
    """Inside ``at(release)`` a Parameter has the release's value; a ``"store#release"`` address names the same."""
    name = f"r{kit.prefix}"
    parameter: Any = Parameter("one", name=kit.id("p"), store=kit.store)
    release = kit.store.release(name, [kit.id("p")])
    kit.store.tag(release, "live")
    kit.store.set_parameter_value(kit.id("p"), "two")
    for address in (release, f"{name}@live"):
        with kit.store.at(address):
            same(parameter.value, "one")
        same(parameter.value, "two")
    if kit.url is not None:
        with resolve_context(f"{kit.url}#{name}@live"):
            same(parameter.value, "one")


@law
def releases_hold_what_they_had(kit: Kit) -> None:
    """A release of several ids keeps all of their versions through many later commits and a rollback."""
    a, b, name = kit.text("a"), kit.number("b", 1.0), f"r{kit.prefix}"
    release = kit.store.release(name)
    for n in range(20):
        kit.store.publish({a: f"v{n}", b: float(n)})
    kit.store.rollback(a, kit.store.resolve_release(release).versions[a])
    view = kit.store.resolve_release(release)
    same((view.entry(a).value, view.entry(b).value, kit.store.get_parameter_value(a)), ("one", 1.0, "one"))
    same([found.versions[a] for found in kit.store.releases(name)], [view.versions[a]])
