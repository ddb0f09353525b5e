"""One function for each kind of panel. What every panel must have is a required keyword: without it mypy refuses.

`number` is the panel's id, which links to a single panel contain: keep it when a panel moves. `width` is in columns of
24; the height comes from the section (board.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common, gauge, loki, prometheus, stat, table, text, timeseries
from grafana_foundation_sdk.models.dashboard import (
    DashboardFieldConfigSourceOverrides,
    DashboardLink,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColor,
    FieldColorModeId,
    FieldConfig,
    FieldConfigSource,
    GridPos,
    MatcherConfig,
    Panel,
    Threshold,
    ThresholdsConfig,
    ThresholdsMode,
)

from ael_otel._generated.attributes import WorkflowStatus

type Steps = Sequence[tuple[float, str]]
type Calculation = Literal["lastNotNull", "max", "mean", "sum"]

GOOD: Final = "green"
WARNING: Final = "orange"
BAD: Final = "red"
NEUTRAL: Final = "text"

OUTCOMES: Final[Mapping[WorkflowStatus, str]] = {
    "success": GOOD,
    "error": BAD,
    "timeout": WARNING,
    "cancelled": "purple",
}
"""An outcome has the same colour on every board."""

PROMETHEUS: Final = common.DataSourceRef(type_val="prometheus", uid="${prometheus}")
LOKI: Final = common.DataSourceRef(type_val="loki", uid="${loki}")


@dataclass(frozen=True, kw_only=True)
class Line:
    """A PromQL query over time. `legend` names a series by its labels, `{{label}}`."""

    query: str
    legend: str
    exemplars: bool = False


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table: an instant PromQL query with one row for each set of labels, or a label itself."""

    name: str
    query: str = ""
    label: str = ""
    unit: str = ""
    decimals: int | None = None
    width: int | None = None
    links: Sequence[DashboardLink] = ()


@dataclass(frozen=True, kw_only=True)
class Field:
    """A column of a log table: the name that Loki gives the field."""

    name: str
    field: str
    width: int | None = None
    links: Sequence[DashboardLink] = ()


def figure(
    *,
    number: int,
    width: int,
    title: str,
    description: str,
    unit: str,
    no_value: str,
    query: str,
    decimals: int | None = None,
    steps: Steps = (),
    base: str = NEUTRAL,
    links: Sequence[DashboardLink] = (),
) -> Panel:
    """One number, as of the end of the time range; `steps` are the values from which a colour holds."""
    return _panel(
        "stat",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=[_instant(query, "A")],
        datasource=PROMETHEUS,
        field_config=_config(
            unit, no_value, decimals=decimals, thresholds=_thresholds(base, steps), links=links
        ),
        options=stat.Options(
            graph_mode=common.BigValueGraphMode.NONE,
            color_mode=common.BigValueColorMode.VALUE,
            text_mode=common.BigValueTextMode.VALUE,
            justify_mode=common.BigValueJustifyMode.AUTO,
            orientation=common.VizOrientation.AUTO,
            reduce_options=_last(),
        ),
    )


def share(
    *,
    number: int,
    width: int,
    title: str,
    description: str,
    no_value: str,
    query: str,
    steps: Steps,
    base: str,
    links: Sequence[DashboardLink] = (),
) -> Panel:
    """A share of 0..1 as a gauge from 0 % to 100 %."""
    config = _config(
        "percentunit", no_value, decimals=1, bounds=(0, 1), thresholds=_thresholds(base, steps), links=links
    )
    return _panel(
        "gauge",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=[_instant(query, "A")],
        datasource=PROMETHEUS,
        field_config=config,
        options=gauge.Options(reduce_options=_last(), orientation=common.VizOrientation.AUTO),
    )


def lines(
    *,
    number: int,
    width: int,
    title: str,
    description: str,
    unit: str,
    no_value: str,
    query: Sequence[Line],
    interval: str | None = None,
    bounds: tuple[float, float] | None = None,
    calculations: Sequence[Calculation] = (),
    links: Sequence[DashboardLink] = (),
) -> Panel:
    """Values over time. `interval` is the least time between two points, `calculations` make the legend a table.

    Points are always drawn: with few events a value may have no neighbour to be joined to.
    """
    custom = common.GraphFieldConfig(
        draw_style=common.GraphDrawStyle.LINE,
        line_width=1,
        fill_opacity=5,
        show_points=common.VisibilityMode.ALWAYS,
        point_size=4,
        span_nulls=3_600_000,  # ms: joins points up to an hour apart
        axis_soft_min=0,
    )
    return _over_time(
        number=number,
        width=width,
        title=title,
        description=description,
        query=query,
        interval=interval,
        field_config=_config(unit, no_value, bounds=bounds, custom=custom, links=links),
        legend=_legend(query, calculations),
    )


