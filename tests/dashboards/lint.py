"""Rules for every board. A rule yields its violations; `RULES` has all of them.

A rule that must not hold somewhere has its exception, with the reason, in `EXCEPTIONS`.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import promql_parser as promql

from dashboards.src.queries import BEFORE
from tests.dashboards.boards import (
    SPEAKING,
    Json,
    data_links,
    data_panels,
    kind_of,
    name_of,
    panels,
    queries,
)
from tests.dashboards.promql import (
    DURATIONS,
    Found,
    known_series,
    parse,
    selectors,
    variables_in,
    walk,
    written,
)
from tests.support.structure import texts

type Rule = Callable[[str, Json], Iterator[str]]

# Grafana's ids of the units we use; an id that Grafana does not know is shown as text after the number.
# "ms" is for `duration_ms`, a field of a log line.
UNITS = {"locale", "bytes", "s", "ms", "ns", "percentunit", "cps", "string", "time:YYYY-MM-DD HH:mm:ss"}

# Windows that a query may have besides Grafana's macros, with the title that must announce the first.
EXCEPTIONS: Mapping[str, str] = {
    "24h": "a figure of the last day whatever the range of the board, which its title or description says",
    BEFORE: "looks for what a series was before the window, so it must not depend on it",
}

# Panels that show how values change.
OVER_TIME = ("timeseries", "heatmap")

# Variables that Grafana brings, and groups of a regular expression.
BUILT_IN = re.compile(r"__\w+|\d+")


def described(_: str, board: Json) -> Iterator[str]:
    """A panel has a description."""
    for panel in panels(board):
        if panel["type"] != "text" and not panel.get("title"):
            yield f"{name_of(panel)} has no title"
        if panel["type"] not in SPEAKING and len(panel.get("description", "").split()) < 6:
            yield f"{name_of(panel)} has no description, or one that says nothing"


def unit_stated(_: str, board: Json) -> Iterator[str]:
    """A panel has a unit that Grafana knows, and so has every column that states one."""
    for panel in data_panels(board):
        config = panel["fieldConfig"]
        found = [config["defaults"].get("unit")]
        for override in config.get("overrides", []):
            found += [item["value"] for item in override["properties"] if item["id"] == "unit"]
        yield from (f"{name_of(panel)} has the unit {unit!r}" for unit in found if unit not in UNITS)


def silence_explained(_: str, board: Json) -> Iterator[str]:
    """A panel without data has a text with the reason."""
    for panel in data_panels(board):
        text = panel["fieldConfig"]["defaults"].get("noValue", "")
        if len(text.split()) < 2 or text.lower() in {"no data", "n a"}:
            yield f"{name_of(panel)} says {text!r} when it has no data"


def datasource_by_variable(_: str, board: Json) -> Iterator[str]:
    """No data source is named: panels, queries, variables and links ask the one that the person chose."""
    offered = {
        variable["name"]: variable["query"]
        for variable in board["templating"]["list"]
        if variable["type"] == "datasource"
    }
    for place, source in _datasources(board, "board"):
        variable = re.fullmatch(
            r"\$\{(\w+)\}", str(source.get("uid") if isinstance(source, dict) else source)
        )
        if variable is None or variable[1] not in offered:
            yield f"{place} names the data source {source!r}"
        elif isinstance(source, dict) and source.get("type") != offered[variable[1]]:
            yield f"{place} asks ${variable[1]} as {source.get('type')!r}"
    for panel in data_panels(board):
        for item in (panel, *panel["targets"]):
            if not item.get("datasource"):
                yield f"{name_of(panel)} leaves the data source to Grafana's default"


def counters_rated(_: str, board: Json) -> Iterator[str]:
    """A counter's value is never displayed directly: it begins at the process's start and falls at its end."""
    for place, tree in _trees(board):
        inside: dict[str | None, set[str]] = {}
        for found in selectors(tree):
            inside.setdefault(found.function, set()).add(written(found.node))
        increased = inside.get("increase", set())
        # The last value less the first one.
        differences = inside.get("last_over_time", set()) & inside.get("min_over_time", set())
        for found in selectors(tree):
            name = _name(found)
            if not (name in known_series() and known_series()[name].counter):
                continue
            if found.function in {"rate", "increase", "resets"}:
                continue
            if found.function == "last_over_time" and written(found.node) in increased | differences:
                continue
            if found.function == "min_over_time" and written(found.node) in differences:
                continue
            yield f"{place}: {name} in {found.function or 'no function'} is not rated"


def windows_follow_the_board(_: str, board: Json) -> Iterator[str]:
    """A window is one of Grafana's, so that it fits the range and the resolution; rate() has the one made for it."""
    for place, tree in _trees(board):
        for found in walk(tree):
            if isinstance(found.node, promql.SubqueryExpr | promql.MatrixSelector):
                window = DURATIONS.get(found.node.range, promql.display_duration(found.node.range))
                window = "24h" if window == "1d" else window
                if not window.startswith("$") and window not in EXCEPTIONS:
                    yield f"{place} has a window of {window}"
                if window == BEFORE and "offset" not in found.node.prettify():
                    yield f"{place} has a window of {window} that is not before another"
                if found.function in {"rate", "irate"} and window != "$__rate_interval":
                    yield f"{place}: {found.function} over {window}"
    for panel in data_panels(board):
        for target in panel["targets"]:
            if "[24h" in target.get("expr", "") and "24 h" not in panel["title"] + panel["description"]:
                yield f"{name_of(panel)} asks for 24 hours and does not say so"


