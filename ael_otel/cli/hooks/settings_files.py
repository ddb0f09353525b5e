"""Options and file writing shared by `ael hooks install` and `uninstall`."""

import os
from collections.abc import Callable, Iterator
from difflib import unified_diff
from pathlib import Path
from subprocess import DEVNULL, SubprocessError, run
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ael_otel.sessions.hook_clients import Client, Scope

AGENTS = ("claude-code", "cursor", "copilot-cli", "vscode", "codex", "gemini-cli", "opencode")
_GIT_SECONDS = 5.0


def agent_option[F: Callable[..., object]](function: F) -> F:
    """Add `--agent NAME`."""
    return click.option(
        "--agent",
        "agents",
        type=click.Choice(("all", *AGENTS)),
        multiple=True,
        help="One agent; may be repeated. Default: all installed agents.",
    )(function)


def scope_options[F: Callable[..., object]](function: F) -> F:
    """Add `--user`, `--project`, `--shared` and `--dry-run`."""
    for decorator in (
        click.option("--dry-run", is_flag=True, help="Print the changes; write nothing."),
        click.option("--shared", "scope", flag_value="shared", help="The project's committed files."),
        click.option(
            "--project", "scope", flag_value="project", help="Files of this project that Git ignores."
        ),
        click.option(
            "--user", "scope", flag_value="user", default="user", help="Your own files (the default)."
        ),
    ):
        function = decorator(function)
    return function


def selected(agents: tuple[str, ...], scope: "Scope") -> "Iterator[tuple[Client, Path]]":
    """Yield the selected agents with their settings files; a file that two agents use is yielded once."""
    from ael_otel.sessions.hook_clients import CLIENTS
    from ael_otel.sessions.hook_status import is_present

    files: set[Path] = set()
    for client in CLIENTS.values():
        if agents and "all" not in agents and client.name not in agents:
            continue
        if not agents and not is_present(client):
            continue
        path = client.path(scope, Path.cwd(), os.environ)
        if path is None:
            if agents:
                click.echo(f"{client.title}: has no settings file that Git ignores; use --user or --shared")
        elif path not in files:
            files.add(path)
            yield client, path


def is_ignored(path: Path) -> bool:
    """Return whether Git cannot commit a file, because Git ignores it, or because there is no repository or no Git.

    A repository that Git refuses to read, for example one of another user, counts as able to commit it. Git is run so
    that it executes no program from the repository's configuration.
    """
    quiet = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
    try:
        done = run(
            ["git", *quiet, "check-ignore", "--quiet", "--", str(path)],
            cwd=Path.cwd(),
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return True
    except (OSError, SubprocessError):
        return False
    if done.returncode in (0, 1):
        return done.returncode == 0
    return not any((folder / ".git").exists() for folder in path.parents)


def change(path: Path, before: str | None, after: str | None, *, dry_run: bool) -> bool:
    """Write a settings file, or delete it, or print the difference; return whether anything differs."""
    from ael_otel.sessions.client_settings import delete_file, write_text

    if before == after:
        return False
    if dry_run:
        old, new = (before or "").splitlines(), (after or "").splitlines()
        click.echo("\n".join(unified_diff(old, new, str(path), str(path), lineterm="")))
    elif after is None:
        delete_file(path)
    else:
        write_text(path, after)
    return True
