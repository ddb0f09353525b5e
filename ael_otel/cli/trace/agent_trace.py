"""Agent Trace records in `ael trace export` and `ael trace import`."""

import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ael_otel.cli.ledgers import Ledgers, ledger_of, opened_ledgers
from ael_otel.cli.trace.options import Filters
from ael_otel.cli.trace.place import Place
from ael_otel.errors import QueryError, RunNotFoundError, SessionNotFoundError, StoreError

if TYPE_CHECKING:
    from ael_otel.attribution.agent_trace import TraceRecord
    from ael_otel.attribution.changes import Change
    from ael_otel.attribution.history import History
    from ael_otel.attribution.importing import ImportReport
    from ael_otel.attribution.ledger import Ledger
    from ael_otel.core.redaction import ActiveRedaction
    from ael_otel.store import TelemetryStore

_OF_RUNS = ("workflow", "status", "error", "min_duration", "text", "caller")
"""Filters for runs only; with one of them, changes outside runs do not match."""


def written(place: Place, identifiers: tuple[str, ...], filters: Filters) -> Iterator[bytes]:
    """Yield the records of changes selected by ids or filters, the latest first, one per line.

    An id is that of a run or of a session, or a prefix of one.

    Raises:
        RunNotFoundError: no run and no session has one of the ids.
        QueryError: several runs or sessions have one of the ids.
    """
    from ael_otel.attribution.agent_trace import encode
    from ael_otel.attribution.trace_records import records_of

    with opened_ledgers(place) as found:
        chosen = [
            (
                ledger,
                _of_ids(found, ledger, identifiers) if identifiers else _of_filters(store, ledger, filters),
            )
            for store, ledger in found.pairs
        ]
        for ledger, changes in chosen:
            for record in records_of(changes, ledger.by_ids):
                yield encode(record) + b"\n"


def _of_ids(found: Ledgers, ledger: "Ledger", identifiers: tuple[str, ...]) -> "list[Change]":
    changes: dict[int, Change] = {}
    for wanted in identifiers:
        runs = list(dict.fromkeys(each for store, _ in found.pairs for each in store.find(wanted.strip(), 2)))
        if len(runs) > 1:
            raise QueryError(f"{wanted!r} is the beginning of {', '.join(runs)}: write more of it")
        session = None if runs else _session(found, wanted)
        some = ledger.changes(execution_id=runs[0] if runs else None, session_id=session)
        changes |= {change.id: change for change in some}
    return list(changes.values())


def _session(found: Ledgers, wanted: str) -> str:
    try:
        return found.sessions.find(wanted).record.session_id
    except SessionNotFoundError:
        raise RunNotFoundError(wanted) from None


def _of_filters(store: "TelemetryStore", ledger: "Ledger", filters: Filters) -> "list[Change]":
    from ael_otel.store.times import to_us

    runs: set[str] | None = None
    if any(getattr(filters, name) is not None for name in _OF_RUNS):
        runs = {run.execution_id for run in store.iterate(filters.query())}
    return [
        change
        for change in ledger.changes(
            session_id=filters.session,
            since_us=None if filters.since is None else to_us(filters.since),
            until_us=None if filters.until is None else to_us(filters.until),
        )
        if (filters.tool is None or change.tool == filters.tool)
        and (runs is None or change.execution_id in runs)
    ]


# --- import -----------------------------------------------------------------------------------------------------------


@cache
def _history() -> "History | None":
    from ael_otel.attribution.history import History

    return History.around(Path.cwd())


def repository_root() -> str:
    """Return the root of the repository that contains the working directory; without one, the working directory."""
    history = _history()
    return str(Path.cwd() if history is None else history.root)


def take(
    records: "Iterable[TraceRecord]", store: "TelemetryStore", redaction: "ActiveRedaction", place: Place
) -> "ImportReport":
    """Store records in the ledger of a store, with the lines in the current repository that they refer to.

    They are written to the JSON mirror too, if it is enabled.
    """
    from ael_otel.attribution.history import History
    from ael_otel.attribution.importing import import_records

    ledger = ledger_of(store, redaction)
    if ledger is None:
        raise StoreError(
            "this run store does not support Agent Trace records: set telemetry.store.backend to sqlite or postgresql"
        )
    history = _history()
    records = list(records)
    report = import_records(
        records,
        ledger,
        history or History(Path.cwd()),
        git=history is not None,
        excluded=redaction.redactor.names_excluded,
        redact=redaction.text,
    )
    if place.settings.store.json_mirror:
        _mirror(records, ledger, place)
    return report


def _mirror(records: "Iterable[TraceRecord]", ledger: "Ledger", place: Place) -> None:
    from ael_otel.attribution.trace_mirror import TraceMirror
    from ael_otel.attribution.trace_records import Place as Where
    from ael_otel.attribution.trace_records import changes_of
    from ael_otel.store.factory import mirror_folder

    ids = [part.change.id for record in records for part in changes_of(record, Where("", "", False))]
    changes = sorted(ledger.by_ids(ids).values(), key=lambda change: (change.at_us, change.key))
    TraceMirror(mirror_folder(place.settings, os.environ, None)).write(changes, ledger.by_ids)


def summary(report: "ImportReport") -> str:
    """Return the result of an import as a part of a sentence."""
    from ael_otel.cli.render import text as words

    said = f"{words.plural(report.records, 'Agent Trace record')} with {words.plural(report.lines, 'line')}"
    if report.ranges_left:
        said += f" ({words.plural(report.ranges_left, 'range')} of lines that are not in this repository)"
    if report.stored_already:
        said += f", {report.stored_already} stored already"
    return said
