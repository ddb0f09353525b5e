"""Attribution of a run lists exactly the files, commands and contributors that the record holds."""

from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.attribution import attribution_of
from ael_otel.attribution.access import access, names_a_file, verb_of, words_of
from ael_otel.config.settings import Redaction, Settings
from ael_otel.core.redaction import ActiveRedaction
from ael_otel.privacy.paths import ExcludedPaths
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor
from ael_otel.store import CodeRecord, ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.content import Capture
from tests.unit.export.conftest import records

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def call(tool: str, params: Any, second: int = 0, **more: Any) -> ToolCallRecord:
    """One tool call of the step `s`."""
    return ToolCallRecord(
        more.pop("call_id", f"call-{second}"),
        tool,
        more.pop("source", "tool_step"),
        1,
        NOON + timedelta(seconds=second),
        step_id="s",
        server="fs",
        status=more.pop("status", "success"),
        params=params,
        **more,
    )


def run(*calls: ToolCallRecord, **more: Any) -> ExecutionRecord:
    """A run of one step with these calls."""
    step = StepRecord("s", 0, "tool", "completed", NOON, tool_calls=list(calls))
    return ExecutionRecord(
        "exec-1", "workflow", "completed", NOON, workflow_name=more.pop("name", "w"), steps=[step], **more
    )


def files(*calls: ToolCallRecord) -> dict[str, list[str]]:
    """The files that calls named, and how each was used."""
    return {file.path: [one.access for one in file.calls] for file in attribution_of(run(*calls)).files}


def test_contributors_are_all_that_took_part():
    """Caller, session, workflow with version, code with imports and tools, tools with servers; none is called human."""
    code = StepRecord(
        "crunch",
        1,
        "code",
        "completed",
        NOON,
        code_hash="c" * 64,
        code=CodeRecord("c" * 64, imports=["json", "re"]),
        tool_calls=[call("add", {}, source="code_block"), call("add", {}, source="code_block")],
    )
    record = run(
        call("echo", {}), caller_id="ada", workflow_version="1.2.0", metadata={"session_id": "morning"}
    )
    record.steps.append(code)
    found = attribution_of(record).contributors
    assert [(each.kind, each.name, each.type) for each in found] == [
        ("caller", "ada", "unknown"),
        ("session", "morning", "unknown"),
        ("workflow", "w", "unknown"),
        ("code", "c" * 64, "unknown"),
        ("tool", "echo", "unknown"),
        ("tool", "add", "unknown"),
    ]
    assert found[2].version == "1.2.0"
    assert (found[3].imports, found[3].tools, found[3].steps, found[3].calls) == (
        ["json", "re"],
        ["add"],
        ["crunch"],
        2,
    )
    assert (found[5].server, found[5].calls) == ("fs", 2)


def test_ai_contributors_come_from_spans():
    """Agents and models with their providers; a call is an agent's where its record says so, and unknown elsewhere."""
    record = run(
        call("write_file", {"path": "a"}, agent="coder"),
        call("write_file", {"path": "b"}, 1),
        metadata={
            "source": "spans",
            "agents": ["coder"],
            "models": [{"provider": "openai", "model": "gpt-4o"}, {"provider": None, "model": "x"}],
        },
    )
    found = attribution_of(record)
    listed = [(each.kind, each.name, each.type, each.provider, each.calls) for each in found.contributors]
    assert listed[:3] == [
        ("agent", "coder", "ai", None, 1),
        ("model", "gpt-4o", "ai", "openai", 0),
        ("model", "x", "ai", None, 0),
    ]
    assert [each.kind for each in found.contributors[3:]] == ["tool"], "a trace of others is no workflow"
    assert [(file.path, file.calls[0].contributor, file.calls[0].agent) for file in found.files] == [
        ("a", "ai", "coder"),
        ("b", "unknown", None),
    ]


@pytest.mark.parametrize(
    "metadata", [{"agents": 1, "models": "x"}, {"agents": [1], "models": [2, {"model": 3}]}]
)
def test_metadata_of_another_shape_names_no_contributor(metadata):
    """An imported file may hold anything."""
    found = attribution_of(run(metadata={**metadata, "session_id": 5}))
    assert [each.kind for each in found.contributors] == ["workflow"]


def test_a_file_has_all_calls_that_named_it():
    """In their order, with step, source, time and how each ended; `./a` and `a` are one file."""
    record = run(
        call("write_file", {"path": "./a/b.txt", "content": "x"}, 2, status="error"),
        call("read_file", {"path": "a/b.txt"}, 1, source="code_block"),
    )
    (file,) = attribution_of(record).files
    assert (file.path, file.excluded) == ("a/b.txt", False)
    assert [
        (one.call_id, one.step_id, one.source, one.started_at, one.outcome, one.access, one.parameter)
        for one in file.calls
    ] == [
        ("call-1", "s", "code_block", NOON + timedelta(seconds=1), "success", "read", "path"),
        ("call-2", "s", "tool_step", NOON + timedelta(seconds=2), "error", "write", "path"),
    ]


