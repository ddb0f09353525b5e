"""Stdout contains only the output of a verb, even if a child process or a late exporter writes to it."""

import os
import subprocess
import sys

from ael_otel.cli.streams import stdout_to_stderr


def test_stdout_is_empty_meanwhile_and_complete_after(capfd):
    """Neither Python's own print, nor a child process, nor native code that writes to descriptor 1."""
    with stdout_to_stderr():
        sys.stdout.write("print\n")
        sys.stdout.flush()
        subprocess.run([sys.executable, "-c", "print('child')"], check=True)
        os.write(1, b"native\n")
    sys.stdout.write("after\n")
    sys.stdout.flush()
    out, err = capfd.readouterr()
    assert out == "after\n"
    assert sorted(err.split()) == ["child", "native", "print"]


def test_writer_to_the_real_stdout_does_not_reach_the_client():
    """As a console exporter does, which is bound to it when it is imported, and may write until the very end."""
    program = """
import atexit, os, sys
from ael_otel.cli.streams import keep_stdout_for_json_rpc
held = sys.stdout
keep_stdout_for_json_rpc()
held.write("span\\n")
os.write(1, b"native\\n")
sys.stdout.write('{"jsonrpc": "2.0", "id": 1}\\n')
sys.stdout.flush()
atexit.register(lambda: held.write("late\\n"))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == '{"jsonrpc": "2.0", "id": 1}\n'
    assert sorted(done.stderr.split()) == ["late", "native", "span"]
