"""Options shared by the verbs of `ael session`."""

from collections.abc import Callable
from typing import Any

import click

from ael_otel.cli.trace.options import when

STATUSES = ("running", "idle", "ended", "abandoned")


def session_filter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--agent`, `--status`, `--since` and `--until`."""
    for option in (
        click.option(
            "--agent",
            metavar="NAME",
            help="Sessions of this agent: claude-code, cursor, gemini-cli and so on.",
        ),
        click.option(
            "--status",
            "-s",
            type=click.Choice(STATUSES, case_sensitive=False),
            help="Sessions with this status.",
        ),
        click.option(
            "--to", "--until", "until", metavar="TIME", callback=when, help="Started before this time."
        ),
        click.option(
            "--from", "--since", "since", metavar="TIME", callback=when, help="Started at this time or later."
        ),
    ):
        function = option(function)
    return function


session_argument = click.argument("identifier", metavar="[ID]", default="latest")
