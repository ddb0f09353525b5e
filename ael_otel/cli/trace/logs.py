"""Show the log of one run: what its code printed, from the store, and its log lines, from Loki if it answers."""

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from urllib.parse import urlencode, urlsplit

from rich.console import Console
from rich.text import Text

from ael_otel.cli.render import text as words
from ael_otel.cli.render.detail import printed
from ael_otel.errors import ExportError
from ael_otel.export.http import request
from ael_otel.store import ExecutionRecord

VARIABLE: Final = "AEL_LOKI_URL"
LIMIT: Final = 1_000
_AROUND: Final = timedelta(seconds=5)
_LEVELS: Final = {"ERROR": "red", "CRITICAL": "bold red", "WARNING": "yellow", "WARN": "yellow"}


def show_logs(out: Console, run: ExecutionRecord) -> None:
    """Print the log of a run; if its lines are not available, print the reason."""
    shown = False
    for step, name, text in printed(run):
        shown = True
        out.print(Text.assemble((f"{step} {name}", "dim")))
        for line in text.splitlines():
            out.print(Text(f"  {line}"))
    base = os.environ.get(VARIABLE, "")
    if not base:
        if not shown:
            out.print(Text("Its code printed nothing.", style="dim"))
        out.print(
            Text(f"Log lines are in Loki: set {VARIABLE}=http://HOST:3100 to show them here.", style="dim")
        )
        return
    lines = fetch(base, run)
    for moment, level, message in lines:
        shown_line = Text.assemble((f"{moment:%H:%M:%S.%f}"[:-3], "dim"), "  ")
        shown_line.append(f"{level.ljust(8)}  ", style=_LEVELS.get(level.upper(), "dim"))
        out.print(shown_line.append(words.one_line(message)))
    if not lines:
        out.print(Text(f"Loki at {words.one_line(base)} has no log line of this run.", style="dim"))


def fetch(base: str, run: ExecutionRecord) -> list[tuple[datetime, str, str]]:
    """Return the run's log lines in order: time, level, message.

    Raises ExportError if Loki does not answer, or sends an unknown response.
    """
    end = run.completed_at or datetime.now(UTC)
    query = {
        "query": f'{{service_name=~".+"}} | trace_id="{run.trace_id}"',
        "start": str(int((run.started_at - _AROUND).timestamp() * 1e9)),
        "end": str(int((end + _AROUND).timestamp() * 1e9)),
        "limit": str(LIMIT),
        "direction": "forward",
    }
    if urlsplit(base).scheme not in ("http", "https"):
        raise ExportError(f"{VARIABLE} must be a URL such as http://localhost:3100, not {base!r}")
    answer = request("GET", f"{base.rstrip('/')}/loki/api/v1/query_range?{urlencode(query)}", timeout_s=5.0)
    try:
        streams = json.loads(answer)["data"]["result"]
        found = [
            (_moment(value[0]), _level(stream["stream"]), str(value[1]))
            for stream in cast("list[dict[str, Any]]", streams)
            for value in cast("list[list[str]]", stream["values"])
        ]
    except (ValueError, KeyError, TypeError, IndexError):
        raise ExportError(f"{base}: the response is not one of Loki") from None
    return sorted(found, key=lambda line: line[0])


def _moment(nanoseconds: str) -> datetime:
    return datetime.fromtimestamp(int(nanoseconds) / 1e9, UTC)


def _level(labels: dict[str, str]) -> str:
    return labels.get("severity_text") or labels.get("level") or labels.get("detected_level") or ""
