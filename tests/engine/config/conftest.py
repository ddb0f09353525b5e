"""The empty folders of the unit tests of `config`."""

from tests.unit.config.conftest import folder, home, write

__all__ = ["folder", "home", "write"]
