"""A line of progress that rewrites itself on a terminal, and prints only what changed elsewhere."""

import shutil
import sys
import time
from types import TracebackType
from typing import TextIO


class Progress:
    """Show one changing line until the block ends."""

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._title = title
        self._live = self._stream.isatty()
        self._started = time.monotonic()
        self._last = ""

    @property
    def seconds(self) -> float:
        """Seconds since the block began."""
        return time.monotonic() - self._started

    def show(self, text: str, *, quiet: bool = False) -> None:
        """Show where things stand. `quiet` is for steps too small for a line of a log."""
        if self._live:
            line = f"{self._title}: {text}  {self.seconds:.0f} s"
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[2K{line[:width]}")
        elif text != self._last and not quiet:
            self._stream.write(f"{self._title}: {text}\n")
            self._last = text
        self._stream.flush()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
