"""`ael trace repair`: copy the readable records of a damaged store into a new file."""

import os
from pathlib import Path

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import store_options
from ael_otel.cli.trace.place import Place


@click.command(
    "repair",
    short_help="Copy the readable runs of a damaged store into a new file.",
    epilog=examples("ael trace repair --check", "ael trace repair", "ael trace repair --output saved.db"),
)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The new file, never an existing one; default telemetry.repaired.db beside the store.",
)
@click.option("--check", is_flag=True, help="Report what is wrong with the store, and copy nothing.")
@store_options
def command(output: Path | None, check: bool, place: Place) -> None:
    """Copy each readable run of a damaged SQLite store into a new file, and list the unreadable ones.

    With --check each row is looked up in each index: an index without some rows would hide runs from `list` without an
    error. The whole file is read.

    The damaged file is not changed. Exit code 0 if every run was copied or the store is sound, 1 if a run could not be
    read, the store is damaged or the new file exists already, 3 if there is no store.
    """
    from ael_otel.cli.render import text as words
    from ael_otel.errors import ConfigError, StoreDamagedError
    from ael_otel.store.location import VARIABLE, locate
    from ael_otel.store.repair import faults, repair

    environ = dict(os.environ)
    if place.db is not None:
        environ[VARIABLE] = str(place.db.absolute())
    elif place.settings.store.backend != "sqlite":
        raise ConfigError(
            "only an SQLite store can be repaired: telemetry.store.backend is "
            f"{place.settings.store.backend}; name a file with --db",
            key="telemetry.store.backend",
        )
    source = locate(place.settings.store.path, environ=environ)
    if check:
        if found := faults(source):
            for line in found:
                click.echo(line)
            raise StoreDamagedError(
                f"{source} is damaged; `ael trace repair` copies the readable runs into a new file"
            )
        click.echo(f"{source} is sound.")
        return
    target = output or source.with_name(f"{source.stem}.repaired{source.suffix}")
    report = repair(source, target)
    click.echo(f"Copied {words.plural(report.copied, 'run')} from {source} to {target}.")
    use_it = f"stop the engine and run: mv {target} {source} && rm -f {source}-wal {source}-shm"
    if not report.unreadable and report.complete:
        click.echo(f"To use it, {use_it}", err=True)
        return
    named = ", ".join(report.unreadable[:20]) + (", ..." if len(report.unreadable) > 20 else "")
    others = "" if report.complete else " and others whose ids cannot be read"
    raise StoreDamagedError(
        f"{words.plural(len(report.unreadable), 'run')}{others} could not be read: {named}; to use the copy,"
        f" {use_it}"
    )
