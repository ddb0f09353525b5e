"""Links and queries as Grafana resolves them: variables filled in, an address parsed into its target.

The rules are those of Grafana's template service (`$name`, `${name.path:format}`) and of its data links, in which a
value is URI-encoded unless the link names another format. A variable that is undefined in Grafana is not replaced, as
Grafana leaves it, so that the tests see it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

_VARIABLE: Final = re.compile(
    r"\$(?P<plain>\w+)|\$\{(?P<name>\w+)(?:\.(?P<path>[^:^}]+))?(?::(?P<format>[^}]+))?\}"
)
_STEPS: Final = re.compile(r"""\[\s*["']([^"']+)["']\s*\]|\[(\d+)\]|([^.\[\]]+)""")
_ENCODED: Final = "uriencode"

type Values = Mapping[str, Any]


@dataclass(frozen=True)
class Explore:
    """A link into Explore: one query of one data source."""

    source: str
    query: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The query's text: PromQL, LogQL, TraceQL or the id of a trace."""
        return str(self.query.get("expr") or self.query.get("query") or "")


@dataclass(frozen=True)
class Board:
    """A link to a board with some of its variables set."""

    uid: str
    variables: Mapping[str, Sequence[str]]


def fill(text: str, values: Values, *, form: str = "") -> str:
    """Return `text` with every variable of `values` filled in; `form` applies where a variable names no format."""

    def one(match: re.Match[str]) -> str:
        name = match["plain"] or match["name"]
        if name not in values:
            return match[0]
        try:
            value = _inside(values[name], match["path"] or "")
        except (KeyError, IndexError):
            return match[0]
        return _formatted(name, value, match["format"] or form)

    return _VARIABLE.sub(one, text)


def opened(url: str, values: Values) -> Explore | Board:
    """Return the target of a link."""
    address = urlsplit(fill(url, values, form=_ENCODED))
    asked = parse_qs(address.query, strict_parsing=True)
    if address.path.startswith("/explore"):
        (pane,) = json.loads(asked["panes"][0]).values()
        (query,) = pane["queries"]
        assert query["datasource"]["uid"] == pane["datasource"]
        return Explore(pane["datasource"], query)
    parts = address.path.strip("/").split("/")
    assert parts[0] == "d", f"neither Explore nor a board: {url}"
    chosen = {key.removeprefix("var-"): found for key, found in asked.items() if key.startswith("var-")}
    return Board(parts[1], chosen)


def unfilled(text: str) -> list[str]:
    """The variables that are still in a text."""
    return [match[0] for match in _VARIABLE.finditer(text) if not (match["plain"] or "").isdecimal()]


def _inside(value: Any, path: str) -> Any:
    for key, index, plain in _STEPS.findall(path):
        value = value[int(index)] if index else value[key or plain]
    return value


def _formatted(name: str, value: Any, form: str) -> str:
    values = [str(each) for each in value] if isinstance(value, (list, tuple)) else [str(value)]
    if form == "queryparam":
        return "&".join(f"var-{name}={quote(each, safe='')}" for each in values)
    if form == "regex":
        escaped = [re.sub(r"([\\^$*+?.()|{}\[\]/])", r"\\\1", each) for each in values]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
    if form in ("", "pipe"):
        # A choice of several values reaches Prometheus and Loki as an alternation.
        text = "|".join(values)
        return text if form or len(values) == 1 else f"({text})"
    if form in ("raw", "text", "date", "numeric"):
        return ",".join(values)
    if form in (_ENCODED, "percentencode"):
        return quote("|".join(values), safe="" if form == "percentencode" else "!#$&'()*+,/:;=?@~-._")
    raise AssertionError(f"a format that this suite does not know: {form}")
