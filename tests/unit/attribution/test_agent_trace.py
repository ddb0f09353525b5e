"""Agent Trace records: ours fit both published schemas, those of other tools are read as far as they are understood."""

import copy
import importlib.util
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.attribution.agent_trace import (
    VERSION,
    Contributor,
    Conversation,
    Range,
    Tool,
    TracedFile,
    TraceRecord,
    Vcs,
    encode,
    path_problem,
    problems,
)
from ael_otel.attribution.agent_trace_reader import is_record, read_record
from ael_otel.attribution.lines import range_hash
from ael_otel.errors import ImportFormatError
from tests.support.needs import require
from tests.support.trace_schema import RECORD as FORM
from tests.support.trace_schema import strict

REVISION = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f8a9b0"
RECORD = TraceRecord(
    version=VERSION,
    id="3e9b6a1f-52c4-4d0b-9e77-80f1c2d3a4b5",
    timestamp="2026-02-17T10:41:00.123456Z",
    vcs=Vcs(type="git", revision=REVISION),
    tool=Tool(name="claude-code", version="unknown"),
    files=(
        TracedFile(
            path="src/app.py",
            conversations=(
                Conversation(
                    contributor=Contributor(type="ai", model_id="anthropic/claude-opus-4-5"),
                    ranges=(
                        Range(start_line=1, end_line=2, content_hash=range_hash(["a", "b"])),
                        Range(start_line=4, end_line=4, contributor=Contributor(type="mixed")),
                    ),
                ),
            ),
        ),
        TracedFile(path="src/gone.py", conversations=()),
    ),
    metadata={"dev.ael": {"session_id": "s1", "span_id": None}},
)
DOCUMENT = json.loads(encode(RECORD))


def check(document, schema):
    """Hold a document to a schema, formats included."""
    require(importlib.util.find_spec("jsonschema"), "jsonschema is absent: it comes with the `engine` extra")
    import jsonschema

    checker = jsonschema.FormatChecker()
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator, format_checker=checker)


def changed(**changes):
    """Return the document with other values; the keys are dotted paths with `__` for the dots."""
    document = copy.deepcopy(DOCUMENT)
    for path, value in changes.items():
        *parents, last = path.split("__")
        found = document
        for name in parents:
            found = found[int(name) if name.isdigit() else name]
        found[int(last) if last.isdigit() else last] = value
    return document


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", [FORM, strict()], ids=["text", "code"])
def test_record_fits_schema(schema):
    """A record with everything in it fits the schema of the specification and the one that its code generates."""
    check(DOCUMENT, schema)
    assert problems(DOCUMENT) == []


def test_absent_parts_are_not_written():
    """A record with the least in it has no field that is null or empty, and fits both schemas."""
    record = TraceRecord(version=VERSION, id=RECORD.id, timestamp="2026-02-17T10:41:00Z", files=())
    document = json.loads(encode(record))
    assert set(document) == {"version", "id", "timestamp", "files"}
    check(document, strict())
    assert problems(document) == []


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (changed(version="1.0"), "version: '1.0' is not three numbers"),
        (changed(id="3e9b6a1f"), "id: '3e9b6a1f' is not a UUID"),
        (changed(timestamp="2026-02-17T10:41:00+00:00"), "timestamp: "),
        (changed(vcs__revision="a1b2c3d"), "vcs.revision: 'a1b2c3d' is not the full hash"),
        (changed(tool={"name": "x"}), "missing required field `version` - at `$.tool`"),
        (changed(session_id="s"), "unknown field `session_id`"),
        (changed(files__0__path="/etc/passwd"), "files[0].path: '/etc/passwd' is not relative"),
        (changed(files__0__path="../x.py"), "files[0].path: '../x.py' leads out"),
        (changed(files__1__path="src/app.py"), "files[1].path: 'src/app.py' is listed twice"),
        (
            changed(files__0__conversations__0__url="conversations/1"),
            "conversations[0].url: is not an absolute URI",
        ),
        (changed(files__0__conversations__0__url=None), "files[0].conversations[0].url: is null"),
        (
            changed(files__0__conversations__0__ranges__0__start_line=0),
            "ranges[0].start_line: 0 is less than 1",
        ),
        (changed(files__0__conversations__0__ranges__1__end_line=3), "end_line: 3 is before start_line 4"),
        (changed(files__0__conversations__0__ranges__1__start_line=2), "files[0]: line 2 is in two ranges"),
        (changed(files__0__conversations__0__ranges__0__content_hash="9f2e"), "content_hash: does not name"),
        (changed(files__0__conversations__0__contributor__type="robot"), "Invalid enum value 'robot'"),
        (
            changed(files__0__conversations__0__contributor__type="human"),
            "names a model for lines of a human",
        ),
        (changed(files__0__conversations__0__contributor__model_id="x" * 251), "longer than 250"),
        ([], "Expected `object`, got `array`"),
    ],
)
def test_problem_is_reported_with_its_place(document, problem):
    """Each rule of either schema, and each that neither has, reports its own case."""
    found = problems(document)
    assert any(problem in each for each in found), found


