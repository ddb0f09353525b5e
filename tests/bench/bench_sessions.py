"""What a worker needs for a thousand events of hooks, and for one more event of a long session and its export.

`python tests/bench/bench_sessions.py`: CPU time of this process, beside plain inserts of the same rows into SQLite.
"""

import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from ael_otel.config import Settings
from ael_otel.core.redaction import ActiveRedaction
from ael_otel.sessions.events import SessionEvent, event_key
from ael_otel.sessions.ingest import redacted_events
from ael_otel.sessions.table import SessionTable
from ael_otel.store.sqlite import SqliteStore

T0 = 1_790_000_000 * 10**6


def calls(session: str, start: int, count: int) -> list[SessionEvent]:
    """Return the starts and ends of `count` tool calls, a second each."""
    events: list[SessionEvent] = []
    for number in range(start, start + count):
        for kind, at in (("tool.execute.before", 0), ("tool.execute.after", 700_000)):
            events.append(
                SessionEvent(
                    session_id=session,
                    agent="claude-code",
                    kind=kind,  # type: ignore[arg-type]
                    at_us=T0 + number * 10**6 + at,
                    key=event_key(kind, number),
                    call_id=f"toolu_{number}",
                    tool="Edit",
                    workspace="/home/user/app",
                    outcome="success" if at else None,
                    paths=["/home/user/app/src/module.py"],
                )
            )
    return events


def cpu_ms(action: Callable[[], object]) -> float:
    """Return the CPU time of a call in milliseconds."""
    before = time.process_time()
    action()
    return (time.process_time() - before) * 1e3


def main() -> None:
    """Print the figures."""
    redaction = ActiveRedaction(Settings())
    with tempfile.TemporaryDirectory() as folder:
        plain = sqlite3.connect(Path(folder) / "plain.db")
        plain.execute(
            "CREATE TABLE events (session INTEGER, key TEXT, body TEXT, PRIMARY KEY (session, key))"
        )
        batch = calls("s-0", 0, 500)
        rows = [(1, event.key, msgspec.json.encode(event).decode()) for event in batch]

        def insert() -> None:
            plain.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
            plain.commit()

        inserted = cpu_ms(insert)
        store = SqliteStore(Path(folder) / "telemetry.db")
        table = SessionTable(store)
        clean: list[SessionEvent] = []
        redacted = cpu_ms(lambda: clean.extend(redacted_events(batch, redaction, content=False)))
        added = cpu_ms(lambda: table.add(clean))
        print("1,000 events of one session, one batch:")
        print(f"  redaction {redacted:.1f} ms, store {added:.1f} ms; plain inserts {inserted:.1f} ms")
        for length in (1_000, 5_000, 10_000):
            session = f"long-{length}"
            table.add(calls(session, 0, length // 2))
            one = cpu_ms(lambda session=session, length=length: table.add(calls(session, length, 1)[:1]))  # type: ignore[misc]
            while finished := table.finished():
                table.exported(finished)
            table.add(calls(session, 2 * length, 1))
            sent = cpu_ms(lambda: table.exported(table.finished()))
            print(
                f"one more event of a session of {length:>6,} events: {one:.1f} ms, its export {sent:.1f} ms"
            )
        store.close()


if __name__ == "__main__":
    main()
