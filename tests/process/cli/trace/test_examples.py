"""The shell's completion of `ael trace`, requested as a shell does."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("a0", ["a0f63b41"]), ("exec-7", ["exec-7f3a91c20001"]), ("zzz", [])],
)
def test_the_shell_completes_ids(typed, offered, place, monkeypatch):
    """From the store, by trace id or execution id; verbs and options it knows from click."""
    monkeypatch.setenv("COMP_WORDS", f"ael trace show {typed}")
    monkeypatch.setenv("COMP_CWORD", "3")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from ael_otel.cli import cli; cli(prog_name='ael', complete_var='_AEL_COMPLETE')",
        ],
        env={**os.environ, "_AEL_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line.split(",")[1] for line in done.stdout.splitlines() if line] == offered
