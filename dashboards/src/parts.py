"""What the functions that make panels are put together from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common, table, timeseries
from grafana_foundation_sdk.models.dashboard import (
    DashboardFieldConfigSourceOverrides,
    DashboardLink,
    DashboardRegexMapOptions,
    DynamicConfigValue,
    FieldColor,
    FieldColorModeId,
    FieldConfig,
    FieldConfigSource,
    GridPos,
    MatcherConfig,
    Panel,
    RegexMap,
    Threshold,
    ThresholdsConfig,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)

from dashboards.src.colours import OPEN

type Steps = Sequence[tuple[float, str]]
type ShownAs = Sequence[ValueMap | RegexMap]

PROMETHEUS: Final = common.DataSourceRef(type_val="prometheus", uid="${prometheus}")
LOKI: Final = common.DataSourceRef(type_val="loki", uid="${loki}")
TEMPO: Final = common.DataSourceRef(type_val="tempo", uid="${tempo}")

ERROR_WIDTH: Final = 170
EXECUTION_WIDTH: Final = 145
TRACE_WIDTH: Final = 100
DURATION_WIDTH: Final = 100
"""Pixels that the columns of most tables need to show their values whole: the longest error that a demo has is
WORKFLOW_TIMEOUT. With Grafana's menu open a board on a screen of 1280 pixels is 850 wide."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table: an instant PromQL query with one row for each set of labels, or a label itself."""

    name: str
    query: str = ""
    label: str = ""
    unit: str = ""
    decimals: int | None = None
    width: int | None = None
    shown_as: ShownAs = ()
    links: Sequence[DashboardLink] = ()


@dataclass(frozen=True, kw_only=True)
class Field:
    """A column of a table of log lines or spans: the name that the store gives the field."""

    name: str
    field: str
    unit: str = ""
    width: int | None = None
    shown_as: ShownAs = ()
    links: Sequence[DashboardLink] = ()

    def column(self) -> Column:
        """How the field looks."""
        return Column(
            name=self.name, unit=self.unit, width=self.width, shown_as=self.shown_as, links=self.links
        )


TIME: Final = Column(name="Time", unit="time:YYYY-MM-DD HH:mm:ss", width=155)
"""When it happened. Without a format of its own the column shows milliseconds or not, as they come."""


def words(names: Mapping[str, str]) -> ShownAs:
    """Show these words for these values."""
    options = {value: ValueMappingResult(text=text) for value, text in names.items()}
    return (ValueMap(options=options),)


def _abbreviated(pattern: str, text: str) -> RegexMap:
    return RegexMap(options=DashboardRegexMapOptions(pattern=pattern, result=ValueMappingResult(text=text)))


SHORT_TRACE_ID: Final[ShownAs] = tuple(
    # Tempo's search leaves out the zeros that an id begins with.
    _abbreviated(f"(.{{{8 - zeros}}}).{{24}}", f"{'0' * zeros}$1…")
    for zeros in range(4)
)
"""The first eight digits, as `ael trace list` shows them; links have the whole id, and so has the trace's page."""

SHORT_EXECUTION_ID: Final[ShownAs] = (_abbreviated("([0-9a-f]{8})(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "$1…"),)
"""The engine's own ids (exec-...) as they are, of a caller's UUID the first eight digits."""


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
    defaults = FieldConfig(
        unit=unit,
        no_value=no_value,
        decimals=decimals,
        min_val=bounds[0] if bounds else None,
        max_val=bounds[1] if bounds else None,
        thresholds=thresholds,
        color=FieldColor(mode=FieldColorModeId.THRESHOLDS) if thresholds else OPEN,
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
    if column.shown_as:
        properties["mappings"] = list(column.shown_as)
    if column.links:
        properties["links"] = [
            {"title": link.title, "url": link.url, "targetBlank": link.target_blank} for link in column.links
        ]
    return override(column.name, **properties)


def stacked_counts(
    unit: str,
    no_value: str,
    colours: Mapping[Any, str] | None,
    links: Sequence[DashboardLink],
    names: Mapping[str, str] | None = None,
) -> FieldConfigSource:
    """Counts of each interval as bars on top of one another; `names` are words for what a series is called."""
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
    looks: dict[str, dict[str, object]] = {
        series: {"color": fixed(colour)} for series, colour in (colours or {}).items()
    }
    for series, name in (names or {}).items():
        looks.setdefault(series, {})["displayName"] = name
    config.overrides = [override(series, **look) for series, look in looks.items()]
    return config


def over_time_options(legend: common.VizLegendOptions) -> timeseries.Options:
    """A graph with this legend, whose tooltip shows every series but those at 0, the largest first."""
    return timeseries.Options(
        legend=legend,
        tooltip=common.VizTooltipOptions(
            mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING, hide_zeros=True
        ),
    )


def totals_legend() -> common.VizLegendOptions:
    """Each name with its total, side by side: of a table only two names and a half would be seen."""
    return common.VizLegendOptions(
        show_legend=True,
        display_mode=common.LegendDisplayMode.LIST,
        placement=common.LegendPlacement.BOTTOM,
        calcs=["sum"],
    )


def last_value() -> common.ReduceDataOptions:
    """One number of a series: its last."""
    return common.ReduceDataOptions(values=False, calcs=["lastNotNull"], fields="")


def cells() -> common.TableFieldOptions:
    """How the cells of a table look."""
    return common.TableFieldOptions(
        align=common.FieldTextAlignment.AUTO,
        inspect=False,
        filterable=True,
        min_width=90,  # Grafana's own 150 pushes the last columns out of a narrow table
    )


def table_options(*order: common.TableSortByFieldState) -> table.Options:
    """A table with a head, in this order at first."""
    return table.Options(show_header=True, cell_height=common.TableCellHeight.SM, sort_by=list(order))
