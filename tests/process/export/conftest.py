"""The runs of the unit tests."""

from tests.unit.export.conftest import direct, full

__all__ = ["direct", "full"]