@pytest.mark.parametrize(
    "path", ["", "C:/x", "\\\\host\\x", "~/x", "a//b", "./a", "a/./b", "a\\b", "a/../b", "a\0b"]
)
def test_path_that_names_no_file_of_the_repository_is_refused(path):
    """Absolute paths, those with `..` and those that name a file in a second way are not written."""
    assert path_problem(path) is not None


@pytest.mark.parametrize("path", ["a", "a/b.py", "src/日本語.py", "a b", "...", ".github/x"])
def test_plain_path_is_accepted(path):
    """Relative paths with any characters are."""
    assert path_problem(path) is None


# --- reading ----------------------------------------------------------------------------------------------------------


def test_own_record_is_read_back_whole():
    """Reading a record of ours gives the record, and nothing was not understood."""
    assert read_record(DOCUMENT) == (RECORD, {})


def test_record_with_every_part_of_the_specification_is_understood():
    """A conversation URL, a 32-bit hash, related resources and metadata of two kinds are read and written back."""
    document = {
        "version": "0.1.0",
        "id": "7c1d9f32-6b0e-4a57-8f43-2d90b5e6a118",
        "timestamp": "2026-03-09T08:05:41Z",
        "vcs": {"type": "git", "revision": REVISION},
        "tool": {"name": "pencil", "version": "0.7.2"},
        "files": [
            {
                "path": "lib/ledger/rows.kt",
                "conversations": [
                    {
                        "url": "https://pencil.example/talks/halibut-3",
                        "contributor": {"type": "mixed", "model_id": "acme/otter-2"},
                        "ranges": [{"start_line": 7, "end_line": 19, "content_hash": "murmur3:0d3c77e5"}],
                        "related": [{"type": "review", "url": "https://pencil.example/reviews/88"}],
                    }
                ],
            }
        ],
        "metadata": {"score": 0.4, "example.pencil": {"desk": "west", "pages": [1, 2]}},
    }
    record, not_understood = read_record(document)
    assert not_understood == {}
    assert json.loads(encode(record)) == document


def test_record_of_the_reference_implementation_is_read():
    """It writes version 1.0, no version of its tool, a file URL and paths that are absolute outside its root."""
    document = {
        "version": "1.0",
        "id": "0f3a9e8c-1111-4222-8333-944444444444",
        "timestamp": "2026-02-01T09:00:00.000Z",
        "tool": {"name": "claude-code"},
        "files": [
            {
                "path": "/home/alice/app/src/app.ts",
                "conversations": [
                    {
                        "url": "file:///home/alice/.claude/t.jsonl",
                        "contributor": {"type": "ai", "model_id": "anthropic/claude-opus-4-5"},
                        "ranges": [{"start_line": 1, "end_line": 3}],
                    }
                ],
            },
            {"path": "/home/alice/other/x.ts", "conversations": []},
        ],
        "metadata": {"session_id": "s"},
    }
    record, not_understood = read_record(document, "/home/alice/app")
    assert [file.path for file in record.files] == ["src/app.ts"]
    assert record.tool == Tool(name="claude-code", version="unknown")
    assert not_understood == {
        "version '1.0' (read as 0.1.0)": 1,
        "files[].path that is not relative to the repository": 1,
    }


