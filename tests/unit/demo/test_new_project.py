"""The files of `ael init`: valid for the engine's reader, without secrets, and relative where possible."""

import shlex
import stat
import sys

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from ael_otel.config import load_settings
from ael_otel.config.client_files import ClientServer
from ael_otel.config.file import read_document, resolve_references
from ael_otel.demo.example import write_new_files
from ael_otel.demo.new_project import plan_project
from ael_otel.errors import ConfigError
from ael_otel.privacy.redactor import Redactor

GITHUB_TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3
KEY = "zX9kq72L" + "mQpW81bN"

_REDACTOR = Redactor()


def _plan(tmp_path, *servers, **environ):
    return plan_project(tmp_path, servers, {"HOME": "/h/ada", **environ}, _REDACTOR)


def _servers(project, tmp_path, **environ):
    """Return the table of servers as the engine reads it: YAML, then its references."""
    text = project.files[tmp_path / "ael-config.yaml"]
    path = tmp_path / "read.yaml"
    path.write_text(text)
    document = read_document(path)
    read = resolve_references(document.data, "", document.source, {"HOME": "/h/ada", **environ})
    return read["tools"]["mcp_servers"]


def _program(tmp_path, name):
    """Put a program into a folder that becomes PATH, and return the folder."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text("#!/bin/sh\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(folder)


def test_project_without_servers_is_valid(tmp_path):
    """The engine's table of servers is empty, and the settings are those of a fresh start."""
    project = _plan(tmp_path)
    write_new_files(project.files)
    assert _servers(project, tmp_path) == {}
    assert load_settings(tmp_path / "ael-config.yaml", {}).service_name
    assert yaml.safe_load((tmp_path / "workflows/hello.yaml").read_text())["name"] == "hello"


def test_paths_become_relative(tmp_path):
    """The folder is `.`, the home is a variable, a program on PATH is its name, and the rest is reported."""
    path = _program(tmp_path, "server")
    server = ClientServer(
        "files",
        words=(f"{path}/server", str(tmp_path), f"{tmp_path}/data", "/h/ada/notes", "/srv/files"),
    )
    project = _plan(tmp_path, server, PATH=path)
    written = yaml.safe_load(project.files[tmp_path / "ael-config.yaml"])["tools"]["mcp_servers"]
    assert written["files"]["command"] == "server . ./data '${HOME}/notes' /srv/files"
    assert project.notes == ("files: /srv/files is an absolute path",)
    assert project.servers == ("files",)


@pytest.mark.parametrize(
    "server",
    [
        ClientServer("s", words=(sys.executable,), env={"GITHUB_TOKEN": GITHUB_TOKEN}),
        ClientServer("s", words=(sys.executable, "--api-key", KEY)),
        ClientServer("s", words=(sys.executable, f"--api-key={KEY}")),
        ClientServer("s", words=(sys.executable, "-e", f"DB_PASSWORD={KEY}")),
        ClientServer("s", words=(sys.executable, f"postgresql://ada:{KEY}@db/x")),
        ClientServer("s", words=(sys.executable, "--header", f"Authorization: Bearer {GITHUB_TOKEN}")),
        ClientServer("s", words=(sys.executable,), env={"API_KEY": "${KEY:-" + KEY + "}"}),
    ],
)
def test_secret_becomes_a_reference_that_is_listed(server, tmp_path):
    """No file holds it; unset, the variable is empty, so that the engine starts; set, the server gets it."""
    project = _plan(tmp_path, server)
    text = "".join(project.files.values())
    assert KEY not in text
    assert GITHUB_TOKEN not in text
    (name,) = project.variables
    read = _servers(project, tmp_path, **{name: "value of mine"})["s"]
    assert "value of mine" in f"{shlex.split(read['command'])} {read.get('env')}"
    assert _servers(project, tmp_path)["s"]["command"]
    assert _plan(tmp_path, server, **{name: "set"}).variables == {}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("${env:TOKEN_FILE}/x", "of the environment/x"),
        ("${TOKEN_FILE}", "of the environment"),
        ("${input:token-file}", "of the input"),
        ("${workspaceFolder}/data", "./data"),
        ("${userHome}/data", "/h/ada/data"),
        ("${ABSENT:-default}", "default"),
        ("a $b $$ ${", "a $b $$ ${"),
    ],
)
def test_references_of_clients_become_those_of_the_engine(written, read, tmp_path):
    """Each client has its own; a dollar that is not a reference stays one."""
    server = ClientServer("s", words=(sys.executable, written), env={"E": written})
    project = _plan(tmp_path, server)
    found = _servers(project, tmp_path, TOKEN_FILE="of the environment", token_file="of the input")["s"]
    assert shlex.split(found["command"])[1] == read
    assert found["env"]["E"] == read


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (ClientServer("s", words=(sys.executable,), disabled=True), "disabled"),
        (ClientServer("s", words=("not-installed-anywhere",)), "not-installed-anywhere is not installed"),
        (ClientServer("s", url="http://localhost:1/mcp", headers=("X-Key",)), "needs X-Key"),
        (
            ClientServer("s", url=f"http://localhost:1/mcp?api_key={GITHUB_TOKEN}"),
            "S_URL, which is not set",
        ),
    ],
)
def test_server_that_cannot_work_is_a_comment(server, reason, tmp_path):
    """It would keep the engine from starting, or fail at every start."""
    project = _plan(tmp_path, server)
    assert project.servers == ()
    assert reason in project.left_out[0]
    assert _servers(project, tmp_path) == {}
    assert "Left out" in project.files[tmp_path / "ael-config.yaml"]
    assert GITHUB_TOKEN not in project.files[tmp_path / "ael-config.yaml"]


def test_address_without_mcp_at_its_end_is_reported(tmp_path):
    """The engine calls another address than the one in the file."""
    project = _plan(tmp_path, ClientServer("s", url="http://localhost:1/tools"))
    assert project.notes == ("s: the engine adds /mcp to its address",)


_TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)


@example(name="FALSE", words=[], source="", headers=[])
@example(name="no", words=["null"], source="~", headers=[])
@given(
    name=_TEXTS.filter(bool),
    words=st.lists(_TEXTS, max_size=4),
    source=_TEXTS,
    headers=st.lists(_TEXTS, max_size=1),
)
def test_every_text_gives_a_file_that_the_engine_reads(tmp_path_factory, name, words, source, headers):
    """Names and values come from files of others: none ends a comment or a string early."""
    folder = tmp_path_factory.getbasetemp()
    server = ClientServer(
        name,
        source=source,
        words=(sys.executable, *words),
        env={name: "".join(words)},
        headers=tuple(headers),
    )
    project = _plan(folder, server)
    data = yaml.safe_load(project.files[folder / "ael-config.yaml"])
    assert list(data) == ["tools", "workflows", "logging", "telemetry"]
    assert list(data["tools"]["mcp_servers"] or {}) == list(project.servers)
    assert list(project.servers) == ([] if headers else [name])


@pytest.mark.parametrize("present", ["ael-config.yaml", "workflows/hello.yaml"])
def test_file_that_exists_is_not_overwritten(present, tmp_path):
    """None of the files is written then."""
    mine = tmp_path / present
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        write_new_files(_plan(tmp_path).files)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
