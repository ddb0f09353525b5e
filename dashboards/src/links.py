"""Links from a panel to the trace, the log lines or the other boards. All of them keep the board's time range.

A trace and the lines of a run open on a board, which everybody may look at. What needs a query of its own opens in
Explore, which Grafana lets only editors and admins use.
"""

import json
from typing import Any, Final, cast
from urllib.parse import quote

from grafana_foundation_sdk.models.dashboard import DashboardLink, DashboardLinkType

TAG: Final = "ael"
"""Every board of ours has this tag: the links between boards are made from it."""

OVERVIEW: Final = "ael-overview"
WORKFLOWS: Final = "ael-workflows"
TOOLS: Final = "ael-tools"
LOGS: Final = "ael-logs"
TRACES: Final = "ael-traces"
SESSIONS: Final = "ael-sessions"

VALUE: Final = "${__value.raw}"
"""The value that was clicked."""

DATASOURCES: Final = ("prometheus", "loki", "tempo")

# Grafana fills in variables before the browser reads the address, so `${...}` must stay as it is; all else is encoded.
_KEPT: Final = "${}:,."


def column(name: str) -> str:
    """Return the variable that stands for another column of the row that was clicked."""
    return f"${{__data.fields.{name}}}"


def to_board(title: str, uid: str, **variables: str) -> DashboardLink:
    """Link to one of our boards, with these variables, the same time range and the same data sources."""
    kept = {name: f"${{{name}}}" for name in DATASOURCES}
    chosen = [f"var-{name}={quote(value, safe=_KEPT)}" for name, value in (variables | kept).items()]
    return DashboardLink(
        title=title,
        type_val=DashboardLinkType.LINK,
        url=f"/d/{uid}/{uid}?{'&'.join(['from=${__from}', 'to=${__to}', *chosen])}",
        target_blank=False,
    )


def trace(title: str, trace_id: str) -> DashboardLink:
    """Link to the waterfall of one trace; `trace_id` is a Grafana variable such as `${__value.raw}`."""
    return to_board(title, TRACES, trace=trace_id)


def run_logs(title: str, execution_id: str) -> DashboardLink:
    """Link to the log lines of one run."""
    return to_board(title, LOGS, execution=execution_id)


def traces(title: str, traceql: str) -> DashboardLink:
    """Link to the traces that a TraceQL query finds."""
    return _explore(
        title, "tempo", {"queryType": "traceql", "query": traceql, "limit": 20, "tableType": "traces"}
    )


def logs(title: str, logql: str) -> DashboardLink:
    """Link to the log lines that a LogQL query finds."""
    return _explore(title, "loki", {"queryType": "range", "expr": logql})


def boards() -> DashboardLink:
    """Link from one board to all others, with time range and variables."""
    link = DashboardLink(
        title="AEL boards",
        type_val=DashboardLinkType.DASHBOARDS,
        icon="apps",
        tooltip="The other boards, for the same time and the same choice",
        tags=[TAG],
        as_dropdown=True,
        include_vars=True,
        keep_time=True,
    )
    link.placement = cast(
        "str", None
    )  # the SDK puts every link into the menu of controls, where nobody sees it
    return link


def _explore(title: str, datasource: str, query: dict[str, Any]) -> DashboardLink:
    uid = f"${{{datasource}}}"
    pane = {
        "datasource": uid,
        "queries": [{"refId": "A", "datasource": {"type": datasource, "uid": uid}, **query}],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    panes = quote(json.dumps({"ael": pane}, separators=(",", ":")), safe=_KEPT)
    return DashboardLink(
        title=title,
        type_val=DashboardLinkType.LINK,
        url=f"/explore?schemaVersion=1&panes={panes}",
        target_blank=True,
    )
