"""Write a first project: a commented configuration with MCP servers, and one workflow that runs at once.

Paths are relative or start with ${HOME} where that is possible, and no secret is copied: a value that the redaction
rules recognise becomes a reference to a variable.
"""

import json
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml
from msgspec import Struct

from ael_otel.config.client_files import ClientServer
from ael_otel.demo.example import CONFIG_NAME, WORKFLOWS_NAME
from ael_otel.privacy.redactor import Redactor

__all__ = ["NewProject", "plan_project"]

WORKFLOW_NAME: Final = "hello.yaml"

# References of the clients: `${NAME}`, `${NAME:-default}`, `${env:NAME}`, `${input:id}`, `${workspaceFolder}`.
_REFERENCE: Final = re.compile(r"\$\{(?:(?P<kind>env|input):)?(?P<name>[^}:]+)(?::-(?P<default>[^}]*))?\}")
_FOLDER_NAMES: Final = frozenset({"workspaceFolder", "workspaceRoot"})
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9]+")
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][\w-]*")

_CONFIG: Final = """\
# Configuration of the AEL engine and of its telemetry, written by `ael init`.
# In this folder, `ael run hello` runs workflows/hello.yaml, and `ael trace list` shows its runs.

tools:
  # The MCP servers whose tools a step of a workflow may call. `command` is one string, split as a shell does it;
  # ${NAME} is a variable of the environment, ${NAME:-text} has a default, $$ is a dollar.
  mcp_servers:%(servers)s

workflows:
  # One file per workflow; seen from the folder in which `ael` is started.
  directory: ./workflows

logging:
  level: INFO
  format: json

telemetry:
  # The name of this engine in traces, metrics and logs.
  service_name: %(service)s
  # Every run is kept in .ael/telemetry.db. Days until it is deleted:
  # retention: {telemetry_days: 90}
  # Where traces, metrics and logs go: the Collector of `make up`, or any other OTLP endpoint.
  exporters:
    otlp: {endpoint: "http://localhost:4317", protocol: grpc}
  # `ael serve` answers GET /metrics here, on this machine only.
  metrics: {port: 9464}
"""

_WORKFLOW: Final = """\
# A first workflow: `ael run hello -i name=Ada`.
name: hello
version: 1.0.0
description: Greet somebody.
inputs:
  - name: {type: string, default: world, description: Who is greeted}
steps:
  - id: greet
    code: |
      result = "hello, " + context.inputs["name"]
  # A step that calls a tool names the tool, its MCP server in ael-config.yaml, and the parameters:
  # - id: look
  #   tool: NAME_OF_A_TOOL
  #   mcp: %(server)s
  #   depends_on: [greet]
  #   params: {text: "{{ steps.greet.output }}"}
outputs:
  - name: greeting
    from: steps.greet.output
"""


class NewProject(Struct, frozen=True):
    """A project to be written.

    Attributes:
        files: text of each file, by path.
        servers: names of the MCP servers that are active in it.
        variables: environment variables that it reads and that are not set, each with the server that needs it.
        left_out: one sentence for each server that is written as a comment only.
        notes: one sentence for each thing that the user should check.
    """

    files: Mapping[Path, str]
    servers: tuple[str, ...]
    variables: Mapping[str, str]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def plan_project(
    folder: Path, servers: Sequence[ClientServer], environ: Mapping[str, str], redactor: Redactor
) -> NewProject:
    """Return the project for `servers`; nothing is written.

    A server becomes a comment if it cannot work as it is: it is disabled in the client's configuration, its program is
    not installed, it needs something that the engine lacks (HTTP headers), or its address contains an unset secret.
    """
    folder = folder.absolute()
    active: list[str] = []
    left_out: list[str] = []
    notes: list[str] = []
    variables: dict[str, str] = {}
    blocks: list[str] = []
    for server in servers:
        writing = _Writing(folder, environ, redactor, server)
        block = writing.block()
        reason = writing.reason_to_leave_out()
        blocks.append(_commented(block, reason) if reason else block)
        if reason:
            left_out.append(_one_line(f"{server.name}: {reason}"))
            continue
        active.append(server.name)
        notes += (_one_line(f"{server.name}: {note}") for note in writing.notes)
        variables.update({name: server.name for name in writing.variables if not environ.get(name)})
    indented = "".join(f"\n{line}" for block in blocks for line in block.splitlines())
    config = _CONFIG % {
        # An empty table, even where every server is a comment.
        "servers": (" {}" if not active else "") + indented,
        "service": _quoted(_NOT_IN_A_NAME.sub("-", folder.name).strip("-").lower() or "ael"),
    }
    return NewProject(
        files={
            folder / CONFIG_NAME: config,
            folder / WORKFLOWS_NAME / WORKFLOW_NAME: _WORKFLOW
            % {"server": _key(active[0]) if active else "NAME_OF_A_SERVER"},
        },
        servers=tuple(active),
        variables=variables,
        left_out=tuple(left_out),
        notes=tuple(notes),
    )


