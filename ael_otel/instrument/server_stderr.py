"""Read the stderr of MCP servers: a pipe, a thread, whole lines, and a limit on everything.

The thread reads as fast as the server writes, so that no server has to wait; lines beyond the server's allowance are
dropped unread, and each is counted. To know which calls were open when a line was written, a mark is set at the current
position in the stream when a call begins or ends.
"""

import array
import fcntl
import io
import os
import re
import select
import termios
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from time import monotonic
from typing import Final, Protocol
from weakref import WeakKeyDictionary, finalize

from ael_otel.core.faults import fault_barrier, pause

MAX_LINE: Final = 8_192
"""Maximum bytes of a line that are logged."""

GATHER_SECONDS: Final = 0.02
"""Seconds for which the thread collects lines: the lines of one key or one stack trace are redacted together."""

_PIPE_BYTES: Final = 1 << 20
_F_SETPIPE_SZ: Final = 1031
_BATCH_BYTES: Final = 65_536
_ESCAPES: Final = re.compile(rb"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


class Lines[Mark](Protocol):
    """Receives lines of a server's stderr."""

    def lines(self, text: str, mark: Mark, /) -> None:
        """Log lines, joined by line breaks, that were written while `mark` was set."""
        ...

    def allows(self, size: int) -> bool:
        """Return whether a line of `size` bytes may be logged now."""
        ...

    def dropped(self, lines: int) -> None:
        """Count lines that were not logged."""
        ...


class StderrStream(io.TextIOBase):
    """The end to which a server process writes; closed when no process can be started with it any more."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        finalize(self, os.close, descriptor)

    def fileno(self) -> int:
        """Return the descriptor that a process inherits as its stderr."""
        return self._descriptor

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str, /) -> int:
        """Write text as a server would."""
        os.write(self._descriptor, text.encode("utf-8", "replace"))
        return len(text)


class StderrReader[Mark]:
    """The end that a separate thread reads.

    Args:
        descriptor: the pipe's end; closed when the other end is.
        to: receives the lines.
        mark: the first mark.
    """

    def __init__(self, descriptor: int, to: Lines[Mark], mark: Mark) -> None:
        self._descriptor = descriptor
        self._to = to
        self._lock = Lock()
        self._read = 0
        self._passed_on = 0
        self._open = True
        self._busy = False
        self._marks: deque[tuple[int, Mark]] = deque([(0, mark)])
        self._partial = b""
        self._partial_at = 0
        self.thread = Thread(target=self._run, name="ael-server-stderr", daemon=True)

    def mark(self, mark: Mark) -> None:
        """Set `mark` for everything that is written from now on; what is in the pipe already has the previous mark."""
        with self._lock:
            if not self._open:
                return
            position = self._read + self._waiting()
            if position == self._passed_on:
                # No text with an earlier mark is left.
                self._marks.clear()
            elif self._marks[-1][0] == position:
                self._marks.pop()
            self._marks.append((position, mark))

    def finished(self) -> bool:
        """Return whether all complete lines that were written have been logged."""
        with self._lock:
            return not self._open or (not self._busy and not self._waiting())

    def _waiting(self) -> int:
        """Return the number of bytes in the pipe."""
        count = array.array("i", [0])
        fcntl.ioctl(self._descriptor, termios.FIONREAD, count)
        return count[0]

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        gather = True
        try:
            while True:
                poll.poll()
                if gather:
                    pause(GATHER_SECONDS)
                chunk = self._take()
                if chunk is None:
                    gather = True
                    continue
                # A server that writes as fast as it can must not wait.
                gather = len(chunk) < _BATCH_BYTES
                with fault_barrier("server_stderr"):
                    self._split(chunk or b"\n")
                if not chunk:
                    break
        finally:
            with self._lock:
                self._open = False
                os.close(self._descriptor)

    def _take(self) -> bytes | None:
        with self._lock:
            try:
                chunk = os.read(self._descriptor, _PIPE_BYTES)
            except BlockingIOError:
                return None
            self._read += len(chunk)
            self._busy = True
            return chunk

    def _split(self, chunk: bytes) -> None:
        """Log the complete lines of a chunk, in batches of the same mark, and hold back the last, incomplete one."""
        start = self._read - len(chunk)
        batch: list[bytes] = []
        size = at = 0
        mark = self._mark_at(self._partial_at if self._partial else start)
        while (end := chunk.find(b"\n", at)) >= 0:
            begin = self._partial_at if self._partial else start + at
            found = self._mark_at(begin)
            if batch and (found is not mark or size > _BATCH_BYTES):
                self._pass_on(batch, mark)
                batch, size = [], 0
            mark = found
            part = self._partial + chunk[at : min(end, at + MAX_LINE + 1)]
            self._partial = b""
            at = end + 1
            line = _cleaned(part)
            if not line:
                continue
            if not self._to.allows(len(line)):
                # Drop the whole chunk: checking each line would take too long.
                self._to.dropped(1 + chunk.count(b"\n", at))
                at = chunk.rfind(b"\n") + 1
                break
            batch.append(line)
            size += len(line)
        if batch:
            self._pass_on(batch, mark)
        if at < len(chunk):
            if not self._partial:
                self._partial_at = start + at
            self._partial = (self._partial + chunk[at : at + MAX_LINE + 1])[: MAX_LINE + 1]
        with self._lock:
            self._passed_on = self._partial_at if self._partial else self._read
            self._busy = False

    def _pass_on(self, batch: list[bytes], mark: Mark) -> None:
        self._to.lines(b"\n".join(batch).decode("utf-8", "replace"), mark)

    def _mark_at(self, position: int) -> Mark:
        """Return the mark at a position, and remove earlier ones."""
        with self._lock:
            while len(self._marks) > 1 and self._marks[1][0] <= position:
                self._marks.popleft()
            return self._marks[0][1]


def _cleaned(line: bytes) -> bytes:
    """Return a line cut to `MAX_LINE`, without colours, and with only the last state of a progress bar."""
    cut = len(line) > MAX_LINE
    line = _ESCAPES.sub(b"", line[:MAX_LINE]).rstrip()
    if b"\r" in line:
        line = line.rpartition(b"\r")[2]
    return line + "…".encode() if cut else line


_finished: "WeakKeyDictionary[StderrStream, Callable[[], bool]]" = WeakKeyDictionary()


def open_stderr[Mark](to: Lines[Mark], mark: Mark) -> tuple[StderrStream, StderrReader[Mark]]:
    """Create a pipe for a server's stderr, and read it until no process has the other end open.

    Raises:
        OSError: the pipe cannot be created.
    """
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    stream = StderrStream(writing)
    reader = StderrReader(reading, to, mark)
    with suppress(OSError):
        # Space for a burst while the thread collects lines; only on Linux.
        fcntl.fcntl(writing, _F_SETPIPE_SZ, _PIPE_BYTES)
    reader.thread.start()
    _finished[stream] = reader.finished
    return stream, reader


def finish_reading(timeout_s: float = 0.2) -> None:
    """Wait until the output of servers so far is logged, at most `timeout_s` seconds; the servers may keep running."""
    deadline = monotonic() + timeout_s
    while monotonic() < deadline and not all(finished() for finished in list(_finished.values())):
        pause(GATHER_SECONDS / 4)
