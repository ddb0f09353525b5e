"""Data of a panel, queried as Grafana queries it: variables of the board filled in, each query sent to its store."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import requests

from tests.dashboards.boards import Json, committed, data_panels, kind_of, name_of
from tests.e2e.backends import Backends
from tests.e2e.links import Explore, fill, unfilled

SOURCES: Final = ("prometheus", "loki", "tempo")

QUERIES: Final = [
    pytest.param(name, panel, target, id=f"{name} {name_of(panel)} {target['refId']}")
    for name, board in committed().items()
    for panel in data_panels(board)
    for target in panel["targets"]
]
"""Every query of every panel of every board, as parameters of a test."""


@dataclass(frozen=True)
class View:
    """A board as a person has opened it.

    Args:
        board: its JSON.
        start: seconds since the epoch, the left end of its time range.
        end: the right end.
        chosen: values chosen or typed for variables; the others have the board's defaults.
    """

    board: Json
    start: float
    end: float
    chosen: Mapping[str, str] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Seconds between two points of a graph."""
        return max(15, int((self.end - self.start) / 200))

    @property
    def values(self) -> dict[str, Any]:
        """Every variable that queries and links of the board may name."""
        values: dict[str, Any] = {
            "__from": f"{self.start * 1000:.0f}",
            "__to": f"{self.end * 1000:.0f}",
            "__interval": f"{self.step}s",
            "__interval_ms": str(self.step * 1000),
            "__auto": f"{self.step}s",
            # Four times the export interval, or one step and one interval more: Grafana's rule.
            "__rate_interval": f"{max(self.step + 15, 60)}s",
            "__range": f"{self.end - self.start:.0f}s",
            "__range_s": f"{self.end - self.start:.0f}",
        }
        for variable in self.board["templating"]["list"]:
            values[variable["name"]] = self.chosen.get(variable["name"], _as_it_opens(variable))
        return values


def _as_it_opens(variable: Json) -> str:
    if variable["type"] == "datasource":
        return str(variable["current"]["value"])
    value = variable.get("current", {}).get("value", "")
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    return str(variable.get("allValue") or ".*") if value == "$__all" else str(value)


