"""MCP servers in the files of MCP clients: every form gives the same result, and bad files are named."""

import json

import pytest

from ael_otel.config.client_files import ClientServer, read_client_file
from ael_otel.errors import ConfigError

_ENTRY = {"command": "npx", "args": ["-y", "files", 8], "env": {"LEVEL": "debug", "EMPTY": None}}
_WORDS = ("npx", "-y", "files", "8")
_TOML = """
[mcp_servers.files]
command = "npx"
args = ["-y", "files", 8]
env = { LEVEL = "debug", EMPTY = "" }
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("claude.json", json.dumps({"mcpServers": {"files": _ENTRY}})),
        ("code.json", json.dumps({"inputs": [], "servers": {"files": {"type": "stdio", **_ENTRY}}})),
        ("settings.json", json.dumps({"mcp": {"servers": {"files": _ENTRY}}})),
        (
            "zed.json",
            json.dumps(
                {"context_servers": {"files": {"command": {"path": "npx", **_ENTRY, "command": None}}}}
            ),
        ),
        ("codex.toml", _TOML),
        ("bom.json", "\ufeff" + json.dumps({"mcpServers": {"files": _ENTRY}})),
    ],
)
def test_table_of_any_client_gives_the_same_server(name, text, tmp_path):
    """The key of the table and the form of an entry differ from client to client."""
    path = tmp_path / name
    path.write_text(text)
    (server,) = read_client_file(path, tmp_path)
    assert (server.name, server.words, server.url) == ("files", _WORDS, "")
    assert dict(server.env) == {"LEVEL": "debug", "EMPTY": ""}
    assert server.source == str(path)


def test_comments_and_trailing_commas_are_read_and_strings_stay(tmp_path):
    """VS Code and Zed allow both; `//` in a URL is not a comment, and `,]` in a text not a trailing comma."""
    path = tmp_path / "mcp.json"
    path.write_text(
        '{ // mine\n "servers": { /* two\n lines */ "a": {"url": "http://localhost:1/mcp",},'
        ' "b": {"command": "x", "args": ["// ,]", "\\"/*",]},\n },\n}'
    )
    first, second = read_client_file(path, tmp_path)
    assert first.url == "http://localhost:1/mcp"
    assert second.words == ("x", "// ,]", '"/*')


def test_servers_of_the_folder_come_before_those_of_the_user(tmp_path):
    """Claude Code has both in one file; the nearer definition of a name is used."""
    path = tmp_path / "claude.json"
    projects = {
        str(tmp_path): {"mcpServers": {"a": {"command": "near"}}},
        "/other": {"mcpServers": {"c": {"command": "c"}}},
    }
    path.write_text(
        json.dumps(
            {"mcpServers": {"a": {"command": "far"}, "b": {"command": "b"}}, "projects": projects},
        )
    )
    assert [server.words for server in read_client_file(path, tmp_path)] == [("near",), ("b",)]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"url": "u"}, ClientServer("s", url="u")),
        ({"serverUrl": "u"}, ClientServer("s", url="u")),
        ({"httpUrl": "u", "headers": {"X-Key": "1"}}, ClientServer("s", url="u", headers=("X-Key",))),
        (
            {"url": "u", "bearer_token_env_var": "T"},
            ClientServer("s", url="u", headers=("Authorization",)),
        ),
        ({"command": "c", "disabled": True}, ClientServer("s", words=("c",), disabled=True)),
        ({"command": "c", "enabled": False}, ClientServer("s", words=("c",), disabled=True)),
        ({"command": "c", "enabled": True, "cwd": "d"}, ClientServer("s", words=("c",), directory="d")),
    ],
)
def test_fields_of_an_entry_are_read(entry, expected, tmp_path):
    """Addresses, headers, switches and folders under the names that clients use."""
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"s": entry}}))
    (server,) = read_client_file(path, tmp_path)
    for field in ("name", "words", "url", "headers", "directory", "disabled"):
        assert getattr(server, field) == getattr(expected, field), field


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", ":1: is not JSON"),
        ("[]", "is not a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"mcpServers": {"s": 1}}', "server 's' must be a mapping"),
        ('{"mcpServers": {"s": {}}}', "neither `command` nor `url`"),
        ('{"mcpServers": {"s": {"command": "c", "args": "x"}}}', "`args` of server 's' must be a list"),
        ('{"mcpServers": {"s": {"command": "c", "env": []}}}', None),
        ('{"mcpServers": {"s": {"command": "c", "env": [1]}}}', "`env` of server 's' must be a mapping"),
        (b"\xff\xfe", "is not UTF-8"),
    ],
)
def test_bad_file_is_named_with_the_reason(text, reason, tmp_path):
    """The message begins with the file; an empty list for an empty table is tolerated."""
    path = tmp_path / "mcp.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if reason is None:
        assert read_client_file(path, tmp_path)
        return
    with pytest.raises(ConfigError) as caught:
        read_client_file(path, tmp_path)
    assert str(caught.value).startswith(str(path))
    assert reason in str(caught.value)


@pytest.mark.parametrize("text", ["{}", '{"mcpServers": []}', '{"mcp": 1, "projects": {"x": 2}}'])
def test_settings_without_servers_give_none(text, tmp_path):
    """Proves that a file without servers gives an empty list: some clients have servers among other settings."""
    path = tmp_path / "settings.json"
    path.write_text(text)
    assert read_client_file(path, tmp_path) == []


def test_error_does_not_quote_the_file(tmp_path):
    """A client's file holds secrets, also where it is not valid."""
    for name, text in (("a.toml", "token = hunter2hunter2"), ("a.json", '{"token": hunter2hunter2}')):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            read_client_file(path, tmp_path)
        assert "hunter2" not in str(caught.value)


def test_file_that_is_too_long_is_refused(tmp_path, monkeypatch):
    """Proves that a file beyond the limit is refused with a message."""
    monkeypatch.setattr("ael_otel.config.client_files.MAX_FILE_BYTES", 10)
    path = tmp_path / "mcp.json"
    path.write_text(" " * 11)
    with pytest.raises(ConfigError, match="is longer than"):
        read_client_file(path, tmp_path)
