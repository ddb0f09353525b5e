"""`ael trace tail`: runs as they begin and end, from a second process."""

import time

import click

from ael_otel.cli.options import examples, really_a_number
from ael_otel.cli.trace.options import Filters, Place, filter_options, output_option, store_options


@click.command(
    "tail",
    short_help="Follow runs as they begin and end.",
    epilog=examples(
        "ael trace tail",
        "ael trace tail --last 5 --seconds 60",
        "ael trace tail --status failed --runs 1 --output jsonl",
    ),
)
@filter_options
@click.option(
    "--last", type=click.IntRange(min=0), default=5, show_default=True, help="Begin with so many runs."
)
@click.option("--runs", type=click.IntRange(min=1), help="Stop after so many runs have ended.")
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    callback=really_a_number,
    help="Stop after this time.",
)
@click.option(
    "--interval",
    type=click.FloatRange(0.05, 60),
    callback=really_a_number,
    default=0.5,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@output_option("text", "jsonl")
@store_options
def command(
    filters: Filters,
    last: int,
    runs: int | None,
    seconds: float | None,
    interval: float,
    output: str,
    place: Place,
) -> None:
    """Show a line for each run that ends, until Ctrl-C; on a terminal those that go on stand below.

    Waits for the store if there is none yet. With --output jsonl each line is an event, `started` or `ended`, and the
    run as `list` has it.
    """
    from ael_otel.cli.trace.following import Follower, wait_for_store
    from ael_otel.cli.trace.tail_view import shown

    deadline = None if seconds is None else time.monotonic() + seconds
    with wait_for_store(place, deadline, interval) as store:
        if store is None:
            return
        follower = Follower(store, filters)
        with shown(output) as screen:
            for run in follower.latest(last):
                screen.ended(run)
            ended = 0
            while True:
                events = list(follower.events())
                # First, so that no run stands below the line of its own end.
                screen.going_on(follower.running)
                for event in events:
                    if event.ended:
                        screen.ended(event.run)
                        ended += 1
                        if ended == runs:
                            return
                    else:
                        screen.began(event.run)
                left = interval if deadline is None else min(interval, deadline - time.monotonic())
                if left <= 0:
                    return
                time.sleep(left)
