"""`ael run`, `ael serve` and `ael demo` open the configuration file once; the engine opens it for itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ael_otel.demo.example import CONFIG_NAME, write_example
from tests.engine.lab.client import clean_environment

# Runs `ael` and appends to a file, for each time that the configuration is opened to be read, who asked for it.
PROGRAM = """
import os, sys
notes, name, *words = sys.argv[1:]
out = os.open(notes, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

def note(event, arguments):
    if event != "open" or not isinstance(arguments[0], (str, os.PathLike)) or "r" not in str(arguments[1]):
        return
    if os.path.basename(arguments[0]) == name:
        frame, rooms = sys._getframe(), set()
        while frame is not None:
            rooms.add(frame.f_globals.get("__name__", "").partition(".")[0])
            frame = frame.f_back
        os.write(out, b"engine\\n" if "ploston_core" in rooms else b"ours\\n")

sys.addaudithook(note)
sys.argv = ["ael", *words]
from ael_otel.cli import main
main()
"""


@pytest.mark.parametrize(
    "words",
    [
        ("run", "hello", "-c", CONFIG_NAME, "-i", "name=Ada"),
        ("serve", "-c", CONFIG_NAME, "--transport", "stdio"),
        ("demo", "--runs", "1"),
    ],
    ids=lambda words: words[0],
)
def test_verb_opens_the_configuration_file_once(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Settings and the checks before the start come from one reading."""
    write_example(tmp_path)
    notes = tmp_path / "notes.txt"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(notes), CONFIG_NAME, *words],
        cwd=tmp_path,
        env=clean_environment(HOME=str(tmp_path), PATH=os.environ["PATH"]),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    readers = notes.read_text().split()
    assert readers.count("ours") == 1
    assert "engine" in readers, "the engine reads its file too, or the counter sees nothing"
