"""The stream of new rows."""

from collections.abc import Iterator

import pytest

from ael_otel.errors import StoreBusyError
from ael_otel.ui import live as module
from ael_otel.ui.live import MAX_STREAMS, Live


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the store without a pause."""
    for name in ("INTERVAL_S", "_STEP_S"):
        monkeypatch.setattr(module, name, 0.0)
    monkeypatch.setattr(module, "SHARE", 0)


async def collect(found: Iterator[str | None], seen: str = "") -> list[str]:
    """Return the events of a stream over these rows; it stops after the last."""
    states = list(found)

    async def read() -> str:
        now = states.pop(0)
        if now is None:
            raise StoreBusyError("locked")
        return now

    live = Live(lambda: not states)
    return [each async for each in live.stream(read, seen)][1:]


async def test_rows_are_sent_when_they_change() -> None:
    """Once per change, with their digest as the id; a line break is a line of the event."""
    events = await collect(iter(["<tr>\na", "<tr>\na", "<tr>\nb"]))
    assert events == [
        f"id: {Live.digest('<tr>' + chr(10) + each)}\ndata: <tr>\ndata: {each}\n\n" for each in ("a", "b")
    ]


async def test_rows_that_the_browser_has_are_not_sent() -> None:
    """Neither when it opens the page nor when it connects again."""
    assert await collect(iter(["a", "a"]), Live.digest("a")) == []


async def test_error_of_the_store_does_not_end_the_stream() -> None:
    """A locked or replaced store is asked again."""
    assert len(await collect(iter(["a", None, "b"]))) == 2


async def test_streams_are_counted() -> None:
    """A bounded number is open; an ended one makes room."""
    live = Live(lambda: False)

    async def read() -> str:
        return "a"

    streams = [live.stream(read, "") for _ in range(MAX_STREAMS)]
    for each in streams:
        await anext(each)
    assert not live.free
    await streams[0].aclose()
    assert live.free
    for each in streams[1:]:
        await each.aclose()
