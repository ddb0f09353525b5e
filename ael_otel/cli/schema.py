"""`ael schema`: what a running engine has emitted of the signals in the telemetry registry.

The registry's toolchain is not shipped: the verbs that used to run it name its new command.
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
"""Verbs of earlier versions that are now verbs of `python -m tools.telemetry_schema`."""


class _SchemaGroup(click.Group):
    """A group in which a moved verb is a usage error with the new command in the message."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb; raise UsageError (exit code 2) for one that moved."""
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
    short_help="Show which signals of the registry a running engine has emitted.",
)
def command() -> None:
    """Show which signals of the telemetry registry a running engine has emitted."""


command.add_command(live)
