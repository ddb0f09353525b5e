"""`ael cost reprice`: what model calls cost by the prices of today, beside what was recorded."""

from typing import TYPE_CHECKING

import click

from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import Filters, filter_options, output_option, store_options, zone_option
from ael_otel.cli.trace.place import Place

if TYPE_CHECKING:
    from ael_otel.cli.render.zone import Zone


@click.command(
    "reprice",
    short_help="Compute costs again, beside the recorded ones.",
    epilog=examples("ael cost reprice --dry-run", "ael cost reprice --since 30d"),
)
@click.option("--dry-run", is_flag=True, help="Only show what it would store.")
@filter_options
@output_option("table", "json")
@zone_option
@store_options
def command(dry_run: bool, filters: Filters, output: str, zone: "Zone", place: Place) -> None:  # noqa: ARG001 - read by the filters
    """Compute the cost of recorded model calls by the prices in force now, and store it beside the recorded cost.

    The recorded cost is never changed: `ael cost` shows both. Costs that a provider reported stay as they are. Prices
    apply to the time of each call, so that a price that began later changes nothing.
    """
    from ael_otel.cli import streams
    from ael_otel.cli.render import text as words
    from ael_otel.cli.trace.store_access import opened
    from ael_otel.cost import prices_of
    from ael_otel.cost.repricing import repriced, store_repriced
    from ael_otel.cost.wording import amounts, exact

    prices = prices_of(place.settings)
    with opened(place) as store:
        found = list(repriced(store, filters.query(), prices))
        changed = [each for each in found if each.changed]
        if not dry_run:
            store_repriced(store, found)
    recorded: dict[str, int] = {}
    now: dict[str, int] = {}
    for each in found:
        if each.copy:
            continue
        if each.recorded is not None and each.currency is not None:
            recorded[each.currency] = recorded.get(each.currency, 0) + each.recorded
        if each.cost.nano is not None and each.cost.currency is not None:
            now[each.cost.currency] = now.get(each.cost.currency, 0) + each.cost.nano
    missing = sum(each.cost.nano is None and not each.copy for each in found)
    if output == "json":
        streams.print_document(
            {
                "dry_run": dry_run,
                "calls": len(found),
                "changed": len(changed),
                "without_price": missing,
                "recorded": {currency: exact(nano) for currency, nano in recorded.items()},
                "repriced": {currency: exact(nano) for currency, nano in now.items()},
            }
        )
        return
    if not found:
        click.echo("No model calls: nothing to compute, and nothing was stored.")
        return
    stored = "nothing was stored" if dry_run else "stored beside what was recorded"
    unpriced = f", {missing:,} without a price now" if missing else ""
    click.echo(
        f"{words.plural(len(found), 'model call')}, {len(changed):,} with another cost: recorded"
        f" {amounts(recorded)}, by today's prices {amounts(now)}{unpriced}; {stored}."
    )
