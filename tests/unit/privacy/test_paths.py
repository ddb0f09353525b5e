"""Files that nothing is captured of: however they are written, and wherever links lead."""

# ruff: noqa: E501 - tables of texts and names

import json
import os
import sys
from pathlib import Path

import pytest

from ael_otel.errors import ConfigError
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor
from tests.support.needs import require


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with excluded files in it, as the working directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_rsa").write_text("x")
    (tmp_path / "notes").mkdir()
    return tmp_path


def redactor(*patterns):
    """A redactor that excludes these."""
    return Redactor(Policy(excluded_paths=patterns or ("~/.ssh/*", "~/.aws/credentials")))


@pytest.mark.parametrize(
    "written",
    [
        "~/.ssh/id_rsa", "{home}/.ssh/id_rsa", ".ssh/id_rsa", "./.ssh/id_rsa", "notes/../.ssh/id_rsa", "{home}/notes/../.ssh//id_rsa",
        "file://{home}/.ssh/id_rsa", "file://localhost{home}/.ssh/id_rsa", "file:{home}/.ssh/id_rsa", "{home}/%2essh/id%5Frsa",
        "$HOME/.ssh/id_rsa", "${{HOME}}/.ssh/id_rsa", "~/.ssh/deep/er/key.pem", "~/.aws/credentials", "~\\.ssh\\id_rsa",
        "~/.ssh/not-there-yet",
    ],
)  # fmt: skip
def test_a_path_is_excluded_however_it_is_written(home, written):
    """As a whole value, inside a sentence, as a parameter and as a question; the text around it stays."""
    path = written.format(home=home)
    judge = redactor()
    assert judge.path(path)
    assert judge.text(path) == "[EXCLUDED_PATH]"
    assert judge.text(f"cat {path}, then") == "cat [EXCLUDED_PATH], then"
    assert judge.text(f'open("{path}")') == 'open("[EXCLUDED_PATH]")'
    assert judge.value({"args": [{"file": path}]}) == {"args": [{"file": "[EXCLUDED_PATH]"}]}
    for params in ({"path": path}, [path], {path: 1}, json.dumps({"p": path}), f"cat {path}", {"p": path.encode()}, {"p": Path(path)}):  # fmt: skip
        if not (isinstance(params, dict) and isinstance(params.get("p"), Path)) or written.startswith(
            "{home}/.ssh"
        ):
            assert judge.names_excluded(params)


@pytest.mark.parametrize("written", ["~/.ssh", "~/.sshd/config", "/etc/hosts", "~/notes/.ssh.md", "id_rsa", "a/b", "~/.aws/config", ""])  # fmt: skip
def test_other_paths_stay(home, written):
    """Also the folder itself, whose name is not excluded, and names that only resemble one."""
    judge = redactor()
    assert not judge.path(written)
    value = {"args": [written, f"ls {written} now"]}
    assert judge.value(value) is value
    assert judge.names_excluded(value) == (written == "~/.ssh")


@pytest.mark.parametrize(
    "params",
    [
        {"path": "~/.ssh"}, {"path": "~/.ssh/"}, {"path": "{home}/.ssh/."}, {"path": "notes/../.ssh"},
        {"path": Path(".ssh")}, {"path": ".ssh"}, {"uri": "file://{home}/.ssh"}, {"command": "ls -la ~/.ssh"}, {"command": "cd ~/.ssh && cat id_rsa"},
        ["tar", "c", "{home}/.ssh"], {"command": "cd ~ && cat .ssh/id_rsa"}, {"cwd": "~", "args": ["grep", "-r", "KEY", ".ssh"]},
        {"command": "cat ~/.aws/*"}, {"command": "cat ~/.aws/cred*"}, {"command": "head ~/.s*/id_rsa"},
        {"command": "cat ~/.aws/{credentials,config}"}, {"pattern": "{home}/**"}, {"command": "cd ~/.aws && cat ./credentials"},
        {"options": {"cwd": "~/.aws"}, "files": ["config", "credentials"]}, {"cwd": "notes", "path": "../.aws/credentials"},
        {"command": 'cat "$HOME"/.ssh/id_rsa'}, {"command": "cat ~/'.ssh'/id_rsa"}, {"uri": "vscode://file{home}/.ssh/id_rsa"},
        {"uri": "sqlite:///{home}/.ssh/known.db"}, {"path": "/proc/self/root{home}/.ssh/id_rsa"},
    ],
    ids=str,
)  # fmt: skip
def test_call_that_touches_excluded_files_is_recognised(home, params):
    """By their folder, a wild card, a folder and a name that stand apart, quotes in the middle, addresses, the root."""

    def here(value):
        if isinstance(value, str):
            return value.replace("{home}", str(home))
        if isinstance(value, list):
            return [here(each) for each in value]
        return {key: here(each) for key, each in value.items()} if isinstance(value, dict) else value

    assert redactor().names_excluded(here(params))


