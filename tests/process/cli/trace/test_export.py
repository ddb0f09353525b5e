"""`ael trace export` into a pipe that another process reads."""

import os
import subprocess

from tests.unit.cli.trace.runs import ael


def test_device_or_pipe_is_written_to_and_not_replaced(place):
    """A pipe and a link are written through and not replaced; a folder is refused."""
    os.mkfifo(place / "pipe")
    with subprocess.Popen(["cat", "pipe"], cwd=place, stdout=subprocess.PIPE) as reader:
        assert ael("export", "a0f6", "--output", "pipe").exit_code == 0
        assert reader.communicate(timeout=20)[0] == ael("export", "a0f6").stdout_bytes
    assert (place / "pipe").is_fifo()
    (place / "deep").mkdir()
    (place / "link").symlink_to("deep/run.json")
    assert ael("export", "a0f6", "--output", "link").exit_code == 0
    assert (place / "link").is_symlink()
    assert (place / "deep" / "run.json").read_bytes() == ael("export", "a0f6").stdout_bytes
    refused = ael("export", "a0f6", "--output", "deep")
    assert (refused.exit_code, refused.stderr) == (1, "ael: deep: cannot be written: Is a directory\n")
