"""The folder of the unit tests, with a store of fixed runs."""

from tests.unit.cli.trace.conftest import place

__all__ = ["place"]
