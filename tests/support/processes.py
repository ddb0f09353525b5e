"""Programs that tests start and must not leave behind."""

import subprocess
from typing import Any


def end(process: subprocess.Popen[Any], patience_s: float = 15) -> None:
    """Ask a program to end, and kill it when it has not after `patience_s` seconds; an ended one stays so."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