@dataclass(frozen=True)
class Stores:
    """The three stores behind the data sources' uids.

    Args:
        backends: the running stack.
    """

    backends: Backends

    @property
    def has_tempo(self) -> bool:
        """Whether TraceQL can be asked; the suite's sink knows traces by id only."""
        return "tempo" in self.backends.services

    def rows(self, target: Json, view: View) -> list[dict[str, Any]]:
        """Return the rows of one query of a panel: labels (or fields) of each row, and `Value` where there is one."""
        query = fill(target.get("expr") or target.get("query") or "", view.values)
        assert not unfilled(query), f"{unfilled(query)} in {query}"
        match kind_of(target):
            case "prometheus":
                return self.metric(query, view, instant=bool(target.get("instant")))
            case "loki":
                return self.lines(query, view, instant=target.get("queryType") == "instant")
            case "tempo":
                return self.traces(query, view, {**target})
            case other:
                raise AssertionError(f"a data source that this suite does not know: {other}")

    def metric(self, query: str, view: View, *, instant: bool) -> list[dict[str, Any]]:
        """Return the rows of a PromQL query."""
        if instant:
            found = self.backends.prometheus("query", query=query, time=f"{view.end:.3f}")["result"]
            found = found if isinstance(found, list) else []
        else:
            found = self.backends.prometheus(
                "query_range",
                query=query,
                start=f"{view.start:.3f}",
                end=f"{view.end:.3f}",
                step=str(view.step),
            )["result"]
        return [_numbers(series) for series in found]

    def lines(self, query: str, view: View, *, instant: bool = False) -> list[dict[str, Any]]:
        """Return the rows of a LogQL query: the fields of each line with its text as `body`, or numbers."""
        if instant:
            found = self.backends.loki("query", query=query, time=f"{view.end * 1e9:.0f}")
        else:
            found = self.backends.loki(
                "query_range",
                query=query,
                start=f"{view.start * 1e9:.0f}",
                end=f"{view.end * 1e9:.0f}",
                step=str(view.step),
                limit="1000",
            )
        if found["resultType"] != "streams":
            return [_numbers(series) for series in found["result"]]
        return [
            {**stream["stream"], "body": text, "timestamp": int(at)}
            for stream in found["result"]
            for at, text in stream["values"]
        ]

    def traces(self, query: str, view: View, target: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the rows of a Tempo query: a trace by its id, the traces or the spans of a search, or numbers."""
        if is_trace_id(query):
            return [{"traceID": query}] if self.trace(query) else []
        assert self.has_tempo
        address = f"http://127.0.0.1:{self.backends.ports['AEL_TEMPO_PORT']}"
        span = {"start": f"{view.start:.0f}", "end": f"{view.end + 1:.0f}"}
        if "rate()" in query or "_over_time(" in query:
            answer = requests.get(
                f"{address}/api/metrics/query_range",
                params={"q": query, "step": f"{view.step}s", **span},
                timeout=20,
            )
            answer.raise_for_status()
            return [
                {label["key"]: label["value"].get("stringValue", "") for label in series.get("labels", [])}
                | {"values": series.get("samples", [])}
                for series in answer.json().get("series", [])
            ]
        answer = requests.get(
            f"{address}/api/search",
            params={"q": query, "limit": str(target.get("limit", 20)), **span},
            timeout=20,
        )
        answer.raise_for_status()
        found = answer.json().get("traces", [])
        if target.get("tableType") == "spans":
            return [row for trace in found for row in _spans_of(trace)]
        return list(found)

    def trace(self, trace_id: str) -> list[Any]:
        """The spans of one trace, whichever store has it."""
        traces = self.backends.traces
        return list(traces.trace(trace_id))

    def open(self, link: Explore, view: View) -> list[dict[str, Any]]:
        """Return the rows behind a link into Explore."""
        query = link.text
        assert not unfilled(query), f"{unfilled(query)} left in {query}"
        kind = link.query["datasource"]["type"]
        assert kind == link.source, "the data sources' uids are their types: deploy/grafana"
        if kind == "prometheus":
            return self.metric(query, view, instant=False)
        if kind == "loki":
            return self.lines(query, view)
        return self.traces(query, view, link.query)


def _spans_of(trace: Json) -> Iterator[dict[str, Any]]:
    """One row per span that matched, with the names that Grafana's Tempo data source gives to its columns."""
    for matched in trace.get("spanSets", []):
        for span in matched.get("spans", []):
            chosen = {each["key"]: next(iter(each["value"].values())) for each in span.get("attributes", [])}
            yield {
                **chosen,
                "traceIdHidden": trace["traceID"],
                "spanID": span["spanID"],
                "Start time": span["startTimeUnixNano"],
                "Duration": int(span["durationNanos"]),
            }


def is_trace_id(text: str) -> bool:
    """Whether Grafana takes a query for the id of a trace: Tempo's search leaves out the zeros it begins with."""
    return re.fullmatch(r"[0-9a-f]{1,32}", text) is not None


def _numbers(series: Json) -> dict[str, Any]:
    points = series.get("values") or [series["value"]]
    return {**series["metric"], "Value": float(points[-1][1]), "values": points}


def linked(board: Json) -> Iterator[tuple[Json, str, Json]]:
    """Every data link of a board: its panel, the column that it stands on (empty: on every value), the link."""
    for panel in data_panels(board):
        config = panel.get("fieldConfig", {})
        for link in config.get("defaults", {}).get("links", []):
            yield panel, "", link
        for override in config.get("overrides", []):
            for item in override["properties"]:
                if item["id"] == "links":
                    assert override["matcher"]["id"] == "byName", override["matcher"]
                    for link in item["value"]:
                        yield panel, override["matcher"]["options"], link


def shown(found: Iterable[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The rows of a panel from those of its queries: rows with the same labels become one, with a value per query.

    Args:
        found: the letter of the query and a row of its answer, in the queries' order.
    """
    rows: dict[frozenset[tuple[str, str]], dict[str, Any]] = {}
    for ref, row in found:
        key = frozenset((name, value) for name, value in row.items() if isinstance(value, str))
        merged = rows.setdefault(key, {})
        merged.update(row)
        if "Value" in row:
            merged[f"Value #{ref}"] = row["Value"]
    return list(rows.values())


def of_row(panel: Json, column: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The variables that a link on a row may name; None where the row has nothing in the link's column.

    Fields are known by their own names and by those that the panel shows.
    """
    fields = {**row}
    for step in panel.get("transformations", []):
        for name, shown in step.get("options", {}).get("renameByName", {}).items():
            if name in row:
                fields[shown] = row[name]
    value = fields.get(column) if column else row.get("Value", "")
    if value is None or (column and value == ""):
        return None
    return {
        "__data": {"fields": fields},
        "__field": {"labels": {key: each for key, each in row.items() if isinstance(each, str)}},
        "__value": {"raw": value, "time": f"{time.time() * 1000:.0f}"},
    }
