"""Open the stores that contain sessions for one verb, and find a session by its id."""

import os
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import ael_hook
from ael_otel.cli.trace.pages import sweep
from ael_otel.cli.trace.place import Place
from ael_otel.config import Settings
from ael_otel.errors import QueryError, SessionNotFoundError, StoreNotFoundError
from ael_otel.sessions.hook_files import user_settings
from ael_otel.sessions.session import Limits, SessionRecord
from ael_otel.sessions.table import SessionTable
from ael_otel.store import ExecutionRecord, RunQuery, TelemetryStore, open_reader
from ael_otel.store.location import VARIABLE, locate
from ael_otel.store.sql import SqlBackend

LATEST: Final = "latest"
CANDIDATES: Final = 6
_RUNS: Final = 1_000


class Found(NamedTuple):
    """A session and the table that it is in."""

    record: SessionRecord
    table: SessionTable


class SessionStores:
    """The stores that contain sessions: that of the engine's configuration, and this user's.

    Args:
        stores: the open stores.
        limits: idle times after which a session counts as idle or abandoned.
    """

    def __init__(self, stores: list[TelemetryStore], limits: Limits) -> None:
        self.stores = stores
        self.tables = [
            SessionTable(store, limits, exports=False) for store in stores if isinstance(store, SqlBackend)
        ]

    def select(
        self,
        *,
        agent: str | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
        status: str | None = None,
        limit: int | None = None,
    ) -> list[SessionRecord]:
        """Return sessions of all stores, the latest start first; arguments as in `SessionTable.select`."""
        found = self.select_found(
            agent=agent, since_us=since_us, until_us=until_us, status=status, limit=limit
        )
        return [each.record for each in found]

    def select_found(
        self,
        *,
        agent: str | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
        status: str | None = None,
        limit: int | None = None,
    ) -> list[Found]:
        """Return sessions as `select` does, each with its table."""
        found = [
            Found(record, table)
            for table in self.tables
            for record in table.select(
                agent=agent,
                since_us=since_us,
                until_us=until_us,
                limit=limit,
                keep=lambda record: status is None or record.status == status,
            )
        ]
        found = _newest(found)
        found.sort(key=lambda each: (-each.record.started_us, each.record.session_id))
        return found if limit is None else found[:limit]

    def find(self, wanted: str) -> Found:
        """Return the session whose id begins with `wanted`; `latest` is the session that started last.

        Raises:
            SessionNotFoundError: no session matches.
            QueryError: several sessions match.
        """
        wanted = wanted.strip()
        found: list[Found] = []
        for table in self.tables:
            records = (
                table.select(limit=1)
                if wanted == LATEST
                else table.find(wanted, CANDIDATES)
                if wanted
                else []
            )
            found += [Found(record, table) for record in records]
        exact = [each for each in found if each.record.session_id == wanted]
        found = _newest(exact or found)
        if wanted == LATEST:
            found = sorted(found, key=lambda each: -each.record.started_us)[:1]
        if not found:
            raise no_session(wanted)
        if len(found) > 1:
            if exact:  # two agents use the same session id
                meant = ", ".join(f"{each.record.trace_id} ({each.record.agent})" for each in found)
                raise QueryError(f"{wanted!r} is the id of several sessions: write a trace id: {meant}")
            meant = ", ".join(
                f"{each.record.session_id} ({each.record.agent})" for each in found[:CANDIDATES]
            )
            raise QueryError(f"{wanted!r} is the beginning of {meant}: write more of it")
        return found[0]

    def runs_of(self, record: SessionRecord) -> list[str]:
        """Return the execution ids of the runs that a session caused, in the order of their starts.

        Where agents gave their sessions one id, a run whose caller is another one of them is that one's.
        """
        others = {
            each.agent
            for table in self.tables
            for each in table.find(record.session_id)
            if each.session_id == record.session_id
        } - {record.agent}
        query = RunQuery(session=record.session_id, limit=_RUNS)
        runs = {
            run.execution_id: run.started_at
            for store in self.stores
            for run in store.query(query).runs
            if run.caller_id not in others
        }
        return sorted(runs, key=lambda execution_id: runs[execution_id])

    def run(self, execution_id: str) -> ExecutionRecord | None:
        """Return the complete record of a run, None if no store has it."""
        return next((run for store in self.stores if (run := store.get(execution_id)) is not None), None)


def _newest(found: list[Found]) -> list[Found]:
    """Return each session once: if two stores have it, the one with the later last event."""
    newest: dict[tuple[str, str], Found] = {}
    for each in found:
        key = (each.record.agent, each.record.session_id)
        if key not in newest or newest[key].record.last_us < each.record.last_us:
            newest[key] = each
    return list(newest.values())


def no_session(wanted: str) -> SessionNotFoundError:
    """Return the error for a session that is not stored."""
    return SessionNotFoundError(
        wanted, f"no session {wanted[:80]!r} is stored; `ael session list` lists the stored ones"
    )


@contextmanager
def opened(place: Place) -> Generator[SessionStores]:
    """Open the stores that contain sessions, and close them at the end; remove pages that are older than a day.

    Raises:
        StoreNotFoundError: nothing has been recorded in any store.
    """
    sweep()
    settings = place.settings
    environ = dict(os.environ)
    if place.db is not None:
        environ[VARIABLE] = str(place.db.absolute())
    limits = Limits.of(settings)
    stores: list[TelemetryStore] = []
    missing: list[str] = []
    with ExitStack() as stack:
        wanted = [settings]
        if not environ.get(VARIABLE) and (home := ael_hook.home_folder(os.environ)):
            user = user_settings(Path(home))
            if not _same(settings, user, environ):
                wanted.append(user)
        for each in wanted:
            try:
                store = open_reader(each, environ=environ)
            except StoreNotFoundError as error:
                missing.append(str(error))
                continue
            stack.callback(store.close)
            stores.append(store)
        if not stores:
            raise StoreNotFoundError(
                "no sessions have been recorded yet: install the hooks of your coding agents with `ael hooks install`"
                f"; `ael hooks status` shows whether events arrive ({'; '.join(missing)})"
            )
        yield SessionStores(stores, limits)


def _same(one: Settings, other: Settings, environ: Mapping[str, str]) -> bool:
    """Return whether two configurations name the same store."""
    if one.store.backend != "sqlite" or other.store.backend != "sqlite":
        return one.store == other.store
    paths = [locate(each.store.path, environ=environ) for each in (one, other)]
    return paths[0].absolute() == paths[1].absolute() or (
        all(path.exists() for path in paths) and paths[0].samefile(paths[1])
    )
