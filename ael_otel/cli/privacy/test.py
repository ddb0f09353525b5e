"""`ael privacy test`: show what would be redacted in a text, and by which rule."""

import re
import sys
from pathlib import Path
from typing import Final

import click

from ael_otel.cli.options import config_option, examples
from ael_otel.cli.trace.options import output_option
from ael_otel.cli.trace.place import Place
from ael_otel.errors import AelOtelError

# A text that no user would enter.
_FILE: Final = re.compile(
    r"(?:\.{0,2}|~)(?:/[^/\s]+)+|[\w.~/-]+\.(?:jsonl?|txt|log|md|csv|ya?ml|db|sqlite3?|html|py)"
)


@click.command(
    "test",
    short_help="Show what would be redacted, and why.",
    epilog=examples(
        'ael privacy test "write to ada@example.org"',
        'ael privacy test \'{"user": "ada", "api_key": "abc"}\' --output json',
        "ael privacy test - < result.json",
        "ael privacy test result.json",
    ),
)
@click.argument("source", metavar="[TEXT|-|FILE]", default="-")
@output_option("text", "json")
@config_option
def command(source: str, output: str, config: Path | None) -> None:
    """Redact a TEXT, stdin (-, the default) or a FILE, and name the rule of each match; JSON is parsed.

    A secret is never printed, neither in the text nor in the table. Locations are JSON paths, and character positions
    in the text at that path.
    """
    from ael_otel.privacy.policy import Policy
    from ael_otel.privacy.redactor import Redactor

    chosen = Redactor(Policy.of(Place(config).settings))
    text = _text(source)
    if text == source and _FILE.fullmatch(source):
        click.echo(f"{source}: no such file; the argument is redacted as a text", err=True)
    clean, found = chosen.text(text), chosen.explain(text)
    if output == "json":
        from ael_otel.cli.streams import print_json

        print_json({"text": clean, "findings": [finding._asdict() for finding in found]})
        return
    click.echo(clean, nl=not clean.endswith("\n"))
    click.echo()
    if not found:
        click.echo("Nothing to redact.")
        return
    from rich.text import Text

    from ael_otel.cli.render.table import bare_table
    from ael_otel.cli.render.terminal import console

    table = bare_table(gap=2)
    for heading in ("rule", "where", "characters", "marker"):
        table.add_column(heading, overflow="fold")
    for each in found:
        span = f"{each.start}-{each.end}" if each.end else "all"
        table.add_row(Text(each.rule), Text(each.where), span, Text(each.marker))
    console().print(table)


def _text(source: str) -> str:
    if source == "-":
        return sys.stdin.buffer.read().decode("utf-8", "replace")
    path = Path(source)
    try:
        if path.is_dir():
            raise AelOtelError(f"{path}: is a folder; name a file in it")
        if path.is_file():
            return path.read_bytes().decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        # A text may be longer than the longest file name.
        if isinstance(error, PermissionError):
            raise AelOtelError(f"{path}: cannot be read: {error.strerror}") from None
    return source
