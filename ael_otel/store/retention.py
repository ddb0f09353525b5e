"""Deleting what is too old: once a day, by whichever process runs past 03:00 UTC first."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from ael_otel.store.sql import SqlBackend
from ael_otel.store.times import to_us

HOUR_UTC: Final = 3
_KEY: Final = "retention"


class Retention:
    """The rules: an age in days, and a size in MiB or 0 for none."""

    def __init__(self, days: int, max_mb: int = 0) -> None:
        self.days = days
        self.max_mb = max_mb

    def steps(self, backend: SqlBackend, now: datetime | None = None) -> Iterator[int]:
        """Prune if it is due and no other process does; yields after each small transaction.

        The time of the last run is kept in the store, so a day that nobody was there for is caught up with once.
        """
        now = now or datetime.now(UTC)
        if backend.claim(_KEY, to_us(last_boundary(now))):
            yield from backend.prune_steps(to_us(now - timedelta(days=self.days)), self.max_mb or None)


def last_boundary(now: datetime) -> datetime:
    """Return the latest 03:00 UTC that is not after `now`."""
    now = now.astimezone(UTC)
    today = now.replace(hour=HOUR_UTC, minute=0, second=0, microsecond=0)
    return today if today <= now else today - timedelta(days=1)
