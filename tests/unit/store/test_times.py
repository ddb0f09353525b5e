"""Times: exact, in UTC, and as people write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.errors import QueryError
from ael_otel.store.query import read_cursor, write_cursor
from ael_otel.store.times import day_of, from_us, parse_duration_ms, parse_when, to_us

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=ZONES)  # noqa: DTZ001


@given(MOMENTS)
def test_every_moment_survives_as_microseconds(moment: datetime) -> None:
    """Proves the exact round trip and the order in any zone and century."""
    assert from_us(to_us(moment)) == moment
    assert to_us(moment + timedelta(microseconds=1)) == to_us(moment) + 1
    assert from_us(to_us(moment)).utcoffset() == timedelta(0)


@given(MOMENTS)
def test_times_round_trip(moment: datetime) -> None:
    """Proves that RFC 3339 in any zone is that moment, and that a naive time is UTC."""
    assert parse_when(moment.isoformat()) == moment
    naive = moment.replace(tzinfo=None)
    assert parse_when(naive.isoformat()) == naive.replace(tzinfo=UTC)
    assert to_us(naive) == to_us(naive.replace(tzinfo=UTC))


@given(st.integers(-(2**62), 2**62), st.text(st.characters(codec="utf-8")))
def test_cursor_round_trips(started: int, execution_id: str) -> None:
    """Proves the round trip of cursors with any id."""
    assert read_cursor(write_cursor(started, execution_id)) == (started, execution_id)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T10:00:00Z", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2026-01-31 10:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2026-01-31T10:00:00+02:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("1h", NOW - timedelta(hours=1)),
        ("7d", NOW - timedelta(days=7)),
        ("90s", NOW - timedelta(seconds=90)),
        ("1.5h", NOW - timedelta(minutes=90)),
        (" 2w ", NOW - timedelta(weeks=2)),
    ],
)
def test_people_write_times_in_several_ways(text: str, moment: datetime) -> None:
    """Proves each documented form."""
    assert parse_when(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "1y", "-1h", "2026-13-01", "h", "99999999999d"])
def test_text_that_is_not_a_time_is_reported(text: str) -> None:
    """Proves that an error has the wrong text and the accepted forms."""
    with pytest.raises(QueryError, match="is not a time: write 2026-01-31"):
        parse_when(text, NOW)


def test_durations_have_units() -> None:
    """Proves each unit, bare milliseconds, and the error."""
    assert [parse_duration_ms(each) for each in ("250ms", "1.5s", "2m", "1h", "40")] == [
        250,
        1500,
        120_000,
        3_600_000,
        40,
    ]
    with pytest.raises(QueryError, match="is not a duration"):
        parse_duration_ms("soon")


def test_a_day_is_a_day_in_utc() -> None:
    """Proves that the day of a moment does not depend on its zone."""
    assert day_of(to_us(datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=2))))) == "2026-02-28"