class _Writing:
    """Converts one server of a client into lines of YAML, and collects notes for the user."""

    def __init__(
        self, folder: Path, environ: Mapping[str, str], redactor: Redactor, server: ClientServer
    ) -> None:
        self._folder = str(folder)
        self._home = environ.get("HOME", "").rstrip("/")
        self._environ = environ
        self._redactor = redactor
        self._server = server
        self.variables: list[str] = []
        self.notes: list[str] = []

    def block(self) -> str:
        """Return the lines of the server, indented as in the file."""
        server = self._server
        lines = [f"    {_key(server.name)}:"]
        if server.words:
            lines.append(f"      command: {_quoted(self._command())}")
        else:
            lines.append("      transport: http")
            lines.append(f"      url: {_quoted(self._value(server.url, 'url'))}")
            if not server.url.rstrip("/").endswith(("/mcp", "/sse")):
                self.notes.append("the engine adds /mcp to its address")
        if server.env:
            lines.append("      env:")
            lines += (
                f"        {_key(name)}: {_quoted(self._value(value, name, variable=name))}"
                for name, value in server.env.items()
            )
        if server.source:
            lines.insert(0, f"    # From {_one_line(self._shown(server.source))}.")
        return "\n".join(lines)

    def reason_to_leave_out(self) -> str | None:
        """Return why the server cannot be active as it is, or None if it can."""
        server = self._server
        if server.disabled:
            return "it is disabled in the client's configuration"
        if server.headers:
            return f"the engine sends no HTTP headers, and it needs {', '.join(server.headers)}"
        if server.words:
            program = self._short_program(server.words[0])
            path = server.env.get("PATH") or self._environ.get("PATH", "")
            if "${" not in program and shutil.which(program, path=path) is None:
                return f"its program {program} is not installed"
        elif unset := [name for name in self.variables if not self._environ.get(name)]:
            return f"its address contains {', '.join(unset)}, which is not set"
        return None

    def _command(self) -> str:
        program, *arguments = self._server.words
        words = [self._value(self._short_program(program), "command")]
        option = ""
        for number, argument in enumerate(arguments, 1):
            words.append(self._argument(argument, option, number))
            option = argument.lstrip("-") if argument.startswith("-") and "=" not in argument else ""
        if self._server.directory and self._relative(self._server.directory) != ".":
            self.notes.append(
                f"it is started in this folder, while the client starts it in {self._shown(self._server.directory)}"
            )
        return " ".join(shlex.quote(word) for word in words)

    def _argument(self, argument: str, option: str, number: int) -> str:
        name, equals, value = argument.partition("=")
        if equals and re.fullmatch(r"[\w.-]+", name):
            return f"{_escaped(name)}={self._value(value, name.lstrip('-'))}"
        return self._value(argument, option or f"argument {number}")

    def _value(self, value: str, field: str, *, variable: str | None = None) -> str:
        """Return a value with references of the engine in place of secrets, references of the client and paths."""
        bare = _REFERENCE.sub(lambda match: match["default"] or "", value)
        if bare and self._is_secret(field, bare):
            name = variable or f"{self._server.name} {field}"
            return self._reference(_NOT_IN_A_NAME.sub("_", name).strip("_").upper(), "")
        parts: list[str] = []
        end = 0
        for match in _REFERENCE.finditer(value):
            parts.append(_escaped(value[end : match.start()]))
            end = match.end()
            name = match["name"].strip()
            if name in _FOLDER_NAMES:
                parts.append(".")
            elif name == "userHome":
                parts.append("${HOME}")
            else:
                parts.append(
                    self._reference(_NOT_IN_A_NAME.sub("_", name).strip("_"), match["default"] or "")
                )
        if not parts:
            return self._relative(value)
        return "".join(parts) + _escaped(value[end:])

    def _is_secret(self, field: str, value: str) -> bool:
        return self._redactor.field(field, value) != value or self._redactor.text(value) != value

    def _reference(self, name: str, default: str) -> str:
        if not name or name[0].isdigit():
            name = f"_{name}"
        if not default:
            self.variables.append(name)
        return "${" + name + ":-" + default + "}"

    def _relative(self, value: str) -> str:
        if value == self._folder:
            return "."
        if value.startswith(self._folder + "/"):
            return _escaped("." + value[len(self._folder) :])
        if self._home and (value == self._home or value.startswith(self._home + "/")):
            return "${HOME}" + _escaped(value[len(self._home) :])
        if value.startswith("/") and not value.startswith("//") and len(value) > 1:
            self.notes.append(f"{value} is an absolute path")
        return _escaped(value)

    def _short_program(self, program: str) -> str:
        """Return the bare name of a program if PATH finds it, else its path."""
        name = Path(program).name
        if not program.startswith("/") or not name:
            return program
        found = shutil.which(name, path=self._environ.get("PATH", ""))
        # /bin and /usr/bin are often the same folder.
        return name if found and Path(found).resolve() == Path(program).resolve() else program

    def _shown(self, path: str) -> str:
        for start, short in ((self._folder + "/", ""), (self._home + "/", "~/")):
            if len(start) > 1 and path.startswith(start):
                return short + path[len(start) :]
        return path


def _escaped(text: str) -> str:
    return text.replace("$", "$$")


def _quoted(text: str) -> str:
    # JSON is YAML, but YAML requires escapes for characters that cannot be printed.
    return "".join(
        char if char.isprintable() else f"\\U{ord(char):08X}" for char in json.dumps(text, ensure_ascii=False)
    )


def _key(name: str) -> str:
    # YAML reads `no`, `null` and similar words as values.
    return name if _PLAIN_KEY.fullmatch(name) and yaml.safe_load(name) == name else _quoted(name)


def _commented(block: str, reason: str) -> str:
    lines = (f"    # {line[4:]}" for line in block.splitlines() if not line.startswith("    #"))
    return "\n".join((f"    # Left out, {_one_line(reason)}:", *lines))


def _one_line(text: str) -> str:
    """Return a text that cannot end a comment or send control codes to a terminal: names come from foreign files."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
