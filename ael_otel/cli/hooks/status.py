"""`ael hooks status`."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ael_otel.cli.options import examples


@click.command(
    "status",
    short_help="Show where hooks are installed and whether events arrive.",
    epilog=examples("ael hooks status", "ael hooks status --output json"),
)
@click.option("--output", "-o", type=click.Choice(("table", "json")), default="table", show_default=True)
def command(output: str) -> None:
    """Show for each agent where its hooks are, when its last event arrived, and which events never arrived."""
    from ael_otel.sessions.hook_files import home_folder, last_events, spool_state

    home = home_folder(os.environ)
    stored, error = _stored(home)
    state = spool_state(home)
    agents = _agents(last_events(home), stored)
    if output == "json":
        document = {
            "agents": agents,
            "waiting": state.waiting,
            "dead_letters": state.dead_letters,
            "not_understood": state.not_understood,
            "drops": state.drops,
            "not_looked_at": state.not_looked_at,
            "worker": state.worker,
            "store_error": error,
        }
        click.echo(json.dumps(document, indent=2))
        return
    from rich.console import Console

    from ael_otel.cli.render.table import bare_table

    table = bare_table(2)
    for heading in ("agent", "found", "hooks", "last event", "never came"):
        table.add_column(heading, overflow="fold")
    for agent in agents:
        installed = [
            f"{each['scope']}{'' if each['current'] else ' (older form)'}"
            if not each["error"]
            else f"{each['scope']} (unreadable)"
            for each in agent["installed"]
        ]
        table.add_row(
            agent["agent"],
            "yes" if agent["found"] else "no",
            ", ".join(installed) or "-",
            agent["last_event_at"] or "-",
            "(no event yet)"
            if agent["last_event_at"] is None and agent["never_came"]
            else ", ".join(agent["never_came"]) or "-",
        )
    Console(soft_wrap=False).print(table)
    click.echo(
        f"\n{state.waiting} events wait, {state.not_understood} could not be read, {state.drops} were dropped, "
        f"the files of {state.not_looked_at} calls could not be compared; "
        f"{'a worker is running' if state.worker else 'no worker is running'}"
    )
    if state.waiting and not state.worker:
        click.echo(
            "A worker stores the waiting events: the next event of an agent starts one, and so does "
            "`python -m ael_otel.runtime.session_worker`"
        )
    if error is not None:
        click.echo(f"The stored events cannot be read: {error}")


def _stored(home: Path) -> tuple[dict[tuple[str, str], int], str | None]:
    """Return the last event's time by kind and agent in the user's store, and why it cannot be read, if so."""
    from ael_otel.errors import AelOtelError, StoreNotFoundError
    from ael_otel.sessions.hook_files import user_settings
    from ael_otel.sessions.table import SessionTable
    from ael_otel.store.factory import open_database

    try:
        backend = open_database(user_settings(home), start=home, create=False)
        try:
            return SessionTable(backend).last_events(), None
        finally:
            backend.close()
    except StoreNotFoundError:
        return {}, None
    except AelOtelError as error:
        return {}, str(error)


def _agents(waiting: dict[tuple[str, str], int], stored: dict[tuple[str, str], int]) -> list[dict[str, Any]]:
    """Return one mapping per agent, in the form of `--output json`; arguments as in `installed_hooks`."""
    from ael_otel.sessions.hook_status import installed_hooks

    return [
        {
            "agent": each.name,
            "found": each.present,
            "installed": [one._asdict() for one in each.installed],
            "last_event_at": None if each.last_us is None else _when(each.last_us),
            "never_came": list(each.never_came),
        }
        for each in installed_hooks(Path.cwd(), os.environ, waiting, stored)
    ]


def _when(at: int) -> str:
    return datetime.fromtimestamp(at // 10**6, UTC).isoformat().replace("+00:00", "Z")
