"""What the pages read from; the command line opens it, since it knows the places of the stores."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ael_otel.export.waterfall import Section, Sheet
from ael_otel.sessions.session import SessionRecord
from ael_otel.sessions.table import SessionTable
from ael_otel.store import ExecutionRecord, RunQuery, TelemetryStore
from ael_otel.store.model_calls import RunModelCall


class SessionReader(Protocol):
    """Sessions of agents, wherever they are stored."""

    def select(
        self,
        *,
        agent: str | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
        status: str | None = None,
        limit: int | None = None,
    ) -> list[SessionRecord]:
        """Return sessions, the latest start first."""
        ...

    def find(self, wanted: str) -> tuple[SessionRecord, SessionTable]:
        """Return the session whose id begins with `wanted`, and the table that has it."""
        ...

    def runs_of(self, record: SessionRecord) -> list[str]:
        """Return the execution ids of the runs that a session caused."""
        ...

    def run(self, execution_id: str) -> ExecutionRecord | None:
        """Return a run from whichever store has it."""
        ...


class Source(Protocol):
    """The open stores, used by one thread at a time; a store is opened when it is first used.

    Both properties raise StoreNotFoundError if nothing has been recorded yet, StoreError if a store cannot be opened.
    """

    @property
    def runs(self) -> TelemetryStore:
        """The store of runs."""
        ...

    @property
    def sessions(self) -> SessionReader:
        """The sessions of all stores."""
        ...

    def attribution(self, run: ExecutionRecord) -> Section:
        """Return who took part in a run."""
        ...

    def written(self, record: SessionRecord) -> Sheet | None:
        """Return the lines that calls of a session wrote; None if there are none."""
        ...

    def model_calls(self, query: RunQuery) -> list[RunModelCall]:
        """Return model calls of runs and of sessions."""
        ...

    def log_lines(self, run: ExecutionRecord) -> Sequence[tuple[datetime, str, str]] | None:
        """Return time, level and message of the run's log lines; None if no log store is configured."""
        ...

    def interrupt(self) -> None:
        """End the statement that runs now, from another thread."""
        ...

    def close(self) -> None:
        """Close the stores."""
        ...