@pytest.mark.parametrize(
    "params",
    [
        {"path": "~"}, {"path": "{home}/notes"}, {"command": "ls ~/.aws"}, {"cwd": "~/notes", "text": "the credentials"},
        {"command": "ls ~/*"}, {"pattern": "~/*.py"}, {"command": "cat ~/.a*/config"}, {"pattern": "src/**/*.py"},
        {"url": "https://example.org/.ssh"}, {"text": "a ~ b and .aws/credentials.md"}, {"expression": "a/*2 + b"},
        {"code": 'x = "a" / "b"'},
    ],
    ids=str,
)  # fmt: skip
def test_call_that_touches_no_excluded_file_is_recorded(home, params):
    """The folder of one excluded file among others, a shell's `*` before a dot, words that are not paths."""
    params = {key: value.replace("{home}", str(home)) for key, value in params.items()}
    assert not redactor().names_excluded(params)


def test_links_of_the_excluded_paths_themselves_are_resolved(home, tmp_path_factory):
    """A pattern that goes through a link, and a link inside an excluded folder: both ends are excluded."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "secret.txt").write_text("x")
    (elsewhere / "dotfiles").mkdir()
    (elsewhere / "dotfiles" / "ssh_config").write_text("x")
    (home / "vault").symlink_to(elsewhere)
    (home / ".ssh" / "config").symlink_to(elsewhere / "dotfiles" / "ssh_config")
    (home / ".ssh" / "ring").symlink_to(home / ".ssh" / "ring")
    (home / ".ssh" / "gone").symlink_to(elsewhere / "not-there")
    (home / ".ssh" / "root").symlink_to("/")
    judge = redactor("~/.ssh/*", "~/vault/*")
    for path in ("~/vault/secret.txt", f"{elsewhere}/secret.txt", "~/.ssh/config", f"{elsewhere}/dotfiles/ssh_config", f"{elsewhere}/not-there"):  # fmt: skip
        assert judge.path(path), path
        assert judge.text(f"see {path} ok") == "see [EXCLUDED_PATH] ok"
        assert judge.names_excluded({"file": path})
    only = redactor("~/.ssh/*")
    assert only.path(f"{elsewhere}/dotfiles/ssh_config")
    assert not only.path(f"{elsewhere}/dotfiles/other")
    assert not only.path("/etc/hosts"), "a link to the root excludes nothing else"


def test_links_elsewhere_are_compared_as_they_are_written(home):
    """The documented limit: a link outside the excluded folder is not looked up, whichever way it leads."""
    (home / "notes" / "harmless.txt").symlink_to(home / ".ssh" / "id_rsa")
    judge = redactor()
    assert not judge.path("notes/harmless.txt")
    assert judge.text("see notes/harmless.txt ok") == "see notes/harmless.txt ok"


@pytest.mark.parametrize("patterns", [("~/.ssh/*", "~/.aws/credentials"), (".env", "*.pem"), ("~/*",), ("/srv/team-*/x",)])  # fmt: skip
def test_comparing_paths_makes_no_system_call(home, monkeypatch, patterns):
    """No lookup of any kind once the configuration is loaded: not of links, folders, users, or the working directory."""
    judge = redactor(*patterns)

    asked = []
    text = (
        "see /net/host/file, ~bob/x, ~/.ssh/id_rsa, ../a/./b, $HOME/c, file:///d%2Fe, C:\\f, .env, x.pem, ~/g/*, "
        "/srv/team-a/x, and/or {a/b,c/d} //server/share 'q'/r"
    )
    with monkeypatch.context() as patched:
        for name in ("lstat", "stat", "readlink", "getcwd", "scandir", "listdir", "access"):
            patched.setattr(os, name, lambda *_args, called=name, **_kwargs: asked.append(called))
        patched.setattr(os.path, "realpath", lambda *_args, **_kwargs: asked.append("realpath"))
        clean = judge.value({"text": text, "list": text.split(), "/h/i": 1})
        excluded = judge.names_excluded({"text": text})
        others = judge.names_excluded({"path": "/net/other/file"})
        judge.path("/net/host/file")
    assert not asked
    assert "[EXCLUDED_PATH]" in repr(clean)
    assert excluded
    assert not others


def test_a_folder_that_the_process_works_in_can_be_excluded(home, monkeypatch):
    """A relative path without the name of the excluded folder is recognised nevertheless."""
    monkeypatch.chdir(home / ".ssh")
    judge = redactor()
    assert judge.text("cat ./id_rsa now") == "cat [EXCLUDED_PATH] now"
    assert judge.names_excluded({"file": "id_rsa"})


def test_a_pattern_without_a_folder_is_a_name_anywhere(home):
    """`.env` and `*.pem`, with wild cards and in any folder."""
    judge = redactor("*.pem", ".env")
    assert (
        judge.text("cat a/b/server.pem .env x.pems env") == "cat [EXCLUDED_PATH] [EXCLUDED_PATH] x.pems env"
    )


def test_excluded_folder_covers_its_files(home):
    """A pattern that names a folder excludes it and everything below, and not its namesakes."""
    judge = redactor("/srv/vault", "/srv/team-*/private/")
    for path in ("/srv/vault", "/srv/vault/a/b", "/srv/team-x/private/f"):
        assert judge.path(path)
    for path in ("/srv/vaults", "/srv/team-x/public"):
        assert not judge.path(path)


def test_folder_and_name_in_two_parameters_name_a_file(home):
    """As `cwd` and `file` of one call."""
    assert redactor().names_excluded({"cwd": "~/.aws", "file": "credentials"})
    assert not redactor().names_excluded({"cwd": "~/notes", "file": "credentials"})


def test_case_is_folded_where_the_file_system_does(home):
    """On macOS and Windows `.SSH` is `.ssh`."""
    require(sys.platform in {"darwin", "win32"}, "the file system tells upper from lower case", ci=False)
    assert redactor().path("~/.SSH/ID_RSA")


def test_case_matters_where_the_file_system_distinguishes_it(home):
    """Elsewhere it is another folder."""
    if sys.platform in {"darwin", "win32"}:
        return
    assert not redactor().path("~/.SSH/ID_RSA")


def test_many_paths_of_a_long_text_are_judged(home):
    """Each by its name, also the last one."""
    text = " ".join(f"/srv/data/{n}/file.txt" for n in range(5000)) + f" {home}/.ssh/id_rsa"
    assert redactor().text(text).endswith("4999/file.txt [EXCLUDED_PATH]")


@pytest.mark.parametrize("pattern", ["", "  ", "*", "**", "/", "a\0b"])
def test_pattern_that_matches_nothing_or_everything_is_refused(pattern):
    """With an error of configuration."""
    with pytest.raises(ConfigError, match="excluded_paths"):
        Policy(excluded_paths=(pattern,))


def test_no_pattern_costs_no_question():
    """Nothing is excluded, and nothing asked."""
    judge = Redactor()
    assert not judge.names_excluded({"path": str(Path("~/.ssh/id_rsa").expanduser())})
    assert not judge.path("~/.ssh/id_rsa")
