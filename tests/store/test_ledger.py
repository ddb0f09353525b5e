"""The ledger of lines in SQLite and PostgreSQL: the same results, and no remains of deleted content."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ael_otel.attribution.changes import Change, FileChange, LineRange, Unaccounted, change_id
from ael_otel.attribution.ledger import MAX_VERSIONS, Ledger, Version
from ael_otel.attribution.lines import Hashes
from ael_otel.privacy.redactor import Redactor
from ael_otel.sessions.session import SessionRecord
from ael_otel.sessions.table import SessionTable
from ael_otel.store.pruning import Pruner
from ael_otel.store.repair import repair
from ael_otel.store.scan.local import scan
from ael_otel.store.sqlite import SqliteStore
from ael_otel.store.times import from_us

T0 = 1_800_000_000_000_000
TABLES = ("attribution_changes", "attribution_files", "attribution_versions", "attribution_sketches")
LINES = [f"value_{number} = compute({number})" for number in range(40)]


def change(key: str = "c1", at: int = 0, **fields: Any) -> Change:
    """A change of one file by a tool call."""
    known: dict[str, Any] = {
        "contributor": "ai",
        "source": "hook",
        "repository": "/w/.git",
        "workspace": "/w",
        "agent": "claude-code",
        "session_id": "s-1",
        "files": [FileChange(path="a.py", ranges=[LineRange(start=1, end=2, content_hash="sha256:00")])],
    }
    return Change(key=key, at_us=T0 + at, started_us=T0 + at - 1, **{**known, **fields})


def version(lines: list[str], author: tuple[int, ...], path: str = "a.py", at: int = 0) -> Version:
    """A content of one author."""
    return Version.of("/w/.git", path, T0 + at, lines, [author] * len(lines))


@pytest.fixture
def backend(make_backend: Callable[[], Any]) -> Any:
    """One empty database of each kind."""
    return make_backend()


@pytest.fixture
def ledger(backend: Any) -> Ledger:
    """An empty ledger."""
    return Ledger(backend)


def rows(backend: Any) -> dict[str, int]:
    """How many rows each table has."""
    return {name: backend.read(f"SELECT count(*) FROM {name}")[0][0] for name in TABLES}  # noqa: S608 - ours


def test_change_is_read_as_it_was_written(ledger: Ledger) -> None:
    """By its number, and a second time it is not written."""
    one = change(unaccounted=[Unaccounted(path="b.bin", reason="binary")], tokens={"input": 3})
    assert ledger.record(one) is True
    assert ledger.record(one) is False
    assert ledger.by_ids([one.id, 5]) == {one.id: one}
    assert one.id == change_id("c1") < 2**62


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["c3", "c2", "c1"]),
        ({"limit": 1}, ["c3"]),
        ({"repository": "/w/.git"}, ["c2", "c1"]),
        ({"path": "b.py"}, ["c2"]),
        ({"path": "old.py"}, ["c2"]),
        ({"agent": "codex"}, ["c3"]),
        ({"session_id": "s-1"}, ["c2", "c1"]),
        ({"execution_id": "exec-1"}, ["c3"]),
        ({"trace_id": "t" * 32}, ["c3"]),
        ({"since_us": T0 + 1}, ["c3", "c2"]),
        ({"until_us": T0 + 1}, ["c1"]),
        ({"path": "none.py"}, []),
    ],
)
def test_changes_are_chosen(ledger: Ledger, filters: dict[str, Any], expected: list[str]) -> None:
    """Newest first; a renamed file by both of its names."""
    ledger.record(change())
    ledger.record(
        change("c2", 1, files=[FileChange(path="b.py", kind="renamed", path_before="old.py")]),
    )
    ledger.record(
        change(
            "c3",
            2,
            repository="/other",
            agent="codex",
            session_id="s-2",
            execution_id="exec-1",
            trace_id="t" * 32,
        )
    )
    assert [each.key for each in ledger.changes(**filters)] == expected


def test_lines_are_looked_up_by_content(ledger: Ledger) -> None:
    """Also in another order of commits, and after lines were added around them."""
    one = change()
    ledger.record(one, [version(LINES, (one.id,))])
    found = ledger.authors("/w/.git", "a.py", Hashes.of(["# a new line", *LINES[:20], *LINES[25:]]))
    assert found == [None, *[(one.id,)] * 35]
    assert ledger.authors("/other", "a.py", Hashes.of(LINES)) == [None] * 40


def test_renamed_file_and_moved_block_are_found_in_other_files(ledger: Ledger) -> None:
    """By samples of neighbouring lines."""
    one = change()
    ledger.record(one, [version(LINES, (one.id,))])
    assert ledger.authors("/w/.git", "b.py", Hashes.of(LINES)) == [(one.id,)] * 40
    ledger.record(change("c2", 1), [version(["first_line_of_c()", "second_line_of_c()"], (), "c.py", 1)])
    held = ["first_line_of_c()", *LINES[10:30], "second_line_of_c()"]
    assert ledger.authors("/w/.git", "c.py", Hashes.of(held)) == [(), *[(one.id,)] * 20, ()]


def test_oldest_contents_of_a_file_go_first(ledger: Ledger, backend: Any) -> None:
    """One file cannot fill the store."""
    for at in range(MAX_VERSIONS + 3):
        ledger.record_all([], [version([f"line_number_{at}()"], (at,), at=at)])
    assert rows(backend)["attribution_versions"] == MAX_VERSIONS
    assert ledger.authors("/w/.git", "a.py", Hashes.of(["line_number_2()"])) == [None]
    assert ledger.authors("/w/.git", "a.py", Hashes.of(["line_number_3()"])) == [(3,)]


def test_later_authors_of_a_content_replace_earlier_ones(ledger: Ledger) -> None:
    """And an older report does not replace newer ones."""
    for author, at in ((1, 5), (2, 6), (3, 4)):
        ledger.record_all([], [version(LINES, (author,), at=at)])
    assert ledger.authors("/w/.git", "a.py", Hashes.of(LINES)) == [(2,)] * 40


def test_paths_are_redacted(backend: Any) -> None:
    """Before they are stored, and in the same way before they are looked up."""
    ledger = Ledger(backend, lambda text: text.replace("secret", "[X]"))
    one = change(
        repository="/secret",
        workspace="/secret",
        files=[FileChange(path="secret.py", path_before="secret2.py")],
    )
    ledger.record(one, [Version.of("/secret", "secret.py", T0, LINES, [(one.id,)] * 40)])
    assert ledger.authors("/secret", "secret.py", Hashes.of(LINES)) == [(one.id,)] * 40
    assert len(ledger.changes(repository="/secret", path="secret.py")) == 1
    for table in TABLES[:3]:
        assert "secret" not in str(backend.read(f"SELECT * FROM {table}"))  # noqa: S608 - names of ours


def test_damaged_rows_hide_no_others(ledger: Ledger, backend: Any) -> None:
    """What cannot be read is left out."""
    one, two = change(), change("c2", 1)
    ledger.record(one, [version(LINES, (one.id,))])
    ledger.record(two, [version(LINES[:5], (two.id,), at=1)])
    with backend.transaction() as transaction:
        transaction.run("UPDATE attribution_changes SET body = ? WHERE id = ?", ["{", one.id])
        transaction.run("UPDATE attribution_versions SET authors = ? WHERE at_us = ?", ["[[4000000000]]", T0])
    assert [each.key for each in ledger.changes()] == ["c2"]
    assert ledger.authors("/w/.git", "a.py", Hashes.of(LINES))[:6] == [*[(two.id,)] * 5, None]


def test_ledger_is_pruned_by_the_retention_of_runs(make_backend: Callable[[], Any]) -> None:
    """`prune` deletes older changes with their samples and file names, and no others."""
    backend = make_backend()
    ledger = Ledger(backend)
    ledger.record(change(), [version(LINES, (change().id,))])
    ledger.record(change("c2", 10), [version(LINES[:30], (2,), at=10)])
    prune = Pruner(backend).prune
    prune(from_us(T0 + 1), None)
    assert [each.key for each in ledger.changes()] == ["c2"]
    prune(from_us(T0 + 11), None)
    assert rows(backend) == dict.fromkeys(TABLES, 0)


def test_changes_are_deleted_with_their_session(make_backend: Callable[[], Any]) -> None:
    """Its lines have an unknown author then."""
    backend = make_backend()
    ledger = Ledger(backend)
    ledger.record(change())
    ledger.record(change("c2", 1, session_id="s-2"))
    SessionTable(backend).delete(
        [SessionRecord(session_id="s-1", agent="claude-code", status="ended", started_us=T0, last_us=T0)]
    )
    assert [each.key for each in ledger.changes()] == ["c2"]


def test_repair_copies_the_ledger(tmp_path: Path) -> None:
    """A repaired store answers as the damaged one did."""
    source, target = tmp_path / "old.db", tmp_path / "new.db"
    with closing(SqliteStore(source)) as store:
        Ledger(store).record(change(), [version(LINES, (change().id,))])
        before = rows(store)
    repair(source, target)
    with closing(SqliteStore(target)) as store:
        assert rows(store) == before
        assert Ledger(store).authors("/w/.git", "a.py", Hashes.of(LINES)) == [(change().id,)] * 40


def test_scan_finds_secrets_in_names_and_none_in_hashes(tmp_path: Path) -> None:
    """Base64 of hashes is never taken for a secret, whatever it looks like."""
    path = tmp_path / "telemetry.db"
    with closing(SqliteStore(path)) as store:
        ledger = Ledger(store)
        for number in range(20):
            lines = [f"line {number} {each}" for each in range(200)]
            ledger.record(change(f"c{number}", number), [version(lines, (number,), at=number)])
    assert scan(path, Redactor(), fix=False) == []
    secret = "ghp_" + "a1B2c3D4" * 4 + "e5F6"
    with closing(SqliteStore(path)) as store:
        named = [FileChange(path=f"{secret}.py")]
        Ledger(store).record(change("c99", 99, files=named), [version(LINES, (1,), f"{secret}.py", 99)])
    found = {each.column for each in scan(path, Redactor(), fix=True)}
    assert found == {"attribution_changes.body", "attribution_files.path", "attribution_versions.path"}
    assert scan(path, Redactor(), fix=False) == []
    assert secret.encode() not in path.read_bytes()
