"""Changes of the ledger as Agent Trace records, and back."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from ael_otel.attribution.agent_trace import Range, encode, problems
from ael_otel.attribution.agent_trace_reader import read_record
from ael_otel.attribution.changes import Change, FileChange, LineRange, Unaccounted
from ael_otel.attribution.lines import range_hash
from ael_otel.attribution.trace_records import Place, changes_of, model_id, record_id, records_of
from tests.support.trace_schema import strict
from tests.unit.attribution.test_agent_trace import check

REVISION = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f8a9b0"
PLACE = Place("/w/.git", "/w", True)
OTHER = Change(
    key="other", contributor="ai", source="hook", at_us=1, started_us=1, repository="/w/.git", workspace="/w"
)
CHANGE = Change(
    key="hook:s1:call-1",
    contributor="ai",
    source="hook",
    at_us=1_771_324_860_123_456,
    started_us=1_771_324_859_000_000,
    repository="/w/.git",
    workspace="/w",
    vcs="git",
    revision=REVISION,
    agent="claude-code",
    agent_version="2.1.5",
    model_id="claude-opus-4-5",
    session_id="s1",
    turn_id="t1",
    call_id="call-1",
    tool="Edit",
    trace_id="0" * 31 + "1",
    span_id="0" * 15 + "2",
    tokens={"input": 10, "output": 20},
    files=[
        FileChange(
            path="src/app.py",
            ranges=[
                LineRange(start=1, end=2, content_hash=range_hash(["a", "b"])),
                LineRange(
                    start=9, end=9, content_hash=range_hash(["c"]), contributor="mixed", others=[OTHER.id]
                ),
            ],
            added=3,
            removed=1,
        ),
        FileChange(path="src/new.py", kind="renamed", path_before="src/old.py"),
        FileChange(path="src/gone.py", kind="deleted", removed=7),
    ],
    unaccounted=[Unaccounted(path="big.bin", reason="binary")],
)


def only(change: Change) -> dict[str, Any]:
    """Return the record of one change as JSON."""
    (record,) = records_of([change], lambda ids: {OTHER.id: OTHER} if OTHER.id in ids else {})
    document = json.loads(encode(record))
    assert problems(document) == []
    check(document, strict())
    return document


def test_change_is_one_valid_record():
    """Lines with hashes and contributors in the fields of the specification, everything else below `dev.ael`."""
    document = only(CHANGE)
    assert document["id"] == record_id(CHANGE)
    assert document["timestamp"] == "2026-02-17T10:41:00.123456Z"
    assert document["vcs"] == {"type": "git", "revision": REVISION}
    assert document["tool"] == {"name": "claude-code", "version": "2.1.5"}
    app, new, gone = document["files"]
    assert app == {
        "path": "src/app.py",
        "conversations": [
            {
                "contributor": {"type": "ai", "model_id": "anthropic/claude-opus-4-5"},
                "ranges": [
                    {"start_line": 1, "end_line": 2, "content_hash": range_hash(["a", "b"])},
                    {
                        "start_line": 9,
                        "end_line": 9,
                        "content_hash": range_hash(["c"]),
                        "contributor": {"type": "mixed"},
                    },
                ],
            }
        ],
    }
    assert (new["conversations"], gone["conversations"]) == ([], [])
    about = document["metadata"]["dev.ael"]
    assert about["files"]["src/new.py"] == {
        "change_type": "renamed",
        "added": 0,
        "removed": 0,
        "path_before": "src/old.py",
    }
    assert about["shared_with"] == [record_id(OTHER)]
    assert about["tokens"] == {"input": 10, "output": 20}
    assert {name: about[name] for name in ("session_id", "trace_id", "span_id", "call_id", "key")} == {
        "session_id": "s1",
        "trace_id": "0" * 31 + "1",
        "span_id": "0" * 15 + "2",
        "call_id": "call-1",
        "key": "hook:s1:call-1",
    }
    assert about["unaccounted"] == [{"path": "big.bin", "reason": "binary"}]


def test_folders_of_the_machine_are_not_exported():
    """A record names files by their paths in the repository; where that is stays here."""
    assert "/w" not in json.dumps(only(CHANGE))


def test_change_with_the_least_is_a_valid_record():
    """A change of nobody knows whom, without Git and with a path that is not one of a repository."""
    change = replace(OTHER, contributor="unknown", files=[FileChange(path="/etc/passwd")])
    document = only(change)
    assert document["files"] == []
    assert document["tool"] == {"name": "unknown", "version": "unknown"}
    assert "vcs" not in document


def test_own_record_becomes_the_same_change_elsewhere():
    """Key, ids, kinds and tokens come back, so that an import into the same store stores nothing twice."""
    record, not_understood = read_record(only(CHANGE))
    assert not_understood == {}
    whole, shared = changes_of(record, PLACE)
    assert shared.change.contributor == "mixed"
    assert shared.ranges == {
        "src/app.py": (
            Range(
                start_line=9,
                end_line=9,
                content_hash=range_hash(["c"]),
                contributor=record.files[0].conversations[0].ranges[1].contributor,
            ),
        )
    }
    names = (
        "session_id",
        "turn_id",
        "call_id",
        "tool",
        "trace_id",
        "span_id",
        "tokens",
        "agent",
        "agent_version",
    )
    for change in (whole.change, shared.change):
        assert {name: getattr(change, name) for name in names} == {
            name: getattr(CHANGE, name) for name in names
        }
    assert {
        file.path: (file.kind, file.added, file.removed, file.path_before) for file in whole.change.files
    } == {file.path: (file.kind, file.added, file.removed, file.path_before) for file in CHANGE.files}
    alone = replace(CHANGE, files=CHANGE.files[1:])
    ((back, _),) = changes_of(read_record(only(alone)).record, PLACE)
    assert back.id == alone.id


def test_imported_record_is_one_record_again():
    """Two contributors are two changes in the ledger and one record in an export, with the id that it came with."""
    document = {
        "version": "0.1.0",
        "id": "3e9b6a1f-52c4-4d0b-9e77-80f1c2d3a4b5",
        "timestamp": "2026-02-17T10:41:00Z",
        "vcs": {"type": "git", "revision": REVISION},
        "tool": {"name": "cursor", "version": "2.4.0"},
        "files": [
            {
                "path": "a.py",
                "conversations": [
                    {
                        "url": "https://example.com/1",
                        "contributor": {"type": "ai", "model_id": "openai/gpt-5"},
                        "ranges": [{"start_line": 1, "end_line": 5}],
                    },
                    {"contributor": {"type": "human"}, "ranges": [{"start_line": 6, "end_line": 7}]},
                ],
            }
        ],
    }
    parts = changes_of(read_record(document).record, PLACE)
    assert [(part.change.contributor, part.change.model_id, part.change.agent) for part in parts] == [
        ("ai", "openai/gpt-5", "cursor"),
        ("human", None, None),
    ]
    changes = [
        replace(
            part.change,
            files=[
                replace(
                    file,
                    ranges=[
                        LineRange(start=each.start_line, end=each.end_line, content_hash="")
                        for each in part.ranges[file.path]
                    ],
                )
                for file in part.change.files
            ],
        )
        for part in parts
    ]
    (record,) = records_of(changes)
    again = json.loads(encode(record))
    del again["metadata"]
    assert again == document


@pytest.mark.parametrize(
    "about",
    [
        {"session_id": 5, "tokens": [1], "files": "x", "contributor": "robot", "key": {}},
        {
            "tokens": {"input": -1, "output": True, "x": 2**60},
            "files": {"a.py": {"change_type": "eaten", "added": -1}},
        },
        "text",
    ],
)
def test_metadata_that_is_not_ours_is_not_believed(about):
    """Values of another type or kind are left out."""
    document = only(replace(OTHER, files=[FileChange(path="a.py")]))
    document["metadata"]["dev.ael"] = about
    ((change, ranges),) = changes_of(read_record(document).record, PLACE)
    assert (change.session_id, change.tokens, change.contributor, ranges) == (None, {}, "unknown", {})
    assert change.files == [FileChange(path="a.py")]


def test_names_and_ids_of_a_record_are_redacted():
    """What another tool wrote passes the redaction before it is kept."""
    record, _ = read_record(only(CHANGE))
    ((change, _), _) = changes_of(record, PLACE, lambda text: f"[{text}]")
    assert (change.session_id, change.agent, change.origin["tool"]) == (
        "[s1]",
        "[claude-code]",
        "[claude-code]",
    )


@pytest.mark.parametrize(
    ("model", "written"),
    [
        ("claude-opus-4-5", "anthropic/claude-opus-4-5"),
        ("gpt-5", "openai/gpt-5"),
        ("gemini-3-pro", "google/gemini-3-pro"),
        ("zai/glm-5", "zai/glm-5"),
        ("composer-1", "composer-1"),
        ("x" * 300, None),
        (None, None),
    ],
)
def test_model_is_written_with_its_provider(model, written):
    """A provider is added to models of the families that agents name alone, and made up for no other."""
    assert model_id(model) == written