@pytest.mark.parametrize(
    ("tool", "params", "expected"),
    [
        # parameters of tools of this kind
        ("read_file", {"path": "a"}, {"a": ["read"]}),
        ("read_multiple_files", {"paths": ["a", "b"]}, {"a": ["read"], "b": ["read"]}),
        ("listDirectory", {"dirPath": "a"}, {"a": ["read"]}),
        ("Read", {"file_path": "/a", "limit": 3}, {"/a": ["read"]}),
        ("read_file", {"target_file": "a"}, {"a": ["read"]}),
        ("edit_file", {"path": "a", "edits": [{"oldText": "/x", "newText": "y"}]}, {"a": ["write"], "/x": ["unknown"]}),
        ("edit_file", {"path": "a", "dryRun": True}, {"a": ["unknown"]}),
        ("move_file", {"source": "a", "destination": "b"}, {"a": ["write"], "b": ["write"]}),
        ("copy", {"src": "a", "dst": "b"}, {"a": ["read"], "b": ["write"]}),
        ("convert", {"input_file": "a", "output_file": "b"}, {"a": ["read"], "b": ["write"]}),
        ("str_replace_based_edit_tool", {"command": "view", "path": "/a"}, {"/a": ["read"]}),
        ("str_replace_based_edit_tool", {"command": "create", "path": "/a"}, {"/a": ["write"]}),
        ("open", {"filename": "a", "mode": "w"}, {"a": ["write"]}),
        ("open", {"filename": "a"}, {"a": ["unknown"]}),
        ("call_tool", {"name": "read", "arguments": {"path": "a"}}, {"a": ["unknown"]}),
        # names that mean read and write, or several files where only one is used
        ("get_or_create", {"path": "a"}, {"a": ["unknown"]}),
        ("write_file", {"path": "a", "other_path": "b"}, {"a": ["unknown"], "b": ["unknown"]}),
        ("write_file", {"path": "a", "output_file": "b"}, {"a": ["unknown"], "b": ["write"]}),
        # command lines name files, but not how they are used
        ("bash", {"command": "sort /in > ./out"}, {"/in": ["unknown"], "out": ["unknown"]}),
        ("exec", {"args": ["cat", "/in", "and/or"]}, {"/in": ["unknown"]}),
        # values that are not files
        ("write_file", {"path": "a", "content": "see /etc/hosts\n"}, {"a": ["write"]}),
        ("fetch", {"url": "https://host/path", "file": "http://host/a"}, {}),
        ("search", {"path": "a\nb", "file_type": "py", "file_content": "x"}, {}),
        ("echo", {"text": "and/or"}, {}),
        # the content of an excluded file, not its name
        ("echo", {"text": "got [EXCLUDED_PATH]"}, {}),
        ("write_file", {"path": "a", "content": "[EXCLUDED_PATH]"}, {"a": ["write"]}),
        ("read", {"uri": "file:///a%20b"}, {"/a b": ["unknown"]}),
        ("read", '{"path": "a"}', {"a": ["read"]}),
        ("read", "path", {}),
        ("read", {"path": {"file": "a"}}, {"a": ["read"]}),
        ("read", {"path": 5}, {}),
    ],
)  # fmt: skip
def test_files_are_listed_with_how_they_were_used(tool, params, expected):
    """Read or written is inferred from the names of tools and parameters in common use, else it is unknown."""
    assert files(call(tool, params)) == expected


@pytest.mark.parametrize(
    ("params", "unread"),
    [
        (None, 1),
        ("[REDACTED]", 1),
        ("[REDACTION_ERROR]", 1),
        ({"ael.truncated": {"bytes": 9}, "preview": '{"path": "/a'}, 1),
        ({"path": "[REDACTED]", "other_path": "a"}, 1),
        ({"password": "[REDACTED]"}, 0),
        ({}, 0),
        ({"path": "a"}, 0),
        ('{"path": ', 0),
    ],
)
def test_calls_whose_parameters_are_not_recorded_are_counted(params, unread):
    """No file is then no evidence that none was named."""
    found = attribution_of(run(call("read_file", params), call("echo", {})))
    assert (found.calls, found.calls_unread) == (2, unread)


def test_direct_calls_count_as_well():
    """A run without a workflow."""
    record = ExecutionRecord(
        "exec-1", "direct", "completed", NOON, tool_calls=[call("read_file", {"path": "a"}, source="direct")]
    )
    found = attribution_of(record)
    assert [each.kind for each in found.contributors] == ["tool"]
    assert (found.files[0].calls[0].source, found.calls) == ("direct", 1)


