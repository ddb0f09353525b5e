"""`ael cost`: what model calls of stored runs and sessions cost; `reprice` computes it again by today's prices."""

from typing import TYPE_CHECKING, Any

import click

from ael_otel.cli.group import VerbGroup
from ael_otel.cli.options import examples
from ael_otel.cli.trace.options import Filters, filter_options, output_option, store_options, zone_option
from ael_otel.cli.trace.place import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ael_otel.cli.render.zone import Zone
    from ael_otel.cost import CostKey, CostRow
    from ael_otel.store import RunQuery, TelemetryStore
    from ael_otel.store.model_calls import RunModelCall

__all__ = ["command"]

KEYS = ("workflow", "step", "tool", "model", "provider", "caller", "session", "day")
_NAMED = 10
"""Models without a price that are named."""


@click.group(
    "cost",
    cls=VerbGroup,
    verbs=("reprice",),
    package="ael_otel.cli.cost",
    only_shows=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
    short_help="Tokens and cost of model calls.",
    epilog=examples(
        "ael cost",
        "ael cost --by day --since 7d",
        "ael cost --by step --workflow mixed -o csv",
        "ael cost --where 'status = \"failed\"'",
        "ael cost reprice --dry-run",
    ),
)
@click.option(
    "--by",
    type=click.Choice(KEYS, case_sensitive=False),
    default="model",
    show_default=True,
    help="Group by this.",
)
@filter_options
@output_option("table", "json", "csv")
@zone_option
@store_options
@click.pass_context
def command(
    ctx: click.Context, by: "CostKey", filters: Filters, output: str, zone: "Zone", place: Place
) -> None:
    """Sum up tokens and cost of the model calls of runs, and of sessions as their agents count them.

    Tokens are those that the provider or the instrumentation reported; nothing is estimated. Cached and written
    tokens are parts of the input, reasoning is a part of the output. A cost is frozen when its call is recorded. A
    call without a price is counted and is in no amount.

    Filters choose runs. Sessions of agents are counted too unless a filter is about runs alone; then --since, --until,
    --session and --caller choose them.
    """
    if ctx.invoked_subcommand is not None:
        return
    from ael_otel.cost import summarise
    from ael_otel.store.times import from_us

    calls = _calls(filters, place)
    rows = summarise(by, calls, lambda us: f"{zone.at(from_us(us)):%Y-%m-%d}")
    total = next(iter(summarise(None, calls)), None)
    if output == "csv":
        _as_csv(by, rows)
    elif output == "json":
        _as_json(by, rows, total, calls)
    else:
        _as_table(by, rows, total, calls)


def _calls(filters: Filters, place: Place) -> "list[RunModelCall]":
    from ael_otel.cli.trace.store_access import opened

    with opened(place) as store:
        return calls_of(store, filters.query(), place)


def calls_of(store: "TelemetryStore", query: "RunQuery", place: Place) -> "list[RunModelCall]":
    """Return the model calls of runs and, unless a filter is about runs alone, of sessions."""
    from msgspec.structs import replace

    from ael_otel.cost.session_usage import session_calls
    from ael_otel.sessions.session import Limits
    from ael_otel.sessions.table import SessionTable
    from ael_otel.store import RunQuery
    from ael_otel.store.sql import SqlBackend
    from ael_otel.store.times import to_us

    calls = list(store.model_calls(query))
    of_runs = replace(query, since=None, until=None, session=None, caller=None)
    if of_runs == RunQuery(limit=None) and isinstance(store, SqlBackend):
        table = SessionTable(store, Limits.of(place.settings), exports=False)
        spans = {each.session_id for each in calls if each.call.source == "span" and each.session_id}
        calls += session_calls(
            table,
            since_us=None if query.since is None else to_us(query.since),
            until_us=None if query.until is None else to_us(query.until),
            session=query.session,
            agent=query.caller,
            without=spans,
        )
    return calls


def _as_table(by: str, rows: "list[CostRow]", total: "CostRow | None", calls: "list[RunModelCall]") -> None:
    from ael_otel.cli.render import cost_table
    from ael_otel.cli.render.terminal import console, is_pipe, print_table

    out = console()
    if total is None:
        out.print(
            "No model calls: no chosen run or session has a span, a result or an event that reports tokens.",
            soft_wrap=is_pipe(out),
        )
        return
    print_table(out, cost_table.table(by, rows, width=None if is_pipe(out) else out.width))
    out.print()
    named = [(each["model"] or "no model named", each["calls"]) for each in unpriced(calls)]
    more = sum(count for _, count in named[_NAMED:])
    for line in cost_table.summary(total, named[:_NAMED] + ([("others", more)] if more else [])):
        out.print(line, style="dim", markup=False, highlight=False, soft_wrap=is_pipe(out))


def unpriced(calls: "Sequence[RunModelCall]") -> list[dict[str, Any]]:
    """Return the models of calls that have no price, most calls first."""
    counts: dict[tuple[str | None, str | None], int] = {}
    for each in calls:
        if not each.copy and each.call.cost_nano is None:
            key = each.call.model, each.call.provider
            counts[key] = counts.get(key, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0][0] or "", item[0][1] or ""))
    return [{"model": model, "provider": provider, "calls": count} for (model, provider), count in ranked]


def _document(row: "CostRow") -> dict[str, Any]:
    from ael_otel.cost.wording import exact

    found = {name: getattr(row, name) for name in row.__struct_fields__}
    for name in ("cost", "repriced"):
        nano = found.pop(f"{name}_nano")
        found[name] = [
            {"currency": currency, "amount": exact(value), "nano": value} for currency, value in nano.items()
        ]
    return found


def _as_json(by: str, rows: "list[CostRow]", total: "CostRow | None", calls: "list[RunModelCall]") -> None:
    from ael_otel.cli import streams

    streams.print_document(
        {
            "by": by,
            "rows": [_document(row) for row in rows],
            "total": None if total is None else _document(total),
            "without_price": unpriced(calls),
        }
    )


COLUMNS = (
    "key",
    "currency",
    "cost",
    "calls",
    "no_price",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "copies",
)


def _as_csv(by: str, rows: "list[CostRow]") -> None:
    """Write a row per key; a further currency of a key has a row with its amount alone, so that columns add up."""
    from ael_otel.cli import streams
    from ael_otel.cost.wording import exact
    from ael_otel.export import sheet

    lines: list[list[Any]] = [[by, *COLUMNS[1:]]]
    for row in rows:
        figures = [getattr(row, name) for name in COLUMNS[3:]]
        costs = list(row.cost_nano.items())
        currency, nano = costs[0] if costs else (None, None)
        lines.append([row.key, currency, None if nano is None else exact(nano), *figures])
        lines += [[row.key, other, exact(more), *[0] * len(figures)] for other, more in costs[1:]]
    streams.print_bytes(line.encode() for line in sheet.lines(lines))
