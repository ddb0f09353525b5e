"""`ael trace import` of Agent Trace records, in a real repository."""

import json

import pytest

from ael_otel.attribution.ledger import Ledger
from ael_otel.attribution.lines import range_hash
from ael_otel.cli.trace import agent_trace
from ael_otel.store.sqlite import SqliteStore
from tests.support.git_repository import Repository
from tests.support.needs import require
from tests.unit.cli.trace.runs import ael

LINES = ["def written_by_an_agent():", "    return 42"]


@pytest.fixture
def repository(place):
    """A repository in the folder of the store, with one file."""
    require("git")
    agent_trace._history.cache_clear()
    made = Repository(place)
    made.write("app.py", *LINES)
    made.git("add", "app.py")
    made.git("commit", "-qm", "start")
    yield made
    agent_trace._history.cache_clear()


def document(repository, **more):
    """A record of another tool about both lines."""
    return {
        "version": "1.0",
        "id": "3e9b6a1f-52c4-4d0b-9e77-80f1c2d3a4b5",
        "timestamp": "2026-02-17T10:41:00Z",
        "vcs": {"type": "git", "revision": repository.git("rev-parse", "HEAD")},
        "tool": {"name": "other-tool"},
        "files": [
            {
                "path": str(repository.root / "app.py"),
                "conversations": [
                    {
                        "contributor": {"type": "ai"},
                        "ranges": [
                            {
                                "start_line": 1,
                                "end_line": 2,
                                "content_hash": range_hash(LINES),
                                "confidence": "high",
                            },
                            {"start_line": 7, "end_line": 9, "content_hash": "murmur3:00"},
                        ],
                    }
                ],
            }
        ],
        "metadata": {"own": 1},
        **more,
    }


def stored(place):
    """Return the changes in the store."""
    store = SqliteStore(place / ".ael" / "telemetry.db")
    try:
        return Ledger(store).changes()
    finally:
        store.close()


def test_records_of_another_tool_are_imported_and_the_rest_is_named(place, repository):
    """Lines are bound, what was not understood or is nowhere is on stderr, and a second import changes nothing."""
    (place / "traces.jsonl").write_text(json.dumps(document(repository)) + "\n")
    done = ael("import", "traces.jsonl")
    assert done.exit_code == 0
    assert done.stderr == (
        "Imported 1 Agent Trace record with 2 lines (1 range of lines that are not in this repository); left out:"
        " 1 part of Agent Trace records that cannot be read: version '1.0' (read as 0.1.0),"
        " 1 part of Agent Trace records that cannot be read: files[].conversations[].ranges[].confidence,"
        " 1 part of Agent Trace records that cannot be read: metadata.own.\n"
    )
    (change,) = stored(place)
    assert [file.path for file in change.files] == ["app.py"]
    again = ael("import", "traces.jsonl")
    assert "0 Agent Trace records with 0 lines, 1 stored already" in again.stderr
    assert len(stored(place)) == 1


def test_secret_in_a_record_is_not_stored(place, repository):
    """Names of tools and ids pass the redaction."""
    key = "AKIA" + "Z7Q2M4XK9B3NVT5W"
    found = document(
        repository, tool={"name": f"tool {key}", "version": "1"}, metadata={"dev.ael": {"session_id": key}}
    )
    (place / "traces.json").write_text(json.dumps([found]))
    assert ael("import", "traces.json").exit_code == 0
    assert key not in repr(stored(place))


def test_excluded_file_is_neither_read_nor_named(place, repository):
    """A record about a file that the configuration excludes leaves no trace of it."""
    (place / "ael-config.yaml").write_text("telemetry:\n  privacy:\n    excluded_paths: [app.py]\n")
    (place / "traces.json").write_text(json.dumps(document(repository)))
    assert ael("import", "traces.json", "-c", "ael-config.yaml").exit_code == 0
    assert [change.files for change in stored(place)] == [[]]


def test_record_without_a_time_is_an_error_that_names_it(place, repository):
    """Nothing in the file can be used: exit code 1."""
    (place / "traces.json").write_text(json.dumps(document(repository, timestamp="yesterday")))
    done = ael("import", "traces.json")
    assert done.exit_code == 1
    assert (
        "1 record that cannot be read (line 1: an Agent Trace record whose timestamp 'yesterday'"
        in done.stderr
    )


def test_export_comes_back_by_import(place, repository):
    """What was exported is valid, and stored already where it came from."""
    (place / "traces.json").write_text(json.dumps(document(repository)))
    ael("import", "traces.json")
    assert ael("export", "--all", "-f", "agent-trace", "-o", "out.jsonl").exit_code == 0
    assert "1 stored already" in ael("import", "out.jsonl").stderr


def test_imported_record_is_mirrored_as_a_file(place, repository):
    """Where `telemetry.store.json_mirror` is on, beside the files of runs; once, however often it is imported."""
    (place / "ael-config.yaml").write_text("telemetry:\n  store:\n    json_mirror: true\n")
    (place / "traces.json").write_text(json.dumps(document(repository)))
    for _ in range(2):
        assert ael("import", "traces.json", "-c", "ael-config.yaml").exit_code == 0
    folder = place / ".ael" / "traces" / "2026-02-17"
    record = json.loads((folder / "trace-3e9b6a1f.json").read_text())
    assert (record["id"], record["files"][0]["path"]) == ("3e9b6a1f-52c4-4d0b-9e77-80f1c2d3a4b5", "app.py")
    (entry,) = json.loads((folder / "index.json").read_text())
    assert (entry["file"], entry["kind"]) == ("trace-3e9b6a1f.json", "agent-trace")
