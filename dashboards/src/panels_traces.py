"""Panels of traces. As in panels.py: what every panel must have is a required keyword."""

from collections.abc import Sequence

from grafana_foundation_sdk.models import common, nodegraph, tempo
from grafana_foundation_sdk.models.dashboard import DashboardLink, DataTransformerConfig, Panel

from dashboards.src.parts import (
    DURATION_WIDTH,
    SHORT_TRACE_ID,
    TEMPO,
    TIME,
    TRACE_WIDTH,
    Column,
    Field,
    cells,
    column_override,
    make,
    override,
    table_options,
    values_config,
)

TRACE_ID = "traceIdHidden"
"""The name that Grafana's Tempo data source gives the column of trace ids, which it hides."""

_TIME = "Start time"
_DURATION = "Duration"


def span_table(
    *,
    number: int,
    width: int,
    title: str,
    description: str,
    unit: str,
    no_value: str,
    query: str,
    fields: Sequence[Field],
    links: Sequence[DashboardLink],
    limit: int,
) -> Panel:
    """The newest `limit` spans that a TraceQL query finds, one row each: time, the fields it selects, duration, trace.

    `links` are those of the trace's id.
    """
    sources = {_TIME: "Time", **{field.field: field.name for field in fields}}
    sources |= {_DURATION: _DURATION, TRACE_ID: "Trace"}
    config = values_config(unit, no_value, custom=cells())
    trace = column_override(Column(name="Trace", width=TRACE_WIDTH, shown_as=SHORT_TRACE_ID, links=links))
    trace.properties += override("Trace", **{"custom.hidden": False}).properties
    config.overrides = [
        column_override(TIME),
        *(column_override(field.column()) for field in fields),
        column_override(Column(name=_DURATION, unit="ns", width=DURATION_WIDTH)),
        trace,
    ]
    return make(
        "table",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=[
            tempo.Dataquery(
                query=query,
                ref_id="A",
                query_type="traceql",
                table_type=tempo.SearchTableType.SPANS,
                limit=limit,
                spss=3,
                datasource=TEMPO,
            )
        ],
        datasource=TEMPO,
        field_config=config,
        transformations=[
            DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {},
                    "includeByName": dict.fromkeys(sources, True),
                    "indexByName": {source: index for index, source in enumerate(sources)},
                    "renameByName": sources,
                },
            )
        ],
        options=table_options(common.TableSortByFieldState(display_name="Time", desc=True)),
    )


def waterfall(
    *, number: int, width: int, title: str, description: str, unit: str, no_value: str, query: str
) -> Panel:
    """The spans of one trace over time; `query` is its id."""
    return make(
        "traces",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=[
            tempo.Dataquery(
                query=query,
                ref_id="A",
                query_type="traceql",
                table_type=tempo.SearchTableType.TRACES,
                limit=20,
                datasource=TEMPO,
            )
        ],
        datasource=TEMPO,
        field_config=values_config(unit, no_value),
        options={},  # the SDK has no model of this panel; it needs no option
    )


def service_graph(
    *, number: int, width: int, title: str, description: str, unit: str, no_value: str, query: str
) -> Panel:
    """Who calls whom; `query` selects series of the service graph's metrics, `{}` all of them."""
    return make(
        "nodeGraph",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=[
            tempo.Dataquery(
                service_map_query=query, ref_id="A", query_type="serviceMap", limit=20, datasource=TEMPO
            )
        ],
        datasource=TEMPO,
        field_config=values_config(unit, no_value),
        options=nodegraph.Options(zoom_mode=nodegraph.ZoomMode.COOPERATIVE),
    )
