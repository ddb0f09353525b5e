"""Drops are logged at once, then at most once a minute, and each drop is in one of the log lines."""

import logging

import pytest

from ael_otel.core import drop_events as losses
from ael_otel.core.drop_events import QUIET_SECONDS, DropEvents


def test_drops_are_logged_at_once_and_then_added_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first loss of a kind is logged, later ones within a minute are added to the next line; kinds are apart."""
    now = 1_000.0
    monkeypatch.setattr(losses, "monotonic", lambda: now)
    notice = DropEvents()
    with caplog.at_level(logging.WARNING, "ael.telemetry"):
        notice.lost("logs", "queue_full", 3)
        notice.lost("logs", "queue_full", 4)
        notice.lost("traces", "queue_full", 1)
        now += QUIET_SECONDS
        notice.lost("logs", "queue_full", 5)
    assert [record.getMessage() for record in caplog.records] == [
        "telemetry dropped: 3 items of logs (queue_full)",
        "telemetry dropped: 1 items of traces (queue_full)",
        "telemetry dropped: 9 items of logs (queue_full)",
    ]


def test_drop_while_a_drop_is_logged_does_not_recurse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logging the loss may lose a record itself: that is counted for the next line and logged by none."""
    notice = DropEvents()
    logged: list[str] = []

    class Losing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append(record.getMessage())
            notice.lost("logs", "queue_full", 1)

    handler = Losing()
    logger = logging.getLogger("ael.telemetry")
    monkeypatch.setattr(logger, "handlers", [handler])
    notice.lost("logs", "queue_full", 1)
    assert logged == ["telemetry dropped: 1 items of logs (queue_full)"]
