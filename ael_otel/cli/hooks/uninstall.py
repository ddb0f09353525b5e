"""`ael hooks uninstall`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ael_otel.cli.hooks.settings_files import AGENTS, agent_option, change, scope_options, selected
from ael_otel.cli.options import examples
from ael_otel.errors import ConfigError

if TYPE_CHECKING:
    from ael_otel.sessions.hook_clients import Scope


@click.command(
    "uninstall",
    short_help="Remove the hooks from the settings of agents.",
    epilog=examples("ael hooks uninstall --dry-run", "ael hooks uninstall --agent codex"),
)
@agent_option
@scope_options
@click.pass_context
def command(ctx: click.Context, agents: tuple[str, ...], scope: "Scope", dry_run: bool) -> None:
    """Remove the hooks from the settings of all agents, or of some; everything else in a file is left unchanged."""
    from ael_otel.sessions.client_settings import installed_events, read_text, without_hooks
    from ael_otel.sessions.hook_files import home_folder, remove_hook_settings

    failed = some = False
    for client, path in selected(agents or AGENTS, scope) if scope != "project" else selected(agents, scope):
        try:
            before = read_text(path)
            if before is None or not installed_events(before, client, path):
                continue
            some = True
            change(path, before, without_hooks(before, client, path), dry_run=dry_run)
        except ConfigError as error:
            failed = True
            click.echo(f"ael: {error}; remove the entries that call ael-hook by hand", err=True)
            continue
        if not dry_run:
            click.echo(f"{client.title}: removed from {path}")
    if some and not failed and not dry_run and not _installed_anywhere():
        remove_hook_settings(home_folder(os.environ))
    if not some and not failed:
        click.echo("No hooks are installed there")
    if failed:
        ctx.exit(2)


def _installed_anywhere() -> bool:
    """Return whether a settings file of this user or project has hooks of ours, or may have."""
    from ael_otel.sessions.client_settings import installed_events, read_text
    from ael_otel.sessions.hook_clients import CLIENTS

    scopes: tuple[Scope, ...] = ("user", "project", "shared")
    for client in CLIENTS.values():
        for scope in scopes:
            path = client.path(scope, Path.cwd(), os.environ)
            try:
                text = None if path is None else read_text(path)
                if path is not None and text and text.strip() and installed_events(text, client, path):
                    return True
            except ConfigError:
                return True
    return False
