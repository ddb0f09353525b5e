"""Queries of a store: filters, pages, cursors, statistics; plain values that every backend answers alike."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, get_args

import msgspec

from ael_otel.errors import QueryError
from ael_otel.store.records import ExecutionStatus, ExecutionType
from ael_otel.store.times import to_us

type StatsKey = Literal["workflow", "tool", "day"]
type ExportFormat = Literal["json", "jsonl", "csv", "ocel", "otlp", "zipkin", "jaeger", "chrome"]

EXPORT_FORMATS: Final = get_args(ExportFormat.__value__)

DEFAULT_LIMIT = 20
MAX_LIMIT = 2**31 - 1
"""More runs than any store has, and the largest number that a database accepts."""


class RunQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A query for runs; a filter that is None is not applied. Results are newest first.

        >>> import ael_otel
        >>> reader = ael_otel.open_reader(ael_otel.load_settings("ael-config.yaml"))
        >>> failed = ael_otel.RunQuery(workflow="triage", status="failed", limit=10)
        >>> [run.execution_id for run in reader.query(failed).runs]
        []

    Attributes:
        limit: how many at most; None for all.
        cursor: `Page.cursor` of the page before.
        since: started at this time or later.
        until: started before this time.
        workflow: name of the workflow.
        status: status of the run.
        type: `workflow` or `direct`.
        tool: name of a tool that it called, from a step, code or directly.
        error: code of an error of the run, of a step or of a call.
        min_duration_ms: took this long or longer; runs in flight have no duration yet.
        text: occurs in a name, an id, a message or the content of the run; A to Z match in either case.
        caller: `caller_id` of the run.
        session: `metadata["session_id"]` of the run.
        with_errors: only runs with an error of their own, of a step, or of a call.
        ids: has one of these execution ids.
        where: matches this expression of the query language: `step.tool = "charge" and duration > 2s`.
    """

    limit: int | None = DEFAULT_LIMIT
    cursor: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    workflow: str | None = None
    status: ExecutionStatus | None = None
    type: ExecutionType | None = None
    tool: str | None = None
    error: str | None = None
    min_duration_ms: float | None = None
    text: str | None = None
    caller: str | None = None
    session: str | None = None
    with_errors: bool = False
    ids: tuple[str, ...] | None = None
    where: str | None = None


EQUALS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "workflow": "workflow_name",
        "status": "status",
        "type": "type",
        "caller": "caller_id",
        "session": "session_id",
    }
)
"""Filters for one value of a column: the field of `RunQuery`, and the column."""


class ExecutionSummary(msgspec.Struct, frozen=True):
    """The summary of a run in a list, without its content.

    `steps` counts all steps, `failed` and `skipped` those that ended so, `retries` the attempts after the first,
    `tool_calls` the calls wherever they were made. `bytes` is the size of the stored record.
    """

    execution_id: str
    type: ExecutionType
    status: ExecutionStatus
    workflow_name: str | None
    workflow_version: str | None
    started_at: datetime
    completed_at: datetime | None
    duration_ms: float | None
    error_code: str | None
    error_message: str | None
    caller_id: str | None
    session_id: str | None
    trace_id: str
    steps: int
    failed: int
    skipped: int
    retries: int
    tool_calls: int
    bytes: int


class Page(msgspec.Struct, frozen=True):
    """Runs, newest first; `cursor` asks for the next page and is None on the last one."""

    runs: list[ExecutionSummary]
    cursor: str | None = None


class StatsRow(msgspec.Struct, frozen=True):
    """Figures of one workflow, tool or UTC day (`key`).

    `errors` are failed runs, or calls that ended in an error or a time-out, but not cancelled ones. `error_rate` is
    their share of those that ended. Percentiles are of the durations of those that ended (nearest rank), None if none
    did. `bytes` is the size of their stored records, `context_bytes` the size of the results that an agent's calls
    added to its context, as they were returned; 0 by workflow and day.
    """

    key: str
    count: int
    running: int
    errors: int
    error_rate: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    bytes: int
    context_bytes: int = 0


class ErrorRow(msgspec.Struct, frozen=True):
    """The number of occurrences of an error in one place: code, tool and step of a workflow, None if it has none.

    An error that a call, its step and its run report is counted once, at the call. `recovered` counts those after which
    a later attempt of the same step succeeded; `recovery_rate` is their share, 0 to 1. `first_seen` and `last_seen` are
    the first and last end of a failed call, step or run; `last_execution_id` is the run of the latest.
    """

    code: str
    tool: str | None
    workflow: str | None
    step: str | None
    count: int
    recovered: int
    recovery_rate: float
    first_seen: datetime
    last_seen: datetime
    last_execution_id: str


class StoreInfo(msgspec.Struct, frozen=True):
    """Location and size of a store. `bytes` is its size on disk (of the records only, if it has no file)."""

    backend: str
    location: str
    schema_version: int
    executions: int
    running: int
    bytes: int
    oldest: datetime | None
    newest: datetime | None


class PruneReport(msgspec.Struct, frozen=True):
    """The result of pruning: deleted runs, and the bytes by which the store shrank (an estimate for a dry run).

    `forgotten` is False if deleted content is still in SQLite's log, because another process reads the store.
    """

    executions: int
    bytes: int
    dry_run: bool = False
    forgotten: bool = True


class DeleteReport(msgspec.Struct, frozen=True):
    """The result of `delete`: how many runs were deleted, and the bytes of their records.

    `running` are those that stay because they are in flight, `unknown` those that the store does not have. `forgotten`
    is as in `PruneReport`.
    """

    executions: int
    bytes: int
    running: list[str] = []
    unknown: list[str] = []
    forgotten: bool = True


def check(query: RunQuery) -> RunQuery:
    """Return `query` if it makes sense.

    Raises:
        QueryError: the limit is less than 1 or too large, the cursor is invalid, or the time range is reversed.
        WhereError: `where` is not an expression.
    """
    if query.where is not None:
        # Most queries have none, and the parser takes a while to load.
        from ael_otel.store.where.parsing import parse

        parse(query.where)
    if query.limit is not None and not 1 <= query.limit <= MAX_LIMIT:
        raise QueryError(f"limit must be 1 to {MAX_LIMIT:,}, not {query.limit}")
    if query.cursor is not None:
        read_cursor(query.cursor)
    if query.since is not None and query.until is not None and to_us(query.since) > to_us(query.until):
        raise QueryError(f"since ({query.since}) is after until ({query.until})")
    return query


def write_cursor(started_us: int, execution_id: str) -> str:
    """Return the cursor of the page that begins after this run."""
    return base64.urlsafe_b64encode(f"{started_us}.{execution_id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[int, str]:
    """Return the start in microseconds and the id of the last run of the page before.

    Raises:
        QueryError: it is not a cursor of ours.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        started, dot, execution_id = text.partition(".")
        if dot and abs(int(started)) <= 2**62:
            return int(started), execution_id
    except (binascii.Error, ValueError):
        pass
    raise QueryError(f"{cursor!r} is not a cursor: use the one that the previous page ended with")
