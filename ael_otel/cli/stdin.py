"""A stdin whose reader can be woken up, for a server that must stop while it waits for the next message."""

import io
import os
import select
from typing import Final

_CHUNK: Final = 65_536


class StoppableStdin(io.TextIOBase):
    """Reads lines from a file descriptor until it ends or `stop` is called.

    The engine reads stdin on a thread, and a thread that blocks in the real stdin prevents the process from ending.
    Call `readline` from one thread; `stop` may be called from any.

    Args:
        descriptor: the file descriptor to read; 0 is stdin.
    """

    def __init__(self, descriptor: int = 0) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._wake_reader, self._wake_writer = os.pipe()
        self._buffer = bytearray()
        self._stopped = False
        self._ended = False

    def fileno(self) -> int:
        """Return the descriptor that is read."""
        return self._descriptor

    def readable(self) -> bool:
        """Return True."""
        return True

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]  # noqa: ARG002
        """Return the next line with its end, the rest without a line end at the end of the input, then empty text.

        `size` is accepted for compatibility and has no effect: a message is never cut.
        """
        end = 0
        while not self._stopped and (end := self._buffer.find(b"\n") + 1) == 0 and not self._ended:
            ready, _, _ = select.select([self._descriptor, self._wake_reader], [], [])
            if self._descriptor in ready:
                chunk = os.read(self._descriptor, _CHUNK)
                self._buffer += chunk
                self._ended = not chunk
        if self._stopped:
            return ""
        end = end or len(self._buffer)
        line = bytes(self._buffer[:end])
        del self._buffer[:end]
        return line.decode("utf-8", "replace")

    def stop(self) -> None:
        """Make the waiting `readline` and every later one return empty text."""
        self._stopped = True
        os.write(self._wake_writer, b"\n")
