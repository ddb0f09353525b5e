"""How long `ael insights` takes: `python tests/bench/bench_insights.py`. Aims: 1 s for 5,000 runs, 30 s for 100,000.

The aim for memory is 300 MB. Of 100,000 runs the newest 20,000 are looked at.

Processor time of reading the store and of the findings together, and the largest memory of the process; the load is
printed.
"""

import os
import resource
import tempfile
import time
from pathlib import Path

from bench_store import record

from ael_otel.insights import insights
from ael_otel.store import RunQuery
from ael_otel.store.sqlite import SqliteStore


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        for count in (5_000, 100_000):
            store = SqliteStore(Path(folder) / f"{count}.db")
            store.put(record(number) for number in range(count))
            began = time.process_time()
            found = insights(store.iterate(RunQuery(limit=None)))
            took = time.process_time() - began
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{found.runs:,} of {count:,} runs: {took:.2f} s, {len(found.findings)} findings,"
                f" {memory:.0f} MiB at most, load {os.getloadavg()[0]:.1f}"
            )
            store.close()


if __name__ == "__main__":
    main()