def test_excluded_files_are_one_marker():
    """Those that were excluded when they were recorded, and those that are now."""
    record = run(
        call("read_file", {"path": "[EXCLUDED_PATH]"}),
        call("bash", {"command": "cat [EXCLUDED_PATH] > /tmp/out"}, 1),
        call("read_file", {"path": "/secret/key"}, 2),
    )
    found = attribution_of(record, Redactor(Policy(excluded_paths=("/secret/*",))).names_excluded)
    assert [(file.path, file.excluded, [one.access for one in file.calls]) for file in found.files] == [
        ("[EXCLUDED_PATH]", True, ["read", "unknown", "read"]),
        ("/tmp/out", False, ["unknown"]),
    ]
    assert b"secret" not in msgspec.json.encode(found)


NAMES = st.sampled_from(["path", "file", "command", "content", "source", "mode", "x"])
HIDDEN = ["~/.hidden/key", "../.hidden/key", "file:///srv/hidden/%6bey", "cat /srv/hidden/x"]
TEXTS = st.sampled_from([*HIDDEN, "/keep/a", "notes/a"]) | st.text(max_size=20)
VALUES = st.recursive(
    TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)
PARAMS = st.dictionaries(NAMES, VALUES, max_size=4)
PATTERNS = ("~/.hidden/*", "/srv/hidden/*")


@given(PARAMS, st.sampled_from(["read_file", "write_file", "bash", "move"]))
def test_no_excluded_file_is_ever_named(params, tool):
    """Whatever the parameters are: neither as the real capture recorded them, nor as they are with today's rules."""
    paths = ExcludedPaths(PATTERNS)
    redactor = Redactor(Policy(excluded_paths=PATTERNS))
    frozen = Capture(redact=redactor.value)(params)
    kept = msgspec.json.decode(frozen)
    for found in (
        attribution_of(run(call(tool, kept))),
        attribution_of(run(call(tool, params)), redactor.names_excluded),
    ):
        assert not [file.path for file in found.files if paths.matches(file.path)]
        assert "/srv/hidden" not in "".join(file.path for file in found.files)


@given(records())
def test_any_run_has_an_attribution(record):
    """As it is stored and read back: each call is counted, each tool is there, nobody is human, all of it is JSON."""
    record = msgspec.json.decode(msgspec.json.encode(record), type=ExecutionRecord)
    found = attribution_of(record)
    calls = [*record.tool_calls, *(one for step in record.steps for one in step.tool_calls)]
    assert found.calls == len(calls) >= found.calls_unread
    assert sum(each.calls for each in found.contributors if each.kind == "tool") == len(calls)
    assert {each.type for each in found.contributors} <= {"ai", "unknown"}
    given_ids = {one.call_id for one in calls}
    assert all(one.call_id in given_ids for file in found.files for one in file.calls)
    assert msgspec.json.decode(msgspec.json.encode(found))["line_ranges"] == "not recorded"


@given(PARAMS)
def test_every_file_is_named_in_the_parameters(params):
    """None is made up: each path is in the text of some parameter, but for how `./` and addresses are written."""

    def texts(value):
        if isinstance(value, str):
            yield value
        else:
            for item in value.values() if isinstance(value, dict) else value:
                yield from texts(item)

    said = {
        str(PurePosixPath(word)) for text in texts(params) for word in [text.strip(), *text.split()] if word
    }
    for path in files(call("tool", params)):
        assert path in said or any(path in text for text in said) or path == "/srv/hidden/key"


def test_words_of_names():
    """However a name is written."""
    assert words_of("filePath") == words_of("file_path") == words_of("file-path") == ["file", "path"]
    assert words_of("readHTTPFile2") == ["read", "http", "file"]


def test_the_small_decisions():
    """A method parameter decides before the tool's name; a dry run counts for nothing; a name in `path` is a path."""
    assert verb_of("edit", {"command": "view"}) == "read"
    assert verb_of("edit", {"dry_run": True}) is None
    assert verb_of("edit", {"dry_run": False}) == "write"
    assert not names_a_file("path_count", None)
    assert not names_a_file("source", "read")
    assert names_a_file("source", "copy")
    assert access("copy", "path", ["path"]) == "unknown"
    assert access("read", "output_path", ["output_path"]) == "unknown"


def test_redacted_parameters_name_no_file():
    """A tool whose parameters are kept as names only, or not at all, names no file."""
    redaction = ActiveRedaction(Settings(redaction=Redaction(tools={"write_*": "keys", "read_*": "none"})))
    capture = Capture(redact=redaction.content)
    kept = [
        call(
            tool,
            None
            if (raw := capture({"path": "/a"}, redaction.mode(tool))) is None
            else msgspec.json.decode(raw),
        )
        for tool in ("write_file", "read_file")
    ]
    found = attribution_of(run(*kept))
    assert (found.files, found.calls_unread) == ([], 2)
