"""Check for each coding agent with hooks when its last event arrived."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from ael_otel.doctor.finding import Finding, failure, ok, warning
from ael_otel.doctor.run_store import read_only
from ael_otel.errors import AelOtelError
from ael_otel.sessions.hook_files import home_folder, last_events, spool_state, user_settings
from ael_otel.sessions.hook_status import AgentHooks, installed_hooks
from ael_otel.sessions.table import SessionTable
from ael_otel.store.location import find_store

AREA: Final = "hooks"

SILENT: Final = timedelta(days=7)
WAITING: Final = 1_000


def check(environ: Mapping[str, str], project: Path, now: datetime) -> list[Finding]:
    """Check the hooks of this user and of the project; nothing is stored or started."""
    home = home_folder(environ)
    stored, fault = _stored(home, environ)
    found = [] if fault is None else [fault]
    agents = [each for each in installed_hooks(project, environ, last_events(home), stored) if each.installed]
    found += [finding(each, now) for each in agents]
    state = spool_state(home)
    if state.waiting > WAITING and not state.worker:
        found.append(
            warning(
                AREA,
                f"{state.waiting} events of agents wait in {home / 'spool'}, and no worker runs",
                "run `python -m ael_otel.runtime.session_worker`",
            )
        )
    if state.drops or state.not_understood:
        found.append(
            warning(
                AREA,
                f"{state.drops} events of agents were dropped and {state.not_understood} could not be read",
                "see `ael hooks status`, free disk space, and update this package",
            )
        )
    return found or [ok(AREA, "no coding agent has hooks; `ael hooks install` adds them")]


def finding(agent: AgentHooks, now: datetime) -> Finding:
    """Return the finding on one agent that has hooks."""
    broken = [each for each in agent.installed if each.error]
    if broken:
        return failure(AREA, f"{agent.name}: {broken[0].error}", f"correct {broken[0].path}")
    if not all(each.current for each in agent.installed):
        return warning(AREA, f"{agent.name}: its hooks have an older form", "run `ael hooks install` again")
    if agent.last_us is None:
        return warning(
            AREA, f"{agent.name}: no event has arrived", "use the agent once, then see `ael hooks status`"
        )
    last = datetime.fromtimestamp(agent.last_us / 10**6, UTC)
    shown = f"{last:%Y-%m-%d %H:%M} UTC"
    if now - last > SILENT:
        cause = f"{agent.name}: the last event arrived on {shown}"
        return warning(AREA, cause, "use the agent once; if no event arrives, run `ael hooks install` again")
    return ok(AREA, f"{agent.name}: the last event arrived on {shown}")


class _ReadOnly:
    """Reads the tables of sessions over a connection that cannot write."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def read(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        """Return the rows that a statement selects."""
        return cast("list[tuple[Any, ...]]", self._connection.execute(sql, parameters).fetchall())


def _stored(home: Path, environ: Mapping[str, str]) -> tuple[dict[tuple[str, str], int], Finding | None]:
    """Return the time of the last stored event by agent and kind, and why it cannot be read, if so."""
    import sqlite3

    try:
        settings = user_settings(home)
        if settings.store.backend != "sqlite":
            return {}, None
        path = find_store(settings.store.path, environ=environ, start=home).path
        if not os.path.isfile(path):  # noqa: PTH113 - no error where it cannot be seen
            return {}, None
        with read_only(path) as connection:
            return SessionTable(cast("Any", _ReadOnly(connection))).last_events(), None
    except (AelOtelError, sqlite3.Error) as error:
        cause = f"the stored events of agents cannot be read: {error}"
        return {}, failure(AREA, cause, "correct the configuration or store that it names")
