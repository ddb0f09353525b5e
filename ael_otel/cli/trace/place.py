"""Where the store of a verb is, and the configuration behind it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ael_otel.errors import ConfigError

if TYPE_CHECKING:
    from ael_otel.config import Settings


@dataclass(frozen=True)
class Place:
    """Where the store is: a configuration file, a database file, or where the engine looks."""

    config: Path | None
    db: Path | None = None

    @cached_property
    def settings(self) -> "Settings":
        """The settings of the configuration file, read once; the defaults where there is none, or with `db`.

        Raises ConfigError for a file that is named and does not exist, or cannot be used.
        """
        from ael_otel.config import default_settings, find_config, load_settings

        if self.db is not None:
            return default_settings()
        try:
            path = find_config(self.config)
        except ConfigError as error:
            if error.path is not None:
                raise
            return default_settings()
        return load_settings(path)
