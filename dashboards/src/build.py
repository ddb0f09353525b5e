"""Every board, and the files they are written to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.src.logs import logs
from dashboards.src.overview import overview
from dashboards.src.sessions import sessions
from dashboards.src.tools import tools
from dashboards.src.traces import traces
from dashboards.src.workflows import workflows

FOLDER: Final = Path(__file__).resolve().parents[1]

BOARDS: Final[tuple[Callable[[], Dashboard], ...]] = (overview, workflows, tools, logs, traces, sessions)
"""A new board is one module and one name here."""


def rendered() -> dict[str, str]:
    """Return the text of each file by its name: the same bytes for the same sources."""
    return {f"{board.uid}.json": _text(board) for board in (make() for make in BOARDS)}


def write(folder: Path = FOLDER) -> list[str]:
    """Write the files that differ and remove those that no board makes; returns their names."""
    files = rendered()
    changed = stale(folder)
    for name in changed:
        if name in files:
            (folder / name).write_text(files[name], "utf-8")
        else:
            (folder / name).unlink()
    return changed


def stale(folder: Path = FOLDER) -> list[str]:
    """Return the names of the files that are absent, differ, or belong to no board."""
    files = rendered()
    there = {path.name: path.read_text("utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in files | there if files.get(name) != there.get(name))


def _text(board: Dashboard) -> str:
    return json.dumps(board, cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"
