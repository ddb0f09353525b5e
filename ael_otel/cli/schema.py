"""`ael schema`: what a running engine has emitted of the telemetry registry.

The registry's toolchain is not shipped: its old verbs name the command that took their place.
"""

from typing import Final

import click

from ael_otel.cli.live import command as live

MOVED: Final = (
    "check",
    "resolve",
    "generate",
    "diff",
    "release",
    "show",
    "promql",
    "live-check",
    "lint-queries",
)
"""Verbs of earlier versions that are verbs of `python -m tools.telemetry_schema` now."""


class _SchemaGroup(click.Group):
    """A group in which a verb that moved is wrong usage, with the new command in the message."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; raise UsageError, which is exit code 2, for one that moved."""
        if args[0] in MOVED:
            ctx.fail(
                f"`ael schema {args[0]}` is now `python -m tools.telemetry_schema {args[0]}`, "
                "run in a checkout of the repository"
            )
        return super().resolve_command(ctx, args)


@click.group(
    "schema",
    cls=_SchemaGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    short_help="Show what a running engine has emitted of the registry.",
)
def command() -> None:
    """Show what a running engine has emitted of the telemetry registry."""


command.add_command(live)
