"""Check the engine's part of the configuration and its port before the engine starts.

Without these checks, mistakes appear late: the engine silently accepts a missing workflow folder, and reports a tool
server whose program does not exist, or a workflow file that it cannot read, as one error line among hundreds.
"""

import errno
import shlex
import shutil
import socket
from collections.abc import Mapping
from os import environ as os_environ
from pathlib import Path
from typing import cast

from ael_otel.config.file import Document, Source, read_document, resolve_references
from ael_otel.errors import ConfigError

_DEFAULT_WORKFLOWS = "./workflows"


def check(document: Document, environ: Mapping[str, str] = os_environ) -> tuple[str, ...]:
    """Check the workflow folder and the tool servers of a configuration file that has been read.

    Returns one line for each workflow file that the engine will skip: its location and the reason, without its content.

    Raises ConfigError for a `workflows.directory` that does not exist, for an MCP server that has no address, whose
    program cannot be found, or that has arguments in a key that the engine ignores, and for a section of a wrong type.
    """
    data = resolve_references(document.data, "", document.source, environ)
    source = document.source
    sections = cast("Mapping[str, object]", data)
    workflows = _check_workflows(_mapping(sections.get("workflows"), "workflows", source), source)
    tools = _mapping(sections.get("tools"), "tools", source)
    for name, server in _mapping(tools.get("mcp_servers"), "tools.mcp_servers", source).items():
        key = f"tools.mcp_servers.{name}"
        _check_server(key, _mapping(server, key, source), source, environ)
    return tuple(fault for file in sorted(workflows.glob("*.yaml")) if (fault := _workflow_fault(file)))


def check_free(host: str, port: int) -> None:
    """Check that this process can listen on `host:port`.

    Raises ConfigError that names the port and the option to change it: the port is in use or not allowed, or the host
    is not an address of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}: {error.strerror or error}; set --host") from None
    family, kind, protocol, _name, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        # The server sets this too: a port whose last connections are closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except PermissionError:
            raise ConfigError(
                f"port {port} may not be used by this user; set --port to one above 1023"
            ) from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                reason = f"port {port} on {host} is in use: stop the program that uses it, or set --port"
            else:
                reason = f"cannot listen on {host}:{port}: {error.strerror}; set --host and --port"
            raise ConfigError(reason) from None


def _workflow_fault(file: Path) -> str | None:
    try:
        document = read_document(file)
    except ConfigError as error:
        # Two messages of the reader call the file a configuration file, which a workflow file is not.
        if str(error).startswith(f"{file}: the file "):
            return f"{file}: is not a mapping with the name and the steps of a workflow"
        return str(error)
    if not document.data.get("name"):
        return f"{file}: has no `name`"
    steps = document.data.get("steps", [])
    if not isinstance(steps, list):
        return str(document.source.error("steps", "`steps` must be a list"))
    for index, step in enumerate(cast("list[object]", steps)):
        if not isinstance(step, dict) or "id" not in step:
            return str(document.source.error(f"steps.{index}", f"step {index + 1} has no `id`"))
    return None


def _check_workflows(section: Mapping[str, object], source: Source) -> Path:
    directory = str(section.get("directory") or _DEFAULT_WORKFLOWS)
    if Path(directory).is_dir():
        return Path(directory)
    key = "workflows.directory"
    seen_from = "" if Path(directory).is_absolute() else f" in the current directory {Path.cwd()}"
    what = "is not a directory" if Path(directory).exists() else f"does not exist{seen_from}"
    raise source.error(key, f"{key}: {directory} {what}; the engine would run without workflows")


def _check_server(key: str, server: Mapping[str, object], source: Source, environ: Mapping[str, str]) -> None:
    command = server.get("command")
    if not command:
        if not server.get("url"):
            raise source.error(key, f"{key}: needs `command` (stdio) or `url` with `transport: http`")
        return
    if server.get("args"):
        raise source.error(
            f"{key}.args",
            f"{key}.args: the engine does not read this key; put the arguments into {key}.command",
        )
    try:
        words = shlex.split(str(command))
    except ValueError as error:
        raise source.error(f"{key}.command", f"{key}.command: cannot be split into words: {error}") from None
    # If the server's `env` sets PATH, the engine searches for its program there.
    path = str(_mapping(server.get("env"), f"{key}.env", source).get("PATH") or environ.get("PATH") or "")
    if not words or shutil.which(words[0], path=path) is None:
        program = words[0] if words else "(empty)"
        raise source.error(
            f"{key}.command", f"{key}.command: program {program} not found; give its full path"
        )


def _mapping(value: object, key: str, source: Source) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise source.error(key, f"{key} must be a mapping")
    return cast("Mapping[str, object]", value)