def log_windows_automatic(_: str, board: Json) -> Iterator[str]:
    """A window in LogQL is `$__auto` over time, and the range of the board where it is asked once."""
    for panel in data_panels(board):
        for target in panel["targets"]:
            if kind_of(target) == "loki":
                wanted = "$__range" if target.get("queryType") == "instant" else "$__auto"
                yield from (
                    f"{name_of(panel)} {target['refId']} has a window of {it}"
                    for it in re.findall(r"\[([^\]]*)\]", target["expr"])
                    if it != wanted
                )


def asked_once_where_one_answer_is_shown(_: str, board: Json) -> Iterator[str]:
    """Figures and tables ask for one moment, lines and bars for a range; a table's answers are tables."""
    for panel in data_panels(board):
        for target in panel["targets"]:
            if kind_of(target) != "prometheus":
                continue
            over_time = panel["type"] in OVER_TIME
            if target.get("range") is not over_time or target.get("instant") is over_time:
                yield f"{name_of(panel)} {target['refId']} asks for the wrong span of time"
            if panel["type"] == "table" and target.get("format") != "table":
                yield f"{name_of(panel)} {target['refId']} is not asked as a table"


def nothing_divided_by_zero(_: str, board: Json) -> Iterator[str]:
    """Where nothing was counted there is no share, not 0 % nor 100 %: a count that divides is `> 0`."""
    for place, tree in _trees(board):
        for found in walk(tree):
            node = found.node
            if not (isinstance(node, promql.BinaryExpr) and str(node.op) == "/"):
                continue
            counted = any(known_series()[name].counter for name in _names(node.rhs) if name in known_series())
            divisor = _bare(node.rhs)
            guarded = isinstance(divisor, promql.BinaryExpr) and str(divisor.op) == ">"
            if counted and not guarded:
                yield f"{place} divides by a count that may be 0"


def quantiles_without_nan(_: str, board: Json) -> Iterator[str]:
    """A quantile without samples is dropped, not displayed as NaN."""
    for place, tree in _trees(board):
        for found in walk(tree):
            if isinstance(found.node, promql.Call) and found.node.func.name == "histogram_quantile":
                parent = found.around[-1] if found.around else None
                if not (isinstance(parent, promql.BinaryExpr) and str(parent.op) == ">="):
                    yield f"{place} keeps NaN"


