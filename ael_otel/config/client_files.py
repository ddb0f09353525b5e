"""Read the MCP servers in the configuration files of MCP clients.

Claude Code, Claude Desktop, Cursor, VS Code, Windsurf, Gemini CLI, Zed and Codex each have a table of servers, under
different keys and with small differences; this module converts them to one form.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from msgspec import Struct

from ael_otel.errors import ConfigError

__all__ = ["HOME_FILES", "MAX_FILE_BYTES", "PROJECT_FILES", "ClientServer", "read_client_file"]

PROJECT_FILES: Final = (".mcp.json", ".cursor/mcp.json", ".vscode/mcp.json", ".gemini/settings.json")
"""Files in which clients store the servers of one project, relative to its folder."""

HOME_FILES: Final = (
    ".claude.json",
    ".config/Claude/claude_desktop_config.json",
    "Library/Application Support/Claude/claude_desktop_config.json",
    ".cursor/mcp.json",
    ".codeium/windsurf/mcp_config.json",
    ".gemini/settings.json",
    ".config/zed/settings.json",
    ".codex/config.toml",
)
"""Files in which clients store the servers of a user, relative to the home folder."""

MAX_FILE_BYTES: Final = 32 * 1024 * 1024
"""Maximum bytes of a file; Claude Code stores the history of its conversations in the same file."""

_TABLES: Final = (("mcpServers",), ("servers",), ("mcp_servers",), ("context_servers",), ("mcp", "servers"))
"""Keys of the table of servers: most clients; VS Code; Codex; Zed; the settings of VS Code."""

# A string is left unchanged, even if it contains something that looks like a comment.
_COMMENT: Final = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*(?s:.*?)\*/')
_TRAILING_COMMA: Final = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])')


class ClientServer(Struct, frozen=True):
    """One MCP server in a client's configuration; references such as `${env:NAME}` are not resolved.

    `words` are the program and its arguments (stdio), empty for a server with a `url` (HTTP). `headers` names the HTTP
    headers that the client sends, `directory` is where it starts the program.
    """

    name: str
    source: str = ""
    words: tuple[str, ...] = ()
    url: str = ""
    env: Mapping[str, str] = {}
    headers: tuple[str, ...] = ()
    directory: str = ""
    disabled: bool = False


def read_client_file(path: Path, project: Path) -> list[ClientServer]:
    """Return the servers in one file, in its order.

    JSON may contain comments and trailing commas, as in the files of VS Code and Zed; a file that ends in `.toml` is
    TOML.
    Servers that Claude Code stores for the folder `project` are included, and come first.

    Raises ConfigError that names the file: it cannot be read, is longer than MAX_FILE_BYTES, is not JSON or TOML, or
    contains a server in an unknown form.
    """
    data = _read(path)
    own = _mapping(_mapping(data.get("projects")).get(str(project.absolute())))
    tables = [own.get("mcpServers")]
    for keys in _TABLES:
        found: object = data
        for key in keys:
            found = _mapping(found).get(key)
        tables.append(found)
    servers: dict[str, ClientServer] = {}
    for table in tables:
        for name, entry in _mapping(table).items():
            servers.setdefault(name, _server(name, entry, path))
    return list(servers.values())


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}", path=path) from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: is longer than {MAX_FILE_BYTES // 2**20} MiB", path=path)
    form = "TOML" if path.suffix == ".toml" else "JSON"
    try:
        text = raw.decode("utf-8-sig")
        data = tomllib.loads(text) if form == "TOML" else _load_json(text)
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8", path=path) from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}: is not JSON: {error.msg}", path=path) from None
    except (tomllib.TOMLDecodeError, RecursionError):
        # The message of RecursionError or TOMLDecodeError may quote a value.
        raise ConfigError(f"{path}: is not {form}, or is nested too deeply", path=path) from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: is not a {form} object", path=path)
    return cast("dict[str, object]", data)


def _load_json(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        # Line breaks are kept, so that an error names the right line.
        bare = _COMMENT.sub(lambda m: m[0] if m[0][0] == '"' else "\n" * m[0].count("\n"), text)
        return json.loads(_TRAILING_COMMA.sub(lambda m: m[0] if m[0][0] == '"' else "", bare))


def _server(name: str, entry: object, path: Path) -> ClientServer:
    if not isinstance(entry, dict):
        raise ConfigError(f"{path}: server {name!r} must be a mapping", path=path)
    fields = cast("dict[str, object]", entry)
    command = fields.get("command")
    if isinstance(command, dict):
        # Zed: the command is a mapping that contains the arguments.
        fields = {**fields, **cast("dict[str, object]", command)}
        command = fields.get("path") or ""
    url = next((str(fields[key]) for key in ("url", "serverUrl", "httpUrl") if fields.get(key)), "")
    if not command and not url:
        raise ConfigError(f"{path}: server {name!r} has neither `command` nor `url`", path=path)
    args = fields.get("args")
    if args is not None and not isinstance(args, list):
        raise ConfigError(f"{path}: `args` of server {name!r} must be a list", path=path)
    env = _table(fields, "env", name, path)
    headers = {
        **_table(fields, "headers", name, path),
        **_table(fields, "http_headers", name, path),
        **_table(fields, "env_http_headers", name, path),
    }
    if fields.get("bearer_token_env_var"):
        headers["Authorization"] = ""
    return ClientServer(
        name=name,
        source=str(path),
        words=(str(command), *map(str, cast("list[object]", args or []))) if command else (),
        url="" if command else url,
        env={key: "" if value is None else str(value) for key, value in env.items()},
        headers=tuple(headers),
        directory=str(fields.get("cwd") or ""),
        disabled=bool(fields.get("disabled")) or fields.get("enabled") is False,
    )


def _table(fields: Mapping[str, object], key: str, name: str, path: Path) -> dict[str, object]:
    value: object = fields.get(key)
    # Some writers of JSON write an empty table as an empty list.
    if value and not isinstance(value, dict):
        raise ConfigError(f"{path}: `{key}` of server {name!r} must be a mapping", path=path)
    return _mapping(fields.get(key))


def _mapping(value: object) -> dict[str, object]:
    """Return a mapping unchanged, and an empty mapping for anything else."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
