"""The location of a verb's store, and its configuration."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ael_otel.errors import ConfigError

if TYPE_CHECKING:
    from ael_otel.config import Settings
    from ael_otel.core.redaction import ActiveRedaction


@dataclass(frozen=True)
class Place:
    """The location of the store: by a configuration file, a database file, or the engine's default places."""

    config: Path | None
    db: Path | None = None

    @cached_property
    def settings(self) -> "Settings":
        """The settings of the configuration file, read once; the defaults if there is none, or with `db`.

        Raises ConfigError for a named file that does not exist, or a file that cannot be used.
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

    @cached_property
    def redaction(self) -> "ActiveRedaction":
        """The redaction that the configuration asks for now, made once: it takes some time."""
        from ael_otel.core.redaction import ActiveRedaction

        return ActiveRedaction(self.settings)
