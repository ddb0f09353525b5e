"""Checks before the engine starts: the configuration's folders and programs."""

import sys

import pytest

from ael_otel.cli import preflight
from ael_otel.config import load_settings, read_document
from ael_otel.errors import ConfigError


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Write a configuration beside an existing folder `flows` and check it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows").mkdir()
    (tmp_path / "file").write_text("")

    def write_and_check(text, **environ):
        path = tmp_path / "c.yaml"
        path.write_text(text)
        return preflight.check(read_document(path), {"PATH": "", **environ})

    return write_and_check


FLOWS = "workflows: {directory: flows}\n"


def server(text):
    """A configuration with one MCP server."""
    return f"{FLOWS}tools:\n  mcp_servers:\n    git: {{{text}}}\n"


@pytest.mark.parametrize(
    "text",
    [
        FLOWS,
        "workflows: {directory: '${FLOWS:-flows}'}",
        server(f"command: '{sys.executable} -m x --y'"),
        server("transport: http, url: 'http://localhost:1'"),
        f"{FLOWS}tools:\n",
    ],
)
def test_configuration_that_the_engine_accepts_passes(check, text):
    """Programs by full path, servers by URL, references resolved, empty sections."""
    check(text)


def test_a_reference_elsewhere_in_the_file_counts_only_where_the_engine_starts(check):
    """Reading run records needs no key of a model; starting the engine does, and names it."""
    text = f"telemetry: {{enabled: true}}\n{server(f'command: {sys.executable}, env: {{KEY: "${{KEY}}"}}')}"
    with pytest.raises(ConfigError) as caught:
        check(text)
    assert str(caught.value).endswith(
        "c.yaml:5: tools.mcp_servers.git.env.KEY needs the environment variable KEY, which is not set; "
        "set it, or write ${KEY:-default}"
    )
    assert load_settings("c.yaml", {}).enabled
    check(text, KEY="x")


def test_a_program_is_looked_for_where_the_server_will_look(check, tmp_path):
    """The server's own PATH, where it sets one, else that of this process."""
    program = tmp_path / "flows" / "tool"
    program.write_text("")
    program.chmod(0o755)
    check(server("command: tool"), PATH=str(program.parent))
    check(server(f"command: tool, env: {{PATH: {program.parent}}}"))
    with pytest.raises(ConfigError, match="program tool not found"):
        check(server("command: tool, env: {PATH: /nowhere}"), PATH=str(program.parent))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "workflows: {directory: gone}",
            "c.yaml:1: workflows.directory: gone does not exist in the current directory",
        ),
        (
            "workflows: {directory: /gone}",
            "c.yaml:1: workflows.directory: /gone does not exist; the engine would run",
        ),
        ("workflows: {directory: file}", "c.yaml:1: workflows.directory: file is not a directory"),
        ("logging: {}", "c.yaml: workflows.directory: ./workflows does not exist in the current directory"),
        ("workflows: [flows]", "c.yaml:1: workflows must be a mapping"),
        (f"{FLOWS}tools: x", "c.yaml:2: tools must be a mapping"),
        (
            server("command: nothing-like-it"),
            "c.yaml:4: tools.mcp_servers.git.command: program nothing-like-it not found",
        ),
        (server("command: 'a \"b'"), "c.yaml:4: tools.mcp_servers.git.command: cannot be split into words"),
        (
            server("command: x, args: [y]"),
            "c.yaml:4: tools.mcp_servers.git.args: the engine does not read this key",
        ),
        (server("timeout: 3"), "c.yaml:4: tools.mcp_servers.git: needs `command` (stdio) or `url`"),
        (server("command: '${NOT_SET}'"), "NOT_SET"),
    ],
)
def test_part_that_the_engine_would_silently_skip_is_an_error(check, text, said):
    """One line with the file, line, key and fault."""
    with pytest.raises(ConfigError) as caught:
        check(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\nsteps: [\n  secret: 'a\n", "flows/b.yaml:4:1: not valid YAML"),
        ("", "flows/b.yaml: is not a mapping"),
        ("- secret\n", "flows/b.yaml: is not a mapping"),
        ("steps: []\n", "flows/b.yaml: has no `name`"),
        ("name: x\nsteps: secret\n", "flows/b.yaml:2: `steps` must be a list"),
        ("name: x\nsteps:\n  - id: a\n  - tool: secret\n", "flows/b.yaml:4: step 2 has no `id`"),
    ],
)
def test_a_workflow_file_that_cannot_be_loaded_is_named(check, tmp_path, text, said):
    """With its line where there is one, without its text; the others do not suffer, nor do files of other kinds."""
    (tmp_path / "flows" / "a.yaml").write_text("name: a\nsteps: [{id: b}]\n")
    (tmp_path / "flows" / "b.yaml").write_text(text)
    (tmp_path / "flows" / "notes.txt").write_text("[")
    (fault,) = check(FLOWS)
    assert fault.startswith(said)
    assert "secret" not in fault
