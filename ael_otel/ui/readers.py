"""Run what reads the store in threads, so that the event loop never waits, and end what takes too long."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from threading import Lock
from typing import Any, Final

from ael_otel.errors import QueryError, RunNotFoundError, SessionNotFoundError, StoreBusyError
from ael_otel.ui.sources import Source

MAX_READERS: Final = 4
"""Requests that read at the same time, each with connections of its own; others wait."""

SECONDS: Final = 10.0
"""Seconds that a page may read."""

SLOW: Final = 3
"""Times that long for pages that look at many whole runs."""

_GRACE_S: Final = 2.0
_AGAIN_S: Final = 0.2
_KEPT_S: Final = 60.0
"""Seconds after which a reader is opened anew: opening marks runs whose process has died as interrupted."""


class TookTooLongError(StoreBusyError):
    """A page was not read within its time."""


class Reader:
    """One opened source, and until when the work on it may take.

    Args:
        source: the opened source.
        until: the deadline, in seconds of the monotonic clock.
    """

    def __init__(self, source: Source, until: float) -> None:
        self.source = source
        self.until = until

    def bounded[Item](self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield items until the deadline.

        Raises:
            TookTooLongError: it has passed.
        """
        for item in items:
            if time.monotonic() > self.until:
                raise TookTooLongError("reading took too long")
            yield item


class Readers:
    """A few open sources that requests share.

    Args:
        opened: opens a source; opens no store before it is used.
        most: how many are used at the same time.
        seconds: how long a page may read.
    """

    def __init__(
        self, opened: Callable[[], Source], *, most: int = MAX_READERS, seconds: float = SECONDS
    ) -> None:
        self._open = opened
        self._seconds = seconds
        self._slots = asyncio.Semaphore(most)
        self._lock = Lock()
        self._idle: list[tuple[Source, float]] = []
        self._busy: set[Source] = set()
        self._closed = False

    async def read[Result](self, work: Callable[[Reader], Result], *, times: float = 1) -> Result:
        """Return what `work` returns, which a thread calls with a reader.

        Args:
            work: reads.
            times: how many times as long as other pages it may take.

        Raises:
            TookTooLongError: there was no result in time; the statement that ran is ended.
        """
        seconds = self._seconds * times
        until = time.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise TookTooLongError("other pages are being read at the moment") from None
        held: list[Source] = []
        job = asyncio.create_task(asyncio.to_thread(self._work, work, until, held))
        job.add_done_callback(self._done)
        await asyncio.wait({job}, timeout=until - time.monotonic())
        while not job.done() and time.monotonic() < until + _GRACE_S:
            # Again and again: between two statements there is nothing to end.
            for source in held:
                source.interrupt()
            await asyncio.wait({job}, timeout=_AGAIN_S)
        if not job.done() or (time.monotonic() > until and isinstance(job.exception(), StoreBusyError)):
            raise TookTooLongError(f"reading took longer than {seconds:g} s")
        return job.result()

    def _work[Result](self, work: Callable[[Reader], Result], until: float, held: list[Source]) -> Result:
        with self._lock:
            source, opened = self._idle.pop() if self._idle else (self._open(), time.monotonic())
            self._busy.add(source)
        held.append(source)
        usable = False
        try:
            result = work(Reader(source, until))
            usable = True
            return result
        except (QueryError, RunNotFoundError, SessionNotFoundError):
            usable = True
            raise
        finally:
            held.clear()
            with self._lock:
                self._busy.discard(source)
                usable = usable and not self._closed and time.monotonic() - opened < _KEPT_S
                if usable:
                    self._idle.append((source, opened))
            if not usable:
                source.close()

    def _done(self, job: "asyncio.Task[Any]") -> None:
        self._slots.release()
        if not job.cancelled():
            job.exception()  # noted as seen, where nobody waits for it any more

    def close(self) -> None:
        """Close the sources; statements that run now end."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        for source, _ in idle:
            source.close()
        for source in busy:
            with suppress(Exception):
                source.interrupt()
