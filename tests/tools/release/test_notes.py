"""Closing a section of the changelog, the notes that come from it, and the version in two files."""

from datetime import date
from pathlib import Path

import pytest

from tools.release.notes import ReleaseError, close_section, release_notes, with_version

ROOT = Path(__file__).parents[3]
DAY = date(2026, 12, 1)
CHANGELOG = """# Changelog

## [Unreleased]

### Added

- A thing.

### Telemetry

- `ael.thing` is new.

## [0.1.0] - 2026-11-28

### Added

- All.
"""


def test_section_gets_version_and_day_and_an_empty_one_stays_above():
    """What is unreleased moves below the new heading; older sections stay as they are."""
    closed = close_section(CHANGELOG, "0.2.0", DAY)
    assert closed == CHANGELOG.replace("## [Unreleased]\n", "## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n")
    notes = release_notes(closed, "0.2.0")
    assert notes.startswith("### Added\n\n- A thing.")
    assert notes.endswith("- `ael.thing` is new.\n")


@pytest.mark.parametrize(
    ("changelog", "version", "reason"),
    [
        (CHANGELOG, "0.1.0", "has a section for 0.1.0 already"),
        (CHANGELOG, "2", "is not a version"),
        (CHANGELOG, "v0.2.0", "is not a version"),
        (CHANGELOG.replace("Unreleased", "Next"), "0.2.0", "nothing under"),
        ("# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-11-28\n", "0.2.0", "nothing under"),
    ],
)
def test_section_that_cannot_be_closed_is_refused(changelog, version, reason):
    """Nothing is released twice, and nothing without a word about it."""
    with pytest.raises(ReleaseError, match=reason):
        close_section(changelog, version, DAY)


def test_notes_need_a_section_with_a_telemetry_part():
    """A reader of the notes learns whether names have changed."""
    with pytest.raises(ReleaseError, match=r"no section for 0\.2\.0"):
        release_notes(CHANGELOG, "0.2.0")
    with pytest.raises(ReleaseError, match="### Telemetry"):
        release_notes(CHANGELOG, "0.1.0")


@pytest.mark.parametrize("name", ["pyproject.toml", "ael_otel/version.py"])
def test_version_is_set_in_both_files(name):
    """Each file sets it once; other versions in it stay."""
    text = (ROOT / name).read_text("utf-8")
    changed = with_version(text, "9.8.7")
    differing = [new for old, new in zip(text.splitlines(), changed.splitlines(), strict=True) if old != new]
    assert len(differing) == 1
    assert '"9.8.7"' in differing[0]
    with pytest.raises(ReleaseError, match="0 times"):
        with_version("name = 1\n", "9.8.7")


def test_changelog_of_this_repository_can_be_closed():
    """Its next section has a telemetry part, as a release needs it."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert release_notes(close_section(text, "99.0.0", DAY), "99.0.0")
