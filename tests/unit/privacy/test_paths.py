"""Files that nothing is captured of: however they are written, and wherever links lead."""

# ruff: noqa: E501 - tables of texts and names

import json
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
    """As a whole value, inside a sentence, as a parameter and as a question; what stands around it stays."""
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
    """Also the folder itself, whose name is no secret, and names that only resemble one."""
    judge = redactor()
    assert not judge.path(written)
    value = {"args": [written, f"ls {written} now"]}
    assert judge.value(value) is value
    assert judge.names_excluded(value) == (written == "~/.ssh")


@pytest.mark.parametrize(
    "params",
    [
        {"path": "~/.ssh"}, {"path": "~/.ssh/"}, {"path": "{home}/.ssh/."}, {"path": "notes/../.ssh"}, {"path": "notes/keys"},
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
def test_a_call_that_leads_to_excluded_files_is_told(home, params):
    """By their folder, a wild card, a folder and a name that stand apart, quotes in the middle, addresses, the root."""
    (home / "notes" / "keys").symlink_to(home / ".ssh")

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
def test_a_call_that_only_comes_near_is_kept(home, params):
    """The folder of one excluded file among others, a shell's `*` before a dot, words that are no paths."""
    params = {key: value.replace("{home}", str(home)) for key, value in params.items()}
    assert not redactor().names_excluded(params)


def test_links_are_followed_on_both_sides(home, tmp_path_factory):
    """A link to an excluded file or folder, a folder reached through a link, and a pattern that is a link itself."""
    (home / "notes" / "harmless.txt").symlink_to(home / ".ssh" / "id_rsa")
    (home / "notes" / "keys").symlink_to(home / ".ssh")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "secret.txt").write_text("x")
    (home / "vault").symlink_to(elsewhere)
    judge = redactor("~/.ssh/*", "~/vault/*")
    for path in ("notes/harmless.txt", "notes/keys/id_rsa", "notes/keys/new", "~/vault/secret.txt", f"{elsewhere}/secret.txt"):  # fmt: skip
        assert judge.path(path), path
        assert judge.text(f"see {path} ok") == "see [EXCLUDED_PATH] ok"
    (home / "notes" / "ring").symlink_to(home / "notes" / "ring")
    assert not judge.path("notes/ring/x")


def test_a_pattern_without_a_folder_is_a_name_anywhere(home):
    """`.env` and `*.pem`, with wild cards and in any folder."""
    judge = redactor("*.pem", ".env")
    assert (
        judge.text("cat a/b/server.pem .env x.pems env") == "cat [EXCLUDED_PATH] [EXCLUDED_PATH] x.pems env"
    )


def test_a_folder_stands_for_what_is_in_it(home):
    """A pattern that names a folder excludes it and everything below, and not its namesakes."""
    judge = redactor("/srv/vault", "/srv/team-*/private/")
    for path in ("/srv/vault", "/srv/vault/a/b", "/srv/team-x/private/f"):
        assert judge.path(path)
    for path in ("/srv/vaults", "/srv/team-x/public"):
        assert not judge.path(path)


def test_a_folder_and_a_name_that_are_given_apart_name_a_file(home):
    """As `cwd` and `file` of one call."""
    assert redactor().names_excluded({"cwd": "~/.aws", "file": "credentials"})
    assert not redactor().names_excluded({"cwd": "~/notes", "file": "credentials"})


def test_case_is_folded_where_the_file_system_does(home):
    """On macOS and Windows `.SSH` is `.ssh`."""
    require(sys.platform in {"darwin", "win32"}, "the file system tells upper from lower case", ci=False)
    assert redactor().path("~/.SSH/ID_RSA")


def test_case_counts_where_the_file_system_keeps_it_apart(home):
    """Elsewhere it is another folder."""
    if sys.platform in {"darwin", "win32"}:
        return
    assert not redactor().path("~/.SSH/ID_RSA")


def test_many_paths_of_a_long_text_are_judged(home):
    """Each by its name; the system is asked about links for the first 512 only."""
    text = " ".join(f"/srv/data/{n}/file.txt" for n in range(5000)) + f" {home}/.ssh/id_rsa"
    assert redactor().text(text).endswith("4999/file.txt [EXCLUDED_PATH]")


@pytest.mark.parametrize("pattern", ["", "  ", "*", "**", "/", "a\0b"])
def test_a_pattern_that_says_nothing_or_everything_is_refused(pattern):
    """With an error of configuration."""
    with pytest.raises(ConfigError, match="excluded_paths"):
        Policy(excluded_paths=(pattern,))


def test_no_pattern_costs_no_question():
    """Nothing is excluded, and nothing asked."""
    judge = Redactor()
    assert not judge.names_excluded({"path": str(Path("~/.ssh/id_rsa").expanduser())})
    assert not judge.path("~/.ssh/id_rsa")
