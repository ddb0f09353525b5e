"""How long the query language takes on a large store: `python tests/bench/bench_where.py [--runs 100000]`.

Processor time in this process, so a busy machine changes it little; the load is printed. Aims: 50 ms for a field with
an index, 2 s for content, and content at most a few times as long as reading every document once.
"""

import argparse
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench_store import record
from rich.console import Console
from rich.table import Table

from ael_otel.store import RunQuery
from ael_otel.store.sqlite import SqliteStore

INDEXED = (
    "status = failed",
    "workflow = nothing",
    "session = nothing or caller = nobody",
    "errors = NOTHING",
    "call.tool = 'tool-3'",
    "call.tool = nothing",
    "started > 1d and call.tool = nothing",
)
CONTENT = (
    'inputs.name = "nobody"',
    "inputs.number > 1e9",
    "step.tool = nothing and step.duration > 1s",
    "call.params.text ~ nothing",
    "call.params.text ~ hello and call.duration > 1h",
    "call.params.text > 'hello z'",
    "step.duration > 1h",
    'step.tool = "tool-3" and duration > 2h and inputs.customer = "42"',
)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "telemetry.db")
        end, step = datetime.now(UTC), timedelta(days=30) / chosen.runs
        store.put(record(number, at=end - step * (chosen.runs - number)) for number in range(chosen.runs))
        store.query(RunQuery(where="status = failed"))
        began = time.process_time()
        store.read("SELECT count(*) FROM bodies WHERE instr(body, 'not in any of them')")
        once = time.process_time() - began
        size = store.info().bytes / chosen.runs / 1024
        load = os.getloadavg()[0]
        title = f"{chosen.runs:,} runs of {size:.1f} KiB; every document once: {once * 1e3:,.0f} ms; load {load:.1f}"
        table = Table(title=title)
        for heading in ("kind", "expression", "runs", "ms", "of reading all once"):
            table.add_column(heading)
        for kind, expressions in (("indexed", INDEXED), ("content", CONTENT)):
            for text in expressions:
                took: list[float] = []
                for _ in range(chosen.rounds):
                    began = time.process_time()
                    found = store.query(RunQuery(where=text)).runs
                    took.append(time.process_time() - began)
                best = min(took)
                table.add_row(kind, text, str(len(found)), f"{best * 1e3:,.1f}", f"{best / once:.2f}")
        Console(width=140).print(table)
        store.close()


if __name__ == "__main__":
    main()