def ids_unique(_: str, board: Json) -> Iterator[str]:
    """Each panel has a unique id, each query of a panel a unique letter."""
    ids = [panel.get("id") for panel in panels(board)]
    yield from (
        f"panel id {each} is given {ids.count(each)} times" for each in set(ids) if ids.count(each) > 1
    )
    yield from (f"panel id {each!r} is none" for each in set(ids) if not isinstance(each, int) or each < 1)
    for panel in data_panels(board):
        letters = [target["refId"] for target in panel["targets"]]
        if len(set(letters)) != len(letters):
            yield f"{name_of(panel)} repeats a refId: {letters}"


def panels_apart(_: str, board: Json) -> Iterator[str]:
    """Panels fit into the 24 columns and lie beside, not on, each other."""
    for panel in board["panels"]:
        place = panel["gridPos"]
        if place["w"] < 1 or place["h"] < 1 or place["x"] < 0 or place["x"] + place["w"] > 24:
            yield f"{name_of(panel)} does not fit: {place}"
    for one, other in itertools.combinations(board["panels"], 2):
        a, b = one["gridPos"], other["gridPos"]
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        if not (beside or above):
            yield f"{name_of(one)} lies on {name_of(other)}"


def identity_stable(stem: str, board: Json) -> Iterator[str]:
    """The uid can be read, is the file's name, and nothing of one Grafana's database is in the file."""
    if board.get("uid") != stem or not re.fullmatch(r"ael-[a-z]+(-[a-z]+)*", stem):
        yield f"uid {board.get('uid')!r} in {stem}.json"
    if not str(board.get("title", "")).startswith("AEL "):
        yield f"title {board.get('title')!r}"
    yield from (
        f"{key} belongs to one Grafana"
        for key in ("id", "version", "iteration")
        if board.get(key) is not None
    )


def read_only(_: str, board: Json) -> Iterator[str]:
    """A provisioned board is not editable: the next start would undo changes. One crosshair goes through all panels."""
    if board.get("editable") is not False:
        yield "the board can be edited"
    if board.get("graphTooltip") != 1:
        yield "the crosshair is not shared"
    if not {"ael", "generated"} <= set(board.get("tags", [])):
        yield "the board lacks the tag ael or generated"
    if board.get("schemaVersion") != 42:
        yield f"schema version {board.get('schemaVersion')!r}: Grafana's file provider takes v1"


def links_keep_time(_: str, board: Json) -> Iterator[str]:
    """A link opens the same stretch of time."""
    for link in board.get("links", []):
        if link["type"] == "dashboards" and not (link.get("keepTime") and link.get("includeVars")):
            yield f"link {link['title']!r} loses the time or the choice"
        if link["type"] == "link" and "${__from}" not in link.get("url", ""):
            yield f"link {link['title']!r} loses the time"
    for panel in data_panels(board):
        for link in data_links(panel):
            if not {"__from", "__to"} <= variables_in(link["url"]):
                yield f"{name_of(panel)} link {link['title']!r} loses the time"


def tables_and_durations_lead_on(_: str, board: Json) -> Iterator[str]:
    """From every table and every duration over time a click leads on; durations carry exemplars, once."""
    for panel in data_panels(board):
        durations = panel["type"] == "heatmap" or (
            panel["type"] == "timeseries"
            and any("histogram_quantile" in target.get("expr", "") for target in panel["targets"])
        )
        if (panel["type"] == "table" or durations) and not data_links(panel):
            yield f"{name_of(panel)} leads nowhere"
        with_exemplars = sum(bool(target.get("exemplar")) for target in panel["targets"])
        if durations and with_exemplars != 1:
            yield f"{name_of(panel)} asks {with_exemplars} times for exemplars"


