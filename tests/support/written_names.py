"""Look up the names of modules, functions, files and tests in documents and docstrings in the sources.

`missing()` takes the root of a repository, so that the check can be tested on an invalid tree. Nothing is imported: a
name is searched for in the syntax tree of its module.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "ael_otel"
SOURCES = (PACKAGE, "tools", "tests", "deploy", "dashboards")
FORMER_ROOMS = frozenset({"pipeline", "schema"})
"""Former rooms: a name in one of them does not exist, even if only room and name are written."""

_DOTTED = re.compile(rf"(?<![\w./-])(?:{PACKAGE}|tests|tools)(?:\.[A-Za-z_]\w*)+(?![\w/]|\.\w)")
_PATH = re.compile(r"(?<![\w/.:~$*{}<-])((?:[\w-]+/)+[\w.-]+\.(?:py|md|ya?ml|json|toml|sh))(?![\w/*])")
_SPAN = re.compile(r"`([^`\n]+)`")
_FILE = re.compile(r"[a-z_]+\.py")
_TEST = re.compile(r"test_[a-z0-9_]+")
_IN_ROOM = re.compile(r"([a-z_]+)\.([A-Za-z_]\w*)(?:\(\))?")
_QUOTED = re.compile(r'(?P<before>[^\n"]*)"""(?P<text>.*?)"""', re.DOTALL)
_FUNCTION = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)
_ENDINGS = frozenset({"py", "md", "yaml", "json", "toml", "sh"})
_FORMERLY = re.compile(r"then called `([^`]+)`")
"""The form in which an ADR may mention a former name: `sdk.providers.start`, then called `pipeline.start`."""

# Made-up names, in documents that explain a form by an example.
EXAMPLES = frozenset(
    {
        "docs/page.md",
        "docs/other.md",
        "tests/unit/test_x.py",
        "traces/2026-01-31/trace-a0f63b41.json",
        "2026-01-31/trace-a0f63b41.json",
        "app.py",
    }
)


def missing(root: Path) -> list[str]:
    """Return each name that does not exist, as `file: name`."""
    found: list[str] = []
    for path, text in _texts(root):
        where = path.relative_to(root).as_posix()
        gone = set(_FORMERLY.findall(text)) if where.startswith("docs/adr/") else set[str]()
        found += [f"{where}: {name}" for name in _names(root, path, text) if name not in gone | EXAMPLES]
    return list(dict.fromkeys(found))


def _texts(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield every document and every docstring."""
    for path in sorted({*root.glob("docs/**/*.md"), *root.glob("*.md"), *root.glob("[a-z]*/*.md")}):
        if path.name != "CHANGELOG.md":  # it names things that existed in earlier versions
            yield path, path.read_text("utf-8")
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*.py")):
            # Parsing every file takes seconds; quotes are matched from the top, and a string in code follows code.
            for quoted in _QUOTED.finditer(path.read_text("utf-8")):
                if not quoted["before"].strip("rR \t"):
                    yield path, quoted["text"]


def _names(root: Path, path: Path, text: str) -> Iterator[str]:
    """Yield the names in a text that do not exist."""
    for name in _DOTTED.findall(text):
        if name.rpartition(".")[2] not in _ENDINGS and not _is_there(root, name.split(".")):
            yield name
    for name in _PATH.findall(text):
        if not any((base / name).exists() for base in (root, path.parent, root / PACKAGE, root / "tests")):
            yield name
    if path.suffix != ".md":
        return
    about_code = path.name == "CONTRIBUTING.md" or path.parent.name == "adr"
    for name in _SPAN.findall(text):
        if (_FILE.fullmatch(name) and name not in _files(root)) or (
            _TEST.fullmatch(name) and name not in _tests(root)
        ):
            yield name
        elif (match := _IN_ROOM.fullmatch(name)) and match[2] not in _ENDINGS:
            # Elsewhere `store.path` is a key of the configuration.
            room = about_code and (root / PACKAGE / match[1]).is_dir()
            if (room or match[1] in FORMER_ROOMS) and not _is_there(root, [PACKAGE, *match.groups()]):
                yield name


def _is_there(root: Path, parts: list[str]) -> bool:
    """Return whether a dotted name is a module, or is defined, imported or listed in `__all__` by one."""
    place, rest = root, parts
    while rest and (place / rest[0]).is_dir():
        place, rest = place / rest[0], rest[1:]
    if not rest:
        return True
    if (place / f"{rest[0]}.py").is_file():
        place, rest = place / f"{rest[0]}.py", rest[1:]
    else:
        place = place / "__init__.py"
    return place.is_file() and _defines(_tree(place), rest)


def _defines(tree: ast.AST, names: list[str]) -> bool:
    if not names:
        return True
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef() if node.name == names[0]:
                return _defines(node, names[1:])
            case ast.Assign() | ast.AnnAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                written = {each.id for each in targets if isinstance(each, ast.Name)}
                if names[0] in written or ("__all__" in written and names[0] in _listed(node)):
                    return True
            case ast.Import() | ast.ImportFrom():
                if names[0] in {alias.asname or alias.name for alias in node.names}:
                    return True
            case ast.TypeAlias(name=ast.Name(id=name)) if name == names[0]:
                return True
            case _:
                pass
    return False


def _listed(node: ast.Assign | ast.AnnAssign) -> set[str]:
    return {
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


@cache
def _files(root: Path) -> frozenset[str]:
    return frozenset(path.name for folder in SOURCES for path in (root / folder).rglob("*.py"))


@cache
def _tests(root: Path) -> frozenset[str]:
    """Return the names of test functions and of test modules."""
    paths = list((root / "tests").rglob("test_*.py"))
    functions = (name for path in paths for name in _FUNCTION.findall(path.read_text("utf-8")))
    return frozenset((*functions, *(path.stem for path in paths)))
