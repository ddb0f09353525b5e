"""Cost of the run store, beside plain sqlite3 doing the same: `python tests/bench/bench_store.py [--runs 100000]`.

Everything is measured in turns within one run, so that the ratios hold on a machine that is busy with other things.
Nothing here fails for being slow; the last column says what was aimed at.
"""

import argparse
import asyncio
import json
import logging
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from ael_otel.store import Capture, ErrorRecord, ExecutionRecord, RunQuery, StepRecord, ToolCallRecord
from ael_otel.store.background_writer import QueuedStore
from ael_otel.store.rows import COLUMNS as NAMES
from ael_otel.store.rows import Row, row_of
from ael_otel.store.sqlite import SqliteStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
COLUMNS = ", ".join(NAMES)
MARKS = ", ".join("?" * (len(NAMES) + 1))


def record(number: int, steps: int = 5, calls: int = 8, at: datetime = NOW) -> ExecutionRecord:
    """A run as the lifecycle makes it: content is frozen already."""
    keep = Capture()
    made: list[StepRecord] = []
    for position in range(steps):
        own = range(position, calls, steps)
        made.append(
            StepRecord(
                f"step-{position}", position, "tool", "completed", at, None, at, 5.0, f"tool-{position}", "demo",
                tool_calls=[
                    ToolCallRecord(
                        f"{number:08x}{each:08x}", f"tool-{each % 5}", "tool_step", each, at, f"exec-{number:012d}",
                        f"step-{position}", "demo", "success", at, 4.5, None, f"{each:016x}",
                        keep({"text": "hello " * 10}), keep({"out": "y" * 100}),
                    )
                    for each in own
                ],
                span_id=f"{position:016x}",
            )
        )  # fmt: skip
    failed = number % 20 == 0
    return ExecutionRecord(
        f"exec-{number:012d}", "workflow", "failed" if failed else "completed", at, f"workflow-{number % 12}", "1.0.0",
        at + timedelta(milliseconds=20), 20.0 + number % 100, keep({"name": "Ada", "number": number}),
        keep({"greeting": "hello Ada"}), made, [],
        ErrorRecord("TOOL_FAILED", "tool", "card declined") if failed else None, None, {},
        f"{number * 2654435761 % 2**128:032x}", f"{number:016x}",
    )  # fmt: skip


class Figures:
    """Rows of the table that is printed at the end."""

    def __init__(self) -> None:
        self.table = Table(title="the run store against plain sqlite3", title_justify="left")
        for name in ("what", "plain", "ours", "ratio", "aim"):
            self.table.add_column(name, justify="left" if name == "what" else "right")
        self.found: list[dict[str, Any]] = []

    def add(self, what: str, plain: float, ours: float, unit: str, ratio: float, aim: str) -> None:
        """Add one comparison."""
        self.table.add_row(what, f"{plain:,.1f} {unit}", f"{ours:,.1f} {unit}", f"{ratio:.2f}", aim)
        self.found.append(
            {"what": what, "plain": plain, "ours": ours, "unit": unit, "ratio": round(ratio, 3)}
        )


# --- ingest -----------------------------------------------------------------------------------------------------------


def plain_insert(connection: sqlite3.Connection, rows: Sequence[Row], first: int, size: int) -> None:
    """Insert the same rows as the store by executemany, in transactions of `size` runs."""
    numbered = list(enumerate(rows, first))
    for at in range(0, len(numbered), size):
        some = numbered[at : at + size]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            f"INSERT INTO executions (id, {COLUMNS}) VALUES ({MARKS})",  # noqa: S608
            [(key, *row.head) for key, row in some],
        )
        connection.executemany(
            "INSERT INTO bodies VALUES (?, ?)", [(key, row.body.decode()) for key, row in some]
        )
        connection.executemany(
            "INSERT INTO tool_calls VALUES (?, ?, ?, ?, ?, ?)",
            [(key, position, *call) for key, row in some for position, call in enumerate(row.calls)],
        )
        connection.executemany(
            "INSERT INTO errors VALUES (?, ?)", [(key, code) for key, row in some for code in row.errors]
        )
        connection.execute("COMMIT")


