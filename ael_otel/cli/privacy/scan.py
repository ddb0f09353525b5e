"""`ael privacy scan`: find secrets in a run store or a file, and remove them permanently."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ael_otel.cli.options import config_option, examples
from ael_otel.cli.trace.options import output_option
from ael_otel.cli.trace.place import Place
from ael_otel.errors import StoreError

if TYPE_CHECKING:
    from ael_otel.config import Settings
    from ael_otel.store.scan.values import Stored

_ADDRESSES: Final = ("postgresql://", "postgres://")


@click.command(
    "scan",
    short_help="Find stored secrets; --fix removes them.",
    epilog=examples(
        "ael privacy scan",
        "ael privacy scan .ael/telemetry.db",
        "ael privacy scan runs.jsonl --output json",
        "ael privacy scan .ael/telemetry.db --fix",
    ),
)
@click.argument("target", metavar="[DB|FILE]", default="")
@click.option("--fix", is_flag=True, help="Replace them by markers permanently.")
@output_option("text", "json")
@config_option
def command(target: str, fix: bool, output: str, config: Path | None) -> None:
    """Look for secrets in a run store, or in a file of JSON, JSON lines or text.

    DB is a SQLite file or postgresql://...; without it, the store in the configuration is scanned, which keeps a
    password out of the list of processes.

    Reports the rule, the run or line, and the location; never prints the secret. The exit code is 1 if a secret was
    found and not removed. With --fix, a store is rewritten so that neither its pages nor its log contain the secret,
    and a file is replaced by one that only its owner can read.
    """
    found = _found(target, Place(config).settings, fix=fix)
    if output == "json":
        from ael_otel.cli.streams import print_json

        print_json({"fixed": fix, "findings": [each._asdict() for each in found]})
    elif not found:
        click.echo("Nothing found.")
    else:
        from rich.text import Text

        from ael_otel.cli.render.table import bare_table
        from ael_otel.cli.render.terminal import console
        from ael_otel.cli.render.text import plural

        table = bare_table(gap=2)
        for heading in ("rule", "run or line", "column", "where", "times"):
            table.add_column(heading, overflow="fold")
        for each in found:
            table.add_row(
                Text(each.rule), Text(each.run), Text(each.column), Text(each.where), str(each.times)
            )
        console().print(table)
        total = plural(sum(each.times for each in found), "secret")
        click.echo(f"\n{total} {'replaced by markers' if fix else 'found; --fix replaces them by markers'}.")
    if found and not fix:
        raise click.exceptions.Exit(1)


def _found(target: str, settings: "Settings", *, fix: bool) -> "list[Stored]":
    from ael_otel.privacy.policy import Policy
    from ael_otel.privacy.redactor import Redactor

    redactor = Redactor(Policy.of(settings))
    place = target or _store_of(settings)
    if place.startswith(_ADDRESSES) or (not target and not Path(place).is_absolute()):
        from ael_otel.store.scan.database import scan_database

        return scan_database(place, redactor, fix=fix)
    from ael_otel.store.scan.local import scan

    return scan(Path(place), redactor, fix=fix)


def _store_of(settings: "Settings") -> str:
    """Return the file of the configured run store, absolute, or the connection string of its database.

    Raises:
        StoreError: runs are kept in memory, or no connection string is set.
    """
    from ael_otel.store.location import locate

    store = settings.store
    if store.backend == "memory":
        raise StoreError(
            "telemetry.store.backend is memory, which stores nothing to scan: set sqlite or postgresql, or name a file"
        )
    if store.backend == "postgresql":
        if not store.dsn:
            raise StoreError("telemetry.store.dsn is empty: set it to the connection string of the database")
        return store.dsn
    return str(locate(store.path))
