"""What the functions that make panels are put together from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common, table, timeseries
from grafana_foundation_sdk.models.dashboard import (
    DashboardFieldConfigSourceOverrides,
    DashboardLink,
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

type Steps = Sequence[tuple[float, str]]

PROMETHEUS: Final = common.DataSourceRef(type_val="prometheus", uid="${prometheus}")
LOKI: Final = common.DataSourceRef(type_val="loki", uid="${loki}")
TEMPO: Final = common.DataSourceRef(type_val="tempo", uid="${tempo}")


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
    """A column of a table of log lines or spans: the name that the store gives the field."""

    name: str
    field: str
    unit: str = ""
    width: int | None = None
    links: Sequence[DashboardLink] = ()


def make(kind: str, *, number: int, width: int, targets: Sequence[Dataquery], **more: Any) -> Panel:
    """Put a panel together; the board places it."""
    return Panel(type_val=kind, id_val=number, grid_pos=GridPos(w=width, h=0), targets=list(targets), **more)


def letter(index: int) -> str:
    """The letter that names a query of a panel."""
    return chr(ord("A") + index)


def values_config(
    unit: str,
    no_value: str,
    *,
    decimals: int | None = None,
    bounds: tuple[float, float] | None = None,
    thresholds: ThresholdsConfig | None = None,
    custom: object | None = None,
    links: Sequence[DashboardLink] = (),
) -> FieldConfigSource:
    """What holds for all values of a panel."""
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


def thresholds_of(base: str, steps: Steps) -> ThresholdsConfig:
    """Colours by value: `base` below the first step."""
    return ThresholdsConfig(
        mode=ThresholdsMode.ABSOLUTE,
        steps=[
            Threshold(value=None, color=base),
            *(Threshold(value=at, color=colour) for at, colour in steps),
        ],
    )


def fixed(colour: str) -> dict[str, str]:
    """A colour that does not depend on the value."""
    return {"mode": "fixed", "fixedColor": colour}


def override(name: str, **properties: object) -> DashboardFieldConfigSourceOverrides:
    """Properties of the field with that name."""
    return DashboardFieldConfigSourceOverrides(
        matcher=MatcherConfig(id_val="byName", options=name),
        properties=[DynamicConfigValue(id_val=key, value=value) for key, value in properties.items()],
    )


def column_override(column: Column) -> DashboardFieldConfigSourceOverrides:
    """The properties that a column states."""
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
    return override(column.name, **properties)


def stacked_counts(
    unit: str, no_value: str, colours: Mapping[Any, str] | None, links: Sequence[DashboardLink]
) -> FieldConfigSource:
    """Counts of each interval as bars on top of one another."""
    custom = common.GraphFieldConfig(
        draw_style=common.GraphDrawStyle.BARS,
        line_width=0,
        fill_opacity=80,
        bar_alignment=common.BarAlignment.BEFORE,  # a point counts what happened up to its time
        show_points=common.VisibilityMode.NEVER,
        stacking=common.StackingConfig(mode=common.StackingMode.NORMAL, group="A"),
        axis_soft_min=0,
    )
    config = values_config(unit, no_value, decimals=0, custom=custom, links=links)
    config.overrides = [override(name, color=fixed(colour)) for name, colour in (colours or {}).items()]
    return config


def over_time_options(legend: common.VizLegendOptions) -> timeseries.Options:
    """A graph with this legend, whose tooltip shows every series but those at 0, the largest first."""
    return timeseries.Options(
        legend=legend,
        tooltip=common.VizTooltipOptions(
            mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING, hide_zeros=True
        ),
    )


def last_value() -> common.ReduceDataOptions:
    """One number of a series: its last."""
    return common.ReduceDataOptions(values=False, calcs=["lastNotNull"], fields="")


def cells() -> common.TableFieldOptions:
    """How the cells of a table look."""
    return common.TableFieldOptions(align=common.FieldTextAlignment.AUTO, inspect=False, filterable=True)


def table_options(*order: common.TableSortByFieldState) -> table.Options:
    """A table with a head, in this order at first."""
    return table.Options(show_header=True, cell_height=common.TableCellHeight.SM, sort_by=list(order))
