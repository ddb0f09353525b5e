"""`ael hooks install`."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ael_otel.cli.hooks.settings_files import agent_option, change, is_ignored, scope_options, selected
from ael_otel.cli.options import examples
from ael_otel.errors import ConfigError

if TYPE_CHECKING:
    from ael_otel.sessions.hook_clients import Scope


@click.command(
    "install",
    short_help="Add the hooks to the settings of agents.",
    epilog=examples("ael hooks install --dry-run", "ael hooks install --agent claude-code"),
)
@agent_option
@scope_options
@click.pass_context
def command(ctx: click.Context, agents: tuple[str, ...], scope: "Scope", dry_run: bool) -> None:
    """Add the hooks to the settings of the installed agents.

    Everything else in a file is left unchanged, and a second installation changes nothing. A file that is not strict
    JSON, for example one with comments, is not rewritten: the lines to add to it are printed.
    """
    refuse_windows(sys.platform)
    from ael_otel.sessions.client_settings import new_text, read_text, with_hooks
    from ael_otel.sessions.hook_files import home_folder, user_config, write_hook_settings

    failed = some = written = False
    # A project's configuration must not decide which paths the user excludes.
    settings = user_config(home_folder(os.environ))
    for client, path in selected(agents, scope):
        some = True
        if scope == "project" and not is_ignored(path):
            failed = True
            click.echo(
                f"ael: {path}: Git does not ignore this file; add it to .git/info/exclude, or use --user or --shared",
                err=True,
            )
            continue
        try:
            before = read_text(path)
            changed = change(path, before, with_hooks(before, client, path), dry_run=dry_run)
        except ConfigError as error:
            failed = True
            click.echo(f"ael: {error}; add this to it:", err=True)
            click.echo(new_text(client))
            continue
        written = True
        if not dry_run or not changed:
            click.echo(f"{client.title}: {'added to' if changed else 'already in'} {path}")
        if client.note:
            click.echo(f"  {client.title} {client.note}")
    if not some:
        click.echo("No agent was found on this machine; name one with --agent")
    elif not dry_run and written:
        home = home_folder(os.environ)
        try:
            write_hook_settings(
                home,
                settings.privacy.excluded_paths,
                content=settings.sessions.content,
                attribution=settings.attribution.enabled,
            )
        except OSError as error:
            raise ConfigError(f"{home}: hooks cannot write there: {error.strerror}", path=home) from error
        _warn_of_path()
        click.echo("\nWork with the agent, then look: ael hooks status")
    if failed:
        ctx.exit(2)


def refuse_windows(platform: str) -> None:
    """Raise a usage error on Windows, where the hook's command would fail and an agent could refuse its tools."""
    if platform == "win32":
        raise click.UsageError(
            "hooks are not supported on Windows: their command needs a POSIX shell; install and run agent and hooks"
            " inside WSL 2"
        )


def _warn_of_path() -> None:
    """Warn if an agent would not find the command that is now in its settings."""
    import shutil

    if shutil.which("ael-hook") is None:
        folder = Path(sys.executable).parent
        click.echo(
            f"\nael: warning: ael-hook is not on the PATH, so agents cannot run it: add {folder} to the PATH that"
            " they are started with",
            err=True,
        )
