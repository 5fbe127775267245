"""Programs as plain files: a person can read and edit them, and nothing in them is run."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from paragrad import checkpoints, registry
from paragrad.errors import DataError, UsageError
from paragrad.modules.describing import described, rebuilt
from paragrad.modules.folder import current, write_together
from paragrad.trace.module import Module
from paragrad.trace.parameter import Parameter

MANIFEST = "manifest.json"
TENSORS = "tensors.safetensors"
FORMAT = 1
FLAGS = ("requires_grad", "layerwise_parallel", "sliced", "is_init")


def save(program: Module, path: Any) -> None:
    """Write ``instruction.md``, ``demos.jsonl`` and the like, all arrays as ``tensors.safetensors``, and ``manifest.json``.

    All files change together: an interrupted save leaves the old program. What was never set is left out.
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    named = {where: parameter for where, parameter in program.named_parameters().items() if parameter._n.value is not None}
    tensors = {where: parameter for where, parameter in named.items() if parameter.kind == "tensor"}
    files: dict[str, Any] = {TENSORS: partial(checkpoints.save, tensors)} if tensors else {}
    taken = {MANIFEST, TENSORS}
    entries: dict[str, Any] = {}
    for where, parameter in named.items():
        name, content = (TENSORS, {"tensor": where}) if where in tensors else _file_of(where, parameter, taken, files)
        entries[where] = {
            "id": parameter.id,
            "file": name,
            **content,
            "space": parameter.space.spec() if parameter.space is not None else None,
            "role": parameter._meta.role,
            **{flag: getattr(parameter, flag) for flag in FLAGS},
        }
    manifest = {"format": FORMAT, "program": described(program), "parameters": entries}
    files[MANIFEST] = (json.dumps(manifest, ensure_ascii=False, indent=2) + "\n").encode()
    write_together(folder, files)


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
    read = values_in(folder, manifest["parameters"])
    entries = manifest["parameters"].items()
    values = {where: {"value": read[where], "requires_grad": entry.get("requires_grad") is not False} for where, entry in entries}
    try:
        program.load_state_dict(values, strict=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"{folder} does not fit this program: {error}") from error
    for where, entry in entries:
        for flag in FLAGS[1:]:
            if isinstance(entry.get(flag), bool):
                setattr(named[where], flag, entry[flag])


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a saved program.

    Raises:
        DataError: missing, unreadable or of another format.
    """
    file = current(folder, MANIFEST)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{folder} holds no saved program: there is no {MANIFEST}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("parameters"), dict):
        raise DataError(f"{file} is not a manifest of format {FORMAT}")
    return found


def values_in(folder: Path, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Every value a manifest's entries name; the files must lie in the folder."""
    opened: dict[str, dict[str, Any]] = {}
    found: dict[str, Any] = {}
    for where, entry in entries.items():
        if isinstance(entry, Mapping) and "tensor" in entry:
            file = _place(folder, entry)
            tensors = opened[str(file)] if str(file) in opened else opened.setdefault(str(file), checkpoints.values(file))
            found[where] = _tensor_of(file, tensors, entry)
        else:
            found[where] = _value_in(folder, entry)
    return found


def _tensor_of(file: Path, tensors: Mapping[str, Any], entry: Mapping[str, Any]) -> Any:
    space, key = space_of(entry), entry["tensor"]
    if not isinstance(key, str) or key not in tensors or space is None:
        raise DataError(f"{file} holds no tensor {str(key)[:80]!r}, which the manifest names")
    try:
        return space.check(tensors[key])
    except (TypeError, ValueError) as error:
        raise DataError(f"{file}: {key[:80]!r} is none of what the manifest describes: {error}") from error


def _value_in(folder: Path, entry: Any) -> Any:
    """The value one file holds, read by its space."""
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
    """The file an entry names, and its bytes."""
    file = _place(folder, entry)
    try:
        return file, file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error


def _place(folder: Path, entry: Any) -> Path:
    """The file an entry names, which must be a plain file in the folder."""
    name = entry.get("file") if isinstance(entry, Mapping) else None
    if not isinstance(name, str) or "\0" in name:
        raise DataError(f"the manifest in {folder} has an entry without a file: {str(entry)[:80]}")
    file = current(folder, name).resolve()
    if folder.resolve() not in file.parents:
        raise DataError(f"the manifest in {folder} points outside its folder, to {name[:80]!r}; it was changed by someone")
    try:
        if not file.is_file():
            raise DataError(f"{file} is missing, or no plain file")
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    return file


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


def _file_of(where: str, parameter: Parameter[Any], taken: set[str], files: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A name for a Parameter's own file, whose content goes to ``files``, and what the manifest says of it."""
    suffix = {"text": ".md", "code": ".py", "demos": ".jsonl"}.get(parameter.kind, ".json")
    name = next(name for name in _names(where, suffix) if name.casefold() not in taken)
    taken.add(name.casefold())
    files[name] = data = _bytes_of(parameter)
    return name, {"sha256": hashlib.sha256(data).hexdigest()}


def _bytes_of(parameter: Parameter[Any]) -> bytes:
    kind, value = parameter.kind, parameter.value
    if kind in ("text", "code"):
        return str(value).encode()
    if kind == "demos":
        lines = [json.dumps({"inputs": dict(d.inputs), "output": d.output}, ensure_ascii=False) for d in value]
        return "".join(line + "\n" for line in lines).encode()
    encoded: bytes = parameter.space.encode(value) if parameter.space is not None else b"null"
    return encoded


def _names(where: str, suffix: str) -> Iterator[str]:
    """File names for a path in a program, the nicest first; letters, digits, "-" and "_" only."""
    safe = re.sub(r"[^\w-]+", "_", where.rpartition(".")[2]) or "_", re.sub(r"[^\w-]+", "_", where)
    yield from (name + suffix for name in safe)
    yield from (f"{safe[1]}_{number}{suffix}" for number in itertools.count(2))


def _from_lines(space: Any, data: bytes) -> Any:
    return space.check([json.loads(line) for line in data.decode("utf-8").splitlines() if line.strip()])


def load_program(address: Any) -> Module:
    """A program from a saved folder: ``pg.load("tuned/")``.

    Raises:
        DataError: no saved program there, or one that needs its own class.
    """
    folder = Path(address)
    manifest = read_manifest(folder)
    read = values_in(folder, manifest["parameters"])
    values = {where: (read[where], space_of(entry)) for where, entry in manifest["parameters"].items()}
    return rebuilt(manifest.get("program"), values, str(folder))
