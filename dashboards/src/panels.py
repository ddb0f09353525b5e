"""One function for each kind of panel. What every panel must have is a required keyword: without it mypy refuses.

`number` is the panel's id, which links to a single panel contain: keep it when a panel moves. `width` is in columns of
24; the height comes from the section (board.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from grafana_foundation_sdk.models import common, gauge, heatmap, prometheus, stat, text
from grafana_foundation_sdk.models.dashboard import (
    DashboardLink,
    DataTransformerConfig,
    FieldConfigSource,
    GridPos,
    Panel,
)

from dashboards.src.colours import NEUTRAL, QUANTILES
from dashboards.src.parts import (
    PROMETHEUS,
    Column,
    Steps,
    cells,
    column_override,
    fixed,
    last_value,
    letter,
    make,
    over_time_options,
    override,
    stacked_counts,
    table_options,
    thresholds_of,
    totals_legend,
    values_config,
)

type Calculation = Literal["lastNotNull", "max", "mean", "sum"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A PromQL query over time. `legend` names a series by its labels, `{{label}}`."""

    query: str
    legend: str
    exemplars: bool = False


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
    return make(
        "stat",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=[_instant(query, "A")],
        datasource=PROMETHEUS,
        field_config=values_config(
            unit, no_value, decimals=decimals, thresholds=thresholds_of(base, steps), links=links
        ),
        options=stat.Options(
            graph_mode=common.BigValueGraphMode.NONE,
            color_mode=common.BigValueColorMode.VALUE,
            text_mode=common.BigValueTextMode.VALUE,
            justify_mode=common.BigValueJustifyMode.AUTO,
            orientation=common.VizOrientation.AUTO,
            reduce_options=last_value(),
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
    config = values_config(
        "percentunit", no_value, decimals=1, bounds=(0, 1), thresholds=thresholds_of(base, steps), links=links
    )
    return make(
        "gauge",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=[_instant(query, "A")],
        datasource=PROMETHEUS,
        field_config=config,
        options=gauge.Options(reduce_options=last_value(), orientation=common.VizOrientation.AUTO),
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
    colours: Mapping[str, str] = QUANTILES,
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
    config = values_config(unit, no_value, bounds=bounds, custom=custom, links=links)
    named = {line.legend for line in query}
    config.overrides = [
        override(name, color=fixed(colour)) for name, colour in colours.items() if name in named
    ]
    return _over_time(
        number=number,
        width=width,
        title=title,
        description=description,
        query=query,
        interval=interval,
        field_config=config,
        legend=_legend_options(query, calculations),
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
    panel = _over_time(
        number=number,
        width=width,
        title=title,
        description=description,
        query=query,
        interval="1m",
        field_config=stacked_counts(unit, no_value, colours, links),
        legend=totals_legend(),
    )
    panel.max_data_points = 100
    return panel


def distribution(
    *,
    number: int,
    width: int,
    title: str,
    description: str,
    unit: str,
    no_value: str,
    query: str,
    links: Sequence[DashboardLink] = (),
) -> Panel:
    """How many observations fell into each bucket of a histogram (rows) in each interval (columns), with exemplars.

    `unit` is that of the observations; the cells count.

    `query` counts by `le`: `total(events(series(..., part="bucket"), "$__interval"), ("le",))`.
    """
    return make(
        "heatmap",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=[
            prometheus.Dataquery(
                expr=query,
                legend_format="{{le}}",
                format_val=prometheus.PromQueryFormat.HEATMAP,
                exemplar=True,
                range_val=True,
                instant=False,
                ref_id="A",
                editor_mode=prometheus.QueryEditorMode.CODE,
                datasource=PROMETHEUS,
            )
        ],
        datasource=PROMETHEUS,
        interval="1m",
        max_data_points=100,
        field_config=values_config("locale", no_value, decimals=0, links=links),
        options=heatmap.Options(
            color=heatmap.HeatmapColorOptions(
                mode=heatmap.HeatmapColorMode.SCHEME, scheme="Blues", exponent=0.5, fill="dark-blue", steps=32
            ),
            y_axis=heatmap.YAxisConfig(unit=unit, axis_placement=common.AxisPlacement.LEFT),
            cell_values=heatmap.CellValues(unit="locale", decimals=0),
            tooltip=heatmap.HeatmapTooltip(mode=common.TooltipDisplayMode.SINGLE, y_histogram=False),
        ),
    )


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
    values = {f"Value #{letter(index)}": column for index, column in enumerate(asked)}
    if len(asked) == 1:  # Grafana numbers the value columns only when there are several
        values = {"Value": asked[0]}
    sources = {column.label: column for column in query if column.label} | values
    position = {column.name: index for index, column in enumerate(query)}
    organize = {
        "excludeByName": {"Time": True},
        "indexByName": {source: position[column.name] for source, column in sources.items()},
        "renameByName": {source: column.name for source, column in sources.items()},
    }
    config = values_config(unit, no_value, custom=cells())
    config.overrides = [column_override(column) for column in query]
    return make(
        "table",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=[_instant(column.query, letter(index), as_table=True) for index, column in enumerate(asked)],
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
        options=table_options(),
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
            ref_id=letter(index),
            editor_mode=prometheus.QueryEditorMode.CODE,
            datasource=PROMETHEUS,
        )
        for index, line in enumerate(query)
    ]
    return make(
        "timeseries",
        number=number,
        width=width,
        title=title,
        description=description,
        targets=targets,
        datasource=PROMETHEUS,
        interval=interval,
        field_config=field_config,
        options=over_time_options(legend),
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


def _legend_options(query: Sequence[Line], calculations: Sequence[Calculation]) -> common.VizLegendOptions:
    """A legend; none where one series needs no name."""
    alone = len(query) == 1 and "{{" not in query[0].legend
    return common.VizLegendOptions(
        show_legend=not alone,
        display_mode=common.LegendDisplayMode.TABLE if calculations else common.LegendDisplayMode.LIST,
        placement=common.LegendPlacement.BOTTOM,
        calcs=list(calculations),
    )
