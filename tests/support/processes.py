"""End programs that tests start."""

import subprocess
from typing import Any


def end(process: subprocess.Popen[Any], patience_s: float = 15) -> None:
    """Terminate a program, and kill it if it has not ended after `patience_s` seconds; an ended one is left alone."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
