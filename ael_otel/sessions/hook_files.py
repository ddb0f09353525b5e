"""The files of hooks in the user's folder: `hooks.json`, which `ael-hook` reads, and the state of the spool."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

import ael_hook
from ael_otel.config import Settings, load_settings
from ael_otel.errors import ConfigError
from ael_otel.store.location import DEFAULT_PATH, VARIABLE

_MOST_READ: Final = 2_000


def home_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of this user's files: `AEL_HOME`, else `~/.ael`."""
    return Path(ael_hook.home_folder(environ) or ".ael")


def user_config(home: Path) -> Settings:
    """Return the user's configuration: the file of AEL_CONFIG_PATH, `config.yaml` in `home`, or the defaults.

    Raises:
        ConfigError: it cannot be read; storing by the defaults instead could ignore the user's rules.
    """
    named = os.environ.get("AEL_CONFIG_PATH")
    path = Path(named) if named else home / "config.yaml"
    return load_settings(path) if named or path.exists() else Settings()


def user_settings(home: Path) -> Settings:
    """Return the user's configuration, with the store in `home` unless it names another one.

    Raises:
        ConfigError: it cannot be read, or its store is not persistent.
    """
    settings = user_config(home)
    store = settings.store
    if store.backend == "memory":
        raise ConfigError(
            "telemetry.store.backend is memory: sessions of agents need a persistent store; set it to sqlite"
        )
    if store.backend == "sqlite" and store.path == DEFAULT_PATH and not os.environ.get(VARIABLE):
        settings = replace(settings, store=replace(store, path=str(home.absolute() / "telemetry.db")))
    return settings


def write_hook_settings(
    home: Path, excluded_paths: tuple[str, ...], *, content: bool = False, attribution: bool = True
) -> None:
    """Write `hooks.json`, which `ael-hook` reads, with mode 0600, completely or not at all."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    document = {
        "v": ael_hook.VERSION,
        "excluded_paths": list(excluded_paths),
        "content": content,
        "attribution": attribution,
        "python": sys.executable,
    }
    temporary = home / f"hooks.json.{os.getpid()}"
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(document, indent=2) + "\n")
    temporary.replace(home / "hooks.json")


def remove_hook_settings(home: Path) -> None:
    """Delete `hooks.json`, unless it excludes other paths than the defaults of `ael-hook`.

    Hooks in another project may still use it.
    """
    path = home / "hooks.json"
    try:
        document: Any = json.loads(path.read_bytes())
        if document["excluded_paths"] == list(ael_hook.EXCLUDED_PATHS):
            path.unlink()
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return


@dataclass(frozen=True, slots=True)
class SpoolState:
    """The state of the spool: numbers of events, dead letters and counted problems, and whether a worker runs.

    Each `not_understood` event has a dead letter, up to a limit; `not_looked_at` counts calls without a snapshot of
    their files.
    """

    waiting: int
    dead_letters: int
    not_understood: int
    drops: int
    not_looked_at: int
    worker: bool


def spool_state(home: Path) -> SpoolState:
    """Return the state of the spool; all zero if there is no spool."""
    spool = home / "spool"
    dead = _files(spool / "dead")
    return SpoolState(
        waiting=_files(spool / "new"),
        dead_letters=dead,
        not_understood=max(dead, _bytes(spool / "not_understood")),
        drops=_bytes(spool / "drops"),
        not_looked_at=_bytes(spool / "not_looked_at"),
        worker=_worker_runs(spool / "worker.lock"),
    )


def _bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _files(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.name.endswith(".json") for entry in entries)
    except OSError:
        return 0


def _worker_runs(lock: Path) -> bool:
    try:
        import fcntl
    except ImportError:
        return False
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def last_events(home: Path) -> dict[tuple[str, str], int]:
    """Return the newest time of each event of each agent among the waiting ones, in nanoseconds since 1970."""
    last: dict[tuple[str, str], int] = {}
    try:
        names = sorted((each for each in os.listdir(home / "spool" / "new")), reverse=True)  # noqa: PTH208
    except OSError:
        return last
    for name in names[:_MOST_READ]:
        try:
            with (home / "spool" / "new" / name).open("rb") as file:
                event: Any = json.loads(file.read(ael_hook.MAX_CONTENT_FILE))
            key = (str(event["agent"]), str(event["event"]))
            last[key] = max(last.get(key, 0), int(event["t"]))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            continue  # already taken by the worker, or not one of ours
    return last
