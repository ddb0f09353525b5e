"""`make boards-check`: ask every query of every board and print, panel by panel, what it returned.

For people without Grafana. By default it starts the stack on separate ports, has the demo run against it, and removes
it again; with `--prometheus`, `--loki` or `--tempo` it asks the stores that are given, and only those.
"""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.dashboards.boards import Json, committed, data_panels, kind_of, needs_tempo, text_of
from tests.dashboards.lint import OVER_TIME
from tests.e2e.links import fill, unfilled
from tests.e2e.panels import View

SOURCES: Final = ("prometheus", "loki", "tempo")
LANGUAGES: Final = {"prometheus": "PromQL", "loki": "LogQL", "tempo": "TraceQL"}

type Addresses = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """The result of a query, in words; `state` is `data`, `empty`, `skipped` or `failed`."""

    state: str
    words: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0 when every query that could be asked was understood, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="make boards-check", description=__doc__)
    parser.add_argument("boards", nargs="*", metavar="BOARD", help="uid of a board; default: all")
    for kind in SOURCES:
        parser.add_argument(f"--{kind}", metavar="URL", default="", help=f"ask this {kind.title()}")
    parser.add_argument(
        "--minutes", type=float, default=60, help="how far back the boards look (default: 60)"
    )
    parser.add_argument(
        "--at",
        type=float,
        help="end of that time, in seconds since 1970 (default: now; only for given stores)",
    )
    parser.add_argument("--seconds", type=int, default=45, help="how long the demo runs (default: 45)")
    given = parser.parse_args(arguments)
    addresses = {kind: str(getattr(given, kind)).rstrip("/") for kind in SOURCES if getattr(given, kind)}
    boards = {name: board for name, board in committed().items() if not given.boards or name in given.boards}
    if missing := set(given.boards) - set(boards):
        parser.error(f"no such board: {', '.join(sorted(missing))}")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    if addresses:
        return print_boards(console, boards, addresses, given.minutes, given.at or time.time())
    with demo_stack(console, given.seconds) as started:
        return print_boards(console, boards, started, given.minutes, time.time())


def print_boards(
    console: Console, boards: Mapping[str, Json], addresses: Addresses, minutes: float, now: float
) -> int:
    """Print a table for each board as of `now` (seconds since 1970); returns the exit code."""
    counts = dict.fromkeys(("data", "empty", "skipped", "failed"), 0)
    for board in boards.values():
        view = View(board, now - minutes * 60, now)
        table = Table(
            title=f"{board['title']}  ({board['uid']}, last {minutes:g} min)",
            title_justify="left",
            title_style="bold",
            show_lines=True,
            expand=True,
        )
        table.add_column("panel", ratio=2, overflow="fold")
        table.add_column("query", ratio=5, overflow="fold")
        table.add_column("returned", ratio=4, overflow="fold")
        for panel in data_panels(board):
            for target in panel["targets"]:
                answer = ask(panel, target, view, addresses)
                counts[answer.state] += 1
                style = {"data": "green", "empty": "yellow", "skipped": "dim", "failed": "bold red"}[
                    answer.state
                ]
                table.add_row(
                    Text(f"{panel['id']} {panel['title']}\n{panel['type']}, {target['refId']}"),
                    Text(f"{LANGUAGES[kind_of(target)]}\n{' '.join(text_of(target).split())}"),
                    Text(answer.words, style=style),
                )
        console.print(table)
    noun = "board" if len(boards) == 1 else "boards"
    console.print(
        f"{len(boards)} {noun}, {sum(counts.values())} queries: {counts['data']} returned data, "
        f"{counts['empty']} nothing, {counts['skipped']} not asked, {counts['failed']} failed."
    )
    return 1 if counts["failed"] else 0


def ask(panel: Json, target: Json, view: View, addresses: Addresses) -> Answer:
    """Ask one query of a panel as Grafana would, and put what came back into words."""
    kind = kind_of(target)
    if kind not in addresses:
        return Answer("skipped", f"no {kind.title()} to ask")
    step = _step(panel, view)
    # As Grafana computes them: the interval is the panel's step, a rate looks back one scrape further.
    windows = {"__interval": f"{step}s", "__auto": f"{step}s", "__rate_interval": f"{max(step + 15, 60)}s"}
    query = fill(text_of(target), {**view.values, **windows})
    if target.get("queryType") == "serviceMap":
        return Answer("skipped", "Grafana asks Prometheus for this graph: see the panel beside it")
    if left := unfilled(query):
        return Answer("failed", f"a variable that the board does not have: {', '.join(left)}")
    try:
        words = {"prometheus": _metrics, "loki": _lines, "tempo": _traces}[kind](
            addresses[kind], query, panel, target, view
        )
    except requests.HTTPError as error:
        return Answer("failed", f"{error.response.status_code} {error.response.text.strip()}")
    except requests.RequestException as error:
        return Answer("failed", f"{type(error).__name__} at {addresses[kind]}")
    if words:
        return Answer("data", words)
    why = " (needs Tempo)" if needs_tempo(target) and "tempo" not in addresses else ""
    return Answer("empty", f"nothing; the panel says: {panel['fieldConfig']['defaults']['noValue']}{why}")


