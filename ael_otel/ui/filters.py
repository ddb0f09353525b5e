"""The filters of a page: texts in its address, checked one by one, and the query that they make."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast, get_args
from urllib.parse import urlencode

import msgspec

from ael_otel.errors import QueryError, WhereError
from ael_otel.store import ExecutionStatus, RunQuery
from ael_otel.store.query import check
from ael_otel.store.times import parse_duration_ms, parse_when

FIELDS: Final = (
    "where",
    "workflow",
    "status",
    "since",
    "until",
    "tool",
    "error",
    "min_duration",
    "text",
    "session",
    "caller",
)
"""Names of the filters in an address: those of `ael trace list`."""

STATUSES: Final[tuple[str, ...]] = get_args(ExecutionStatus.__value__)

MAX_TEXT: Final = 2_000
"""Characters of one filter."""

MAX_DURATION_MS: Final = 1e12
"""Longest duration that a filter may ask for: thirty years, which a database can compare."""

_AROUND: Final = 48


class Mistake(msgspec.Struct, frozen=True):
    """What is wrong with one filter; `pointed` is the place in an expression, with a mark below it."""

    text: str
    pointed: str | None = None


class Filters(msgspec.Struct, frozen=True):
    """The filters in an address: their texts, the query without mistakes, and the mistakes by name."""

    texts: dict[str, str]
    query: RunQuery
    mistakes: dict[str, Mistake]

    def address(self, path: str, **more: str) -> str:
        """Return the address of a page with these filters and further parameters."""
        pairs = {**self.texts, **more}
        return f"{path}?{urlencode(pairs)}" if pairs else path


def read_filters(
    parameters: Mapping[str, str], *, limit: int | None, default: Mapping[str, str] | None = None
) -> Filters:
    """Return the filters of an address; an empty one is not applied.

    Args:
        parameters: names and texts; others than `FIELDS` and `cursor` are ignored.
        limit: `RunQuery.limit`.
        default: texts of filters that the address does not have.
    """
    texts: dict[str, str] = {}
    for name in FIELDS:
        text = parameters.get(name, (default or {}).get(name, "")).strip()
        if text:
            texts[name] = text
    values: dict[str, Any] = {"limit": limit}
    mistakes: dict[str, Mistake] = {}
    for name, text in texts.items():
        field, parse = _PARSERS.get(name, (name, _plain))
        try:
            values[field] = parse(text)
        except WhereError as error:
            mistakes[name] = Mistake(f"Column {error.column}: {error.problem}", _pointed_at(error))
        except QueryError as error:
            mistakes[name] = Mistake(str(error))
    if cursor := parameters.get("cursor", ""):
        try:
            check(RunQuery(cursor=cursor))
            values["cursor"] = cursor
        except QueryError as error:
            mistakes["cursor"] = Mistake(str(error))
    query = RunQuery(**values)
    try:
        check(query)
    except QueryError as error:
        mistakes["until"] = Mistake(str(error))
    return Filters(texts, query, mistakes)


def _plain(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise QueryError(f"longer than {MAX_TEXT:,} characters")
    if "\0" in text:
        raise QueryError("a NUL character is in no stored text")
    return text


def _where(text: str) -> str:
    from ael_otel.store.where import parse

    parse(_plain(text))
    return text


def _status(text: str) -> ExecutionStatus:
    if text not in STATUSES:
        raise QueryError(f"not a status: use one of {', '.join(STATUSES)}")
    return cast("ExecutionStatus", text)


def _when(text: str) -> datetime:
    found = parse_when(_plain(text))
    # Years that no run has, and with which databases and zones cannot calculate.
    edge = timedelta(days=2)
    if not datetime.min.replace(tzinfo=UTC) + edge < found < datetime.max.replace(tzinfo=UTC) - edge:
        raise QueryError("out of range")
    return found


def _duration_ms(text: str) -> float:
    found = parse_duration_ms(_plain(text))
    if found > MAX_DURATION_MS:
        raise QueryError("out of range")
    return found


_PARSERS: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "where": ("where", _where),
    "status": ("status", _status),
    "since": ("since", _when),
    "until": ("until", _when),
    "min_duration": ("min_duration_ms", _duration_ms),
}


def _pointed_at(error: WhereError) -> str:
    """Return the expression around its mistake, and a mark below the column."""
    at = error.column - 1
    start = max(0, at - _AROUND)
    around = "".join(
        sign if sign.isprintable() else " " for sign in error.expression[start : at + _AROUND // 2]
    )
    return f"{around}\n{' ' * (at - start)}^"
