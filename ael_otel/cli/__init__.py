"""The `ael` command line: one module per verb, each a thin layer over the other rooms.

Nothing heavier than click is imported here or at the top of a verb's module, so that `ael --help` and shell completion
respond at once; importing the engine alone takes a second.

Exit codes: 0 success; 1 failure, including a failed run; 2 usage or configuration; 3 no such workflow, run or store;
130 interrupted, 143 terminated.
"""

import os
import sys

import click

from ael_otel.cli import garbage
from ael_otel.cli.group import VerbGroup
from ael_otel.cli.options import examples
from ael_otel.cli.output_encoding import degrade_output

__all__ = ["cli", "main"]


def _print_versions(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    for name, distribution in (
        ("ael-otel", "ael-otel"),
        ("engine (ploston-core)", "ploston-core"),
        ("OpenTelemetry SDK", "opentelemetry-sdk"),
    ):
        try:
            found = version(distribution)
        except PackageNotFoundError:
            found = "not installed"
        click.echo(f"{name} {found}")
    ctx.exit()


@click.group(
    cls=VerbGroup,
    verbs=(
        "demo",
        "init",
        "run",
        "serve",
        "trace",
        "cost",
        "insights",
        "ui",
        "session",
        "blame",
        "attribution",
        "hooks",
        "privacy",
        "schema",
        "doctor",
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "ael demo",
        "ael run hello -c ael-config.yaml -i name=Ada",
        "ael trace list",
        "opentelemetry-instrument ael serve -c ael-config.yaml",
    ),
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_versions,
    help="Show the versions of this package, the engine and OpenTelemetry.",
)
def cli() -> None:
    """Run AEL workflows with traces, metrics and logs."""


def main() -> None:
    """Run the command line; the console script `ael`."""
    garbage.postpone()
    degrade_output()
    for number, argument in enumerate(sys.argv[1:], 1):
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError:
            # Python represents such bytes as lone surrogates, which no later code can encode again.
            shown = argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            click.echo(
                f"ael: argument {number} is not UTF-8: {shown}; set a UTF-8 locale or correct its bytes",
                err=True,
            )
            sys.exit(2)
    try:
        os.getcwd()  # noqa: PTH109 - what everything below is relative to
    except OSError as error:
        click.echo(f"ael: the working directory: {error.strerror}; change to a folder that exists", err=True)
        sys.exit(2)
    if any(name.startswith("OTEL_") for name in os.environ):
        from ael_otel.config.variables import drop_unusable

        # Before anything of OpenTelemetry is imported, since it reads some of them on import.
        drop_unusable(os.environ)
    cli(prog_name="ael")
