"""Options that the verbs of `ael trace` share: which store, and which runs in it."""

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import click

from ael_otel.cli.options import config_option
from ael_otel.cli.trace.place import Place
from ael_otel.errors import AelOtelError, QueryError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ael_otel.cli.render.zone import Zone
    from ael_otel.store import RunQuery

_ZONE: Final = "ael_otel.zone"
"""Key of the zone in click's context, from the option to the filters."""

CALL_STATUSES = ("running", "success", "error", "timeout", "cancelled")
STATUSES = ("pending", "running", "completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which runs, as the command line says it."""

    since: datetime | None = None
    until: datetime | None = None
    workflow: str | None = None
    status: str | None = None
    tool: str | None = None
    error: str | None = None
    min_duration: float | None = None
    text: str | None = None
    session: str | None = None

    def query(self, *, limit: int | None = None, cursor: str | None = None) -> "RunQuery":
        """Return the question to the store."""
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
        )

    def any(self) -> bool:
        """Whether there is any filter."""
        return self != Filters()


def _zone(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> "Zone":
    """Return the zone of --local, or of AEL_TIMEZONE, and keep it for the filters."""
    from ael_otel.cli.render.zone import LOCAL

    ctx.meta[_ZONE] = LOCAL if wanted else _zone_of_environment()
    return cast("Zone", ctx.meta[_ZONE])


def _zone_of_environment() -> "Zone":
    from ael_otel.cli.render.zone import VARIABLE, named

    return named(os.environ.get(VARIABLE, ""))


def zone_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--local`; the verb gets the zone of its times as `zone`."""
    return click.option(
        "--local",
        "zone",
        is_flag=True,
        is_eager=True,  # the filters read times in this zone
        callback=_zone,
        help="Times of this machine's zone instead of UTC or $AEL_TIMEZONE, in the answer and the filters.",
    )(function)


def _when(ctx: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    from ael_otel.store.times import parse_when

    zone: Zone = ctx.meta.get(_ZONE) or _zone_of_environment()
    try:
        return parse_when(value, to_utc=zone.read)
    except QueryError as error:
        raise click.BadParameter(str(error), param=parameter) from None


def duration(_ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Read a duration in milliseconds."""
    if value is None:
        return None
    from ael_otel.store.times import parse_duration_ms

    try:
        return parse_duration_ms(value)
    except QueryError as error:
        raise click.BadParameter(str(error), param=parameter) from None


def _code(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Write an error code as records do, in whatever case it was typed; one that the engine does not have stays."""
    if value is None:
        return None
    from ael_otel._generated.attributes import ERROR_TYPE_VALUES
    from ael_otel.store.records import INTERRUPTED

    # Runs of other agents have codes of their own, of which two may differ in case only.
    written = {code.casefold(): code for code in (*ERROR_TYPE_VALUES, INTERRUPTED)}
    typed = value.strip()
    return written.get(typed.casefold(), typed)


_STATUS = click.option(
    "--status", "-s", type=click.Choice(STATUSES, case_sensitive=False), help="That stand so."
)
_FILTERS = (
    click.option(
        "--from", "--since", "since", metavar="TIME", callback=_when, help="Started at this time or later."
    ),
    click.option(
        "--to", "--until", "until", metavar="TIME", callback=_when, help="Started before this time."
    ),
    click.option("--workflow", "-w", metavar="NAME", help="Of this workflow."),
    click.option("--tool", metavar="NAME", help="That called this tool, from a step or from code."),
    click.option(
        "--error",
        metavar="CODE",
        callback=_code,
        help="With this error, of the run, a step or a call: TOOL_FAILED.",
    ),
    click.option(
        "--min-duration",
        metavar="DURATION",
        callback=duration,
        help="That took as long or longer: 250ms, 1.5s, 2m.",
    ),
    click.option("--text", metavar="TEXT", help="With this text in a name, a message, an input or a result."),
    click.option("--session", metavar="ID", help="Of this session of an agent."),
)


def call_filter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filters with the statuses of calls instead of those of runs."""
    status = click.option(
        "--status", "-s", type=click.Choice(CALL_STATUSES, case_sensitive=False), help="That ended so."
    )
    return filter_options(function, status)


def filter_options(
    function: Callable[..., Any], status: Callable[[Any], Any] = _STATUS
) -> Callable[..., Any]:
    """Add the filters; the verb gets them as `filters`."""

    @wraps(function)
    def collected(*args: Any, **options: Any) -> Any:
        chosen = {field.name: options.pop(field.name) for field in fields(Filters)}
        return function(*args, filters=Filters(**chosen), **options)

    for option in reversed((*_FILTERS, status)):
        collected = option(collected)
    return collected


def store_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `-c/--config` and `--db`; the verb gets them as `place`."""

    @wraps(function)
    def collected(*args: Any, **options: Any) -> Any:
        return function(*args, place=Place(options.pop("config"), options.pop("db")), **options)

    db = click.option(
        "--db", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="This SQLite store."
    )
    return config_option(db(collected))


def output_option(*choices: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `-o/--output`, the first choice being the default."""
    return click.option(
        "--output",
        "-o",
        type=click.Choice(choices, case_sensitive=False),
        default=choices[0],
        show_default=True,
        help="Form of the answer.",
    )


def run_id(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Offer ids of stored runs that begin so, the latest first; nothing where there is no store."""
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