def test_parts_that_are_not_understood_are_named_and_counted():
    """Fields of other tools are named once without an index; what is near them is read."""
    document = changed(
        session="x",
        files__0__conversations__0__ranges=[
            {"start_line": 1, "end_line": 2, "confidence": "high"},
            {"start_line": 3, "end_line": 5, "confidence": "low"},
            {"start_line": 5, "end_line": 6},
            {"start_line": 9, "end_line": 8},
            {"start_line": "10", "end_line": 11},
            {"start_line": True, "end_line": 11},
        ],
        files__0__conversations__0__contributor={"type": "bot", "model_id": "m"},
        vcs={"type": "git", "revision": "a1b2c3d"},
    )
    record, not_understood = read_record(document)
    where = "files[].conversations[]"
    assert not_understood == {
        "session": 1,
        "vcs": 1,
        f"{where}.contributor.type": 1,
        f"{where}.ranges[].confidence": 2,
        f"{where}.ranges[] with lines of another range": 1,
        f"{where}.ranges[] whose lines are not a range": 3,
    }
    (conversation,) = record.files[0].conversations
    assert conversation.contributor == Contributor(type="unknown", model_id="m")
    assert [(each.start_line, each.end_line) for each in conversation.ranges] == [(1, 2), (3, 5)]


def test_id_that_is_not_a_uuid_is_the_same_at_each_import():
    """A record without a UUID gets one that follows from what it holds, so that a second import changes nothing."""
    without = {name: value for name, value in DOCUMENT.items() if name != "id"}
    first, again = read_record(without), read_record(dict(reversed(without.items())))
    assert first.record.id == again.record.id
    assert read_record(changed(id="trace-1")).record.id != read_record(changed(id="trace-2")).record.id


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-02-17T11:41:00+01:00", "2026-02-17T10:41:00Z"),
        (1771324860, "2026-02-17T10:41:00Z"),
        (1771324860123, "2026-02-17T10:41:00.123000Z"),
    ],
)
def test_time_in_another_form_is_read(written, read):
    """Offsets, seconds and milliseconds become UTC."""
    assert read_record(changed(timestamp=written)).record.timestamp == read


@pytest.mark.parametrize(
    "written", [None, "", "yesterday", True, [], 1e300, float("nan"), "9999-12-31T23:59:59-14:00"]
)
def test_record_without_a_time_is_refused(written):
    """It has no place among changes."""
    with pytest.raises(ImportFormatError, match="timestamp"):
        read_record(changed(timestamp=written))


def test_paths_of_windows_become_relative():
    """A path with backslashes below the root is read as one with slashes."""
    record, _ = read_record(changed(files__0__path="C:\\work\\app\\src\\x.py"), "C:\\work\\app")
    assert record.files[0].path == "src/x.py"


def test_document_of_another_kind_is_not_a_record():
    """A run, a span and a list of files without a version are not taken for one."""
    assert is_record(DOCUMENT)
    assert not is_record({"execution_id": "x", "files": {}})
    assert not is_record({"files": []})
    assert not is_record([])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PATHS = ["src/app.py", "/etc/x", "a\\b", "", "..", "C:\\x"]
RANGES = st.lists(
    st.fixed_dictionaries(
        {"start_line": st.integers(-1, 9) | JSON, "end_line": st.integers(0, 9)},
        optional={"content_hash": st.sampled_from(["sha256:00", "x"]) | JSON, "contributor": JSON},
    )
    | JSON,
    max_size=4,
)
CONVERSATIONS = st.lists(
    st.fixed_dictionaries(
        {"ranges": RANGES},
        optional={
            "url": st.sampled_from(["https://x/y", "y", "urn:x"]) | JSON,
            "contributor": st.fixed_dictionaries({"type": st.sampled_from(["ai", "human"]), "model_id": JSON})
            | JSON,
            "related": JSON,
        },
    )
    | JSON,
    max_size=3,
)


@given(
    st.fixed_dictionaries(
        {"timestamp": st.just("2026-02-17T10:41:00Z") | JSON},
        optional={
            "version": JSON,
            "id": st.uuids().map(str) | JSON,
            "vcs": st.fixed_dictionaries({"type": st.sampled_from(["git", "jj"]), "revision": JSON}) | JSON,
            "tool": JSON,
            "metadata": JSON,
            "files": st.lists(
                st.fixed_dictionaries(
                    {"path": st.sampled_from(PATHS) | JSON, "conversations": CONVERSATIONS | JSON}
                )
                | JSON,
                max_size=3,
            )
            | JSON,
        },
    )
)
def test_whatever_is_read_is_a_record_without_problems(document):
    """Any JSON is refused with a reason, or becomes a record that fits both schemas."""
    try:
        record, _ = read_record(document)
    except ImportFormatError:
        return
    written = msgspec.json.decode(encode(record))
    assert problems(written) == []
    check(written, strict())
