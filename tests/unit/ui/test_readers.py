"""What reads the store runs in threads, and ends in time."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from ael_otel.errors import RunNotFoundError, StoreBusyError, StoreError
from ael_otel.ui.readers import Reader, Readers, TookTooLongError
from ael_otel.ui.sources import Source


class Slow:
    """A source whose work waits until it is interrupted."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.interrupted = 0
        self.closed = False

    def interrupt(self) -> None:
        """End what runs."""
        self.interrupted += 1
        self.ended.set()

    def close(self) -> None:
        """Close it."""
        self.closed = True

    def wait(self) -> str:
        """Work until it is ended, like a statement of a database."""
        assert self.ended.wait(20)
        raise StoreBusyError("interrupted")


class Made:
    """Makes sources, and remembers them."""

    def __init__(self) -> None:
        self.sources: list[Slow] = []
        self.first = threading.Event()

    def __call__(self) -> Source:
        """Make one."""
        self.sources.append(Slow())
        self.first.set()
        return cast("Source", self.sources[-1])


def slow(reader: Reader) -> Any:
    """Work that does not end by itself."""
    return cast("Slow", reader.source).wait()


async def test_result_and_thread() -> None:
    """The work is done in another thread than the loop's; a reader is used again."""
    made = Made()
    readers = Readers(made)
    here = threading.get_ident()
    assert await readers.read(lambda _: threading.get_ident()) != here
    assert await readers.read(lambda reader: reader.source) is made.sources[0]
    assert len(made.sources) == 1
    readers.close()
    assert made.sources[0].closed


async def test_statement_is_interrupted_at_the_deadline() -> None:
    """A statement that would run on is ended, the loop runs meanwhile, and the source is not used again."""
    made = Made()
    readers = Readers(made, seconds=0.1)
    began = time.monotonic()
    reading = asyncio.create_task(readers.read(slow))
    await asyncio.sleep(0)
    with pytest.raises(TookTooLongError, match=r"took longer than 0\.1 s"):
        await reading
    assert 0.1 <= time.monotonic() - began < 10
    assert made.sources[0].interrupted
    assert made.sources[0].closed
    assert await readers.read(lambda _: 1, times=100) == 1


async def test_iteration_ends_at_the_deadline() -> None:
    """Many short statements have a deadline too."""
    readers = Readers(Made(), seconds=0.05)

    def forever(reader: Reader) -> int:
        return sum(1 for _ in reader.bounded(iter(lambda: 0, 1)))

    with pytest.raises(TookTooLongError):
        await readers.read(forever, times=2)


async def test_other_requests_wait_for_a_free_reader() -> None:
    """No more than the bound read at the same time; who waits too long is told so."""
    made = Made()
    readers = Readers(made, most=1, seconds=20)
    first = asyncio.create_task(readers.read(slow))
    assert await asyncio.to_thread(made.first.wait, 20)
    with pytest.raises(TookTooLongError, match="other pages"):
        await readers.read(lambda _: 1, times=0.001)
    made.sources[0].ended.set()
    with pytest.raises(StoreBusyError):
        await first
    assert await readers.read(lambda _: 1) == 1


@pytest.mark.parametrize(("error", "kept"), [(RunNotFoundError("x"), True), (StoreError("damaged"), False)])
async def test_store_is_opened_anew_after_an_error_of_it(error: Exception, kept: bool) -> None:
    """An id that is not stored says nothing about the store; a fault of the store does."""
    made = Made()
    readers = Readers(made)

    def fail(_: Reader) -> None:
        raise error

    with pytest.raises(type(error)):
        await readers.read(fail)
    assert made.sources[0].closed is not kept
    await readers.read(lambda _: None)
    assert len(made.sources) == (1 if kept else 2)


async def test_old_reader_is_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening marks runs whose process has died, so no reader is kept for long."""
    made = Made()
    readers = Readers(made)
    await readers.read(lambda _: None)
    clock: Callable[[], float] = time.monotonic
    monkeypatch.setattr("ael_otel.ui.readers.time.monotonic", lambda: clock() + 61)
    await readers.read(lambda _: None)
    assert made.sources[0].closed


async def test_close_ends_what_runs() -> None:
    """The process does not wait for a long statement when it ends."""
    made = Made()
    readers = Readers(made, seconds=60)
    reading = asyncio.create_task(readers.read(slow))
    assert await asyncio.to_thread(made.first.wait, 20)
    readers.close()
    with pytest.raises(StoreBusyError):
        await reading
    assert made.sources[0].closed
