"""`make bench`: cost of this package, as ratios that are measured side by side in one run.

Nothing here fails for being slow: times depend on the machine, ratios much less, and people judge both.
"""

import logging
import platform
import sys
import warnings
from importlib.metadata import version
from time import perf_counter

from measure import Group, baseline, ratio, run
from parts import counters, histograms, log_lines, model_calls, redaction, steps, whole_log_lines
from rich.console import Console
from rich.table import Table


def table(group: Group) -> Table:
    """One group as a table."""
    shown = Table(title=group.title, title_justify="left", title_style="bold", expand=False)
    shown.add_column("variant")
    shown.add_column("n", justify="right")
    shown.add_column("median", justify="right")
    shown.add_column("adds", justify="right")
    shown.add_column("ratio", justify="right", style="bold")
    shown.add_column("quartiles", justify="right", style="dim")
    shown.add_column("against", style="dim")
    shown.add_column("notes", style="dim")
    for variant in group.variants:
        found = ratio(group, variant)
        shown.add_row(
            variant.name,
            f"{group.n * group.rounds:,}",
            f"{variant.median:,.{1 if variant.median >= 10 else 2}f} us",
            "" if found is None else f"{variant.median - baseline(group, variant).median:+,.1f} us",
            "1" if found is None else f"{found[0]:.2f}",
            "" if found is None else f"{found[1]:.2f} .. {found[2]:.2f}",
            variant.baseline or "",
            variant.note,
        )
    return shown


def main() -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    console = Console(width=None if sys.stdout.isatty() else 160)
    began = perf_counter()
    console.print(
        f"Python {platform.python_version()}, opentelemetry-sdk {version('opentelemetry-sdk')}, "
        f"ploston-core {version('ploston-core')}; medians of interleaved batches, exporters that take everything; "
        "processor time, elapsed time for runs\n"
    )
    for make in (counters, histograms, steps, log_lines, whole_log_lines, redaction, model_calls):
        group = make()
        with console.status(group.title):
            run(group)
        console.print(table(group), "")
    # Imported late: the engine takes a second, and its modules must not be loaded while the parts are measured.
    import runs

    with console.status("runs on the real engine"):
        measured = runs.groups()
    for group in measured:
        console.print(table(group), "")
    console.print(f"measured in {perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
