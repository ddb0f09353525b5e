"""Add our hooks to an agent's settings file, find them and remove them; read and write such files."""

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ael_otel.errors import ConfigError
from ael_otel.sessions.hook_clients import PLUGIN, Client, is_own
from ael_otel.sessions.json_edit import Node, insert, made_here, parse, remove

_LARGEST: Final = 4 * 1024 * 1024


def new_text(client: Client) -> str:
    """Return a settings file that contains only our hooks."""
    if client.name == "opencode":
        return PLUGIN
    document: dict[str, Any] = {} if client.version is None else {"version": client.version}
    document["hooks"] = {event: [client.entry(event)] for event in client.events}
    return json.dumps(document, indent=2) + "\n"


def with_hooks(text: str | None, client: Client, path: Path) -> str:
    """Return a settings file with our hooks, each once; raises ConfigError for a file that is not strict JSON."""
    if text is None or not text.strip("\ufeff \t\r\n"):
        return new_text(client)
    if client.own:
        if "ael-hook" not in text:
            raise ConfigError(
                f"{path}: was not written by `ael hooks install`; it is not rewritten", path=path
            )
        return new_text(client)
    current = installed_events(text, client, path)
    stale = [event for event, is_current in current.items() if not is_current or event not in client.events]
    if stale:
        text = without_hooks(text, client, path) or "{}\n"
        current = {}
    for event in client.events:
        if event in current:
            continue
        root = _root(text, path)
        hooks = root.members.get("hooks")
        if hooks is None:
            missing = {each: [client.entry(each)] for each in client.events}
            return insert(text, root, missing, "hooks")
        groups = hooks.members.get(event)
        if groups is None:
            text = insert(text, hooks, [client.entry(event)], event)
        else:
            text = insert(text, groups, client.entry(event))
    return text


def without_hooks(text: str, client: Client, path: Path) -> str | None:
    """Return a settings file without our hooks; None if nothing else is in it, so that it can be deleted."""
    if client.own or text == new_text(client):
        return None
    while (place := _first_own(_root(text, path))) is not None:
        parents = place
        node, index = parents.pop()
        # Containers that were created for the entry are removed with it: the list of the event, then `hooks`.
        while parents and len(node.begins) == 1 and made_here(text, node):
            node, index = parents.pop()
        text = remove(text, node, index)
    return text


def installed_events(text: str, client: Client, path: Path) -> dict[str, bool]:
    """Return the events of our hooks in a file, and whether each has the form of this version."""
    if client.name == "opencode":
        return dict.fromkeys(client.events, text == PLUGIN) if "ael-hook" in text else {}
    found: dict[str, bool] = {}
    hooks = _root(text, path).members.get("hooks")
    for event, groups in hooks.members.items() if hooks is not None else ():
        own = [each for each in groups.elements if _own_places(each)]
        if own:
            current = event in client.events and [each.value for each in own] == [client.entry(event)]
            found[event] = current
    return found


def _root(text: str, path: Path) -> Node:
    try:
        root = parse(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not strict JSON ({error}); it is not rewritten", path=path) from error
    hooks = root.members.get("hooks")
    is_mapping = isinstance(root.value, dict) and (hooks is None or isinstance(hooks.value, dict))
    if not is_mapping or (hooks and not all(isinstance(each.value, list) for each in hooks.elements)):
        raise ConfigError(f"{path}: `hooks` is not a mapping of lists; it is not rewritten", path=path)
    return root


def _own_places(group: Node) -> Sequence[int]:
    """Return the positions of our hooks in a group; [-1] if the group itself is a hook, as in Cursor's file."""
    if is_own(_command(group)):
        return [-1]
    inner = group.members.get("hooks")
    if inner is None or not isinstance(inner.value, list):
        return []
    return [at for at, each in enumerate(inner.elements) if is_own(_command(each))]


def _command(node: Node) -> Any:
    command = node.members.get("command")
    return None if command is None else command.value


def _first_own(root: Node) -> list[tuple[Node, int]] | None:
    """Return the path from the root to one of our entries, as (container, position) pairs; None if there is none."""
    hooks = root.members.get("hooks")
    if hooks is None:
        return None
    to_hooks = (root, list(root.members).index("hooks"))
    for number, groups in enumerate(hooks.elements):
        for at, group in enumerate(groups.elements):
            own = _own_places(group)
            if not own:
                continue
            way = [to_hooks, (hooks, number), (groups, at)]
            inner = group.members.get("hooks")
            if own != [-1] and inner is not None and len(own) < len(inner.elements):
                way += [(group, list(group.members).index("hooks")), (inner, own[0])]
            return way
    return None


def read_text(path: Path) -> str | None:
    """Return a settings file, None if there is none; raises ConfigError if it is not a readable UTF-8 file."""
    try:
        if not path.is_file() and path.exists():  # reading a named pipe would block forever
            raise ConfigError(f"{path}: is not a regular file; it is not rewritten", path=path)
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", path=path) from error
    if len(data) > _LARGEST:
        raise ConfigError(f"{path}: is larger than 4 MiB; it is not rewritten", path=path)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8; it is not rewritten", path=path) from error


def write_text(path: Path, text: str) -> None:
    """Write a settings file, completely or not at all, and keep its mode; for a link, write the file it points to.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        _write(Path(os.path.realpath(path)), text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}", path=path) from error


def delete_file(path: Path) -> None:
    """Delete a settings file; for a link, delete the file it points to, since the link is the user's.

    Raises:
        ConfigError: it cannot be deleted.
    """
    try:
        Path(os.path.realpath(path)).unlink()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be deleted: {error.strerror}", path=path) from error


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = target.stat().st_mode & 0o7777 if target.exists() else 0o600
    number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
