"""Where the hooks of agents are installed, and when their last events arrived."""

import os
from collections.abc import Mapping
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, NamedTuple

from ael_otel.errors import ConfigError
from ael_otel.sessions.agents import kinds_of
from ael_otel.sessions.client_settings import installed_events, read_text
from ael_otel.sessions.hook_clients import CLIENTS

if TYPE_CHECKING:
    from ael_otel.sessions.hook_clients import Client, Scope

_SCOPES: "tuple[Scope, ...]" = ("user", "project", "shared")


class Installed(NamedTuple):
    """A settings file with hooks of ours; `current` if they are those that this version installs."""

    scope: "Scope"
    path: str
    current: bool
    error: str | None


class AgentHooks(NamedTuple):
    """The hooks of one agent.

    Attributes:
        name: the agent's name.
        present: whether the agent is on this machine.
        installed: the settings files with hooks.
        last_us: time of the last event in microseconds since 1970, None without one.
        never_came: installed events of which none has arrived.
    """

    name: str
    present: bool
    installed: tuple[Installed, ...]
    last_us: int | None
    never_came: tuple[str, ...]


def is_present(client: "Client") -> bool:
    """Return whether an agent's program or its settings folder exists on this machine."""
    path = client.path("user", Path(), os.environ)
    folder = None if path is None else path.parent.parent if client.own else path.parent
    return any(which(name) for name in client.commands) or (folder is not None and folder.is_dir())


def installed_hooks(
    project: Path,
    environ: Mapping[str, str],
    waiting: Mapping[tuple[str, str], int],
    stored: Mapping[tuple[str, str], int],
) -> list[AgentHooks]:
    """Return the hooks of each agent.

    Args:
        project: the folder of the project.
        environ: the environment.
        waiting: time of the last event of each agent in the spool, in nanoseconds since 1970.
        stored: time of the last event of each agent and kind in the store, in microseconds since 1970.
    """
    return [_of(client, project, environ, waiting, stored) for client in CLIENTS.values()]


def _of(
    client: "Client",
    project: Path,
    environ: Mapping[str, str],
    waiting: Mapping[tuple[str, str], int],
    stored: Mapping[tuple[str, str], int],
) -> AgentHooks:
    installed: list[Installed] = []
    wanted: list[str] = []
    for scope in _SCOPES:
        path = client.path(scope, project, environ)
        if path is None or any(each.path == str(path) for each in installed):
            continue
        try:
            events, error = _events(client, path), None
        except (ConfigError, OSError) as fault:
            events, error = dict[str, bool](), str(fault)
        if events or error:
            current = bool(events) and all(events.values()) and set(events) == set(client.events)
            installed.append(Installed(scope, str(path), current, error))
            wanted += [event for event in events if event not in wanted]
    times = {event: at // 1000 for (agent, event), at in waiting.items() if agent == client.name}
    kinds = {kind: at for (agent, kind), at in stored.items() if agent == client.name}
    seen = frozenset(kinds).union(*map(kinds_of, times))
    return AgentHooks(
        client.name,
        is_present(client),
        tuple(installed),
        max([*times.values(), *kinds.values()], default=None),
        tuple(event for event in wanted if not kinds_of(event) & seen),
    )


def _events(client: "Client", path: Path) -> dict[str, bool]:
    text = read_text(path)
    return {} if text is None or not text.strip() else installed_events(text, client, path)
