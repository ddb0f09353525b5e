"""The `telemetry:` section of the engine's own file, with OTEL_* variables applied, as frozen Settings.

Each module of this package is imported only when one of its names is used: `ael trace` mostly needs the defaults and
the places of the file, and starts faster without the rest.
"""

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ael_otel.config.environment import otel_environment, with_environment
    from ael_otel.config.file import Document, find_config, read_document
    from ael_otel.config.parse import settings_as_mapping, settings_from_mapping
    from ael_otel.config.settings import (
        Admin,
        Engine,
        Exporters,
        Limits,
        Logs,
        Metrics,
        Otlp,
        Privacy,
        Redaction,
        Retention,
        Sampling,
        Settings,
        Store,
        Traces,
    )

__all__ = [
    "Admin",
    "Document",
    "Engine",
    "Exporters",
    "Limits",
    "Logs",
    "Metrics",
    "Otlp",
    "Privacy",
    "Redaction",
    "Retention",
    "Sampling",
    "Settings",
    "Store",
    "Traces",
    "default_settings",
    "find_config",
    "load_settings",
    "otel_environment",
    "read_document",
    "settings_as_mapping",
    "settings_from_document",
    "settings_from_mapping",
    "with_environment",
]

_MODULES: Final = {
    "Document": "file",
    "find_config": "file",
    "otel_environment": "environment",
    "read_document": "file",
    "settings_as_mapping": "parse",
    "settings_from_mapping": "parse",
    "with_environment": "environment",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'settings')}"), name)
    globals()[name] = value
    return value


def default_settings() -> "Settings":
    """Return the settings of a file without a `telemetry:` section."""
    from ael_otel.config.settings import Settings

    return Settings()


def load_settings(path: Path | str | None = None, environ: Mapping[str, str] = os.environ) -> "Settings":
    """Find and read the configuration file; return its settings, with the OTEL_* variables in `environ` applied.

        >>> import ael_otel
        >>> ael_otel.load_settings("ael-config.yaml").store.backend
        'sqlite'

    With `path` None, the places are those in which the engine looks. Only the `telemetry:` section is resolved and
    checked. Raises ConfigError: one line that names the file, the line and the key of each mistake.
    """
    from ael_otel.config.file import find_config, read_document

    return settings_from_document(read_document(find_config(path, environ)), environ)


def settings_from_document(document: "Document", environ: Mapping[str, str] = os.environ) -> "Settings":
    """Return the settings of a configuration file that has been read, with the OTEL_* variables in `environ` applied.

    Raises ConfigError as `load_settings` does: one line for every mistake in the section and in the variables.
    """
    from ael_otel.config.environment import with_environment
    from ael_otel.config.file import nearest, resolve_references, shown_name
    from ael_otel.config.keys import SECTION
    from ael_otel.config.parse import build_settings
    from ael_otel.config.settings import Settings
    from ael_otel.errors import ConfigError

    source = document.source
    wrong: list[ConfigError] = []
    if SECTION not in document.data:
        # The engine ignores an unknown section; a misspelt one must not silently mean the defaults.
        wrong.extend(
            source.error(name, f"{name} is not a known section; did you mean {SECTION}?")
            for name in map(shown_name, document.data)
            if nearest(name.lower(), [SECTION])
        )
    section = resolve_references(document.data.get(SECTION), SECTION, source, environ, wrong)
    try:
        settings, wrong = build_settings(section, source, wrong), []
    except ConfigError as error:
        settings, wrong = Settings(), list(error.mistakes)
    try:
        settings = with_environment(settings, environ)
    except ConfigError as error:
        wrong += error.mistakes
    if wrong:
        raise ConfigError.all_of(wrong)
    return settings
