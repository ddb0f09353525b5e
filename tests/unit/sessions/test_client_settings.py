"""Settings files of agents: our hooks are added once, all else stays, and they are removed without a trace."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.errors import ConfigError
from ael_otel.sessions import client_settings as settings
from ael_otel.sessions.hook_clients import CLIENTS, COMMAND, Client

MERGED = [client for client in CLIENTS.values() if not client.own]
FILE = Path("settings.json")
OWNERS = st.sampled_from(["PreToolUse", "preToolUse", "BeforeTool", "Stop", "Other"])
HOOK = st.fixed_dictionaries(
    {"type": st.just("command"), "command": st.sampled_from(["x", "echo ael-hook is on"])}
)
GROUP = (
    st.fixed_dictionaries({"matcher": st.sampled_from(["*", "Bash"]), "hooks": st.lists(HOOK, max_size=2)})
    | HOOK
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.builds(
    lambda rest, hooks, after: {**rest, **hooks, **after},
    st.dictionaries(st.text(max_size=6).filter(lambda name: name != "hooks"), VALUE, max_size=3),
    st.just({})
    | st.fixed_dictionaries({"hooks": st.dictionaries(OWNERS, st.lists(GROUP, max_size=2), max_size=3)}),
    st.dictionaries(st.sampled_from(["zz", "version"]), VALUE, max_size=1),
)
BLANKS = st.sampled_from(["", " ", "\n", "\r\n  ", "\t", "\n\n    "])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A settings file in any formatting: that of a serialiser, or blanks anywhere."""
    document = draw(DOCUMENTS)
    if draw(st.booleans()):
        text = json.dumps(
            document, indent=draw(st.sampled_from([None, 2, 4, "\t"])), ensure_ascii=draw(st.booleans())
        )
        return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))) + draw(st.sampled_from(["", "\n"]))

    def written(value: Any) -> str:
        before, after = draw(BLANKS), draw(BLANKS)
        if isinstance(value, dict):
            members = (f"{written(name)}:{written(each)}" for name, each in value.items())
            return before + "{" + draw(BLANKS) + ",".join(members) + "}" + after
        if isinstance(value, list):
            return before + "[" + draw(BLANKS) + ",".join(map(written, value)) + "]" + after
        return before + json.dumps(value) + after

    return draw(st.sampled_from(["", "\ufeff"])) + written(document)


@given(texts(), st.sampled_from(MERGED))
def test_removal_restores_the_file_byte_by_byte(text: str, client: Client) -> None:
    """Whatever the formatting; a second installation changes nothing, and nothing of the owner's is lost."""
    once = settings.with_hooks(text, client, FILE)
    assert settings.with_hooks(once, client, FILE) == once
    assert settings.installed_events(once, client, FILE) == dict.fromkeys(client.events, True)
    before, after = json.loads(text.lstrip("\ufeff")), json.loads(once.lstrip("\ufeff"))
    assert list(after)[: len(before)] == list(before)
    assert {name: value for name, value in after.items() if name != "hooks"} == {
        name: value for name, value in before.items() if name != "hooks"
    }
    for event, groups in before.get("hooks", {}).items():
        assert after["hooks"][event][: len(groups)] == groups
    assert settings.without_hooks(once, client, FILE) == text


@pytest.mark.parametrize("client", CLIENTS.values(), ids=lambda each: each.name)
def test_file_that_we_made_goes_with_the_hooks(client: Client) -> None:
    """An absent or empty file becomes one of ours, and is deleted again."""
    text = settings.with_hooks(None, client, FILE)
    assert settings.with_hooks("", client, FILE) == text
    assert settings.installed_events(text, client, FILE) == dict.fromkeys(client.events, True)
    assert settings.without_hooks(text, client, FILE) is None


def test_older_form_is_replaced() -> None:
    """An entry of an earlier version goes; others of the same event stay where they are."""
    client = CLIENTS["claude-code"]
    old = {
        "hooks": [
            {"type": "command", "command": "ael-hook claude-code"},
            {"type": "command", "command": "mine"},
        ]
    }
    text = json.dumps({"hooks": {"Stop": [old], "Gone": [{"hooks": [{"command": COMMAND}]}]}}, indent=2)
    assert settings.installed_events(text, client, FILE) == {"Stop": False, "Gone": False}
    new = json.loads(settings.with_hooks(text, client, FILE))["hooks"]
    assert new["Stop"] == [{"hooks": [{"type": "command", "command": "mine"}]}, client.entry("Stop")]
    assert "Gone" not in new


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "// note\n{}",
        '{"a": 1,}',
        "[]",
        '{"hooks": []}',
        '{"hooks": {"Stop": {}}}',
        '{"hooks": {}, "hooks": {}}',
        "{} {}",
    ],
)
def test_file_that_is_not_strict_json_is_refused(text: str) -> None:
    """A file with comments is not rewritten, since they would be lost."""
    with pytest.raises(ConfigError, match="not rewritten"):
        settings.with_hooks(text, CLIENTS["codex"], FILE)


def test_written_file_keeps_its_mode_and_the_link_to_it(tmp_path: Path) -> None:
    """Settings often are links into a repository of dotfiles."""
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("{}")
    target.chmod(0o640)
    link.symlink_to(target)
    settings.write_text(link, "[]")
    assert link.is_symlink()
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("[]", 0o640)
    settings.write_text(tmp_path / "new/file.json", "{}")
    assert stat.S_IMODE((tmp_path / "new/file.json").stat().st_mode) == 0o600
