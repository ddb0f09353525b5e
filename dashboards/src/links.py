"""Links from a panel to the trace, the log lines or the other boards. All of them keep the board's time range."""

import json
from typing import Any, Final
from urllib.parse import quote

from grafana_foundation_sdk.models.dashboard import DashboardLink, DashboardLinkType

TAG: Final = "ael"
"""Every board of ours has this tag: the links between boards are made from it."""

# Grafana fills in variables before the browser reads the address, so `${...}` must stay as it is; all else is encoded.
_KEPT: Final = "${}:,."


def trace(title: str, trace_id: str) -> DashboardLink:
    """Link to one trace; `trace_id` is a Grafana variable such as `${__value.raw}`."""
    return _explore(title, "tempo", {"queryType": "traceql", "query": trace_id})


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
    return DashboardLink(
        title="AEL boards",
        type_val=DashboardLinkType.DASHBOARDS,
        icon="apps",
        tooltip="The other boards, for the same time and the same choice",
        tags=[TAG],
        as_dropdown=True,
        include_vars=True,
        keep_time=True,
    )


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
