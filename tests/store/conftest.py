"""Stores to test: one of each backend, and the SQLite store fed through its queue."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ael_otel.store import MemoryStore, TelemetryStore
from ael_otel.store.background_writer import QueuedStore
from ael_otel.store.sqlite import SqliteStore
from tests.store.server import postgres
from tests.support.needs import NEEDS, require

BACKENDS = ("memory", "sqlite", "queued sqlite", "postgresql")


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder: a store is also looked for there, and that of the developer must not be found."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def dsn() -> Iterator[str]:
    """A PostgreSQL database that may be filled and emptied."""
    require("postgres")
    given = os.environ.get("AEL_TEST_POSTGRES_DSN")
    if given:
        yield given
        return
    with postgres(Path(NEEDS["postgres"].found()).resolve().parent) as started:
        yield started


def empty(dsn: str) -> None:
    """Remove everything of ours from a database."""
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS ael CASCADE")


@pytest.fixture(params=BACKENDS)
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Make empty stores of one kind; all are closed afterwards."""
    made: list[TelemetryStore] = []
    if request.param == "postgresql":
        from ael_otel.store.postgresql import PostgresStore

        place = request.getfixturevalue("dsn")

    def make() -> TelemetryStore:
        path = tmp_path / f"{len(made)}" / "telemetry.db"
        if request.param == "memory":
            store: TelemetryStore = MemoryStore(100_000)
        elif request.param == "sqlite":
            store = SqliteStore(path)
        elif request.param == "queued sqlite":
            store = QueuedStore(lambda: SqliteStore(path), linger_s=0.01)
        else:
            empty(place)
            store = PostgresStore(place)
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(make_store: Callable[[], Any]) -> Any:
    """One empty store of each kind."""
    return make_store()


@pytest.fixture(params=["sqlite", "postgresql"])
def make_backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Make empty SQL backends of one kind; all are closed afterwards."""
    made: list[Any] = []

    def make() -> Any:
        if request.param == "sqlite":
            backend: Any = SqliteStore(tmp_path / f"{len(made)}" / "telemetry.db")
        else:
            from ael_otel.store.postgresql import PostgresStore

            place = request.getfixturevalue("dsn")
            empty(place)
            backend = PostgresStore(place)
        made.append(backend)
        return backend

    yield make
    for each in made:
        each.close()
