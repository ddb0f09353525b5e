"""The stderr of a server as lines: whole, bounded, with the mark of the call during which they were written."""

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("termios", reason="pipes cannot be waited for on Windows")

from ael_otel.instrument.server_stderr import (
    MAX_LINE,
    StderrReader,
    StderrStream,
    finish_reading,
    open_stderr,
)
from tests.support.waiting import until


class Taken:
    """Stores lines with their marks once `open` is set, up to a number."""

    def __init__(self, allowed: int = 1_000_000) -> None:
        self.got: list[tuple[str, str]] = []
        self.lost = 0
        self.allowed = allowed
        self.open, self.entered = threading.Event(), threading.Event()
        self.open.set()

    def lines(self, text: str, mark: str) -> None:
        """Keep lines."""
        self.entered.set()
        assert self.open.wait(10)
        self.got += [(each, mark) for each in text.split("\n")]

    def allows(self, size: int) -> bool:
        """Let one pass if there is room."""
        self.allowed -= 1
        return self.allowed >= 0

    def dropped(self, lines: int) -> None:
        """Count."""
        self.lost += lines


class End:
    """Both ends of one server's stderr."""

    def __init__(self, stream: StderrStream, reader: StderrReader[str], taken: Taken) -> None:
        self.stream: StderrStream | None = None
        self.descriptor = os.dup(stream.fileno())
        self.reader, self.taken = reader, taken

    def write(self, data: bytes) -> None:
        """Write as the server does, all of it."""
        while data:
            data = data[os.write(self.descriptor, data) :]

    def close(self) -> list[tuple[str, str]]:
        """End the server and return all captured lines."""
        self.stream = None
        os.close(self.descriptor)
        self.reader.thread.join(10)
        assert not self.reader.thread.is_alive()
        return self.taken.got


@pytest.fixture
def opened() -> Iterator[Callable[..., End]]:
    """Make the ends; nothing of ours holds the writing one, so the reader ends with the server."""

    def make(taken: Taken | None = None, mark: str = "start", *, held: bool = False) -> End:
        taken = taken or Taken()
        stream, reader = open_stderr(taken, mark)
        end = End(stream, reader, taken)
        if held:
            end.stream = stream
        return end

    return make


def test_lines_are_whole_and_in_order(opened: Callable[..., End]) -> None:
    """Lines come as they were written, also in pieces, without line ends, colours and blank lines; the last too."""
    end = opened()
    for piece in (b"one\r\ntw", b"o \x1b[31mred\x1b[0m\n\n  \n", b"50%\r100%\n", b"\xff\xfe\nlast"):
        end.write(piece)
        until(end.reader.finished)
    assert [line for line, _ in end.close()] == ["one", "two red", "100%", "\ufffd\ufffd", "last"]


def test_mark_is_that_of_the_moment_of_writing(opened: Callable[..., End]) -> None:
    """Text still in the pipe when a call ends belongs to the call, and a line to the mark at its beginning."""
    end = opened()
    end.write(b"before\n")
    end.reader.mark("call")
    end.write(b"in it\nalso ")
    end.reader.mark("after")
    end.write(b"begun in it\nlate\n")
    end.reader.mark("other")
    end.write(b"other\n")
    until(end.reader.finished)
    end.reader.mark("idle")
    end.write(b"idle\n")
    assert end.close() == [
        ("before", "start"),
        ("in it", "call"),
        ("also begun in it", "call"),
        ("late", "after"),
        ("other", "other"),
        ("idle", "idle"),
    ]


def test_marks_set_while_lines_are_passed_on_are_not_theirs(opened: Callable[..., End]) -> None:
    """A call that begins while the thread still processes earlier text gets none of it."""
    taken = Taken()
    taken.open.clear()
    end = opened(taken)
    end.write(b"a\n")
    end.reader.mark("call")
    end.write(b"b\n")
    assert taken.entered.wait(10)  # read, not passed on
    end.reader.mark("next")
    end.write(b"c\n")
    taken.open.set()
    assert end.close() == [("a", "start"), ("b", "call"), ("c", "next")]


def test_marks_of_a_silent_server_are_discarded(opened: Callable[..., End]) -> None:
    """A server that writes nothing costs no memory, however many calls it answers."""
    end = opened()
    for number in range(10_000):
        end.reader.mark(f"call {number}")
    assert len(end.reader._marks) == 1
    end.write(b"a part")
    until(end.reader.finished)
    for number in range(10_000):
        end.reader.mark(f"call {number}")
    assert len(end.reader._marks) <= 2
    end.write(b" of a line\nx\n")
    assert end.close() == [("a part of a line", "call 9999"), ("x", "call 9999")]


def test_long_line_is_cut_and_the_rest_of_it_dropped(opened: Callable[..., End]) -> None:
    """A line without an end takes no more memory than a line may have."""
    end = opened()
    end.write(b"x" * MAX_LINE + b"\n" + b"y" * 5_000_000 + b"\nnext\n")
    (full, _), (cut, _), (following, _) = end.close()
    assert full == "x" * MAX_LINE
    assert cut == "y" * MAX_LINE + "\u2026"
    assert following == "next"


def test_flood_is_dropped_and_counted_without_waiting(opened: Callable[..., End]) -> None:
    """Of 64 MB the allowed lines come through, all others are counted, and the writer is not slowed to a crawl."""
    taken = Taken(allowed=100)
    end = opened(taken)
    line = b"the same again and again, for as long as it takes " + b"." * 77 + b"\n"
    block, blocks = line * 8_192, 64
    started = time.monotonic()
    for _ in range(blocks):
        end.write(block)
    seconds = time.monotonic() - started
    assert len(end.close()) == 100
    assert taken.lost == blocks * 8_192 - 100
    assert seconds < 20, f"{len(line) * blocks * 8_192 / seconds / 1e6:.0f} MB/s"


def test_close_waits_for_the_last_output(opened: Callable[..., End]) -> None:
    """Lines that a server wrote before the process ends are logged, also where handling them takes a moment."""
    taken = Taken()
    taken.open.clear()
    end = opened(taken, held=True)
    end.write(b"last words\n")
    threading.Timer(0.1, taken.open.set).start()
    finish_reading(5)
    assert taken.got == [("last words", "start")]
    end.close()


def test_close_does_not_wait_for_a_server_that_stays_alive(opened: Callable[..., End]) -> None:
    """A client library keeps its servers until the process ends, so `close` returns once nothing is left to read."""
    living = opened(held=True)
    started = time.monotonic()
    finish_reading(5)
    assert time.monotonic() - started < 4
    taken = Taken()
    taken.open.clear()
    busy = opened(taken, held=True)
    busy.write(b"a line\n")
    finish_reading(0.05)
    assert taken.got == []
    taken.open.set()
    assert living.close() == []
    busy.close()


def test_text_may_be_written_as_to_any_stream() -> None:
    """A client library that copies a server's stderr itself writes text."""
    taken = Taken()
    stream, reader = open_stderr(taken, "start")
    assert stream.writable()
    assert stream.write("a line\n") == 7
    del stream
    reader.thread.join(10)
    assert taken.got == [("a line", "start")]
