"""The committed boards as data, and their queries and links."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

FOLDER = Path(__file__).resolve().parents[2] / "dashboards"
SPEAKING = ("row", "text")  # panels that show no data

type Json = dict[str, Any]


def committed() -> dict[str, Json]:
    """Every board in the repository, by the name of its file without `.json`."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def panels(board: Json) -> list[Json]:
    """Every panel, also those inside collapsed rows."""
    return [each for panel in board["panels"] for each in (panel, *panel.get("panels", []))]


def data_panels(board: Json) -> list[Json]:
    """The panels that ask a data source."""
    return [panel for panel in panels(board) if panel["type"] not in SPEAKING]


def kind_of(target: Json) -> str:
    """The type of the data source that a query goes to."""
    return str(target.get("datasource", {}).get("type", ""))


def text_of(target: Json) -> str:
    """The text of a query: PromQL, LogQL, TraceQL, or the selector of a service graph."""
    return str(target.get("expr") or target.get("query") or target.get("serviceMapQuery") or "")


def needs_tempo(target: Json) -> bool:
    """Return whether a query needs Tempo: it asks Tempo, or metrics that Tempo generates."""
    return kind_of(target) == "tempo" or "traces_" in text_of(target)


def queries(board: Json, kind: str) -> Iterator[tuple[str, str]]:
    """Yield place and text of every query of a panel to a kind of data source."""
    for panel in data_panels(board):
        for target in panel["targets"]:
            if kind_of(target) == kind:
                yield f"{name_of(panel)} {target['refId']}", text_of(target)


def variable_queries(board: Json) -> Iterator[tuple[str, str]]:
    """Yield place and text of the query of every query variable."""
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["query"]["query"]


def name_of(panel: Json) -> str:
    """A panel's number and title, for messages."""
    return f"panel {panel.get('id')} {panel.get('title')!r}"


def data_links(panel: Json) -> list[Json]:
    """The links on a panel's values and on its columns."""
    config = panel.get("fieldConfig", {})
    links = list(config.get("defaults", {}).get("links", []))
    for override in config.get("overrides", []):
        links += [link for item in override["properties"] if item["id"] == "links" for link in item["value"]]
    return links


def linked_queries(board: Json, kind: str) -> Iterator[tuple[str, str]]:
    """Yield place and text of every query that a data link carries to Explore, decoded as Grafana does."""
    for panel in data_panels(board):
        for link in data_links(panel):
            if link["url"].startswith("/d/"):
                continue
            for pane in panes(link).values():
                for query in pane["queries"]:
                    if kind_of(query) == kind:
                        yield (
                            f"{name_of(panel)} link {link['title']!r}",
                            query.get("expr") or query.get("query", ""),
                        )


def panes(link: Json) -> Mapping[str, Json]:
    """Return the target of a link to Explore."""
    found = parse_qs(urlsplit(link["url"]).query, strict_parsing=True)["panes"][0]
    loaded: Mapping[str, Json] = json.loads(found)
    return loaded


def board_of(link: Json) -> tuple[str, dict[str, list[str]]] | None:
    """The uid of the board that a link opens and the variables it gives it; None for a link to Explore."""
    address = urlsplit(link["url"])
    found = re.fullmatch(r"/d/([\w-]+)/[\w-]+", address.path)
    if found is None:
        return None
    asked = parse_qs(address.query, strict_parsing=True)
    return found[1], {key.removeprefix("var-"): asked[key] for key in asked if key.startswith("var-")}
