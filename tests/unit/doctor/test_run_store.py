"""Faults of the run store, made in real files; the check changes none of them."""

import os
import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from ael_otel.config import Settings, default_settings
from ael_otel.doctor.run_store import check
from ael_otel.store.migrations import SCHEMA_VERSION
from ael_otel.store.sqlite import SqliteStore
from tests.support.findings import assert_found, assert_well


def at(path: Path | str, **more: object) -> Settings:
    """Return settings with a store at a path."""
    settings = default_settings()
    return replace(settings, store=replace(settings.store, path=str(path), **more))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return an empty store that is closed."""
    path = tmp_path / "telemetry.db"
    SqliteStore(path).close()
    return path


def listed(folder: Path) -> dict[str, bytes]:
    """Return names and contents of the files in a folder."""
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def test_store_that_works_is_well(store: Path) -> None:
    """Path, runs, size, schema and disk are named, and no file is left beside it or changed."""
    before = listed(store.parent)
    found = check(at(store), {})
    assert_well(found)
    assert f"{store}: 0 runs" in found[0].cause
    assert f"schema {SCHEMA_VERSION} of {SCHEMA_VERSION}" in found[0].cause
    assert listed(store.parent) == before


def test_store_that_another_process_has_open_is_read(store: Path) -> None:
    """The log beside it is read too, and stays."""
    writer = SqliteStore(store)
    try:
        assert_well(check(at(store), {}))
        assert Path(f"{store}-wal").exists()
    finally:
        writer.close()


def test_store_that_does_not_exist_yet_is_well(tmp_path: Path) -> None:
    """Nothing is created, not even its folder."""
    found = check(at(tmp_path / "new" / "telemetry.db"), {})
    assert_well(found)
    assert "the first run creates it" in found[0].cause
    assert list(tmp_path.iterdir()) == []


def test_store_of_a_newer_version_is_a_failure(store: Path) -> None:
    """The version that wrote it is named."""
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("INSERT INTO ael_versions VALUES (99, '9.9.9')")
    connection.close()
    assert_found(
        check(at(store), {}),
        "failure",
        cause="has schema 99",
        remedy="install that version, or set telemetry.store.path",
    )
    assert "9.9.9" in check(at(store), {})[0].cause


def test_damaged_store_is_a_failure(store: Path) -> None:
    """Pages that were overwritten are detected."""
    content = bytearray(store.read_bytes())
    content[4096 : 4096 * 6] = os.urandom(4096 * 5)
    store.write_bytes(content)
    assert_found(check(at(store), {}), "failure", cause="is damaged", remedy="ael trace repair")


def test_file_that_is_not_a_database_is_a_failure(tmp_path: Path) -> None:
    """It is not taken for an empty store."""
    path = tmp_path / "telemetry.db"
    path.write_text("not a database, but long enough to have a header of one hundred bytes" * 3)
    assert_found(check(at(path), {}), "failure", cause="not a SQLite file", remedy="ael trace repair")


def test_database_of_another_program_is_a_failure(tmp_path: Path) -> None:
    """Its tables are left alone."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")
    connection.close()
    assert_found(
        check(at(path), {}), "failure", cause="database of another program", remedy="telemetry.store.path"
    )


@pytest.mark.skipif(
    not Path("/proc/self").is_dir(), reason="needs a file system that takes no file, such as Linux's /proc"
)
def test_folder_that_takes_no_file_is_a_failure() -> None:
    """Its mode would allow one, also to an administrator."""
    assert_found(check(at("/proc/telemetry.db"), {}), "failure", cause="/proc", remedy="telemetry.store.path")


def test_store_that_is_a_folder_is_a_failure(tmp_path: Path) -> None:
    """Also with the variable, which is named then."""
    found = check(default_settings(), {"AEL_TELEMETRY_DB": str(tmp_path)})
    assert_found(
        found, "failure", cause="is a folder: set it to a file in it", remedy="correct AEL_TELEMETRY_DB"
    )


def test_address_in_the_variable_of_the_file_is_a_failure() -> None:
    """The address, which may contain a password, is not quoted."""
    settings = at("x", backend="postgresql")
    found = check(
        settings,
        {"AEL_TELEMETRY_DB": "postgresql://ada:horse-battery@host/db"},  # hygiene: made up
    )
    assert_found(
        found, "failure", cause="AEL_TELEMETRY_DB: it names the file of a SQLite store", remedy="correct"
    )
    assert "horse" not in repr(found)


def test_postgresql_without_an_address_is_a_failure() -> None:
    """The key is named."""
    found = check(at("x", backend="postgresql"), {})
    assert_found(found, "failure", cause="telemetry.store.dsn is empty", remedy="correct telemetry.store.dsn")


def test_store_larger_than_its_limit_is_a_warning(store: Path) -> None:
    """Nothing prunes while no engine runs."""
    with sqlite3.connect(store) as connection:
        connection.execute("CREATE TABLE filler (value BLOB)")
        connection.execute("INSERT INTO filler VALUES (zeroblob(2000000))")
    connection.close()
    settings = at(store)
    settings = replace(settings, retention=replace(settings.retention, max_mb=1))
    assert_found(
        check(settings, {}),
        "warning",
        cause="larger than telemetry.retention.max_mb",
        remedy="ael trace prune",
    )


def test_memory_store_is_well() -> None:
    """What that means is said."""
    found = check(at("x", backend="memory"), {})
    assert_well(found)
    assert "runs are lost" in found[0].cause
