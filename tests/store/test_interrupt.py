"""A statement that another thread runs can be interrupted."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ael_otel.errors import StoreBusyError
from ael_otel.store.sql import SqlBackend
from ael_otel.store.sqlite import SqliteStore
from tests.support.waiting import until

ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "postgresql": "SELECT 1 FROM (SELECT pg_sleep(600)) AS slept",
}


@pytest.fixture(params=ENDLESS)
def slow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[SqlBackend, str]]:
    """A store of each database, and a statement that does not end by itself."""
    if request.param == "sqlite":
        store: SqlBackend = SqliteStore(tmp_path / "telemetry.db")
    else:
        from ael_otel.store.postgresql import PostgresStore

        store = PostgresStore(request.getfixturevalue("dsn"))
    yield store, ENDLESS[request.param]
    store.close()


def test_statement_ends_and_the_store_stays_usable(slow: tuple[SqlBackend, str]) -> None:
    """The thread gets an error that may be tried again; an interrupt without a statement does nothing."""
    store, endless = slow
    store.interrupt()
    assert store.read("SELECT 1") == [(1,)]
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(store.read, endless)

        def ended() -> bool:
            store.interrupt()
            return reading.done()

        until(ended)
        with pytest.raises(StoreBusyError):
            reading.result()
    assert store.read("SELECT 1") == [(1,)]
    store.close()
    store.interrupt()
