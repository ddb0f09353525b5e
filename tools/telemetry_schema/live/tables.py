"""The report of a live check for a terminal: violations first, in full; the rest as numbers."""

from collections import Counter
from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from tools.telemetry_schema.live.check import Report
from tools.telemetry_schema.tables import table


def report_tables(report: Report) -> Iterator[RenderableType]:
    """Return the findings, then the coverage of the registry."""
    rows = report.summary()
    shown = [row for row in rows if row[0] != "information" and row[1] != "not_stable"]
    if shown:
        yield table(
            ("level", "finding", "on", "what", "times"),
            ((level, finding, name, message, str(count)) for level, finding, name, message, count in shown),
        )
        yield Text()
    hidden = Counter[str]()
    for row in rows:
        if row not in shown:
            hidden[row[1]] += row[4]
    if hidden:
        listed = ", ".join(f"{count} {finding}" for finding, count in hidden.most_common())
        yield Text(f"Also {listed}; --json lists them.", style="dim")
    seen = report.coverage.seen
    yield table(
        ("section", "seen", "declared", "never seen"),
        (
            (
                section.replace("_", " "),
                str(sum(bool(seen[section][name]) for name in names)),
                str(len(names)),
                ", ".join(name for name in names if not seen[section][name]),
            )
            for section, names in report.coverage.declared().items()
        ),
    )
    violations = len(report.violations)
    yield Text(
        f"{report.items} items checked, {violations} violations, {report.coverage.share():.0%} of the recommended "
        f"signals seen.",
        style="bold red" if violations else "green" if report.items else "yellow",
    )
