"""The pages over stores of their own, asked without a server."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path

import pytest

from ael_otel.cli.trace.place import Place
from ael_otel.cli.ui import Opened
from ael_otel.store import ExecutionRecord
from ael_otel.store.sqlite import SqliteStore
from ael_otel.ui.application import Pages, application
from ael_otel.ui.grafana import Grafana
from ael_otel.ui.live import Live
from ael_otel.ui.readers import Readers
from tests.support.ui_client import Answer, ask
from tests.unit.export.conftest import direct, full, going_on

__all__ = ["direct", "full", "going_on"]

type Get = Callable[[str], Awaitable[Answer]]


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a store that does not exist yet; nothing of the person's own is looked at."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("AEL_LOKI_URL", raising=False)
    return tmp_path / "telemetry.db"


@pytest.fixture
def stored(db: Path) -> Callable[[Iterable[ExecutionRecord]], None]:
    """Store runs."""

    def put(records: Iterable[ExecutionRecord]) -> None:
        store = SqliteStore(db)
        store.put(records)
        store.close()

    return put


@pytest.fixture
async def get(db: Path) -> AsyncIterator[Get]:
    """Ask for a page, behind no gate."""
    place = Place(None, db)
    readers = Readers(lambda: Opened(place), seconds=120)
    pages = Pages(readers, Grafana({"AEL_GRAFANA_URL": "http://grafana.example:3000/"}), Live(lambda: False))
    served = application(pages)

    async def page(address: str) -> Answer:
        return await ask(served, address)

    yield page
    readers.close()
