"""Calls that only POSIX systems have are guarded, or are in a module that is named here as POSIX only."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "ael_otel"
MODULES = {"fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"}
CALLS = {
    "fork",
    "register_at_fork",
    "getuid",
    "geteuid",
    "getpgid",
    "killpg",
    "setsid",
    "mkfifo",
    "pread",
    "pwrite",
    "chown",
    "fchown",
    "statvfs",
    "sched_getaffinity",
    "O_NOFOLLOW",
    "O_NONBLOCK",
    "O_DIRECTORY",
    "ST_RDONLY",
}
POSIX_ONLY = {"instrument/server_stderr.py"}
"""Imported only on POSIX systems."""
ELSEWHERE = {"store/sqlite_file.py": {"pread"}}
"""Calls whose guard is apart from them: `_CAN_PEEK` decides whether a handle is opened at all."""


def _needs(node: ast.AST) -> str | None:
    if isinstance(node, ast.Import):
        return next((each.name for each in node.names if each.name in MODULES), None)
    if isinstance(node, ast.ImportFrom):
        return node.module if node.module in MODULES else None
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
        return node.attr if node.attr in CALLS else None
    return None


def _guards(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return any(each in ast.unparse(node.test) for each in ("hasattr(os,", "os.name == 'posix'"))
    caught: list[ast.expr | None] = []
    if isinstance(node, ast.Try):
        caught = [each.type for each in node.handlers]
    elif isinstance(node, ast.With):
        caught = [each.context_expr for each in node.items]
    words = " ".join(ast.unparse(each) for each in caught if each is not None)
    return "ImportError" in words or "AttributeError" in words


def unguarded(source: str) -> set[str]:
    """Return the names in a module's text that a system other than POSIX does not have, without a guard."""
    found: set[str] = set()

    def search(node: ast.AST) -> None:
        if (name := _needs(node)) is not None:
            found.add(name)
        guarded = _guards(node)
        test = getattr(node, "test", None)
        inside = {id(each) for each in getattr(node, "body", [])} | {id(test)} if guarded else set[int]()
        for each in ast.iter_child_nodes(node):
            if id(each) not in inside:
                search(each)

    search(ast.parse(source))
    return found


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import fcntl", {"fcntl"}),
        ("from termios import FIONREAD", {"termios"}),
        ("import os\nos.register_at_fork()", {"register_at_fork"}),
        ("import os\nif hasattr(os, 'fork'):\n    pass\nelse:\n    os.fork()", {"fork"}),
        ("import os\nif os.name == 'posix' and os.getuid():\n    pass", set[str]()),
        ("try:\n    import fcntl\nexcept OSError:\n    pass", {"fcntl"}),
        ("try:\n    import fcntl\nexcept ImportError:\n    pass", set[str]()),
        ("import os\nwith suppress(OSError, AttributeError):\n    os.geteuid()", set[str]()),
    ],
)
def test_what_counts_as_a_guard(source: str, names: set[str]) -> None:
    """A condition or a caught error guards its own body, not the other branch."""
    assert unguarded(source) == names


def test_posix_calls_are_guarded() -> None:
    """On Windows a module that is not named as POSIX only can be imported and its objects made."""
    found = {
        path: rest
        for file in sorted(PACKAGE.rglob("*.py"))
        if (path := file.relative_to(PACKAGE).as_posix()) not in POSIX_ONLY
        and (rest := unguarded(file.read_text("utf-8")) - ELSEWHERE.get(path, set()))
    }
    assert found == {}
