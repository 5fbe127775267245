"""Programs as plain files: a person can read and edit them, and nothing in them is run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paragrad import registry
from paragrad.errors import DataError, UsageError
from paragrad.modules.generator import Generator
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
        name, data = _file_of(where, parameter, set(e["file"] for e in entries.values()))
        _write(folder / name, data)
        entries[where] = {
            "id": parameter.id,
            "file": name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "space": parameter.space.spec() if parameter.space is not None else None,
            "role": parameter._meta.role,
            "requires_grad": parameter.requires_grad,
        }
    manifest = {"format": FORMAT, "program": _described(program), "parameters": entries}
    _write(folder / MANIFEST, (json.dumps(manifest, ensure_ascii=False, indent=2) + "\n").encode())


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
    values = {
        where: {"value": value_in(folder, entry), "requires_grad": entry["requires_grad"]}
        for where, entry in manifest["parameters"].items()
    }
    program.load_state_dict(values, strict=False)


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
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("parameters"), dict):
        raise DataError(f"{file} is not a manifest of format {FORMAT}")
    return found


def value_in(folder: Path, entry: Mapping[str, Any]) -> Any:
    """The value one file holds, read by its space; the file must lie in the folder."""
    file = (folder / str(entry["file"])).resolve()
    if folder.resolve() not in file.parents:
        raise DataError(f"the manifest in {folder} points outside its folder, to {entry['file']!r}; it was changed by someone")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    space = space_of(entry)
    if space is None:
        return None
    try:
        if space.kind in ("text", "code"):
            text = data.decode("utf-8")
            return space.check(text if hashlib.sha256(data).hexdigest() == entry["sha256"] else text.rstrip("\n"))
        return _from_lines(space, data) if space.kind == "demos" else space.decode(data)
    except (TypeError, ValueError) as error:
        raise DataError(f"{file} does not hold a {space.kind}: {error}") from error


def space_of(entry: Mapping[str, Any]) -> Any:
    """The space a manifest entry describes."""
    spec = entry.get("space")
    return registry.spaces.get(spec["kind"]).from_spec(spec) if spec else None


def _file_of(where: str, parameter: Parameter[Any], taken: set[str]) -> tuple[str, bytes]:
    kind = parameter.kind
    suffix = {"text": ".md", "code": ".py", "demos": ".jsonl", "tensor": ".bin"}.get(kind, ".json")
    short = where.rpartition(".")[2]
    name = short + suffix if short + suffix not in taken else where.replace("/", "_") + suffix
    value = parameter.value
    if kind in ("text", "code"):
        return name, str(value).encode()
    if kind == "demos":
        lines = [json.dumps({"inputs": dict(d.inputs), "output": d.output}, ensure_ascii=False) for d in value]
        return name, "".join(line + "\n" for line in lines).encode()
    return name, parameter.space.encode(value) if parameter.space is not None else b"null"


def _from_lines(space: Any, data: bytes) -> Any:
    return space.check([json.loads(line) for line in data.decode("utf-8").splitlines() if line.strip()])


def _write(file: Path, data: bytes) -> None:
    aside = file.with_name(f".{file.name}.new")
    try:
        with aside.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise DataError(f"{file} cannot be written: {error.strerror or error}") from error


def _described(program: Module) -> dict[str, Any]:
    """Enough to rebuild a program that is one Generator; other programs need their own class to load."""
    if not isinstance(program, Generator):
        return {"class": type(program).__qualname__}
    options = list(program.output.options) if program.output.options is not None else None
    return {
        "class": "Generator",
        "inputs": list(program.inputs or ()),
        "options": options,
        "template": program.template,
        "request": program.request,
    }


def load_program(address: Any) -> Module:
    """A program from a saved folder: ``pg.load("tuned/")``.

    Raises:
        DataError: no saved program there, or one that needs its own class.
    """
    folder = Path(address)
    manifest = read_manifest(folder)
    described = manifest.get("program", {})
    if described.get("class") != "Generator":
        raise DataError(f"{folder} holds a {described.get('class')!r}; make that program and call program.load({str(folder)!r})")
    from typing import Literal

    options = described.get("options")
    output: Any = Literal[tuple(options)] if options else str
    values = {where: value_in(folder, entry) for where, entry in manifest["parameters"].items()}
    demos_entry = manifest["parameters"].get("demos")
    demos: Any = Parameter(values["demos"], space=space_of(demos_entry)) if demos_entry else 0
    return Generator(
        Parameter(values["instruction"], space=space_of(manifest["parameters"]["instruction"])),
        output=output,
        inputs=described.get("inputs") or None,
        demos=demos,
        template=described.get("template"),
        **(described.get("request") or {}),
    )
