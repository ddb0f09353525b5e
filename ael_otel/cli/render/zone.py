"""The time zone of displayed and entered times: UTC, that of this machine, or one with an IANA name."""

from datetime import UTC, datetime, tzinfo
from typing import Final, NamedTuple

from ael_otel.errors import ConfigError

VARIABLE: Final = "AEL_TIMEZONE"


class Zone(NamedTuple):
    """A time zone and its name for headings; `info` is None for that of this machine."""

    info: tzinfo | None
    name: str

    def at(self, moment: datetime) -> datetime:
        """Return a time in this zone."""
        return moment.astimezone(self.info)

    def when(self, moment: datetime) -> str:
        """Return a time to the second, in the form that a filter accepts in this zone: `2026-01-31 12:00:00`."""
        return f"{self.at(moment):%Y-%m-%d %H:%M:%S}"

    def full(self, moment: datetime) -> str:
        """Return a time with its zone or offset: `2026-01-31 12:00:00 UTC`, `2026-01-31 13:00:00+01:00`."""
        if self is UTC_ZONE:
            return f"{self.when(moment)} UTC"
        return self.at(moment).isoformat(" ", "seconds")

    def read(self, moment: datetime) -> datetime:
        """Return a time in UTC; one without a zone is taken as a time in this zone."""
        if moment.tzinfo is None and self.info is not None:
            moment = moment.replace(tzinfo=self.info)
        return moment.astimezone(UTC)  # a time without a zone is the local time of this machine


UTC_ZONE: Final = Zone(UTC, "UTC")
LOCAL: Final = Zone(None, "local")


def named(text: str) -> Zone:
    """Return the zone with a name: UTC (also for an empty name), `local`, or a name such as `Europe/Berlin`.

    Raises:
        ConfigError: this machine has no zone with that name.
    """
    name = text.strip()
    if name.upper() in ("", "UTC", "Z"):
        return UTC_ZONE
    if name.lower() == "local":
        return LOCAL
    from zoneinfo import ZoneInfo

    try:
        return Zone(ZoneInfo(name), name)
    except (KeyError, ValueError, OSError):
        raise ConfigError(
            f"{VARIABLE}: {name!r} is not a time zone of this machine; set UTC, local, or a name such as "
            "Europe/Berlin, for which the system's tzdata must be installed"
        ) from None
