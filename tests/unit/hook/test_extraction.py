"""What the hook of coding agents keeps of an event: the allow-list, and nothing else whatever the event holds."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ael_hook
from ael_otel.config import Settings
from ael_otel.privacy.paths import ExcludedPaths
from tests.support.agent_payloads import SAMPLES, SECRET, Sample

FIELDS = {
    *(field for field, _, _ in ael_hook.FIELDS),
    *(
        "v",
        "t",
        "agent",
        "event",
        "session",
        "at",
        "sizes",
        "hashes",
        "paths",
        "excluded",
        "tokens",
        "cost",
        "trace",
    ),
}
NAMES = sorted(
    {name.partition(".")[0] for _, _, names in ael_hook.FIELDS for name in names}
    | {name for group in (ael_hook.SIZES, ael_hook.TOKENS) for _, names in group for name in names}
    | set(ael_hook.SESSION + ael_hook.EVENT + ael_hook.FILES + ael_hook.LISTS)
    | {"timestamp", "toolArgs", "tool_input", "cursor_version"}
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), inner)
    ),
    max_leaves=12,
)
EVENTS = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=12)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda each: f"{each.kept['agent']}-{each.kept['event']}")
def test_event_is_recognised_and_leaves_its_allowed_fields(sample: Sample) -> None:
    """Each documented event names its agent by its own fields; no text of a person or a model is kept."""
    record = ael_hook.extracted(sample.payload, "auto", "", {}, {})
    rest = {field: value for field, value in record.items() if field not in {"sizes", "hashes"}}
    assert rest == sample.kept
    assert SECRET not in json.dumps(record)


def test_sizes_are_bytes_and_the_hash_is_that_of_canonical_json() -> None:
    """The order of keys changes neither."""
    event = {"session_id": "s", "hook_event_name": "PreToolUse"}
    one = ael_hook.extracted({**event, "tool_input": {"b": "é", "a": 1}}, "auto", "", {}, {})
    two = ael_hook.extracted({**event, "tool_input": {"a": 1, "b": "é"}}, "auto", "", {}, {})
    assert one == two
    assert one["sizes"] == {"input": len('{"a":1,"b":"é"}'.encode())}


@given(EVENTS, st.sampled_from(["auto", *ael_hook.AGENTS]), st.booleans())
def test_any_event_is_a_bounded_record_or_a_dead_letter_without_values(
    payload: dict[str, Any], agent: str, content: bool
) -> None:
    """Whatever types stand where: bounded JSON in UTF-8 with allowed fields only, or the types of the keys."""
    settings = {"content": content}
    try:
        record = ael_hook.extracted(payload, agent, "", settings, {})
    except ael_hook._NotUnderstood:
        types = ael_hook.shape(payload)
        assert set(types.values()) <= {"str", "int", "float", "bool", "dict", "list", "NoneType"}
        return
    data = ael_hook.encoded(record)
    assert len(data) <= (ael_hook.MAX_CONTENT_FILE if "content" in record else ael_hook.MAX_FILE)
    read = json.loads(data)
    assert set(read) - {"content"} <= FIELDS
    assert content or "content" not in read
    for field, kind, _ in ael_hook.FIELDS:
        value = read.get(field)
        if isinstance(value, str):
            assert len(value) <= (ael_hook.MAX_PATH if kind == "path" else ael_hook.MAX_TEXT)
            assert not any(0xD800 <= ord(each) < 0xE000 or ord(each) < 32 for each in value)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\nb", "a\ufffdb"),
        ("\ud800", "\ufffd"),
        ("x" * 300, "x" * 256),
        ("a\x1b[31m\x7f", "a\ufffd[31m\ufffd"),
    ],
)
def test_control_characters_and_lone_surrogates_are_replaced(text: str, kept: str) -> None:
    """A name cannot write to a terminal that lists it, nor end a line."""
    event = {"session_id": text, "hook_event_name": "Stop", "permission_mode": "x"}
    assert ael_hook.extracted(event, "auto", "", {}, {})["session"] == kept


def test_key_that_may_be_a_value_is_not_written() -> None:
    """A mapping can be keyed by a path or a token."""
    assert ael_hook.shape({"/etc/passwd": 1, "abc123": "x", "tool_input": {}}) == {
        "?": "str",
        "tool_input": "dict",
    }


# --- excluded paths --------------------------------------------------------------------------------------------------

HOME = os.path.expanduser("~")  # noqa: PTH111


@pytest.mark.parametrize(
    ("path", "excluded"),
    [
        ("~/.ssh/id_rsa", True),
        (f"{HOME}/.ssh", True),
        (f"{HOME}/.ssh/a/b", True),
        (f"{HOME}//x/../.ssh/./id", True),
        ("../.ssh/id", True),
        (f"file://{HOME}/.ssh/id", True),
        (f"{HOME}/%2Essh/id", True),
        ("$HOME/.aws/credentials", True),
        ("~/.aws/config", False),
        (f"{HOME}/app/.ssh/id", False),
        (f"{HOME}/.sshd", False),
        ("deep/.env", True),
        ("deep/.env.example", False),
    ],
)
def test_excluded_path_is_counted_and_not_written(path: str, excluded: bool) -> None:
    """As `privacy.excluded_paths` excludes it elsewhere; the hash of the input, which could be guessed, goes too."""
    patterns = ["~/.ssh/*", "~/.aws/credentials", ".env"]
    event = {"session_id": "s", "hook_event_name": "PreToolUse", "cwd": f"{HOME}/app"}
    event["tool_name"] = "Read"
    record = ael_hook.extracted(
        {**event, "tool_input": {"file_path": path}}, "auto", "", {"excluded_paths": patterns}, {}
    )
    assert ("paths" not in record, record.get("excluded", 0), "hashes" not in record) == (
        excluded,
        int(excluded),
        excluded,
    )


@given(
    st.lists(st.sampled_from(["~/.ssh/*", "~/a*/b", "/etc/*.key", ".env", "*.pem", "/srv/x"]), max_size=3),
    st.lists(
        st.sampled_from(["~", ".ssh", "a1", "b", "x.key", "y.pem", "etc", "srv", "x", "..", ".env"]),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["", "/", "~/"]),
)
def test_hook_excludes_what_the_redactor_excludes(patterns: list[str], parts: list[str], root: str) -> None:
    """The hook has its own comparison, since the redactor's would cost it too much: it misses nothing."""
    path = root + "/".join(parts)
    if ExcludedPaths(patterns).matches(path):
        assert ael_hook.Excluded(patterns, str(Path.cwd())).matches(path)


