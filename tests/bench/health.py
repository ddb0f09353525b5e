"""`make bench-health`: how long `/health` of `ael serve` takes beside a run whose tool returns a large value.

Two servers run side by side, one with telemetry and one with it disabled. Each value is measured on both in turn, so
that a busy machine slows both alike: runs follow each other on one connection, while another asks for `/health` every
few milliseconds. The tool server and both connections are real, and no two runs return the same value.
"""

import argparse
import http.client
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from load import receiver, telemetry  # noqa: E402 - needs no path, but stays with the next ones
from program import configuration, percentile  # noqa: E402 - the repository's root is on the path only now

from tests.engine.lab.serving import Served  # noqa: E402

SIZES = {"64 kB": 65_536, "256 kB": 262_144, "1 MB": 1_048_576}
KINDS = ("", "rows of short texts", "JSON in texts", "password='\\", "API key - ", "names of secrets")
"""Values of `tool_server.hostile`; the first is prose."""

EACH_S = 0.004
"""Seconds between an answer of `/health` and the next question."""

BETWEEN_S = 0.3
"""Seconds from the end of a run to the beginning of the next: telemetry still works on the first."""

LEAST_RUNS = 2
"""The first warms up, and at least one must be beside the questions."""

STEP = 64
"""Characters by which the values of two runs differ in length, so that none has been seen before."""


class FailedError(Exception):
    """A measurement that does not hold: an engine did not start or answer, or a run did not complete."""


class Runs:
    """Runs of the workflow on one connection, one after another, on a thread; a context manager.

    Args:
        port: the server's.
        kind: which value the tool returns.
        size: its characters, of the first run.
    """

    def __init__(self, port: int, kind: str, size: int) -> None:
        self.done = 0
        self._failure: Exception | None = None
        self._body = {"size": size, "kind": kind}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._stopped = Event()
        self._thread = Thread(target=self._work)

    def __enter__(self) -> "Runs":
        self.once()
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """End the runs.

        Raises:
            FailedError: one of them did not complete, so the answers beside it say nothing, or there was one only.
        """
        self._stopped.set()
        self._thread.join()
        self._connection.close()
        if kind is None and self._failure is not None:
            raise self._failure
        if kind is None and self.done < LEAST_RUNS:
            raise FailedError(f"{self.done} run of {self._body} completed, too few to measure beside")

    def once(self) -> None:
        """Execute the workflow.

        Raises:
            FailedError: the run did not complete.
        """
        inputs = self._body | {"size": self._body["size"] + STEP * self.done}  # type: ignore[operator]
        try:
            self._connection.request(
                "POST",
                "/api/v1/workflows/one_step/execute",
                json.dumps({"inputs": inputs}),
                {"content-type": "application/json"},
            )
            answer = self._connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise FailedError(f"a run of {inputs} got no answer: {error!r}") from error
        if answer.status != 200 or b'"completed"' not in text:
            raise FailedError(f"a run of {inputs} answered {answer.status}: {text[:500]!r}")
        self.done += 1

    def _work(self) -> None:
        try:
            while not self._stopped.wait(BETWEEN_S):
                self.once()
        except Exception as error:  # noqa: BLE001 - raised where the thread is joined
            self._failure = error


def asked(port: int, seconds: float) -> list[float]:
    """Ask for `/health` again and again; return how many milliseconds each answer took.

    Raises:
        FailedError: there was no answer, or one that the engine is not healthy.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise FailedError(f"/health on port {port} got no answer: {error!r}") from error
        if answer.status != 200:
            raise FailedError(f"/health on port {port} answered {answer.status}: {text[:500]!r}")
        taken.append((time.perf_counter() - began) * 1e3)
        time.sleep(EACH_S)  # wait: the pace of the questions
    connection.close()
    return taken


@contextmanager
def servers() -> Iterator[dict[str, int]]:
    """Yield the ports of two servers: "bare", with telemetry disabled, and "ours".

    Raises:
        FailedError: one of them did not start.
    """
    with ExitStack() as stack:
        endpoint = stack.enter_context(receiver())
        ports: dict[str, int] = {}
        for name, section in (("bare", None), ("ours", telemetry(endpoint))):
            folder = Path(stack.enter_context(TemporaryDirectory()))
            path = configuration(folder, section)
            command = ["ael", "serve", "-c", str(path), "--port", "{port}"]
            try:
                served = stack.enter_context(Served(command, folder))
                served.wait_ready()
            except (OSError, AssertionError) as error:
                raise FailedError(f"`{' '.join(command)}` ({name}) did not start: {error}") from error
            ports[name] = served.port
        yield ports


def main() -> int:
    """Measure, print the table, and return the exit status: 1, with the reason on stderr, if something failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement (36 of them)")
    parser.add_argument("--sizes", nargs="*", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--kinds", nargs="*", choices=["prose", *KINDS[1:]], default=["prose", *KINDS[1:]])
    arguments = parser.parse_args()
    try:
        _measure(arguments.seconds, arguments.sizes, arguments.kinds)
    except FailedError as error:
        print(f"nothing was measured: {error}", file=sys.stderr)
        return 1
    return 0


def _measure(seconds: float, sizes: list[str], kinds: list[str]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 140)
    shown = Table(title="/health beside runs that return a value", title_justify="left", expand=False)
    for heading in ("delay of /health beside", "engine alone", "with telemetry", "difference", "aim"):
        shown.add_column(
            heading, justify="left" if heading in ("delay of /health beside", "aim") else "right"
        )
    began = time.perf_counter()
    with servers() as ports:
        for port in ports.values():
            with Runs(port, "", 20):
                asked(port, 1.0)
        rows = [("no run", "", 0)] + [
            (f"{size} of {kind}", "" if kind == "prose" else kind, SIZES[size])
            for kind in kinds
            for size in sizes
        ]
        for label, kind, size in rows:
            figures: list[tuple[float, float]] = []
            runs: list[int] = []
            for port in ports.values():
                with ExitStack() as beside, console.status(label):
                    running = beside.enter_context(Runs(port, kind, size)) if size else None
                    taken = asked(port, seconds)
                figures.append((percentile(taken, 0.99), max(taken)))
                runs.append(running.done if running else 0)
            (bare, most_bare), (ours, most) = figures
            shown.add_row(
                f"{label}, p99 (slowest), {runs[0]} and {runs[1]} runs",
                f"{bare:.0f} ({most_bare:.0f}) ms",
                f"{ours:.0f} ({most:.0f}) ms",
                f"{ours - bare:+.0f} ({most - most_bare:+.0f}) ms",
                "<= +50 (250) ms" if size <= SIZES["256 kB"] else "<= +50 ms",
            )
    console.print(shown)
    console.print(
        f"load {os.getloadavg()[0]:.1f}; {seconds:g} s each, {time.perf_counter() - began:.0f} s in all; "
        "both servers and the tool server on this machine, OTLP over gRPC"
    )


if __name__ == "__main__":
    sys.exit(main())
