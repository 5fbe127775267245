"""Python files of the user: loaded once, their errors told with file and line."""

from __future__ import annotations

import difflib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from paragrad.errors import ParagradError, UsageError


def load(path: str) -> ModuleType:
    """Run a Python file as a module; its folder is importable from it.

    Raises:
        UsageError: no such file, or an error in it, with its line.
    """
    file = Path(path).expanduser()
    if file.suffix != ".py" or not file.is_file():
        what = "is a folder" if file.is_dir() else "is not a Python file (.py)" if file.exists() else "is not there"
        others = [other.name for other in file.parent.glob("*.py")] if file.parent.is_dir() else []
        near = difflib.get_close_matches(file.name, others, n=1)
        raise UsageError(f"{path} {what}; " + (f"did you mean {near[0]}?" if near else f"looked in {file.parent.absolute()}"))
    folder = str(file.parent.absolute())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except ParagradError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(_told(file, error)) from error
    return module


def task_from(target: str) -> tuple[Any, str]:
    """A module-level ``pg.Task`` and its name, from ``FILE.py`` or ``FILE.py:NAME``.

    Raises:
        UsageError: there is none, or several and none was named.
    """
    from paragrad.runs.fitting import Task

    path, name = split_target(target)
    module = load(path)
    tasks = {key: value for key, value in vars(module).items() if isinstance(value, Task) and not key.startswith("_")}
    if name:
        return _named(tasks, name, path), name
    if len(tasks) != 1:
        what = f"{path} has {len(tasks)} tasks" if tasks else f"{path} has no task"
        hint = (
            f"name one: {path}:{next(iter(tasks))} (there are {', '.join(tasks)})"
            if tasks
            else "write at its top level:  task = pg.Task(program, data, metric=...)"
        )
        raise UsageError(f"{what}; {hint}")
    name, task = next(iter(tasks.items()))
    return task, name


def split_target(target: str) -> tuple[str, str]:
    """``FILE.py:NAME`` as its two parts."""
    path, colon, name = target.rpartition(":")
    return (path, name) if colon and path.endswith(".py") else (target, "")


def metric_from(text: str) -> Any:
    """A metric's name, or the function that ``FILE.py:FUNCTION`` names."""
    path, name = split_target(text)
    if not name:
        return text
    module = load(path)
    if not callable(getattr(module, name, None)):
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UsageError(f"{path} has no function {name!r}; it has {', '.join(functions) or 'none'}")
    return getattr(module, name)


def _named(found: dict[str, Any], name: str, path: str) -> Any:
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(found) or 'none'}"
        raise UsageError(f"{path} has no task {name!r}; {hint}")
    return found[name]


def _told(file: Path, error: BaseException) -> str:
    """An error of the user's file, with the line of that file where it happened."""
    if isinstance(error, SyntaxError):
        return f"{error.filename or file}, line {error.lineno}: {error.msg}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).absolute() == file.absolute()]
    where = f", line {frames[-1].lineno}" if frames else ""
    return f"{file}{where}: {type(error).__name__}: {error}"
