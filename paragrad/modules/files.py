"""Programs as plain files: a person can read and edit them, and nothing in them is run."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paragrad import registry
from paragrad.errors import DataError, UsageError
from paragrad.modules.describing import described, rebuilt
from paragrad.trace.module import Module
from paragrad.trace.parameter import Parameter

MANIFEST = "manifest.json"
FORMAT = 1


def save(program: Module, path: Any) -> None:
    """Write ``instruction.md``, ``demos.jsonl`` and the like, and ``manifest.json`` last.

    Every file is written beside its place and moved there, so an interrupted save leaves the old one.
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    named = program.named_parameters()
    entries: dict[str, Any] = {}
    for where, parameter in named.items():
        name, data = _file_of(where, parameter, {MANIFEST, *(entry["file"].casefold() for entry in entries.values())})
        write_whole(folder / name, data)
        entries[where] = {
            "id": parameter.id,
            "file": name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "space": parameter.space.spec() if parameter.space is not None else None,
            "role": parameter._meta.role,
            "requires_grad": parameter.requires_grad,
        }
    manifest = {"format": FORMAT, "program": described(program), "parameters": entries}
    write_whole(folder / MANIFEST, (json.dumps(manifest, ensure_ascii=False, indent=2) + "\n").encode())


def load(program: Module, path: Any) -> None:
    """Read what :func:`save` wrote into a program; nothing changes unless everything fits.

    A file edited by hand is taken as it is now.

    Raises:
        DataError: a missing or unreadable file. UsageError: Parameters that the program does not have.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    named = program.named_parameters()
    unknown = [where for where in manifest["parameters"] if where not in named]
    if unknown:
        raise UsageError(f"{folder} holds {unknown[0]!r}, which this program does not have; it has {', '.join(named) or 'none'}")
    entries = manifest["parameters"].items()
    values = {
        where: {"value": value_in(folder, entry), "requires_grad": entry.get("requires_grad") is not False} for where, entry in entries
    }
    try:
        program.load_state_dict(values, strict=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"{folder} does not fit this program: {error}") from error


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a saved program.

    Raises:
        DataError: missing, unreadable or of another format.
    """
    file = folder / MANIFEST
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{folder} holds no saved program: there is no {MANIFEST}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("parameters"), dict):
        raise DataError(f"{file} is not a manifest of format {FORMAT}")
    return found


def value_in(folder: Path, entry: Mapping[str, Any]) -> Any:
    """The value one file holds, read by its space; the file must lie in the folder."""
    file, data = _data_of(folder, entry)
    space = space_of(entry)
    if space is None:
        return None
    if space.kind == "tensor" and hashlib.sha256(data).hexdigest() != entry.get("sha256"):
        raise DataError(f"{file} is not what was saved: its digest differs from the manifest's. Save the program again")
    try:
        if space.kind in ("text", "code"):
            text = data.decode("utf-8")
            return space.check(text if hashlib.sha256(data).hexdigest() == entry.get("sha256") else text.rstrip("\n"))
        return _from_lines(space, data) if space.kind == "demos" else space.decode(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{file} does not hold a {space.kind}: {error}") from error


def _data_of(folder: Path, entry: Any) -> tuple[Path, bytes]:
    """The file an entry names, which must be a plain file in the folder, and its bytes."""
    name = entry.get("file") if isinstance(entry, Mapping) else None
    if not isinstance(name, str) or "\0" in name:
        raise DataError(f"the manifest in {folder} has an entry without a file: {str(entry)[:80]}")
    file = (folder / name).resolve()
    if folder.resolve() not in file.parents:
        raise DataError(f"the manifest in {folder} points outside its folder, to {name[:80]!r}; it was changed by someone")
    try:
        if not file.is_file():
            raise DataError(f"{file} is missing, or no plain file")
        return file, file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error


def space_of(entry: Any) -> Any:
    """The space a manifest entry describes.

    Raises:
        DataError: it describes none.
    """
    spec = entry.get("space") if isinstance(entry, Mapping) else None
    if spec is None:
        return None
    try:
        return registry.spaces.get(spec["kind"]).from_spec(spec)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, re.error) as error:
        raise DataError(f"a manifest entry describes no space: {str(spec)[:120]} ({error})") from error


def _file_of(where: str, parameter: Parameter[Any], taken: set[str]) -> tuple[str, bytes]:
    kind = parameter.kind
    suffix = {"text": ".md", "code": ".py", "demos": ".jsonl", "tensor": ".bin"}.get(kind, ".json")
    name = next(name for name in _names(where, suffix) if name.casefold() not in taken)
    value = parameter.value
    if kind in ("text", "code"):
        return name, str(value).encode()
    if kind == "demos":
        lines = [json.dumps({"inputs": dict(d.inputs), "output": d.output}, ensure_ascii=False) for d in value]
        return name, "".join(line + "\n" for line in lines).encode()
    return name, parameter.space.encode(value) if parameter.space is not None else b"null"


def _names(where: str, suffix: str) -> Iterator[str]:
    """File names for a path in a program, the nicest first; letters, digits, "-" and "_" only."""
    safe = re.sub(r"[^\w-]+", "_", where.rpartition(".")[2]) or "_", re.sub(r"[^\w-]+", "_", where)
    yield from (name + suffix for name in safe)
    yield from (f"{safe[1]}_{number}{suffix}" for number in itertools.count(2))


def _from_lines(space: Any, data: bytes) -> Any:
    return space.check([json.loads(line) for line in data.decode("utf-8").splitlines() if line.strip()])


def write_whole(file: Path, data: bytes) -> None:
    """Write a file: the new content or the old one, never half.

    Raises:
        DataError: it cannot be written (no such folder, no permission, a full disk).
    """
    aside = file.with_name(f".{file.name}.new")
    try:
        with aside.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise DataError(f"{file} cannot be written: {error.strerror or error}; nothing of it was changed") from error


def load_program(address: Any) -> Module:
    """A program from a saved folder: ``pg.load("tuned/")``.

    Raises:
        DataError: no saved program there, or one that needs its own class.
    """
    folder = Path(address)
    manifest = read_manifest(folder)
    values = {where: (value_in(folder, entry), space_of(entry)) for where, entry in manifest["parameters"].items()}
    return rebuilt(manifest.get("program"), values, str(folder))
