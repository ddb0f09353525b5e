"""`ael trace prune`: delete old runs permanently."""

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import output_option, store_options
from ael_otel.cli.trace.place import Place

MIN_AGE: Final = timedelta(days=1)
"""Minimum age of pruned runs, the same as for the configured retention."""


def _age(_ctx: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """Return an age: a number of days, or a number with a unit."""
    if value is None:
        return None
    from ael_otel.errors import QueryError
    from ael_otel.store.times import parse_when

    days = re.fullmatch(r"\d+(\.\d+)?", value.strip())
    try:
        if days is None and not re.fullmatch(r"\d+(\.\d+)?\s*[a-z]+", value.strip()):
            raise QueryError("")
        now = datetime.now(UTC)
        before = now - timedelta(days=float(days[0])) if days else parse_when(value, now)
    except (QueryError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is not an age: write a number of days, or 36h, 30d, 8w", param=parameter
        ) from None
    if now - before < MIN_AGE:
        raise click.BadParameter(
            f"{value!r} is less than 1 day, which would delete current runs: the minimum is 1 day",
            param=parameter,
        )
    return before


@click.command(
    "prune",
    short_help="Delete old runs permanently.",
    epilog=examples(
        "ael trace prune --dry-run",
        "ael trace prune --older-than 7 --dry-run",
        "ael trace prune --older-than 36h --yes",
        "ael trace prune --max-mb 500 --yes --output json",
    ),
)
@click.option(
    "--older-than",
    "before",
    metavar="DAYS",
    callback=_age,
    help="Delete runs that started this many days ago or earlier (minimum 1); 36h and 8w work too.",
)
@click.option(
    "--max-mb",
    type=click.IntRange(min=1),
    metavar="N",
    help="Delete the oldest runs until the store has N MiB or less.",
)
@click.option("--dry-run", is_flag=True, help="Only print what would be deleted.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@output_option("text", "json")
@store_options
def command(
    before: datetime | None, max_mb: int | None, dry_run: bool, yes: bool, output: str, place: Place
) -> None:
    """Delete runs and free their space; without options, those beyond the configured retention.

    Deleted runs cannot be restored. Their JSON files, and all pages of `show --web`, are deleted too. Runs in flight
    are not deleted.
    """
    from ael_otel.cli.render import text as words
    from ael_otel.cli.trace.pages import sweep
    from ael_otel.cli.trace.store_access import opened

    if before is None and max_mb is None:
        retention = place.settings.retention
        before = datetime.now(UTC) - timedelta(days=retention.days)
        max_mb = retention.max_mb or None
    pages = 0
    with opened(place) as store:
        plan = store.prune(older_than=before, max_mb=max_mb, dry_run=True)
        if not dry_run:
            # Also if there is nothing to delete: runs that were deleted before may still be in the log.
            if plan.executions and not yes:
                ask(
                    f"Delete {words.plural(plan.executions, 'run')} (about {words.size(plan.bytes)}) permanently?"
                )
            plan = store.prune(older_than=before, max_mb=max_mb)
            pages = sweep(older_than_s=0)
    if output == "json":
        from ael_otel.cli.streams import print_document

        found = {"executions": plan.executions, "bytes": plan.bytes, "dry_run": dry_run}
        print_document(found | {"forgotten": plan.forgotten, "pages": pages})
    elif not plan.executions and not pages:
        click.echo("Nothing to delete.")
    elif not plan.executions:
        click.echo(f"Deleted {words.plural(pages, 'page')} of --web, and no run.")
    else:
        verb, about = ("Would delete", "about ") if dry_run else ("Deleted", "")
        click.echo(f"{verb} {words.plural(plan.executions, 'run')}, {about}{words.size(plan.bytes)}.")
    refuse_log_in_use(forgotten=plan.forgotten)


def refuse_log_in_use(*, forgotten: bool) -> None:
    """Raise StoreBusyError if deleted content is still in the store's log."""
    from ael_otel.errors import StoreBusyError

    if not forgotten:
        raise StoreBusyError(
            "another process reads the store, so the file's -wal still contains what was deleted: run this again "
            "when that process has ended"
        )


def ask(question: str) -> None:
    """Ask for confirmation: `no` ends without a failure; without a terminal it is a usage error."""
    if not sys.stdin.isatty():
        raise click.UsageError("no terminal to ask on: use --yes, or --dry-run to delete nothing")
    if not click.confirm(question, err=True):
        click.echo("Nothing was deleted.", err=True)
        raise click.exceptions.Exit(0)
