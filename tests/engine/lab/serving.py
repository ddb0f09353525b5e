"""`ael serve` as a process, in each form in which it can be started, used by a client."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.engine.lab.client import clean_environment
from tests.support.ports import free_port

BIN = Path(sys.executable).parent
READY_S = 60


class Served:
    """A running command of this environment; a context manager that kills the command if it still runs.

    Args:
        command: the words after the environment's `bin` folder; `{port}` stands for the port to serve on.
        folder: its working directory and home, and where its output is kept.
        environment: variables besides the clean ones.
        stdin: what the command reads; default nothing.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        self.port = free_port()
        self.stdout_path, self.stderr_path = folder / "stdout.txt", folder / "stderr.txt"
        words = [word.format(port=self.port) for word in command]
        with self.stdout_path.open("wb") as stdout, self.stderr_path.open("wb") as stderr:
            self.process = subprocess.Popen(
                [str(BIN / words[0]), *words[1:]],
                cwd=folder,
                # The wrapper looks the command up on PATH.
                env=clean_environment(HOME=str(folder), PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}")
                | dict(environment or {}),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def stdout(self) -> str:
        """Return its stdout so far."""
        return self.stdout_path.read_text("utf-8")

    @property
    def stderr(self) -> str:
        """Return its stderr so far."""
        return self.stderr_path.read_text("utf-8")

    def wait_ready(self) -> None:
        """Wait until it answers on its port."""
        deadline = time.monotonic() + READY_S
        # One client: a new one each time reads the certificates, which takes longer than the request.
        with httpx.Client(timeout=5) as client:
            while time.monotonic() < deadline:
                assert self.process.poll() is None, f"it ended: {self.stdout[-2_000:]}{self.stderr[-2_000:]}"
                try:
                    client.get(f"http://127.0.0.1:{self.port}/health")
                except httpx.TransportError:
                    time.sleep(0.05)
                else:
                    return
        raise AssertionError(f"it does not answer: {self.stdout[-2_000:]}{self.stderr[-2_000:]}")

    def stop(self, number: signal.Signals) -> tuple[int, float]:
        """Send a signal; returns the exit code and the seconds it took to end."""
        started = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(30)
        return code, time.monotonic() - started
