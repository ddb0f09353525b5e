"""Each verb that looks at stored runs, or judges a text, opens the configuration file once."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from ael_otel.cli import cli
from tests.unit.cli.trace.conftest import place
from tests.unit.cli.trace.runs import runs

__all__ = ["place"]  # a fixture

VERBS = [
    ("trace", "list"),
    ("trace", "list", "--fields", "workflow_name"),
    ("trace", "show", "a0f63b41"),
    ("trace", "show", "a0f63b41", "--attribution"),
    ("trace", "show", "a0f63b41", "--attribution", "--web", "--no-open"),
    ("trace", "diff", "a0f63b41", "a0f63b41"),
    ("trace", "tail", "--seconds", "0.05"),
    ("trace", "stats"),
    ("trace", "export", "a0f63b41"),
    ("trace", "export", "--all", "--format", "otlp"),
    ("trace", "import", "runs.jsonl"),
    ("trace", "prune", "--dry-run"),
    ("trace", "prune", "--older-than", "1", "--yes"),
    ("privacy", "test", "write to ada@example.org"),
    ("privacy", "scan"),
]

_watched: list[tuple[Path, list[str]]] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _watched and event == "open" and isinstance(arguments[0], str | os.PathLike):
        path, opened = _watched[-1]
        if os.path.abspath(arguments[0]) == str(path):  # noqa: PTH100 - symbolic links must stay unresolved here
            opened.append(str(arguments[1]))


sys.addaudithook(_note)


@pytest.fixture
def opens(place: Path) -> Iterator[list[str]]:
    """A configuration in the folder of the store, and a list that grows by one with each time it is opened."""
    path = place / "ael-config.yaml"
    path.write_text("telemetry: {store: {path: .ael/telemetry.db}}\n")
    (place / "runs.jsonl").write_bytes(msgspec.json.encode(runs()[0]))
    opened: list[str] = []
    _watched.append((path, opened))
    yield opened
    _watched.pop()


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_verb_opens_the_configuration_file_once(opens: list[str], words: tuple[str, ...]) -> None:
    """No verb loads the settings a second time, also where store, redaction and service name all need them."""
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    assert len(opens) == 1


def test_second_reading_is_counted(opens: list[str]) -> None:
    """The counter above sees each reading, however it is done."""
    Path("ael-config.yaml").read_bytes()
    with open("ael-config.yaml") as file:  # noqa: PTH123 - another way to open it
        file.read()
    assert len(opens) == 2
