"""The changelog of a release: closing its section, and extracting the notes."""

import re
from datetime import date

from ael_otel.errors import AelOtelError

__all__ = ["ReleaseError", "close_section", "release_notes", "with_version"]

_VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")


class ReleaseError(AelOtelError):
    """A release cannot be made; the message names the fault and the remedy."""


def close_section(changelog: str, version: str, day: date) -> str:
    """Return the changelog with the unreleased section under `version` and `day`, and an empty one above it.

    Raises ReleaseError: the version is not one, has a section already, or nothing is unreleased.
    """
    if not _VERSION.fullmatch(version):
        raise ReleaseError(f"{version!r} is not a version such as 0.2.0 or 0.2.0rc1")
    if f"\n## [{version}]" in changelog:
        raise ReleaseError(f"CHANGELOG.md has a section for {version} already")
    head, mark, rest = changelog.partition("\n## [Unreleased]\n")
    if not mark or not rest.partition("\n## [")[0].strip():
        raise ReleaseError("CHANGELOG.md has nothing under `## [Unreleased]`")
    return f"{head}{mark}\n## [{version}] - {day.isoformat()}\n{rest}"


def release_notes(changelog: str, version: str) -> str:
    """Return the section of one version, without its heading.

    Raises ReleaseError: there is no such section, or it has no part "Telemetry" (which may state that nothing changed).
    """
    _, mark, rest = changelog.partition(f"\n## [{version}] - ")
    if not mark:
        raise ReleaseError(f"CHANGELOG.md has no section for {version}; `prepare {version}` makes it")
    notes = rest.partition("\n")[2].partition("\n## [")[0].strip() + "\n"
    if not re.search(r"^### Telemetry$", notes, re.MULTILINE):
        raise ReleaseError(f"the section of {version} in CHANGELOG.md has no part `### Telemetry`")
    return notes


def with_version(text: str, version: str) -> str:
    """Return `pyproject.toml` or `ael_otel/version.py` with another version.

    Raises ReleaseError: the file does not set a version exactly once.
    """
    changed, number = re.subn(
        r'^((?:version|__version__: Final) = )"[^"]+"', rf'\g<1>"{version}"', text, flags=re.MULTILINE
    )
    if number != 1:
        raise ReleaseError(f"a file sets its version {number} times instead of once")
    return changed
