"""How long pages of `ael ui` take: `python tests/bench/bench_ui.py [--runs 100000] [--steps 5000]`.

Elapsed time at the client of a real server, the best of some requests, and as a multiple of reading the same records
from the store without a page; the load is printed. Aims: the first page at 100,000 runs in 300 ms and 50 kB, with its
style sheet and script; a run of 5,000 steps in 1 s.
"""

import argparse
import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from bench_store import record
from rich.console import Console
from rich.table import Table

from ael_otel.insights import insights
from ael_otel.store import RunQuery
from ael_otel.store.sqlite import SqliteStore

LONG = "exec-long"


def fill(path: Path, runs: int, steps: int) -> None:
    """Store runs of a month, and a run of many steps."""
    store = SqliteStore(path)
    end, apart = datetime.now(UTC), timedelta(days=30) / runs
    store.put(record(number, at=end - apart * (runs - number)) for number in range(runs))
    long = record(runs + 1, steps=steps, calls=steps, at=end)
    long.execution_id = LONG
    long.duration_ms = steps * 5.0
    for number, step in enumerate(long.steps):
        step.started_at = end + timedelta(milliseconds=number * 5)
        for call in step.tool_calls:
            call.started_at = step.started_at
    store.put([long])
    store.close()


class Client:
    """A browser without a screen: one connection, and the cookie that the token gave."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=120)
        self._headers: dict[str, str] = {}
        cookie = self._get(f"{parts.path}?{parts.query}").headers["Set-Cookie"]
        self._headers["Cookie"] = cookie.partition(";")[0]

    def _get(self, path: str) -> http.client.HTTPResponse:
        self._connection.request("GET", path, headers=self._headers)
        found = self._connection.getresponse()
        self.size = len(found.read())
        return found

    def page(self, path: str) -> None:
        """Get a page."""
        assert self._get(path).status == 200, path


def best(action: Callable[[], object], rounds: int) -> float:
    """Return the shortest time of some calls, in milliseconds."""
    took: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        took.append((time.perf_counter() - began) * 1e3)
    return min(took)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=100_000)
    arguments.add_argument("--steps", type=int, default=5_000)
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "telemetry.db"
        fill(path, chosen.runs, chosen.steps)
        server = subprocess.Popen(
            [sys.executable, "-m", "ael_otel.cli", "ui", "--no-open", "--port", "0", "--db", str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert server.stdout is not None
        client = Client(server.stdout.readline().strip())
        store = SqliteStore(path)
        table = Table(
            title=f"{chosen.runs:,} runs, one of {chosen.steps:,} steps; load {os.getloadavg()[0]:.1f}"
        )
        for heading in ("page", "first, ms", "best, ms", "kB", "of reading"):
            table.add_column(heading, justify="left" if heading == "page" else "right")
        began = time.perf_counter()
        client.page("/")
        cold = {"/": (time.perf_counter() - began) * 1e3}
        assets = 0
        for name in ("style.css", "ui.js"):
            client.page(f"/assets/{name}")
            assets += client.size
        where = "step.tool = 'tool-3' and duration > 60ms"
        fifty = RunQuery(limit=50)
        for name, address, read in (
            ("runs", "/", lambda: store.query(fifty)),
            ("runs that failed", "/?status=failed", lambda: store.query(RunQuery(limit=50, status="failed"))),
            (
                "runs by an expression",
                "/?where=step.tool+%3D+%27tool-3%27+and+duration+%3E+60ms",
                lambda: store.query(RunQuery(limit=50, where=where)),
            ),
            ("one run", "/run?id=exec-000000000042", lambda: store.get("exec-000000000042")),
            ("the long run", f"/run?id={LONG}", lambda: store.get(LONG)),
            ("insights of a week", "/insights", lambda: _insights(store)),
        ):
            first = cold.get(address) or best(lambda address=address: client.page(address), 1)  # type: ignore[misc]
            took = best(lambda address=address: client.page(address), chosen.rounds)  # type: ignore[misc]
            size = client.size + (assets if address == "/" else 0)
            without = best(read, chosen.rounds)
            table.add_row(
                name, f"{first:,.0f}", f"{took:,.1f}", f"{size / 1e3:,.1f}", f"{took / without:,.1f}"
            )
        Console(width=120).print(table)
        store.close()
        server.terminate()
        server.wait(20)


def _insights(store: SqliteStore) -> object:
    since = datetime.now(UTC) - timedelta(days=7)
    return insights(store.iterate(RunQuery(limit=20_001, since=since)))


if __name__ == "__main__":
    main()
