"""Laws of stores: history and rollback."""

from __future__ import annotations

from paragrad.testing.store_kit import Kit, law, refused, same


@law
def history_in_order(kit: Kit) -> None:
    """``history`` has every version, oldest first, with times."""
    id = kit.text(value="v0")
    for n in range(1, 6):
        kit.store.set_parameter_value(id, f"v{n}")
    found = kit.store.history(id)
    same([entry.value for entry in found], [f"v{n}" for n in range(6)])
    same(sorted(entry.version for entry in found), [entry.version for entry in found])
    same(all(entry.time > 1e9 for entry in found), True)


@law
def entry_at_commit(kit: Kit) -> None:
    """``get_entry(id, at)`` is the newest version not later than ``at``, at every commit."""
    id = kit.text(value="v0")
    versions = [kit.store.get_entry(id).version]
    for n in range(1, 9):
        kit.store.init_parameter(kit.id(f"other{n}"), "x")
        versions.append(kit.store.set_parameter_value(id, f"v{n}"))
    for at in range(versions[0], kit.store.commit() + 2):
        wanted = max(n for n, version in enumerate(versions) if version <= at)
        same(kit.store.get_entry(id, at=at).value, f"v{wanted}")


@law
def entry_before_birth(kit: Kit) -> None:
    """An id did not exist before its first version."""
    id = kit.text()
    with refused(KeyError):
        kit.store.get_entry(id, at=kit.store.get_entry(id).version - 1)


@law
def value_of_version(kit: Kit) -> None:
    """``get_parameter_value(id, version)`` gives old values; a version it never had is a KeyError."""
    id = kit.text()
    first = kit.store.get_entry(id).version
    second = kit.store.set_parameter_value(id, "two")
    same((kit.store.get_parameter_value(id, first), kit.store.get_parameter_value(id, second)), ("one", "two"))
    for version in (first - 1, second + 1):
        with refused(KeyError):
            kit.store.get_parameter_value(id, version)


@law
def rollback_is_a_version(kit: Kit) -> None:
    """``rollback`` writes the old value as a new version."""
    id = kit.text()
    first = kit.store.get_entry(id).version
    second = kit.store.set_parameter_value(id, "two")
    third = kit.store.rollback(id, first)
    same((third > second, kit.store.get_parameter_value(id), len(kit.store.history(id))), (True, "one", 3))


@law
def diff_is_the_spaces(kit: Kit) -> None:
    """``diff`` is what the space says."""
    id = kit.text(value="a b c")
    first = kit.store.get_entry(id).version
    second = kit.store.set_parameter_value(id, "a x c")
    same(kit.store.diff(id, first, second), kit.store.space(id).diff("a b c", "a x c"))
    same(kit.store.diff(id, first, first), "")
