"""Which store a verb's runs go to, and what it reports of them."""

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from ael_otel.cli import open_engine
from ael_otel.cli.open_engine import Telemetry
from ael_otel.config import Settings, Store
from ael_otel.store import MemoryStore, StoreError
from tests.unit.cli.trace.runs import make, runs


def telemetry(store: Any, backend: str = "sqlite") -> Telemetry:
    """Telemetry with this store."""
    settings = replace(Settings(), store=Store(backend=backend))  # type: ignore[arg-type]
    return Telemetry(SimpleNamespace(store=store, settings=settings))  # type: ignore[arg-type]


class Broken(MemoryStore):
    """A store that cannot be read."""

    def get(self, execution_id):
        """Fail."""
        raise StoreError("disk full")

    def info(self):
        """Fail."""
        raise StoreError("disk full")


def test_the_record_of_a_run_that_has_ended_is_had():
    """A run that is unfinished there has lost its end, and would be listed as running for ever."""
    store = MemoryStore()
    store.put(runs())
    found = telemetry(store)
    assert found.keeps
    record = found.record("exec-7f3a91c20001")
    assert record is not None
    assert record.workflow_name == "mixed"
    assert found.record("exec-b0dd00000006") is None
    assert found.record("exec-unknown") is None


@pytest.mark.parametrize("store", [Broken(), None])
def test_store_that_cannot_be_used_is_reported_as_none(store):
    """No exception: the run went well."""
    found = telemetry(store)
    assert (found.record("exec-7f3a91c20001"), found.kept_in, found.keeps) == (None, None, store is not None)


def test_location_of_the_store_is_printed_relative_to_this_folder(tmp_path, monkeypatch):
    """A file below the current folder by its relative name, memory as nowhere."""
    from ael_otel.store.sqlite import SqliteStore

    path = make(tmp_path / ".ael" / "telemetry.db", [])
    store = SqliteStore(path)
    monkeypatch.chdir(tmp_path)
    assert telemetry(store).kept_in == ".ael/telemetry.db"
    monkeypatch.chdir("/")
    assert telemetry(store).kept_in == str(path).lstrip("/")
    store.close()
    assert telemetry(MemoryStore(), "memory").kept_in is None


@pytest.mark.parametrize("verbose", [True, False])
async def test_log_on_the_terminal_is_written_at_once(verbose, tmp_path, monkeypatch):
    """With -v the log stands among what the command prints on stderr, so no line may come later than it was logged."""
    asked = {}

    def stop_here(_settings, **options):
        asked.update(options)
        raise InterruptedError

    config = tmp_path / "ael-config.yaml"
    config.write_text(
        f"telemetry: {{store: {{backend: memory}}}}\nworkflows: {{directory: {tmp_path}}}\n", "utf-8"
    )
    monkeypatch.setattr(open_engine, "telemetry", stop_here)
    with pytest.raises(InterruptedError):
        await open_engine.run_once(config, "hello", {}, None, verbose=verbose, environ={})
    assert asked["synchronous_logs"] is verbose
    assert (asked["log_stream"] is not None) is verbose
