"""The filters in an address."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ael_otel.store import RunQuery
from ael_otel.ui.filters import FIELDS, MAX_TEXT, read_filters


def test_filters_are_those_of_the_list_on_the_terminal() -> None:
    """Every option of `ael trace list` that chooses runs has a field, and no other has."""
    from ael_otel.cli.trace.options import Filters

    assert set(FIELDS) == {"min_duration" if name == "min_duration" else name for name in Filters.__slots__}


def test_texts_become_a_query() -> None:
    """Each field, trimmed; empty ones are not applied."""
    found = read_filters(
        {
            "where": ' step.tool = "x" ',
            "workflow": "order",
            "status": "failed",
            "since": "2026-01-31",
            "until": "2026-02-01T12:00:00+01:00",
            "min_duration": "1.5s",
            "tool": "",
            "caller": "  ",
            "unknown": "1",
        },
        limit=5,
    )
    assert not found.mistakes
    assert found.query == RunQuery(
        limit=5,
        where='step.tool = "x"',
        workflow="order",
        status="failed",
        since=datetime(2026, 1, 31, tzinfo=UTC),
        until=datetime(2026, 2, 1, 11, tzinfo=UTC),
        min_duration_ms=1500.0,
    )
    assert found.address("/") == (
        "/?where=step.tool+%3D+%22x%22&workflow=order&status=failed&since=2026-01-31"
        "&until=2026-02-01T12%3A00%3A00%2B01%3A00&min_duration=1.5s"
    )


def test_default_is_used_where_the_address_has_no_text() -> None:
    """An empty text in the address is a choice of its own."""
    week = datetime.now(UTC) - timedelta(days=7)
    since = read_filters({}, limit=None, default={"since": "7d"}).query.since
    assert since is not None
    assert abs(since - week) < timedelta(minutes=1)
    assert read_filters({"since": ""}, limit=None, default={"since": "7d"}).query.since is None


def test_mistake_in_an_expression_is_pointed_at() -> None:
    """The column, the problem, and a mark below it; the other filters stay."""
    found = read_filters({"where": "status = failed and and", "workflow": "order"}, limit=5)
    mistake = found.mistakes["where"]
    assert mistake.text.startswith("Column 21: ")
    assert mistake.pointed == f"status = failed and and\n{' ' * 20}^"
    assert found.query == RunQuery(limit=5, workflow="order")
    assert found.texts["where"] == "status = failed and and"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("status", "bad"),
        ("since", "yesterday"),
        ("since", "0001-01-01"),
        ("until", "9999-12-31"),
        ("since", f"{'9' * 300}d"),
        ("min_duration", "soon"),
        ("min_duration", "9" * 400),
        ("workflow", "x" * (MAX_TEXT + 1)),
        ("text", "a\0b"),
        ("cursor", "!!!"),
        ("cursor", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5LmE"),
    ],
)
def test_unusable_text_is_a_mistake_of_its_field(name: str, text: str) -> None:
    """It is reported at the field and not applied."""
    found = read_filters({name: text}, limit=5)
    assert list(found.mistakes) == [name]
    assert found.query == RunQuery(limit=5)


def test_reversed_range_is_a_mistake() -> None:
    """An end before the start chooses nothing, which a person should know."""
    found = read_filters({"since": "2026-02-01", "until": "2026-01-01"}, limit=5)
    assert "after until" in found.mistakes["until"].text


@given(st.dictionaries(st.sampled_from([*FIELDS, "cursor", "by"]), st.text(max_size=60)))
@example({"where": "'" * 60})
@example({"where": "(" * 60})
@example({"since": "1e999d"})
def test_any_text_is_a_query_or_a_mistake(texts: dict[str, str]) -> None:
    """No text raises, and the address of the filters has the same texts again."""
    found = read_filters(texts, limit=5)
    again = dict(parse_qsl(urlsplit(found.address("/")).query, encoding="utf-8", errors="surrogatepass"))
    assert read_filters(again, limit=5).mistakes.keys() == found.mistakes.keys() - {"cursor"}
