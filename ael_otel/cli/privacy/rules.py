"""`ael privacy rules`: list the redaction rules."""

import re
from typing import TYPE_CHECKING, Final

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import output_option

if TYPE_CHECKING:
    from ael_otel.privacy.rules import Rule

_ROOM_FOR_ALL: Final = 120
_LONG: Final = re.compile(r"[\w+/=~-]{12,}")


@click.command(
    "rules",
    short_help="List the rules, with examples.",
    epilog=examples("ael privacy rules", "ael privacy rules --output json"),
)
@output_option("text", "json")
def command(output: str) -> None:
    """List the rules: what each detects, an example, its marker, and similar text that it does not match.

    In the examples, letters are x, digits are 0, and long words are shortened, so that no example can be taken for a
    secret. docs/explanation/privacy.md lists what no rule detects.
    """
    from ael_otel.privacy.markers import MARKERS
    from ael_otel.privacy.redactor import Redactor
    from ael_otel.privacy.rules import RULES

    redactor = Redactor()
    rules = [
        {
            "name": rule.name,
            "kind": rule.kind,
            "marker": "by the name" if rule.kind == "field" else MARKERS[rule.kind],
            "finds": rule.summary,
            "looks_like": looks_like(rule, *redactor.explain(rule.example)[0][-2:]),
            "example": redactor.text(rule.example),
            "left_alone": rule.counter,
        }
        for rule in RULES
    ]
    if output == "json":
        from ael_otel.cli.streams import print_json

        print_json(rules)
        return
    from rich.text import Text

    from ael_otel.cli.render.table import bare_table
    from ael_otel.cli.render.terminal import console

    out = console()
    columns = {"rule": "name", "finds": "finds", "looks like": "looks_like", "becomes": "example"}
    if out.width >= _ROOM_FOR_ALL:
        columns["left alone"] = "left_alone"
    table = bare_table(gap=2)
    for heading in columns:
        table.add_column(heading, overflow="fold", no_wrap=heading == "rule")
    for rule in rules:
        table.add_row(*(Text(rule[name].replace("\n", " ")) for name in columns.values()))
    out.print(table)
    click.echo('\nNames of fields are checked as well: `ael privacy test \'{"api_key": "x"}\'`.')


def looks_like(rule: "Rule", start: int, end: int) -> str:
    """Return a rule's example with only the shape of the secret in it, and the length of a shortened one."""
    secret = rule.example[start:end]
    # The rule recognises a match by its first characters; the secret itself may begin some characters earlier.
    at, anchor = min(
        ((at, word) for word in rule.anchors if (at := secret.lower().find(word.lower())) >= 0),
        key=lambda found: (found[0], -len(found[1])),
        default=(0, ""),
    )
    kept = secret[at : at + len(anchor)]
    shape = f"{_shape(secret[:at])}{kept}{_shape(secret[at + len(anchor) :])}"
    length = f" ({len(secret)} characters)" if "…" in shape else ""
    return f"{rule.example[:start]}{shape}{rule.example[end:]}{length}"


def _shape(text: str) -> str:
    return re.sub(r"[0-9]", "0", re.sub(r"[^\W\d_]", "x", _LONG.sub("…", text)))
