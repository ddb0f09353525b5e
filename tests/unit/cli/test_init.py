"""`ael init`: which servers it uses, which questions it asks, and its report."""

import json
import shlex
import sys

import pytest
import yaml
from click.testing import CliRunner

from ael_otel.cli import cli, init

PYTHON = {"command": sys.executable}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder and a home apart from it."""
    home = tmp_path / "home"
    folder = tmp_path / "project"
    home.mkdir()
    folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(folder)
    return folder


def _client_file(path, **servers):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"mcpServers": servers}))
    return path


def _init(*arguments, answers=None):
    return CliRunner().invoke(cli, ["init", *arguments], input=answers)


def _servers(folder):
    return list(yaml.safe_load((folder / "ael-config.yaml").read_text())["tools"]["mcp_servers"])


def test_servers_of_the_project_are_used_without_a_question(place):
    """Servers in files of the home folder are not used unless the user chooses them."""
    _client_file(place / ".mcp.json", mine=PYTHON)
    _client_file(place / ".cursor/mcp.json", also=PYTHON, mine={"command": "other"})
    _client_file(place.parent / "home/.claude.json", theirs=PYTHON)
    done = _init("--yes")
    assert done.exit_code == 0, done.output
    assert _servers(place) == ["mine", "also"]
    assert "MCP servers: mine, also" in done.output
    assert done.output.endswith("Try:\n  ael run hello -i name=Ada\n  ael trace list\n")


def test_other_folder_is_made_and_named(place):
    """The commands to try begin with the way there."""
    done = _init("deep/er", "-y")
    assert done.exit_code == 0, done.output
    assert (place / "deep/er/workflows/hello.yaml").is_file()
    assert "Wrote deep/er/ael-config.yaml" in done.output
    assert "  cd deep/er\n" in done.output


def test_named_files_and_servers_are_used(place):
    """`--from` and `--server` together; a server that is named on the command line wins."""
    elsewhere = _client_file(place.parent / "some.json", one=PYTHON, two=PYTHON)
    command = shlex.join([sys.executable, "-m", "a b"])
    done = _init(
        "--from", str(elsewhere), "--server", f"one={command}", "--server", "web=http://localhost:1/mcp"
    )
    assert done.exit_code == 0, done.output
    written = yaml.safe_load((place / "ael-config.yaml").read_text())["tools"]["mcp_servers"]
    assert list(written) == ["one", "web", "two"]
    assert shlex.split(written["one"]["command"])[1:] == ["-m", "a b"]
    assert written["web"] == {"transport": "http", "url": "http://localhost:1/mcp"}


def test_only_chooses_among_them(place):
    """A name that is not there is an error that lists the stored ones."""
    _client_file(place / ".mcp.json", one=PYTHON, two=PYTHON)
    wrong = _init("--only", "three")
    assert wrong.exit_code == 2
    assert "no MCP server is named 'three'; there are: one, two" in wrong.output
    assert not (place / "ael-config.yaml").exists()
    assert _init("--only", "two").exit_code == 0
    assert _servers(place) == ["two"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("\n", ["mine"]),
        ("all\n", ["mine", "theirs"]),
        ("none\n", []),
        ("nobody\ntheirs, mine\n", ["theirs", "mine"]),
    ],
)
def test_terminal_is_asked_which(answers, expected, place, monkeypatch):
    """Servers of the home folder are offered; without an answer it is those of the project."""
    monkeypatch.setattr(init, "_on_a_terminal", lambda: True)
    _client_file(place / ".mcp.json", mine=PYTHON)
    _client_file(place.parent / "home/.claude.json", theirs=PYTHON)
    (place.parent / "home/.gemini").mkdir()
    (place.parent / "home/.gemini/settings.json").write_text("{}")
    (place.parent / "home/.cursor").mkdir()
    (place.parent / "home/.cursor/mcp.json").write_text("{")
    done = _init(answers=answers)
    assert done.exit_code == 0, done.output
    assert _servers(place) == expected
    assert done.output.count("ignored") == 1
    assert ".cursor/mcp.json:1: is not JSON" in done.output


@pytest.mark.parametrize(("answers", "expected"), [("\n", []), (f"{sys.executable} -V\nmine\n", ["mine"])])
def test_terminal_without_servers_is_asked_for_one(answers, expected, place, monkeypatch):
    """An empty answer is none."""
    monkeypatch.setattr(init, "_on_a_terminal", lambda: True)
    assert _init(answers=answers).exit_code == 0
    assert _servers(place) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--server", "x"], "write NAME=COMMAND or NAME=URL"),
        (["--server", "x='"], "cannot be split into words"),
        (["--from", "absent.json"], "'absent.json' does not exist"),
        (["--from", "bad.json"], "bad.json:1: is not JSON"),
        (["--from", "none.json"], "none.json: contains no MCP servers"),
    ],
)
def test_wrong_use_ends_with_2_and_writes_nothing(arguments, message, place):
    """The message names the fault."""
    (place / "bad.json").write_text("{")
    (place / "none.json").write_text("{}")
    done = _init(*arguments)
    assert done.exit_code == 2
    assert message in done.output
    assert not (place / "ael-config.yaml").exists()


def test_second_time_overwrites_nothing(place):
    """A configuration that somebody has changed stays."""
    assert _init("-y").exit_code == 0
    (place / "ael-config.yaml").write_text("mine: 1\n")
    done = _init("-y")
    assert done.exit_code == 2
    assert "exists already" in done.output
    assert (place / "ael-config.yaml").read_text() == "mine: 1\n"
