"""Check which configuration is used, and whether it can be read."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from ael_otel.config import (
    Document,
    Settings,
    default_settings,
    find_config,
    read_document,
    settings_from_document,
)
from ael_otel.config.environment import with_environment
from ael_otel.config.file import PATH_VARIABLES
from ael_otel.doctor.finding import Finding, failure, ok, warning
from ael_otel.errors import ConfigError

AREA: Final = "configuration"

_LARGEST: Final = 4 * 1024 * 1024


class Configuration(NamedTuple):
    """The settings that the other checks use, the text of the file, and what was found about it."""

    settings: Settings
    text: str
    findings: tuple[Finding, ...]


def read(
    explicit: Path | None,
    environ: Mapping[str, str],
    check_engine_part: Callable[[Document, Mapping[str, str]], tuple[str, ...]],
) -> Configuration:
    """Find and read the configuration file; without a usable one, the settings are the defaults with the variables.

    Args:
        explicit: the file of `-c`.
        environ: the environment.
        check_engine_part: returns a line for each workflow file that the engine skips; raises ConfigError for a section
            of the engine that it cannot use.
    """
    try:
        path = find_config(explicit, environ)
    except ConfigError as error:
        if error.path is None and explicit is None:
            found = warning(AREA, f"{error}; the defaults are used", "run `ael init` to write one")
        else:
            found = failure(AREA, str(error), "name a file that exists")
        return Configuration(_defaults(environ), "", (found,))
    how = (
        "named by -c"
        if explicit is not None
        else next(
            (f"named by {each}" for each in PATH_VARIABLES if environ.get(each)), "found in a default place"
        )
    )
    try:
        if os.path.isfile(path) and os.path.getsize(path) > _LARGEST:  # noqa: PTH113, PTH202 - no error without access
            raise ConfigError(f"{path}: has more than {_LARGEST // 1024**2} MiB", path=path)
        document = read_document(path)
        settings = settings_from_document(document, environ)
    except ConfigError as error:
        mistakes = tuple(
            failure(AREA, str(each), f"correct {path}; the checks below use the defaults")
            for each in (error.mistakes or (error,))
        )
        return Configuration(_defaults(environ), "", mistakes)
    findings = [
        warning(AREA, each, "change the key or variable that it names")
        for each in settings.notices
        if _ours(each)
    ]
    try:
        skipped = check_engine_part(document, environ)
        findings += [
            warning(AREA, f"this workflow is not loaded: {each}", "correct the file") for each in skipped
        ]
    except ConfigError as error:
        findings.append(failure(AREA, str(error), f"correct {path}"))
    text = path.read_text("utf-8", "replace")
    return Configuration(settings, text, (ok(AREA, f"{path.absolute()} is used ({how})"), *findings))


def _ours(notice: str) -> bool:
    """Return whether a notice is not about a variable, which has a check of its own."""
    return not notice.startswith("OTEL_")


def _defaults(environ: Mapping[str, str]) -> Settings:
    try:
        return with_environment(default_settings(), environ)
    except ConfigError:
        return default_settings()
