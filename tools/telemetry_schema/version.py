"""Versions of the telemetry interface: SemVer without a suffix."""

from __future__ import annotations

import re
from typing import NamedTuple

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


class Version(NamedTuple):
    """A version; later ones compare greater."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """Return the version in a text, or None."""
        match = _VERSION.fullmatch(text)
        return None if match is None else cls(*(int(part) for part in match.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def next_major(self) -> Version:
        """Return the first version that may break stable items."""
        return Version(self.major + 1, 0, 0)

    @property
    def next_minor(self) -> Version:
        """Return the first version that may add items, and change unstable ones."""
        return Version(self.major, self.minor + 1, 0)
