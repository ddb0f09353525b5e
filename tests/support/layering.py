"""Which room of the package may import which, and what tools/ may import of it, checked by reading the sources.

`violations()` and `tool_violations()` take a folder, so that the rules can be tested on an invalid tree too.
"""

import ast
import re
import sys
from collections.abc import Container, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = "ael_otel"

# From the lowest to the highest: a room imports only from the lines before its own, and from itself.
LAYERS: tuple[frozenset[str], ...] = tuple(
    frozenset(line.split())
    for line in (
        "version",
        "errors",
        "prometheus",
        "emit",
        "registry _generated",
        "config",
        "privacy",
        "core",
        "usage",
        "store",
        "lifecycle",
        "sessions",
        "attribution",
        "cost",
        "insights",
        "export",
        "instrument",
        "sdk",
        "admin",
        "ui",
        "runtime",
        "doctor",
        "demo",
        "cli",
    )
)
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}

# These run in processes that never need our rooms: `__init__` with every import of ours, the others in every process
# that `opentelemetry-instrument` starts. They may import any room, but only inside functions.
ENTRY_POINTS = frozenset({"__init__", "hooks", "environment_variables"})

# Rooms outside that order.
BESIDE: dict[str, frozenset[str]] = {
    "__main__": frozenset({"cli"}),
    "demo": frozenset(RANK) - {"cli"},
    **dict.fromkeys(ENTRY_POINTS, frozenset(RANK)),
}
# The rooms that may import rooms outside the order; no other room may.
IMPORTERS = {"demo": {"cli"}}
# Modules with a string that is the dotted name of a higher room, and that room: loading by name is not an import.
BY_NAME = {
    "store/reader.py": "export",  # loads the room by name: ADR 0009
    "runtime/hosting.py": "cli",  # searches the command line for it
}

# Build-time tools beside the package, not in the wheel. The schema toolchain must not depend on the code that it
# generates; `config` is for the settings page.
TOOLS = "tools"
TOOLS_MAY = frozenset({"errors", "prometheus", "registry", "privacy", "config", "cli"})

# The engine, and the HTTP server that it depends on: optional, and slow to import (a second). Each is imported by these
# modules only, inside functions.
ENGINE = {
    "ploston_core": ("instrument/engine.py",),
    "uvicorn": ("instrument/engine.py", "ui/server.py"),
}
ENGINE_NAMES = re.compile(
    r"\b(ploston_core|PlostApplication|WorkflowEngine|ExecutionContext|StepResult|ToolInvoker|MCPClientManager"
    r"|PythonExecSandbox|MCPFrontend|AELLogger|ToolCallInterface)\b"
)
# Besides the standard library and our own rooms, instrument/ may import the API and the instrumentation packages:
# hosts without an SDK, or with one of another version, must be able to load it.
INSTRUMENT_MAY = re.compile(
    r"(wrapt|opentelemetry\.(trace|metrics|_logs|context|propagate|propagators|baggage|attributes|util"
    r"|instrumentation))(\.|$)"
)
# Generated code uses emit/, and every room uses generated code: emit/ imports only the standard library and the API.
EMIT_MAY = re.compile(r"opentelemetry\.(trace|metrics|context|util)(\.|$)")


@dataclass(frozen=True)
class Import:
    """One imported module: dotted name and line; `lazy` if inside a function, `typing` if for type checkers only."""

    module: str
    line: int
    lazy: bool
    typing: bool = False


def imports(tree: ast.AST) -> Iterator[Import]:
    """Yield all imports of a module, including those under TYPE_CHECKING: a type is a dependency as well."""

    def walk(node: ast.AST, *, lazy: bool, typing: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for name in child.names:
                    yield Import(name.name, child.lineno, lazy, typing)
            elif isinstance(child, ast.ImportFrom):
                base = "." * child.level + (child.module or "")
                for name in child.names:
                    yield Import(f"{base}.{name.name}", child.lineno, lazy, typing)
            else:
                yield from walk(
                    child,
                    lazy=lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda),
                    typing=typing or _is_for_types(child),
                )

    yield from walk(tree, lazy=False, typing=False)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def violations(package: Path) -> list[str]:
    """Return each violation of the rules as `file:line: what`, in the order of the files."""
    rooms = {path.stem if path.is_file() else path.name for path in package.iterdir()}
    found: list[str] = []
    for path in sorted(package.rglob("*.py")):
        where = path.relative_to(package)
        room = where.parts[0].removesuffix(".py")
        if room not in RANK and room not in BESIDE:
            found.append(f"{where}:1: {room} is not a room; DESIGN names them all")
            continue
        tree = ast.parse(path.read_text("utf-8"), str(path))
        for item in imports(tree):
            problem = _judge(item, room, where, rooms) or _through_own_package(item, path, package)
            if problem:
                found.append(f"{where}:{item.line}: {problem}")
        found += [
            f"{where}:{line}: {room} must not name {target}, by which it could load it"
            for line, target in _module_names(tree)
            if RANK.get(target, -1) > RANK.get(room, len(RANK)) and BY_NAME.get(where.as_posix()) != target
        ]
        if room != "instrument":
            found += [
                f"{where}:{line}: only instrument/ names the engine's {name}"
                for line, name in _engine_names(tree)
            ]
    return list(dict.fromkeys(found))  # two names on one line are one violation


