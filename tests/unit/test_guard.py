"""The guard of this suite: whatever a unit test starts, it fails, and the message names where the test belongs."""

import asyncio
import importlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from tests.support import guard
from tests.support.guard import NotAUnitTest, guarded


async def _in_a_loop() -> None:
    await asyncio.create_subprocess_exec(sys.executable, "--version")


def _connect() -> None:
    with socket.socket() as client:
        client.connect(("127.0.0.1", 9))


STARTS: dict[str, tuple[Callable[[], object], str]] = {
    "a program": (lambda: subprocess.run([sys.executable, "--version"], check=False), "subprocess.Popen"),
    "a program of asyncio": (lambda: asyncio.run(_in_a_loop()), "subprocess.Popen"),
    "a shell": (lambda: os.system("true"), "os.system"),  # noqa: S605
    "a fork": (os.fork, "os.fork"),
    "a connection": (_connect, "socket.connect"),
    "a server": (lambda: socket.create_server(("127.0.0.1", 0)), "socket.bind"),
    "a host": (lambda: socket.getaddrinfo("localhost", 80), "socket.getaddrinfo"),
}


def outcome(act: Callable[[], object]) -> str:
    """Do it under a guard of its own, as a test does, and return what the guard says."""
    with pytest.raises(NotAUnitTest) as caught, guarded("tests/unit/test_x.py::test_y"):
        act()
    return str(caught.value)


@pytest.mark.parametrize("what", STARTS)
def test_process_or_connection_of_a_unit_test_is_refused(what: str) -> None:
    """The call itself raises, with the test, the event and the suite to move to."""
    act, event = STARTS[what]
    said = outcome(act)
    assert said.startswith("tests/unit/test_x.py::test_y ")
    assert f"({event})" in said
    assert "belongs in tests/process" in said


def test_the_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import of the engine that has not been made yet raises; so the suite runs where no engine is installed."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "ploston_core"]:
        monkeypatch.delitem(sys.modules, name)
    assert "belongs in tests/engine" in outcome(lambda: importlib.import_module("ploston_core"))


def test_a_refusal_that_was_swallowed_fails_the_test_too() -> None:
    """Neither another thread nor a handler that takes everything hides it."""

    def swallow() -> None:
        try:
            _connect()
        except BaseException:  # noqa: BLE001
            return

    assert "socket.connect" in outcome(swallow)

    def in_a_thread() -> None:
        thread = threading.Thread(target=swallow)
        thread.start()
        thread.join()

    assert "socket.connect" in outcome(in_a_thread)


def test_every_unit_test_is_guarded() -> None:
    """The conftest puts the guard around this test, with its own name."""
    with pytest.raises(NotAUnitTest, match="test_every_unit_test_is_guarded opens a connection"):
        _connect()
    assert guard._guard is not None
    guard._guard.refused.clear()  # or this test would fail for it


def test_work_inside_the_process_is_allowed() -> None:
    """Files, threads, an event loop and a pipe are no processes and no connections."""
    with guarded("tests/unit/test_x.py::test_y"):
        asyncio.run(asyncio.sleep(0))
        reading, writing = os.pipe()
        os.close(reading)
        os.close(writing)