def test_paths_in_a_command_and_web_addresses_are_not_paths() -> None:
    """Only parameters that name files are read."""
    event = {"session_id": "s", "hook_event_name": "PreToolUse", "tool_name": "Bash"}
    given_input = {"command": "cat /etc/shadow", "path": "https://user@example.com/x", "url": "/x"}
    assert "paths" not in ael_hook.extracted({**event, "tool_input": given_input}, "auto", "", {}, {})


def test_content_is_kept_only_when_on_and_not_of_excluded_files() -> None:
    """A command that may name an excluded file leaves no content: its output could be that file."""
    event: dict[str, Any] = {"session_id": "s", "hook_event_name": "PostToolUse", "tool_name": "Bash"}
    plain = {**event, "tool_input": {"command": "ls"}, "tool_response": "a.py"}
    assert ael_hook.extracted(plain, "auto", "", {"content": True}, {})["content"] == {
        "input": '{"command":"ls"}',
        "output": "a.py",
    }
    keys = {**event, "tool_input": {"command": "cat ~/.ssh/id_rsa"}, "tool_response": SECRET}
    record = ael_hook.extracted(keys, "auto", "", {"content": True}, {})
    assert "content" not in record
    assert record["excluded"] == 1


def test_content_is_cut_to_the_bound_of_a_file() -> None:
    """A text of any size leaves its beginning."""
    record: dict[str, Any] = {"content": {"input": "\\" * 1_000_000, "output": "é" * 1_000_000}}
    assert len(ael_hook.encoded(record)) <= ael_hook.MAX_CONTENT_FILE


def test_defaults_are_those_of_the_settings() -> None:
    """Where `hooks.json` cannot be read, the hook excludes what a user without settings excludes."""
    assert Settings().privacy.excluded_paths == ael_hook.EXCLUDED_PATHS


# --- the spool -------------------------------------------------------------------------------------------------------


def test_file_is_private_and_whole(tmp_path: Path) -> None:
    """0600 in folders of 0700; nothing is left in `tmp`."""
    spool = ael_hook.Spool(str(tmp_path / "home"))
    spool.write({"v": 1}, 17)
    (file,) = (tmp_path / "home/spool/new").iterdir()
    assert file.name == f"17-{os.getpid()}-0.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "home/spool").iterdir()} == {0o700}
    assert list((tmp_path / "home/spool/tmp").iterdir()) == []


@pytest.mark.parametrize("name", ["spool", "spool/new", "spool/tmp"])
def test_folder_that_is_a_link_is_refused(tmp_path: Path, name: str) -> None:
    """Nothing is written to where a link leads."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (home / name).parent.mkdir(parents=True)
    for each in ("spool", "spool/new", "spool/tmp", "spool/dead"):
        if each != name and not each.startswith(f"{name}/"):
            (home / each).mkdir(exist_ok=True, mode=0o700)
    (home / name).symlink_to(elsewhere)
    with pytest.raises(PermissionError):
        ael_hook.Spool(str(home)).write({"v": 1}, 17)
    assert list(elsewhere.rglob("*.json")) == []


def test_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    """Another user could have put a link there."""
    spool = ael_hook.Spool(str(tmp_path))
    spool.prepare()
    (tmp_path / "spool").chmod(0o777)
    with pytest.raises(PermissionError):
        spool.write({"v": 1}, 17)


def test_full_spool_drops_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number and by size; each dropped event is one byte of `drops`."""
    spool = ael_hook.Spool(str(tmp_path))
    monkeypatch.setattr(ael_hook, "MAX_FILES", 2)
    for now in range(4):
        spool.write({"v": 1}, now)
    monkeypatch.setattr(ael_hook, "MAX_FILES", 100)
    monkeypatch.setattr(ael_hook, "MAX_BYTES", 10)
    spool.write({"v": 1}, 9)
    assert len(list((tmp_path / "spool/new").iterdir())) == 2
    assert (tmp_path / "spool/drops").stat().st_size == 3


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"excluded_paths": 1}', '{"excluded_paths": [1]}'])
def test_settings_that_cannot_be_read_leave_the_defaults(tmp_path: Path, text: str) -> None:
    """A broken file excludes no less."""
    (tmp_path / "hooks.json").write_text(text)
    assert "excluded_paths" not in ael_hook.read_settings(str(tmp_path))