def circle(package: Path) -> list[str]:
    """Return the modules of one import cycle, of any kind, the first repeated at the end; empty without a cycle.

    A package's `__init__` only re-exports names and is left out: a module of the package may not import a name from it
    (`violations`), and another room's is higher or lower.
    """
    trees = {
        path.relative_to(package.parent).with_suffix("").as_posix().replace("/", "."): ast.parse(
            path.read_text("utf-8"), str(path)
        )
        for path in package.rglob("*.py")
        if path.name != "__init__.py"
    }
    graph = {
        name: {
            target for item in imports(tree) if (target := _module_of(item.module, trees)) not in ("", name)
        }
        for name, tree in trees.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _module_of(imported: str, known: Container[str]) -> str:
    """Return the module that a dotted name refers to (a module or a name in it); empty for all others."""
    parent = imported.rpartition(".")[0]
    return imported if imported in known else parent if parent in known else ""


def tool_violations(tools: Path) -> list[str]:
    """Return each forbidden import of a tool from a room of the package, as `file:line: what`."""
    found: list[str] = []
    for path in sorted(tools.rglob("*.py")):
        for item in imports(ast.parse(path.read_text("utf-8"), str(path))):
            top, *rest = item.module.split(".")
            if top == PACKAGE and rest[:1] and rest[0] not in TOOLS_MAY:
                found.append(f"{path.relative_to(tools)}:{item.line}: {TOOLS} must not import {rest[0]}")
    return found


def _judge(item: Import, room: str, where: Path, rooms: set[str]) -> str:
    """Return the fault of one import, or an empty string."""
    top, *rest = item.module.split(".")
    if not top:
        return "relative import; write the whole name"
    if top in ENGINE:
        allowed = where.as_posix() in ENGINE[top] and item.lazy
        return "" if allowed else f"{top} is imported only by {' and '.join(ENGINE[top])}, inside functions"
    if top == TOOLS:
        return f"{room} must not import {TOOLS}, which is not shipped"
    if top != PACKAGE:
        may = {"instrument": INSTRUMENT_MAY, "emit": EMIT_MAY}.get(room)
        foreign = may is not None and top not in sys.stdlib_module_names and not may.match(item.module)
        return f"{room}/ must not import {item.module}" if foreign else ""
    target = rest[0] if rest and rest[0] in rooms else "__init__"
    if target == "__init__":
        return f"{room} must not import the front door; name the room" if room != "__init__" else ""
    if target == room:
        return ""
    if target in IMPORTERS or target in BESIDE:
        return "" if room in IMPORTERS.get(target, set()) else f"{room} must not import {target}"
    if room in BESIDE:
        if target not in BESIDE[room]:
            return f"{room} must not import {target}"
        eager = room in ENTRY_POINTS and not item.lazy and not (room == "__init__" and item.typing)
        eager = eager and target != "version"
        return f"{room} must import {target} inside a function" if eager else ""
    if target not in RANK:
        return f"{target} is not a room; DESIGN names them all"
    return "" if RANK[target] < RANK[room] else f"{room} must not import {target}"


def _through_own_package(item: Import, path: Path, package: Path) -> str:
    """Return the fault of a name imported from the module's own package, whose origin `circle` cannot follow."""
    name, _, attribute = item.module.rpartition(".")
    folder = package.parent.joinpath(*name.split("."))
    if path.stem.startswith("__") or package not in folder.parents or folder not in path.parents:
        return ""
    is_module = (folder / attribute).is_dir() or (folder / f"{attribute}.py").is_file()
    return "" if is_module else f"{attribute} comes from this package; import it from its module"


def _module_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and room of each string that is the dotted name of a module of ours."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            named = re.fullmatch(rf"{PACKAGE}\.(\w+)(\.\w+)*", node.value)
            if named is not None:
                yield node.lineno, named[1]


def _engine_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield names of the engine in code: identifiers, attributes, imports and strings, but not docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=text) | ast.Attribute(attr=text):
                pass
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                pass
            case _:
                continue
        if hit := ENGINE_NAMES.search(text):
            yield node.lineno, hit[0]
