"""docs/reference/limits.md names every bound with its key and default, and no key that does not exist."""

import re
from pathlib import Path

import pytest

from ael_otel._generated.attributes import TELEMETRY_DROP_REASON_VALUES, TELEMETRY_QUEUE_VALUES
from ael_otel.admin import server
from ael_otel.config.keys import KEYS
from ael_otel.export import http
from ael_otel.instrument import server_output, server_stderr
from ael_otel.lifecycle import failure
from ael_otel.privacy import texts
from ael_otel.sdk import logs

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "limits.md").read_text("utf-8")
ROOT = Path(__file__).parents[2]

BOUNDS_ELSEWHERE = ("redaction.max_result_size", "retention.days", "retention.max_mb")
"""Bounds whose keys are older than the section `limits`."""

FIXED = {
    "text that is searched for secrets": (texts.MAX_CHARS,),
    "log message that is searched for secrets": (logs.MAX_READ,),
    "line that a tool server writes on stderr": (server_stderr.MAX_LINE,),
    "log lines of one tool server": (server_output.KIBIBYTES_PER_SECOND, server_output.BURST_KIBIBYTES),
    "message of an error in records and lines": (failure.MAX_MESSAGE,),
    "open connections to the metrics endpoint": (server.MAX_CONNECTIONS,),
    "one request to the metrics endpoint": (server.REQUEST_SECONDS,),
    "file or answer that `ael trace import` reads from a server": (http.MAX_ANSWER,),
}


def rows() -> list[list[str]]:
    """The cells of each line of a table."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:1] == "|"
    ]


def keyed(found: list[list[str]]) -> dict[str, list[str]]:
    """The rows whose second cell is a key, by key."""
    return {row[1].strip("`"): row for row in found if len(row) > 2 and re.fullmatch(r"`[a-z_.]+`", row[1])}


def missing(found: list[list[str]]) -> set[str]:
    """The bounds of the settings that have no row."""
    return {name for name in KEYS if name.startswith("limits.") or name in BOUNDS_ELSEWHERE} - set(
        keyed(found)
    )


def test_every_bound_of_the_settings_has_a_row() -> None:
    """A key that is added to `limits` and forgotten on the page is named here."""
    assert missing(rows()) == set()


def test_bound_without_a_row_is_found() -> None:
    """The check above can fail: without its row a key is named."""
    assert missing([row for row in rows() if "`limits.keep_mb`" not in row]) == {"limits.keep_mb"}


@pytest.mark.parametrize("key", keyed(rows()))
def test_row_has_a_key_that_exists_and_its_default(key: str) -> None:
    """The page promises no key that nobody reads and no other default; it says what happens and how that counts."""
    _, _, default, happens, counted = keyed(rows())[key]
    assert float(default) == KEYS[key].default
    assert happens
    assert counted


def test_fixed_bounds_are_those_of_the_code() -> None:
    """A bound that no key changes has the value of its constant."""
    found = {row[0]: row[1] for row in rows() if row[0] in FIXED}
    assert set(found) == set(FIXED)
    for name, values in FIXED.items():
        assert tuple(map(int, re.findall(r"\d+", found[name]))) == values


def test_every_reason_and_every_queue_is_explained() -> None:
    """The closed sets of the registry, and the words of the page, are the same."""
    reasons = {row[0].strip("`") for row in rows() if len(row) == 2 and row[0].startswith("`")}
    assert reasons == set(TELEMETRY_DROP_REASON_VALUES)
    assert set(re.findall(r'queue="(\w+)"', PAGE)) == set(TELEMETRY_QUEUE_VALUES)


@pytest.mark.parametrize("page", ["README.md", "docs/reference/configuration.md"])
def test_page_is_linked(page: str) -> None:
    """A reader of the README and of the configuration finds it."""
    assert "limits.md" in (ROOT / page).read_text("utf-8")
