"""Options shared by the verbs of `ael trace`: which store, and which runs in it."""

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import click

from ael_otel.cli.options import config_option, really_a_number
from ael_otel.cli.trace.place import Place
from ael_otel.errors import AelOtelError, QueryError, WhereError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ael_otel.cli.render.zone import Zone
    from ael_otel.store import RunQuery

_ZONE: Final = "ael_otel.zone"
"""Key of the zone in click's context, which passes it from the option to the filters."""

CALL_STATUSES = ("running", "success", "error", "timeout", "cancelled")
STATUSES = ("pending", "running", "completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Filters:
    """The runs that the options on the command line select."""

    since: datetime | None = None
    until: datetime | None = None
    workflow: str | None = None
    status: str | None = None
    tool: str | None = None
    error: str | None = None
    min_duration: float | None = None
    text: str | None = None
    session: str | None = None
    caller: str | None = None
    where: str | None = None

    def query(self, *, limit: int | None = None, cursor: str | None = None) -> "RunQuery":
        """Return the query for the store."""
        from ael_otel.store import RunQuery

        return RunQuery(
            limit=limit,
            cursor=cursor,
            since=self.since,
            until=self.until,
            workflow=self.workflow,
            status=self.status,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            tool=self.tool,
            error=self.error,
            min_duration_ms=self.min_duration,
            text=self.text,
            session=self.session,
            caller=self.caller,
            where=self.where,
        )

    def any(self) -> bool:
        """Return whether any filter is set."""
        return self != Filters()


def _zone(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> "Zone":
    """Return the zone of --local, or of AEL_TIMEZONE, and store it for the filters."""
    from ael_otel.cli.render.zone import LOCAL

    ctx.meta[_ZONE] = LOCAL if wanted else _zone_of_environment()
    return cast("Zone", ctx.meta[_ZONE])


def _zone_of_environment() -> "Zone":
    from ael_otel.cli.render.zone import VARIABLE, named

    return named(os.environ.get(VARIABLE, ""))


def zone_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--local`; the verb gets the zone of its times as the argument `zone`."""
    return click.option(
        "--local",
        "zone",
        is_flag=True,
        is_eager=True,  # the filters parse times in this zone
        callback=_zone,
        help="Use this machine's time zone instead of UTC or $AEL_TIMEZONE, in the output and the filters.",
    )(function)


def when(ctx: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """Return a time, parsed in the zone of `--local`."""
    if value is None:
        return None
    from ael_otel.store.times import parse_when

    zone: Zone = ctx.meta.get(_ZONE) or _zone_of_environment()
    try:
        return parse_when(value, to_utc=zone.read)
    except QueryError as error:
        raise click.BadParameter(str(error), param=parameter) from None


def duration(_ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Return a duration in milliseconds."""
    if value is None:
        return None
    from ael_otel.store.times import parse_duration_ms

    try:
        return parse_duration_ms(value)
    except QueryError as error:
        raise click.BadParameter(str(error), param=parameter) from None


def _code(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Return an error code in the case that records use; one that the engine does not have is left unchanged."""
    if value is None:
        return None
    from ael_otel._generated.attributes import ERROR_TYPE_VALUES
    from ael_otel.store.records import INTERRUPTED

    # Runs of other agents have their own codes, of which two may differ in case only.
    written = {code.casefold(): code for code in (*ERROR_TYPE_VALUES, INTERRUPTED)}
    typed = value.strip()
    return written.get(typed.casefold(), typed)


def _where(_ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return a valid expression; raise an error with a mark below the mistake for an invalid one."""
    if value is None:
        return None
    from ael_otel.store.where import parse

    try:
        parse(value)
    except WhereError as error:
        raise click.BadParameter(_pointed_at(error), param=parameter) from None
    return value


_BEFORE, _AFTER = 48, 24
"""Number of characters of an expression that are printed around its mistake."""


def _pointed_at(error: WhereError) -> str:
    """Return the problem, the expression around it, and a mark below its column."""
    at = error.column - 1
    start = max(0, at - _BEFORE)
    # A line break or a wide character would shift the mark.
    around = "".join(sign if sign.isprintable() else " " for sign in error.expression[start : at + _AFTER])
    return f"column {error.column}: {error.problem}\n  {around}\n  {' ' * (at - start)}^"


_STATUS = click.option(
    "--status", "-s", type=click.Choice(STATUSES, case_sensitive=False), help="Runs with this status."
)
_FILTERS = (
    click.option(
        "--from", "--since", "since", metavar="TIME", callback=when, help="Started at this time or later."
    ),
    click.option("--to", "--until", "until", metavar="TIME", callback=when, help="Started before this time."),
    click.option("--workflow", "-w", metavar="NAME", help="Runs of this workflow."),
    click.option("--tool", metavar="NAME", help="Runs that called this tool, from a step or from code."),
    click.option(
        "--error",
        metavar="CODE",
        callback=_code,
        help="Runs with this error, of the run, a step or a call: TOOL_FAILED.",
    ),
    click.option(
        "--min-duration",
        metavar="DURATION",
        callback=duration,
        help="Runs (or calls) that took as long or longer: 250ms, 1.5s, 2m.",
    ),
    click.option(
        "--text", metavar="TEXT", help="Runs with this text in a name, a message, an input or a result."
    ),
    click.option("--session", metavar="ID", help="Runs of this session of an agent."),
    click.option(
        "--caller", metavar="NAME", help="Runs that this client of the engine, or this agent, caused."
    ),
    click.option(
        "--where",
        metavar="EXPRESSION",
        callback=_where,
        help="Runs that match an expression: 'step.tool = \"x\" and duration > 2s'.",
    ),
)


def call_filter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filters, with the statuses of calls instead of those of runs."""
    status = click.option(
        "--status",
        "-s",
        type=click.Choice(CALL_STATUSES, case_sensitive=False),
        help="Calls with this status.",
    )
    return filter_options(function, status)


def filter_options(
    function: Callable[..., Any], status: Callable[[Any], Any] = _STATUS
) -> Callable[..., Any]:
    """Add the filters; the verb gets them as the argument `filters`."""

    @wraps(function)
    def collected(*args: Any, **options: Any) -> Any:
        chosen = {field.name: options.pop(field.name) for field in fields(Filters)}
        return function(*args, filters=Filters(**chosen), **options)

    for option in reversed((*_FILTERS, status)):
        collected = option(collected)
    return collected


def store_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `-c/--config` and `--db`; the verb gets them as the argument `place`."""

    @wraps(function)
    def collected(*args: Any, **options: Any) -> Any:
        return function(*args, place=Place(options.pop("config"), options.pop("db")), **options)

    db = click.option(
        "--db", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Use this SQLite store."
    )
    return config_option(db(collected))


def output_option(*choices: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `-o/--output` with these choices; the first one is the default."""
    return click.option(
        "--output",
        "-o",
        type=click.Choice(choices, case_sensitive=False),
        default=choices[0],
        show_default=True,
        help="Output format.",
    )


def follow_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--seconds` and `--interval`, for verbs that poll the store."""
    interval = click.option(
        "--interval",
        type=click.FloatRange(0.05, 60),
        callback=really_a_number,
        default=0.5,
        show_default=True,
        metavar="SECONDS",
        help="Time between two polls.",
    )
    seconds = click.option(
        "--seconds",
        type=click.FloatRange(0, min_open=True),
        callback=really_a_number,
        help="Stop after this time.",
    )
    return seconds(interval(function))


def run_id(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the ids of stored runs that begin with the text, the latest first; none without a store."""
    from click.shell_completion import CompletionItem

    from ael_otel.cli.render import run_table as listing
    from ael_otel.cli.render import text as words
    from ael_otel.cli.trace.store_access import opened
    from ael_otel.store import RunQuery

    offered: list[CompletionItem] = []
    try:
        with opened(Place(None)) as store:
            for run in store.query(RunQuery(limit=50)).runs:
                by_execution = incomplete.startswith("exec")
                name = (
                    run.execution_id if by_execution else listing.identifier(run.trace_id, run.execution_id)
                )
                if name.startswith(incomplete):
                    took = words.lasted(run.status, run.duration_ms)
                    about = f"{run.workflow_name or '(direct call)'} {run.status} {took}"
                    offered.append(CompletionItem(name, help=words.one_line(about)))
    except AelOtelError:
        return []
    return offered