def ingest(figures: Figures, folder: Path, runs: int, rounds: int) -> None:
    """Records through the API, and through the queue from beginning to end, against prepared rows by executemany."""
    records = [record(number) for number in range(runs)]
    rows = [row_of(each) for each in records]
    each_run = 1 + 1 + len(rows[0].calls)
    times: dict[str, list[float]] = {"plain 200": [], "put": [], "plain 500": [], "queue": []}
    number = 0
    for _ in track(range(rounds), description="ingest"):
        for name, taken in times.items():
            number += 1
            path = folder / f"ingest-{number}.db"
            store = SqliteStore(path)
            if name.startswith("plain"):
                started = time.perf_counter()
                plain_insert(store._connection, rows, 1, int(name.split()[1]))
                taken.append(time.perf_counter() - started)
                store.close()
            elif name == "put":
                started = time.perf_counter()
                store.put(records)
                taken.append(time.perf_counter() - started)
                store.close()
            else:
                queued = QueuedStore(lambda opened=store: opened)  # type: ignore[misc]
                queued.info()
                started = time.perf_counter()
                for each in records:
                    queued.finish_execution(each)
                assert queued.flush(120)
                taken.append(time.perf_counter() - started)
                assert queued.count(RunQuery()) == runs
                queued.close()
            path.unlink()
    for what, plain, ours, aim in (
        ("ingest by put(), rows/s", "plain 200", "put", ">= 0.60"),
        ("a burst through the queue, rows/s", "plain 500", "queue", ""),
    ):
        ratio = statistics.median(a / b for a, b in zip(times[plain], times[ours], strict=True))
        total = runs * each_run / 1e3
        figures.add(what, total / min(times[plain]), total / min(times[ours]), "k", ratio, aim)


# --- queries ----------------------------------------------------------------------------------------------------------


def load(store: SqliteStore, runs: int) -> None:
    """Fill a store with runs of 30 days, the newest last; all share one body, with separate ids and times."""
    base = row_of(record(1, 2, 3))
    step = timedelta(days=30) / runs
    for at in track(range(0, runs, 2_000), description=f"loading {runs:,} runs"):
        batch: list[Row] = []
        for number in range(at, min(at + 2_000, runs)):
            moment = NOW - timedelta(days=30) + step * number
            failed = number % 20 == 0
            started = int(moment.timestamp() * 1e6)
            head = base.head._replace(
                execution_id=f"exec-{number:012d}",
                status="failed" if failed else "completed",
                workflow_name=f"workflow-{number % 12}",
                started_us=started,
                completed_us=started + 20_000,
                duration_us=random.randrange(1_000, 900_000),  # noqa: S311
                error_code="TOOL_FAILED" if failed else None,
                trace_id=f"{number * 2654435761 % 2**128:032x}",
            )
            batch.append(base._replace(head=head, errors=frozenset({"TOOL_FAILED"} if failed else ())))
        store.write(batch)


def queries(figures: Figures, folder: Path, runs: int, repeats: int) -> None:
    """The questions of a day against the SQL that a person would write for each of them."""
    store = SqliteStore(folder / "queries.db")
    load(store, runs)
    plain = sqlite3.connect(store.path, isolation_level=None)
    day = int((NOW - timedelta(days=1)).timestamp() * 1e6)
    week = int((NOW - timedelta(days=7)).timestamp() * 1e6)
    newest = "ORDER BY started_us DESC, execution_id DESC LIMIT 50"
    some = [f"exec-{random.randrange(runs):012d}" for _ in range(997)]  # noqa: S311
    picked = iter(some * 10_000)

    def sql(text: str, *parameters: Any) -> Callable[[], object]:
        return lambda: plain.execute(text, parameters).fetchall()

    def one() -> object:
        wanted = next(picked)
        (body,) = plain.execute(
            "SELECT body FROM bodies JOIN executions ON id = execution WHERE execution_id = ?", [wanted]
        ).fetchone()
        return json.loads(body)

    asked: tuple[tuple[str, Callable[[], object], Callable[[], object]], ...] = (
        (
            "latest 50",
            sql(f"SELECT {COLUMNS} FROM executions {newest}"),  # noqa: S608
            lambda: store.query(RunQuery(limit=50)),
        ),
        (
            "a workflow in a week, 50",
            sql(
                f"SELECT {COLUMNS} FROM executions WHERE workflow_name = ? AND started_us >= ? {newest}",  # noqa: S608
                "workflow-3",
                week,
            ),
            lambda: store.query(RunQuery(limit=50, workflow="workflow-3", since=NOW - timedelta(days=7))),
        ),
        (
            "failed in 24 h, 50",
            sql(
                f"SELECT {COLUMNS} FROM executions WHERE status = 'failed' AND started_us >= ? {newest}",  # noqa: S608
                day,
            ),
            lambda: store.query(RunQuery(limit=50, status="failed", since=NOW - timedelta(days=1))),
        ),
        ("show one, parsed", one, lambda: store.get(next(picked))),
        (
            "a tool's runs, 50",
            sql(
                f"SELECT {COLUMNS} FROM executions e WHERE EXISTS (SELECT 1 FROM tool_calls t"  # noqa: S608
                f" WHERE t.execution = e.id AND t.tool_name = ?) {newest}",
                "tool-1",
            ),
            lambda: store.query(RunQuery(limit=50, tool="tool-1")),
        ),
    )
    for what, by_hand, ours in asked:
        hand, mine = _in_turns(by_hand, ours, repeats)
        a, b = _p95(hand), _p95(mine)
        figures.add(f"{what}: p95", a * 1e6, b * 1e6, "us", b / a, "<= 2")
    hand, mine = _in_turns(
        sql("SELECT workflow_name, count(*), sum(status = 'failed') FROM executions GROUP BY 1"),
        lambda: store.stats("workflow", RunQuery()),
        3,
    )
    a, b = min(hand), min(mine)
    figures.add("stats by workflow (ours with percentiles)", a * 1e3, b * 1e3, "ms", b / a, "")
    plain.close()
    store.close()