def bars(
    *,
    number: int,
    width: int,
    title: str,
    description: str,
    unit: str,
    no_value: str,
    query: Sequence[Line],
    colours: Mapping[Any, str] | None = None,
    links: Sequence[DashboardLink] = (),
) -> Panel:
    """Counts for each interval of time, stacked. Count with `events(..., "$__interval")`: the bars then add up.

    At most about 100 bars, each of a minute or more.
    """
    custom = common.GraphFieldConfig(
        draw_style=common.GraphDrawStyle.BARS,
        line_width=0,
        fill_opacity=80,
        bar_alignment=common.BarAlignment.BEFORE,  # a point counts what happened up to its time
        show_points=common.VisibilityMode.NEVER,
        stacking=common.StackingConfig(mode=common.StackingMode.NORMAL, group="A"),
        axis_soft_min=0,
    )
    config = _config(unit, no_value, decimals=0, custom=custom, links=links)
    config.overrides = [_override(name, color=_fixed(colour)) for name, colour in (colours or {}).items()]
    panel = _over_time(
        number=number,
        width=width,
        title=title,
        description=description,
        query=query,
        interval="1m",
        field_config=config,
        legend=_legend(query, ("sum",)),
    )
    panel.max_data_points = 100
    return panel


def ranking(
    *,
    number: int,
    width: int,
    title: str,
    description: str,
    unit: str,
    no_value: str,
    query: Sequence[Column],
    order_by: str,
    limit: int,
) -> Panel:
    """A table of instant queries joined on their labels, the largest `order_by` first, `limit` rows at most.

    `unit` is for columns that state none.
    """
    asked = [column for column in query if column.query]
    values = {f"Value #{_ref(index)}": column for index, column in enumerate(asked)}
    if len(asked) == 1:  # Grafana numbers the value columns only when there are several
        values = {"Value": asked[0]}
    sources = {column.label: column for column in query if column.label} | values
    position = {column.name: index for index, column in enumerate(query)}
    organize = {
        "excludeByName": {"Time": True},
        "indexByName": {source: position[column.name] for source, column in sources.items()},
        "renameByName": {source: column.name for source, column in sources.items()},
    }
    config = _config(unit, no_value, custom=_cells())
    config.overrides = [_column(column) for column in query]
    return _panel(
        "table",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=[_instant(column.query, _ref(index), as_table=True) for index, column in enumerate(asked)],
        datasource=PROMETHEUS,
        field_config=config,
        transformations=[
            DataTransformerConfig(id_val="merge", options={}),
            DataTransformerConfig(id_val="organize", options=organize),
            DataTransformerConfig(
                id_val="sortBy", options={"fields": {}, "sort": [{"field": order_by, "desc": True}]}
            ),
            DataTransformerConfig(id_val="limit", options={"limitField": limit}),
        ],
        options=_table(),
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
    organize = {
        "excludeByName": {},
        "includeByName": dict.fromkeys(sources, True),
        "indexByName": {source: index for index, source in enumerate(sources)},
        "renameByName": sources,
    }
    config = _config(unit, no_value, custom=_cells())
    config.overrides = [
        _column(Column(name="Time", width=180)),
        *(_column(Column(name=field.name, width=field.width, links=field.links)) for field in fields),
    ]
    target = loki.Dataquery(
        expr=query,
        ref_id="A",
        query_type="range",
        max_lines=limit,
        direction=loki.LokiQueryDirection.BACKWARD,
        datasource=LOKI,
    )
    return _panel(
        "table",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=[target],
        datasource=LOKI,
        field_config=config,
        transformations=[
            DataTransformerConfig(
                id_val="extractFields", options={"source": "labels", "format": "json", "replace": False}
            ),
            DataTransformerConfig(id_val="organize", options=organize),
        ],
        options=_table(common.TableSortByFieldState(display_name="Time", desc=True)),
    )


def note(*, number: int, width: int, content: str) -> Panel:
    """A sentence in Markdown: the question that the board answers."""
    return Panel(
        type_val="text",
        id_val=number,
        title="",
        transparent=True,
        grid_pos=GridPos(w=width, h=0),
        options=text.Options(mode=text.TextMode.MARKDOWN, content=content),
    )


def _panel(kind: str, *, number: int, width: int, targets: Sequence[Dataquery], **more: Any) -> Panel:
    return Panel(type_val=kind, id_val=number, grid_pos=GridPos(w=width, h=0), targets=list(targets), **more)


def _over_time(
    *,
    number: int,
    width: int,
    title: str,
    description: str,
    query: Sequence[Line],
    interval: str | None,
    field_config: FieldConfigSource,
    legend: common.VizLegendOptions,
) -> Panel:
    targets = [
        prometheus.Dataquery(
            expr=line.query,
            legend_format=line.legend,
            exemplar=line.exemplars,
            range_val=True,
            instant=False,
            ref_id=_ref(index),
            editor_mode=prometheus.QueryEditorMode.CODE,
            datasource=PROMETHEUS,
        )
        for index, line in enumerate(query)
    ]
    return _panel(
        "timeseries",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=targets,
        datasource=PROMETHEUS,
        interval=interval,
        field_config=field_config,
        options=timeseries.Options(
            legend=legend,
            tooltip=common.VizTooltipOptions(
                mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING, hide_zeros=True
            ),
        ),
    )


def _instant(query: str, ref: str, *, as_table: bool = False) -> prometheus.Dataquery:
    return prometheus.Dataquery(
        expr=query,
        instant=True,
        range_val=False,
        format_val=prometheus.PromQueryFormat.TABLE if as_table else prometheus.PromQueryFormat.TIME_SERIES,
        ref_id=ref,
        editor_mode=prometheus.QueryEditorMode.CODE,
        datasource=PROMETHEUS,
    )


def _ref(index: int) -> str:
    return chr(ord("A") + index)


def _config(
    unit: str,
    no_value: str,
    *,
    decimals: int | None = None,
    bounds: tuple[float, float] | None = None,
    thresholds: ThresholdsConfig | None = None,
    custom: object | None = None,
    links: Sequence[DashboardLink] = (),
) -> FieldConfigSource:
    mode = FieldColorModeId.THRESHOLDS if thresholds else FieldColorModeId.PALETTE_CLASSIC_BY_NAME
    defaults = FieldConfig(
        unit=unit,
        no_value=no_value,
        decimals=decimals,
        min_val=bounds[0] if bounds else None,
        max_val=bounds[1] if bounds else None,
        thresholds=thresholds,
        color=FieldColor(mode=mode),
        custom=custom,
        links=list(links) or None,
    )
    return FieldConfigSource(defaults=defaults, overrides=[])


def _thresholds(base: str, steps: Steps) -> ThresholdsConfig:
    return ThresholdsConfig(
        mode=ThresholdsMode.ABSOLUTE,
        steps=[
            Threshold(value=None, color=base),
            *(Threshold(value=at, color=colour) for at, colour in steps),
        ],
    )


def _fixed(colour: str) -> dict[str, str]:
    return {"mode": "fixed", "fixedColor": colour}


def _override(name: str, **properties: object) -> DashboardFieldConfigSourceOverrides:
    return DashboardFieldConfigSourceOverrides(
        matcher=MatcherConfig(id_val="byName", options=name),
        properties=[DynamicConfigValue(id_val=key, value=value) for key, value in properties.items()],
    )


def _column(column: Column) -> DashboardFieldConfigSourceOverrides:
    properties: dict[str, object] = {
        "noValue": "–"
    }  # an empty cell must not repeat why the whole table is empty
    if column.unit:
        properties["unit"] = column.unit
    if column.decimals is not None:
        properties["decimals"] = column.decimals
    if column.width is not None:
        properties["custom.width"] = column.width
    if column.links:
        properties["links"] = [
            {"title": link.title, "url": link.url, "targetBlank": link.target_blank} for link in column.links
        ]
    return _override(column.name, **properties)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions(values=False, calcs=["lastNotNull"], fields="")


def _cells() -> common.TableFieldOptions:
    return common.TableFieldOptions(align=common.FieldTextAlignment.AUTO, inspect=False, filterable=True)


def _table(*order: common.TableSortByFieldState) -> table.Options:
    return table.Options(show_header=True, cell_height=common.TableCellHeight.SM, sort_by=list(order))


def _legend(query: Sequence[Line], calculations: Sequence[Calculation]) -> common.VizLegendOptions:
    alone = len(query) == 1 and "{{" not in query[0].legend
    return common.VizLegendOptions(
        show_legend=not alone,
        display_mode=common.LegendDisplayMode.TABLE if calculations else common.LegendDisplayMode.LIST,
        placement=common.LegendPlacement.BOTTOM,
        calcs=list(calculations),
    )