def variables_ready(_: str, board: Json) -> Iterator[str]:
    """Choices follow the time range and offer all; every variable used is there, every variable there is used."""
    declared = {variable["name"]: variable for variable in board["templating"]["list"]}
    kinds = sorted(variable["query"] for variable in declared.values() if variable["type"] == "datasource")
    if kinds != ["loki", "prometheus", "tempo"]:
        yield f"data sources to choose: {kinds}"
    for name, variable in declared.items():
        if variable["type"] == "query" and not (
            variable.get("refresh") == 2
            and variable.get("multi")
            and variable.get("includeAll")
            and variable.get("allValue") == ".*"
        ):
            yield f"${name} does not refresh on time change, or does not offer several or all"
    used = {
        name for text in texts(board["panels"]) for name in variables_in(text) if not BUILT_IN.fullmatch(name)
    }
    yield from (f"${name} is used and not declared" for name in used - set(declared))
    chosen = {name for name, variable in declared.items() if variable["type"] == "query"}
    yield from (f"${name} is declared and not used" for name in chosen - used)


def several_choices_match(_: str, board: Json) -> Iterator[str]:
    """A variable that may stand for several values is matched by `=~`."""
    several = {variable["name"] for variable in board["templating"]["list"] if variable.get("multi")}
    for kind in ("prometheus", "loki", "tempo"):
        for place, text in queries(board, kind):
            for operator, name in re.findall(r'(=~|!~|!=|=)\s*"\$\{?(\w+)', text):
                if name in several and operator not in {"=~", "!~"}:
                    yield f"{place} compares ${name} by {operator}"


def titles_tell_panels_apart(_: str, board: Json) -> Iterator[str]:
    """Two panels of a board have two titles: an alert, a message or a person names a panel by it."""
    titles = [panel["title"] for panel in data_panels(board)]
    yield from (
        f"{title!r} is the title of {titles.count(title)}" for title in set(titles) if titles.count(title) > 1
    )


def variables_explained(_: str, board: Json) -> Iterator[str]:
    """A variable has a label and a description."""
    for variable in board["templating"]["list"]:
        if not variable.get("label") or len(variable.get("description", "").split()) < 3:
            yield f"${variable['name']} is not explained"


def legends_readable(_: str, board: Json) -> Iterator[str]:
    """Series are named by labels or words, not by whole label sets; one series without labels needs no legend."""
    for panel in data_panels(board):
        if panel["type"] != "timeseries":
            continue
        names = [target.get("legendFormat", "") for target in panel["targets"]]
        if not all(names):
            yield f"{name_of(panel)} leaves the names of its series to Grafana"
        alone = len(names) == 1 and "{{" not in names[0]
        if panel["options"]["legend"]["showLegend"] is alone:
            yield f"{name_of(panel)} shows a legend for one series, or none for several"


RULES: tuple[Rule, ...] = (
    described,
    titles_tell_panels_apart,
    variables_explained,
    legends_readable,
    unit_stated,
    silence_explained,
    datasource_by_variable,
    counters_rated,
    windows_follow_the_board,
    log_windows_automatic,
    asked_once_where_one_answer_is_shown,
    nothing_divided_by_zero,
    quantiles_without_nan,
    ids_unique,
    panels_apart,
    identity_stable,
    read_only,
    links_keep_time,
    tables_and_durations_lead_on,
    variables_ready,
    several_choices_match,
)


def _trees(board: Json) -> Iterator[tuple[str, promql.Expr]]:
    for place, text in queries(board, "prometheus"):
        yield place, parse(text)


def _name(found: Found) -> str:
    assert isinstance(found.node, promql.VectorSelector)
    return found.node.name or ""


def _names(node: promql.Expr) -> set[str]:
    return {_name(found) for found in selectors(node)}


def _bare(node: promql.Expr) -> promql.Expr:
    while isinstance(node, promql.ParenExpr):
        node = node.expr
    return node


def _datasources(item: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(item, dict):
        place = name_of(item) if "gridPos" in item else place
        if item.get("type") == "datasource" and "query" in item:  # the variable that offers them
            return
        for key, value in item.items():
            if key == "datasource" and value:
                yield place, value
            else:
                yield from _datasources(value, place)
    elif isinstance(item, list):
        for each in item:
            yield from _datasources(each, place)