def _in_turns(
    first: Callable[[], object], second: Callable[[], object], repeats: int
) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for action, taken in zip((first, second), times, strict=True):
            started = time.perf_counter()
            action()
            taken.append(time.perf_counter() - started)
    return times


def _p95(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


# --- the engine -------------------------------------------------------------------------------------------------------


async def overhead(figures: Figures, folder: Path, pairs: int, block: int) -> None:
    """A one-tool run on the real engine, telemetry on in both, with the store and without it, in turns."""
    from ael_otel.config import Settings
    from ael_otel.config.settings import Exporters, Otlp
    from ael_otel.demo.example import write_example
    from ael_otel.instrument.active import current
    from ael_otel.instrument.engine import open_application, run_workflow
    from ael_otel.runtime import start

    logging.disable(logging.CRITICAL)
    store = QueuedStore(lambda: SqliteStore(folder / "engine.db"))
    runtime = start(Settings(exporters=Exporters(otlp=Otlp(enabled=False))), store=store)
    with (folder / "engine.log").open("w", encoding="utf-8") as log:
        app = await open_application(write_example(folder / "demo"), log_output=log)
        active = current()
        assert active is not None

        async def some(kept: Any) -> tuple[float, float]:
            active.recorder.store = kept
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(block):
                await run_workflow(app, "hello", {})
            return (time.perf_counter() - wall) / block, (time.process_time() - cpu) / block

        await some(store)
        await some(None)
        taken: list[tuple[tuple[float, float], tuple[float, float]]] = []
        for number in track(range(pairs), description="runs on the engine"):
            order = (None, store) if number % 2 else (store, None)
            found = {kept is store: await some(kept) for kept in order}
            taken.append((found[False], found[True]))
        await app.shutdown()
    runtime.shutdown(0.1)
    store.close()
    for index, what in enumerate(("one-tool run, wall time", "one-tool run, CPU of the process")):
        without = [pair[0][index] for pair in taken]
        ratio = statistics.median(pair[1][index] / pair[0][index] for pair in taken)
        base = statistics.median(without)
        figures.add(what, base * 1e6, base * ratio * 1e6, "us", ratio, "<= 1.03" if index == 0 else "")


def parts() -> Iterator[str]:
    """The available measurements."""
    yield from ("ingest", "queries", "engine")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000, help="runs in the store that is asked")
    parser.add_argument("--only", choices=list(parts()), help="measure only this")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON too")
    chosen = parser.parse_args()
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="ael-bench-") as name:
        folder = Path(name)
        if chosen.only in (None, "ingest"):
            ingest(figures, folder, 3_000, 7)
        if chosen.only in (None, "queries"):
            queries(figures, folder, chosen.runs, 300)
        if chosen.only in (None, "engine"):
            with suppress(ImportError):
                asyncio.run(overhead(figures, folder, 60, 20))
    Console().print(figures.table)
    if chosen.json:
        print(json.dumps(figures.found, indent=2))


if __name__ == "__main__":
    main()
