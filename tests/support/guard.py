"""The rule of tests/unit: a test there starts no process, opens no connection and loads no engine.

Python's audit events report each of these, however it is done: `subprocess`, `asyncio`, `os.fork`, a library's socket.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# Its urllib3 binds a socket when it is imported, to detect IPv6: that must not count for the first test that imports a
# module of ours with it.
import requests  # noqa: F401

_PROCESSES = (
    "tests/process (fresh interpreters, programs, sockets of one room) or tests/engine (the real engine)"
)
_ENGINE = "tests/engine (the real engine)"

_REFUSED = {
    "subprocess.Popen": ("starts a program", _PROCESSES),
    "os.exec": ("starts a program", _PROCESSES),
    "os.fork": ("forks", _PROCESSES),
    "os.forkpty": ("forks", _PROCESSES),
    "os.posix_spawn": ("starts a program", _PROCESSES),
    "os.system": ("starts a program", _PROCESSES),
    "socket.bind": ("opens a socket", _PROCESSES),
    "socket.connect": ("opens a connection", _PROCESSES),
    "socket.getaddrinfo": ("looks up a host", _PROCESSES),
}
_MODULES = frozenset({"ploston_core"})

_installed = False


@dataclass
class _Guard:
    """The current test, and the actions that it was refused."""

    test: str
    refused: list[str] = field(default_factory=list)


_guard: _Guard | None = None


class NotAUnitTest(BaseException):
    """A test of tests/unit did something forbidden; no `except Exception` on the way may hide it."""


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    guard = _guard
    if guard is None:
        return
    if event == "import":
        if str(arguments[0]).partition(".")[0] in _MODULES:
            _refuse(guard, f"imports {arguments[0]}", _ENGINE)
    elif event in _REFUSED:
        what, where = _REFUSED[event]
        _refuse(guard, f"{what} ({event})", where)


def _refuse(guard: _Guard, what: str, where: str) -> None:
    guard.refused.append(f"{guard.test} {what}, which no test in tests/unit may; it belongs in {where}")
    raise NotAUnitTest(guard.refused[-1])


@contextmanager
def guarded(test: str) -> Iterator[None]:
    """Refuse processes, connections and the engine inside the block.

    Args:
        test: the name of the test, for the message.

    Raises:
        NotAUnitTest: from the call that would start a process, open a socket or import the engine; and at the end, if
            that call was made in another thread or something swallowed the exception.
    """
    global _installed, _guard  # noqa: PLW0603 - an audit hook cannot be removed, so there is one per process
    if not _installed:
        sys.addaudithook(_watch)
        _installed = True
    before, guard = _guard, _Guard(test)
    _guard = guard
    try:
        yield
    finally:
        _guard = before
    if guard.refused:
        raise NotAUnitTest(guard.refused[0])