def _get(address: str, path: str, **parameters: str) -> Any:
    answer = requests.get(f"{address}{path}", params=parameters, timeout=60)
    answer.raise_for_status()
    return answer.json()


def _metrics(address: str, query: str, panel: Json, target: Json, view: View) -> str:
    if target.get("instant"):
        found = _get(address, "/api/v1/query", query=query, time=f"{view.end:.3f}")["data"]["result"]
    else:
        found = _get(
            address,
            "/api/v1/query_range",
            query=query,
            start=f"{view.start:.3f}",
            end=f"{view.end:.3f}",
            step=str(_step(panel, view)),
        )["data"]["result"]
    return _series(found)


def _lines(address: str, query: str, panel: Json, target: Json, view: View) -> str:
    end = f"{view.end * 1e9:.0f}"
    if target.get("queryType") == "instant":
        found = _get(address, "/loki/api/v1/query", query=query, time=end)["data"]
    else:
        found = _get(
            address,
            "/loki/api/v1/query_range",
            query=query,
            start=f"{view.start * 1e9:.0f}",
            end=end,
            step=str(_step(panel, view)),
            limit=str(target.get("maxLines", 100)),
        )["data"]
    if found["resultType"] != "streams":
        return _series(found["result"])
    lines = sorted((line for stream in found["result"] for line in stream["values"]), reverse=True)
    return f"{len(lines)} lines, the newest:\n{lines[0][1][:200]}" if lines else ""


def _traces(address: str, query: str, panel: Json, target: Json, view: View) -> str:
    if not query.startswith("{"):
        found = _get(address, f"/api/v2/traces/{query}")
        spans = sum(
            len(scope.get("spans", []))
            for resource in found.get("trace", {}).get("resourceSpans", [])
            for scope in resource.get("scopeSpans", [])
        )
        return f"a trace of {spans} spans" if spans else ""
    found = _get(
        address,
        "/api/search",
        q=query,
        limit=str(target.get("limit", 20)),
        start=f"{view.start:.0f}",
        end=f"{view.end + 1:.0f}",
    ).get("traces", [])
    if not found:
        return ""
    span = found[0]["spanSets"][0]["spans"][0]
    fields = ", ".join(
        f"{each['key']}={next(iter(each['value'].values()))}" for each in span.get("attributes", [])
    )
    return f"{len(found)} traces, the first: {found[0]['traceID']}\n{fields}"


def _series(found: Sequence[Json]) -> str:
    """The number of series and the first few, each with its last value."""
    shown = [
        f"{', '.join(f'{key}={value}' for key, value in series['metric'].items()) or 'value'}: {_last(series)}"
        for series in found[:4]
    ]
    more = f"\n… {len(found) - 4} more" if len(found) > 4 else ""
    noun = "1 series" if len(found) == 1 else f"{len(found)} series"
    return f"{noun}\n" + "\n".join(shown) + more if found else ""


def _last(series: Json) -> str:
    points = series.get("values") or [series["value"]]
    value = float(points[-1][1])
    number = f"{value:.4g}" if math.isfinite(value) else str(value)
    return number if "value" in series else f"{number} ({len(points)} points)"


def _step(panel: Json, view: View) -> int:
    least = {"1m": 60, "5m": 300}.get(panel.get("interval", ""), 15)
    return max(view.step, least) if panel["type"] in OVER_TIME else view.step


@contextmanager
def demo_stack(console: Console, seconds: int) -> Iterator[Addresses]:
    """A separate stack that the demo has run against; without Docker or images it reports the missing ones."""
    from tests.e2e.backends import NEEDED, images_here, started
    from tests.e2e.programs import environment, run

    absent = [service for service in NEEDED if service not in images_here()]
    if absent:
        raise SystemExit(
            f"boards-check: no image of {', '.join(absent)} on this machine; run `make images`, or give the "
            "addresses of stores: --prometheus URL --loki URL --tempo URL"
        )
    console.print("Starting a stack of its own ...")
    with started() as backends, tempfile.TemporaryDirectory() as home:
        console.print(f"Running the demo for {seconds} s ...")
        folder = Path(home)
        env = environment(folder, "ael", backends.otlp)
        done = run("ael", "demo", "--seconds", str(seconds), cwd=folder, env=env, seconds=seconds + 120)
        if done.returncode:
            raise SystemExit(f"boards-check: the demo failed\n{done.stdout}{done.stderr}")
        # One interval, in which the stack scrapes the Collector once more and Tempo counts.
        time.sleep(20)  # wait: scrapes and counts come every 15 s
        ports = {"prometheus": "AEL_PROMETHEUS_PORT", "loki": "AEL_LOKI_PORT", "tempo": "AEL_TEMPO_PORT"}
        yield {
            kind: f"http://127.0.0.1:{backends.ports[port]}"
            for kind, port in ports.items()
            if kind in backends.services
        }


if __name__ == "__main__":
    sys.exit(main())
