"""The floors of the house, enforced by reading the imports; see docs/architecture.md."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "paragrad"
FLOORS = (
    ("errors", "seen", "registry", "events", "context", "home", "disk", "protocols"),
    ("trace", "llm", "executors", "journal"),
    ("spaces", "stores", "propagators", "rules", "sandbox", "data", "initializers", "checkpoints"),
    ("ops", "distributed"),
    ("modules",),
    ("optimizers", "guides", "gen"),
    ("trainers",),
    ("runs",),
    ("cli", "web"),
)
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names}
ANNEXES = ("testing", "adapters")
BANNED_CALLS = {"print", "eval", "exec", "compile", "breakpoint", "input"}
BANNED_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
MAX_LINES, MAX_FUNCTION = 300, 60


@cache
def package_files() -> tuple[Path, ...]:
    """Every Python file of the package."""
    return tuple(sorted(PACKAGE.rglob("*.py")))


def module_name(path: Path) -> str:
    """``paragrad.trace.nodes`` for its file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    """The file, parsed once."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path, *, at_import: bool = False) -> list[str]:
    """Absolute names of the modules a file imports; ``at_import``: only those that importing it runs."""
    names: list[str] = []
    for node in walk(tree_of(path), into_functions=not at_import):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module_name(path).split(".")
                package = package if path.name == "__init__.py" else package[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
            names += [f"{base}.{a.name}" if is_module(f"{base}.{a.name}") or a.name == "__version__" else base for a in node.names]
    return names


def is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def walk(tree: ast.AST, *, into_functions: bool) -> Iterator[ast.AST]:
    """Nodes, without what only type checkers see."""
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            stack.extend(node.orelse)
        elif into_functions or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            stack.extend(ast.iter_child_nodes(node))


def floor_of(module: str) -> str | None:
    """The folder or F0 file a module of ours belongs to; None for the package itself."""
    parts = module.split(".")
    return parts[1] if parts[0] == "paragrad" and len(parts) > 1 else None


def dynamic_imports(path: Path) -> list[str]:
    """Modules named in ``import_module("...")`` calls."""
    calls = [n for n in ast.walk(tree_of(path)) if isinstance(n, ast.Call) and n.args and isinstance(n.args[0], ast.Constant)]
    named = [c for c in calls if ast.unparse(c.func).rpartition(".")[2] in ("import_module", "__import__")]
    return [str(c.args[0].value) for c in named if isinstance(c.args[0], ast.Constant)]


def test_every_folder_has_a_floor() -> None:
    folders = {p.name for p in PACKAGE.iterdir() if p.is_dir() and any(p.glob("*.py"))} | {p.stem for p in PACKAGE.glob("*.py")}
    assert folders - set(FLOOR) - set(ANNEXES) - {"__init__", "__main__"} == set()


def test_imports_go_down_only() -> None:
    wrong = []
    for path in package_files():
        here = floor_of(module_name(path))
        if here not in FLOOR:
            continue
        for name in [*imports_of(path), *dynamic_imports(path)]:
            there = floor_of(name)
            if name == "paragrad" or there in ANNEXES:
                wrong.append(f"{module_name(path)} imports {name}: the package itself and its annexes are above every floor")
            elif there in FLOOR and there != here and FLOOR[there] >= max(FLOOR[here], 1):
                wrong.append(f"{module_name(path)} (F{FLOOR[here]}) imports {name} (F{FLOOR[there]})")
    assert wrong == []


def test_no_import_cycles() -> None:
    graph = {
        module_name(p): {n for n in imports_of(p, at_import=True) if n.startswith("paragrad.") and n != module_name(p)}
        for p in package_files()
    }
    done: set[str] = set()
    while True:
        free = {m for m, needs in graph.items() if m not in done and not (needs & graph.keys()) - done}
        if not free:
            break
        done |= free
    stuck = {m: sorted((graph[m] & graph.keys()) - done) for m in graph.keys() - done if m != "paragrad"}
    assert not {m: needs for m, needs in stuck.items() if any(m in stuck.get(n, ()) for n in needs)}, stuck


def test_the_kernel_uses_the_standard_library_only() -> None:
    for path in package_files():
        if floor_of(module_name(path)) == "trace" or FLOOR.get(floor_of(module_name(path)) or "") == 0:
            foreign = {n.split(".")[0] for n in imports_of(path)} - {"paragrad"} - sys.stdlib_module_names
            assert not foreign, f"{module_name(path)} imports {foreign}"


@pytest.mark.parametrize("package", sorted(p.name for p in PACKAGE.iterdir() if (p / "__init__.py").is_file() and p.name != "testing"))
def test_importing_a_package_loads_no_third_party_module(package: str) -> None:
    program = f"""
import sys
before = set(sys.modules)
import paragrad.{package}
names = {{m.partition(".")[0] for m in set(sys.modules) - before}}
print(sorted(names - set(sys.stdlib_module_names) - {{"paragrad"}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_registries_are_sorted_and_lead_somewhere() -> None:
    from paragrad import registry

    for kind, found in vars(registry).items():
        if isinstance(found, registry.Registry):
            assert list(found.builtin) == sorted(found.builtin), f"registry.{kind} is not sorted"
            for name, target in found.builtin.items():
                assert is_module(target.partition(":")[0]), f"registry.{kind}[{name!r}] leads to {target}, which is no file"


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Catches everything and does not raise again."""
    everything = handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException")
    return everything and not any(isinstance(n, ast.Raise) for n in ast.walk(handler))


def test_nothing_forbidden_in_the_package() -> None:
    wrong = []
    for path in package_files():
        lines = path.read_text(encoding="utf-8").splitlines()
        banned = {n for n in imports_of(path) if n.split(".")[0] in BANNED_MODULES}
        wrong += [f"{path.name}: imports {n}" for n in banned]
        for node in ast.walk(tree_of(path)):
            line = getattr(node, "lineno", 1)
            if "noqa" in lines[line - 1] and lines[line - 1].rpartition("noqa")[2].strip(": ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,") != "":
                continue  # an exception that gives its reason
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BANNED_CALLS:
                wrong.append(f"{path.relative_to(PACKAGE)}:{line}: {node.func.id}()")
            if isinstance(node, ast.ExceptHandler) and is_broad(node):
                wrong.append(f"{path.relative_to(PACKAGE)}:{line}: broad except")
            if isinstance(node, ast.Global):
                wrong.append(f"{path.relative_to(PACKAGE)}:{line}: global state")
    assert wrong == []


def test_files_and_functions_are_small() -> None:
    wrong = []
    for path in package_files():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_LINES:
            wrong.append(f"{path.relative_to(PACKAGE)}: {lines} lines")
        for node in ast.walk(tree_of(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION:
                wrong.append(f"{path.relative_to(PACKAGE)}:{node.lineno}: {node.name} has {(node.end_lineno or 0) - node.lineno + 1} lines")
    assert wrong == []
