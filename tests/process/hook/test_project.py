"""`ael hooks install --project` asks Git whether the file that it writes can be committed."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from ael_otel.cli import cli


def git(*arguments: str) -> None:
    """Run Git in the working directory."""
    subprocess.run(["git", *arguments], check=True, capture_output=True, timeout=60)


def test_file_of_a_project_is_written_only_where_git_ignores_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused in a fresh repository, written once it is ignored; no program of the repository's settings is run."""
    (tmp_path / "project").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AEL_HOME", str(tmp_path / "ael"))
    for name in ("AEL_CONFIG_PATH", "CLAUDE_CONFIG_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path / "project")
    settings = Path(".claude/settings.local.json")
    install = ["hooks", "install", "--project", "--agent", "claude-code"]
    git("init", "--quiet")
    ran = tmp_path / "ran"
    git("config", "core.fsmonitor", f"touch {ran};:")
    refused = CliRunner().invoke(cli, install)
    assert (refused.exit_code, settings.exists()) == (2, False)
    assert "Git does not ignore" in refused.output
    Path(".git/info/exclude").write_text("settings.local.json\n", "utf-8")
    assert CliRunner().invoke(cli, install).exit_code == 0
    assert settings.exists()
    assert not ran.exists()


def test_project_that_git_refuses_to_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository of another user, or a damaged one, may commit the file: Git answers as it does without one."""
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / ".git/HEAD").write_text("damaged", "utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AEL_HOME", str(tmp_path / "ael"))
    monkeypatch.chdir(project)
    install = ["hooks", "install", "--project", "--agent", "claude-code"]
    refused = CliRunner().invoke(cli, install)
    assert (refused.exit_code, Path(".claude").exists()) == (2, False)
    assert "Git does not ignore" in refused.output
    (project / ".git/HEAD").unlink()
    (project / ".git").rmdir()
    assert CliRunner().invoke(cli, install).exit_code == 0
