"""`ael privacy rules`: what is looked for."""

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import output_option


@click.command(
    "rules",
    short_help="List the rules, with examples.",
    epilog=examples("ael privacy rules", "ael privacy rules --output json"),
)
@output_option("text", "json")
def command(output: str) -> None:
    """List the rules: what each finds, and what an example becomes. docs/privacy.md says what none finds."""
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

    table = bare_table(gap=2)
    for heading in ("rule", "finds", "an example becomes"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "rule")
    for rule in rules:
        table.add_row(Text(rule["name"]), Text(rule["finds"]), Text(rule["example"].replace("\n", " ")))
    console().print(table)
    click.echo('\nNames of fields are judged as well: `ael privacy test \'{"api_key": "x"}\'`.')
