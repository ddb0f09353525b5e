"""Open the store for one verb, and find a run by its id."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from ael_otel.cli.trace.pages import sweep
from ael_otel.cli.trace.place import Place
from ael_otel.errors import RunNotFoundError
from ael_otel.store import ExecutionRecord, QueryError, RunQuery, TelemetryStore, open_reader
from ael_otel.store.location import VARIABLE

CANDIDATES: Final = 6

LATEST: Final = "latest"
"""Stands for the run that started last, wherever an id is expected."""


@contextmanager
def opened(place: Place, *, create: bool = False) -> Generator[TelemetryStore]:
    """Open the store, and close it at the end; remove pages of `show --web` that are older than a day.

    Raises StoreNotFoundError if nothing has been recorded (unless `create`), ConfigError or StoreError.
    """
    sweep()
    environ = dict(os.environ)
    if place.db is not None:
        environ[VARIABLE] = str(place.db.absolute())
    store = open_reader(place.settings, environ=environ, create=create)
    try:
        yield store
        _name_damaged(store)
    finally:
        store.close()


def _name_damaged(store: TelemetryStore) -> None:
    """Report on stderr which runs the verb skipped because they cannot be read."""
    damaged: dict[str, str] = getattr(
        store, "damaged", {}
    )  # an attribute of the backends; other stores skip no runs
    if damaged:
        import click

        from ael_otel.cli.render import text as words

        named = "; ".join(f"{each} ({why})" for each, why in list(damaged.items())[:CANDIDATES])
        more = "; ..." if len(damaged) > CANDIDATES else ""
        click.echo(
            f"ael: warning: {words.plural(len(damaged), 'damaged run')} could not be read: {named}{more}."
            " `ael trace repair` copies the others into a new file",
            err=True,
        )


def service_of(place: Place) -> str:
    """Return the service name of the runs, as the configuration and OTEL_* variables currently set it."""
    from ael_otel.config import with_environment

    settings = place.settings
    return (settings if settings.path else with_environment(settings, os.environ)).service_name


def find(store: TelemetryStore, wanted: str) -> ExecutionRecord:
    """Return the run whose id begins with `wanted`; `latest` is the run that started last.

    Raises RunNotFoundError, or QueryError if several runs match.
    """
    run = store.get(find_id(store, wanted))
    if run is None:
        raise RunNotFoundError(wanted.strip())
    return run


def find_id(store: TelemetryStore, wanted: str) -> str:
    """Return the execution id of the run that `find` returns, even if its record cannot be read."""
    wanted = wanted.strip()
    if wanted == LATEST:
        found = [run.execution_id for run in store.query(RunQuery(limit=1)).runs]
    else:
        found = store.find(wanted, CANDIDATES) if wanted else []
    if len(found) > 1:
        more = f", ... ({CANDIDATES} or more)" if len(found) == CANDIDATES else ""
        meant = ", ".join(_as_asked(store, wanted, each) for each in found)
        raise QueryError(f"{wanted!r} is the beginning of {meant}{more}: write more of it")
    if not found:
        raise RunNotFoundError(wanted)
    return found[0]


def _as_asked(store: TelemetryStore, wanted: str, execution_id: str) -> str:
    """Return the id whose beginning was entered: that of the run, or that of its trace."""
    if execution_id.startswith((wanted, f"exec-{wanted}")):
        return execution_id
    run = store.get(execution_id)
    return execution_id if run is None else run.trace_id
