"""New rows of the list by server-sent events: the store is polled, and rows are sent when they changed."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from ael_otel.errors import StoreError

MAX_STREAMS: Final = 16
INTERVAL_S: Final = 1.0
SHARE: Final = 10
"""A query that takes long is asked seldom: at most one tenth of the time is spent on it."""

_STEP_S: Final = 0.2
"""Seconds after which a stream notices that the server ends."""

PING_S: Final = 15.0
"""Seconds after which a comment shows the browser that the connection lives, and us whether it does."""


class Live:
    """Streams of rows.

    Args:
        stopping: whether the server ends; its streams end then.
    """

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._open = 0

    @property
    def free(self) -> bool:
        """Whether another stream may be opened."""
        return self._open < MAX_STREAMS

    @staticmethod
    def digest(rows: str) -> str:
        """Return the id of rows, by which a browser says which it has."""
        return hashlib.sha256(rows.encode()).hexdigest()[:16]

    async def stream(self, read: Callable[[], Awaitable[str]], seen: str) -> AsyncIterator[str]:
        """Yield an event for each change of the rows.

        Args:
            read: returns the rows as they are now.
            seen: the digest of the rows that the browser shows.
        """
        self._open += 1
        try:
            yield "retry: 2000\n\n"
            sent_at = due = time.monotonic()
            while not self._stopping():
                began = time.monotonic()
                if began >= due:
                    rows = await _or_none(read)
                    now = time.monotonic()
                    due = now + max(INTERVAL_S, SHARE * (now - began))
                    if rows is not None and (digest := self.digest(rows)) != seen:
                        seen, sent_at = digest, now
                        lines = "".join(f"data: {line}\n" for line in rows.split("\n"))
                        yield f"id: {digest}\n{lines}\n"
                    elif now - sent_at > PING_S:
                        sent_at = now
                        yield ": still here\n\n"
                await asyncio.sleep(_STEP_S)
        finally:
            self._open -= 1


async def _or_none(read: Callable[[], Awaitable[str]]) -> str | None:
    """Return the rows; None where the store is locked or being replaced, or the query took too long."""
    try:
        return await read()
    except StoreError:
        return None
