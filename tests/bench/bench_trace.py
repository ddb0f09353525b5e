"""How long `ael trace` takes to answer, as a person starts it: `python tests/bench/bench_trace.py [--runs 100000]`.

Wall time and processor time of whole processes on a warm disk, in turns, beside Python that only imports sqlite3.
Slow results do not fail; the last column is the goal. If the machine does other work (the load is printed), use the
processor time.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench_store import record
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ael_otel.store.sqlite import SqliteStore

AEL = [sys.executable, "-m", "ael_otel.cli", "trace"]
AIMS_MS = {"list": 150, "list --tool": 150, "list --tool, none has it": 150}


def fill(path: Path, runs: int) -> None:
    """Store runs of the last thirty days."""
    store = SqliteStore(path)
    end = datetime.now(UTC)
    step = timedelta(days=30) / runs
    made = (record(number, at=end - step * (runs - number)) for number in range(runs))
    store.put(track(made, f"storing {runs:,} runs", total=runs, transient=True))
    store.close()


def once(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Wall and processor milliseconds of one process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return wall * 1e3, (used.ru_utime + used.ru_stime) * 1e3


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=15)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "telemetry.db"
        fill(path, chosen.runs)
        environment = {**os.environ, "AEL_TELEMETRY_DB": str(path), "HOME": folder}
        # Python of a user has a bytecode cache.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = f"{folder}/compiled"
        commands = {
            "(python, sqlite3)": [sys.executable, "-c", "import sqlite3"],
            "list": [*AEL, "list"],
            "list -o json": [*AEL, "list", "-o", "json"],
            "list --status failed": [*AEL, "list", "--status", "failed", "--since", "1d"],
            "list --tool": [*AEL, "list", "--tool", "tool-3"],
            "list --tool, none has it": [*AEL, "list", "--tool", "nothing"],
            "show": [*AEL, "show", f"exec-{chosen.runs // 2:012d}"],
            "stats": [*AEL, "stats"],
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for command in commands.values():
            once(command, environment)
        for _ in track(range(chosen.rounds), "measuring", transient=True):
            for name, command in commands.items():
                times[name].append(once(command, environment))
    table = Table(
        title=f"ael trace at {chosen.runs:,} runs, {chosen.rounds} rounds, load {os.getloadavg()[0]:.1f}",
        box=None,
        pad_edge=False,
    )
    for heading in ("command", "wall ms: least", "median", "processor ms: median", "aim"):
        table.add_column(heading, justify="left" if heading == "command" else "right")
    for name, taken in times.items():
        walls, processor = [wall for wall, _ in taken], [cpu for _, cpu in taken]
        aim = f"<= {AIMS_MS[name]}" if name in AIMS_MS else ""
        table.add_row(
            name,
            f"{min(walls):.0f}",
            f"{statistics.median(walls):.0f}",
            f"{statistics.median(processor):.0f}",
            aim,
        )
    Console().print(table)


if __name__ == "__main__":
    main()
