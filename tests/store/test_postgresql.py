"""The PostgreSQL store only: its schema, several processes, a server that stops."""

import multiprocessing
from collections.abc import Iterator
from typing import Any

import pytest

from ael_otel import __version__
from ael_otel.errors import StoreBusyError
from ael_otel.store import RunQuery, SchemaTooNewError, StoreError
from ael_otel.store.background_writer import QueuedStore
from ael_otel.store.migrations import SCHEMA_VERSION
from ael_otel.store.postgresql import PostgresStore, _shown
from tests.store.conftest import empty
from tests.store.making import START, run
from tests.support.version_0_1_0 import ENDED, KILLED, POSTGRESQL, rows_of

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def store(dsn: str) -> Iterator[PostgresStore]:
    """An empty store."""
    empty(dsn)
    made = PostgresStore(dsn)
    yield made
    made.close()


def test_all_tables_are_in_their_own_schema(store: PostgresStore) -> None:
    """Proves that other schemas of a shared database get no table of ours."""
    found = store.read(
        "SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_name = 'executions'"
    )
    assert found == [("ael",)]


def test_a_person_can_ask_with_plain_sql(store: PostgresStore) -> None:
    """Proves that steps are a view here too, with the same columns."""
    store.put([run(1)])
    assert store.read("SELECT workflow_name, step_id, status, tool_name, attempt FROM steps") == [
        ("hello", "greet", "completed", "echo", 1)
    ]


def test_a_newer_schema_is_refused(store: PostgresStore, dsn: str) -> None:
    """Proves the same words as for a file."""
    with store.transaction() as transaction:
        transaction.run("INSERT INTO ael_versions VALUES (?, '7.8.9')", [SCHEMA_VERSION + 1])
    with pytest.raises(SchemaTooNewError, match=r"install ael-otel 7\.8\.9 or later"):
        PostgresStore(dsn)


def test_rows_by_copy_and_rows_by_insert_are_the_same(store: PostgresStore) -> None:
    """Proves both ways in, for texts that COPY treats specially."""
    odd = "tab\there \\N back\\slash new\nline 'quote' \"double\" \x01 ünï"
    store.put(run(number, workflow_name=odd, outputs=odd) for number in range(3))
    store.put(run(number, workflow_name=odd, outputs=odd) for number in range(10, 40))
    assert store.count(RunQuery(workflow=odd)) == 33
    assert all(record.outputs == odd for record in store.iterate(RunQuery(limit=None)))


def _open_and_write(dsn: str, start: int, answers: "multiprocessing.Queue[str]") -> None:
    try:
        store = PostgresStore(dsn)
        for number in range(start, start + 60):
            store.start_execution(run(number, status="running"))
            store.complete_execution(run(number))
        store.close()
        answers.put("")
    except Exception as error:  # noqa: BLE001 - the answer
        answers.put(repr(error))


def test_processes_open_a_new_database_together_and_write_together(dsn: str) -> None:
    """Proves that of four concurrent openers one migrates, and that no write is refused or lost."""
    empty(dsn)
    answers = SPAWN.Queue()
    workers = [SPAWN.Process(target=_open_and_write, args=(dsn, n * 1000, answers)) for n in range(4)]
    for worker in workers:
        worker.start()
    assert [answers.get(timeout=60) for _ in workers] == [""] * 4
    for worker in workers:
        worker.join()
    store = PostgresStore(dsn)
    versions = [(number, __version__) for number in range(1, SCHEMA_VERSION + 1)]
    assert store.read("SELECT version, written_by FROM ael_versions ORDER BY version") == versions
    assert store.count(RunQuery(status="completed")) == 240
    store.close()


def test_connection_that_the_server_ended_is_reopened(store: PostgresStore, dsn: str) -> None:
    """Proves that a restart of the server costs a fed store no run."""
    queued = QueuedStore(lambda: store, linger_s=0.01)
    queued.complete_execution(run(1))
    assert queued.get("exec-000001") is not None
    other = PostgresStore(dsn)
    (pid,) = store.read("SELECT pg_backend_pid()")[0]
    other.read("SELECT pg_terminate_backend(?)", [pid])
    queued.complete_execution(run(2))
    assert queued.flush(20)
    assert other.get("exec-000002") == run(2)
    other.close()
    queued.close()


def test_pruned_rows_are_vacuumed(store: PostgresStore) -> None:
    """Proves that the server may use the space of deleted rows again at once."""
    store.put(run(number) for number in range(200))
    store.prune(older_than=START.replace(year=2030))
    (dead,) = store.read("SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE schemaname = 'ael'")[0]
    assert int(dead or 0) < 50


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (
            "postgresql://user:secret@db.example:5433/runs?sslmode=require",
            "postgresql://db.example:5433/runs",
        ),
        ("host=db.example password=secret dbname=runs", "postgresql://db.example/runs"),
        ("dbname=runs", "postgresql://local/runs"),
    ],
)
def test_connection_string_is_printed_without_login(given: str, shown: str) -> None:
    """Proves that neither user nor password nor parameters come into messages."""
    assert _shown(given) == shown


def test_closed_store_and_wrong_string_are_reported(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves the errors of a closed store, of a string that is none, and of a missing psycopg."""
    store.close()
    with pytest.raises(StoreError, match="has been closed"):
        store.info()
    with pytest.raises(StoreError, match=r"dsn is not usable|cannot be reached"):
        PostgresStore("this is no connection string")
    with pytest.raises(StoreBusyError):
        PostgresStore("host=127.0.0.1 port=1 user=nobody connect_timeout=1")

    def missing(_name: str) -> Any:
        raise ImportError("psycopg")

    monkeypatch.setattr("ael_otel.store.postgresql.import_module", missing)
    with pytest.raises(StoreError, match=r"pip install 'psycopg\[binary\]"):
        PostgresStore("host=127.0.0.1")


def test_store_of_the_first_version_is_migrated(dsn: str) -> None:
    """Proves that a database which 0.1.0 wrote has the present schema once opened, with its runs, and can be pruned."""
    import psycopg

    empty(dsn)
    with psycopg.connect(dsn) as connection:
        connection.execute(POSTGRESQL.encode())
        for table in ("ael_versions", "executions", "bodies", "tool_calls", "errors", "redactions"):
            rows = rows_of(table)
            values = ", ".join(["%s"] * len(rows[0]))
            connection.cursor().executemany(f"INSERT INTO {table} VALUES ({values})".encode(), rows)  # noqa: S608
        connection.execute("SELECT setval('execution_ids', (SELECT max(id) FROM executions))")
    store = PostgresStore(dsn)
    assert store.info().schema_version == SCHEMA_VERSION
    assert store.mark_interrupted() == [KILLED]
    runs = [each.execution_id for each in store.iterate(RunQuery(limit=None))]
    assert runs == [KILLED, *reversed(ENDED)]
    retried = store.get(ENDED[1])
    assert retried is not None
    assert [step.attempt for step in retried.steps] == [3]
    store.complete_execution(run(1))
    assert store.get("exec-000001") == run(1)
    assert store.prune(older_than=START).executions == 8
    assert store.count(RunQuery()) == 1
    store.close()
