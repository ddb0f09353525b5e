"""A line of progress that rewrites itself on a terminal, and prints only what changed elsewhere."""

import shutil
import sys
import threading
import time
from types import TracebackType
from typing import TextIO

TICK_SECONDS = 0.5


class Progress:
    """Show one changing line until the block ends."""

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._title = title
        self._live = self._stream.isatty()
        self._started = time.monotonic()
        self._text = ""
        self._ended = threading.Event()
        # The seconds continue to count while the block waits for a command without output.
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._writing = threading.Lock()

    @property
    def seconds(self) -> float:
        """Seconds since the block began."""
        return time.monotonic() - self._started

    def show(self, text: str, *, quiet: bool = False) -> None:
        """Show where things stand. `quiet` is for steps too small for a line of a log."""
        changed = text != self._text
        if self._live:
            self._text = text
            self._draw()
        elif changed and not quiet:
            self._text = text
            self._write(f"{self._title}: {text}\n")

    def _draw(self) -> None:
        line = f"{self._title}: {self._text}"
        seconds = f"  {self.seconds:.0f} s"
        room = shutil.get_terminal_size().columns - 1 - len(seconds)
        self._write(f"\r\x1b[2K{line[:room]}{seconds}")

    def _write(self, text: str) -> None:
        with self._writing:
            self._stream.write(text)
            self._stream.flush()

    def _tick(self) -> None:
        while not self._ended.wait(TICK_SECONDS):
            self._draw()

    def __enter__(self) -> "Progress":
        if self._live:
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._live:
            self._ticker.join()
            self._write("\r\x1b[2K")
