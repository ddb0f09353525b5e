"""Panels of log lines. As in panels.py: what every panel must have is a required keyword."""

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.models import common, logs, loki
from grafana_foundation_sdk.models.dashboard import DashboardLink, DataTransformerConfig, Panel

from dashboards.src.parts import (
    LOKI,
    TIME,
    Column,
    Field,
    cells,
    column_override,
    make,
    over_time_options,
    stacked_counts,
    table_options,
    totals_legend,
    values_config,
)


def log_lines_panel(
    *,
    number: int,
    width: int,
    title: str,
    description: str,
    unit: str,
    no_value: str,
    query: str,
    limit: int,
) -> Panel:
    """The newest `limit` log lines that a LogQL query finds, as they are. A line's details lead to its trace."""
    return make(
        "logs",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=[_lines(query, limit)],
        datasource=LOKI,
        field_config=values_config(unit, no_value),
        options=logs.Options(
            show_time=True,
            wrap_log_message=True,
            enable_log_details=True,
            sort_order=common.LogsSortOrder.DESCENDING,
            dedup_strategy=common.LogsDedupStrategy.NONE,
        ),
    )


def log_bars(
    *,
    number: int,
    width: int,
    title: str,
    description: str,
    unit: str,
    no_value: str,
    query: str,
    legend: str,
    colours: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
    links: Sequence[DashboardLink] = (),
) -> Panel:
    """Log lines for each interval of time, stacked. Count with `line_counts`: the bars then add up.

    `names` are words for the values by which the lines are counted.
    """
    return make(
        "timeseries",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=[
            loki.Dataquery(expr=query, legend_format=legend, ref_id="A", query_type="range", datasource=LOKI)
        ],
        datasource=LOKI,
        field_config=stacked_counts(unit, no_value, colours, links, names),
        max_data_points=100,
        interval="1m",
        options=over_time_options(totals_legend()),
    )


def log_ranking(
    *,
    number: int,
    width: int,
    title: str,
    description: str,
    unit: str,
    no_value: str,
    query: str,
    fields: Sequence[Field],
    count: str,
) -> Panel:
    """A table of an instant LogQL count, the largest first; `count` is the name of its column."""
    sources = {field.field: field.name for field in fields} | {"Value #A": count}
    config = values_config(unit, no_value, custom=cells())
    config.overrides = [*_overrides(fields), column_override(Column(name=count, decimals=0, width=80))]
    return make(
        "table",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=[loki.Dataquery(expr=query, ref_id="A", query_type="instant", datasource=LOKI)],
        datasource=LOKI,
        field_config=config,
        transformations=[
            _organize(sources),
            DataTransformerConfig(
                id_val="sortBy", options={"fields": {}, "sort": [{"field": count, "desc": True}]}
            ),
        ],
        options=table_options(),
    )


def log_table(
    *,
    number: int,
    width: int,
    title: str,
    description: str,
    unit: str,
    no_value: str,
    query: str,
    fields: Sequence[Field],
    limit: int,
) -> Panel:
    """The newest `limit` log lines that a LogQL query finds, one row each, with these fields as columns."""
    time_names = ("Time", "timestamp")  # before and since Loki's data-plane frames
    sources = dict.fromkeys(time_names, "Time") | {field.field: field.name for field in fields}
    config = values_config(unit, no_value, custom=cells())
    config.overrides = [column_override(TIME), *_overrides(fields)]
    return make(
        "table",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=[_lines(query, limit)],
        datasource=LOKI,
        field_config=config,
        transformations=[
            DataTransformerConfig(
                id_val="extractFields", options={"source": "labels", "format": "json", "replace": False}
            ),
            _organize(sources),
        ],
        options=table_options(common.TableSortByFieldState(display_name="Time", desc=True)),
    )


def _lines(query: str, limit: int) -> loki.Dataquery:
    return loki.Dataquery(
        expr=query,
        ref_id="A",
        query_type="range",
        max_lines=limit,
        direction=loki.LokiQueryDirection.BACKWARD,
        datasource=LOKI,
    )


def _organize(sources: Mapping[str, str]) -> DataTransformerConfig:
    options: dict[str, Any] = {
        "excludeByName": {},
        "includeByName": dict.fromkeys(sources, True),
        "indexByName": {source: index for index, source in enumerate(sources)},
        "renameByName": dict(sources),
    }
    return DataTransformerConfig(id_val="organize", options=options)


def _overrides(fields: Sequence[Field]) -> list[Any]:
    return [column_override(field.column()) for field in fields]
