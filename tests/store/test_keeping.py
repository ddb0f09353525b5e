"""Retention and the JSON mirror: pruning happens once when due, and deleted runs are removed everywhere."""

import json
import multiprocessing
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.store.mirror import INDEX, Mirror
from ael_otel.store.pruning import Retention, last_boundary
from ael_otel.store.query import RunQuery
from ael_otel.store.rows import Row, row_of
from ael_otel.store.sqlite import SqliteStore
from tests.store.making import START, run

NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)


def row(number: int, **facts: Any) -> Row:
    """A run as the mirror gets it."""
    return row_of(run(number, **facts))


# --- when it is due ---------------------------------------------------------------------------------------------------


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_the_last_boundary_is_the_latest_three_in_the_morning(now: datetime) -> None:
    """Proves for any moment that the boundary is 03:00 UTC, not later, and less than a day ago."""
    found = last_boundary(now)
    assert (found.hour, found.minute, found.second, found.microsecond) == (3, 0, 0, 0)
    assert timedelta(0) <= now - found < timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A store with one run a day for the 400 days before now."""
    made = SqliteStore(tmp_path / ".ael" / "telemetry.db")
    made.put(run(n, started_at=NOW - timedelta(days=n, hours=1)) for n in range(400))
    yield made
    made.close()


@pytest.mark.parametrize("days", [1, 30, 365])
def test_runs_older_than_the_days_go(store: SqliteStore, days: int) -> None:
    """Proves the age at both ends of its range and at the default, exact to the run."""
    assert sum(Retention(days).steps(store, NOW)) == 400 - days
    oldest = store.info().oldest
    assert oldest is not None
    assert oldest > NOW - timedelta(days=days)


def test_it_is_done_once_a_day_and_caught_up_with_once(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that the time of the last pruning is stored: not twice a day, and once after a week away."""
    clock = NOW
    monkeypatch.setattr("ael_otel.store.pruning.now_us", lambda: int(clock.timestamp() * 1e6))
    done: list[bool] = []
    for hours in (0, 1, 17, 18, 19, 42, 24 * 7, 24 * 7 + 1):
        clock = NOW + timedelta(hours=hours)
        store.put([run(9_000, started_at=NOW - timedelta(days=390))])
        list(Retention(300).steps(store, clock))
        done.append(store.get("exec-009000") is None)
    # 09:00 the first time; 03:00 is 18 hours later, and again a day after; then once for six days.
    assert done == [True, False, False, True, False, True, True, False]


def test_a_size_keeps_the_newest(store: SqliteStore) -> None:
    """Proves the cap in MiB beside the age."""
    store.put(run(1000 + n, started_at=NOW + timedelta(seconds=n), outputs="z" * 30_000) for n in range(100))
    list(Retention(365, 1).steps(store, NOW))
    assert 20 < store.count(RunQuery()) < 40
    assert store.query(RunQuery()).runs[0].execution_id == "exec-001099"
    assert store.size() <= 1024 * 1024


def _claim(path: Path, answers: "multiprocessing.Queue[int]") -> None:
    store = SqliteStore(path)
    answers.put(sum(Retention(30).steps(store)))
    store.close()


def test_of_several_processes_one_does_it(tmp_path: Path) -> None:
    """Proves that four processes that start after the boundary delete each old run once, and one of them all."""
    path = tmp_path / "telemetry.db"
    store = SqliteStore(path)
    store.put(run(n, started_at=datetime.now(UTC) - timedelta(days=n)) for n in range(100))
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    workers = [spawn.Process(target=_claim, args=(path, answers)) for _ in range(4)]
    for worker in workers:
        worker.start()
    found = sorted(answers.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join()
    assert found == [0, 0, 0, 70]
    store.close()


# --- the mirror -------------------------------------------------------------------------------------------------------


def test_each_run_is_a_file_of_its_day(tmp_path: Path) -> None:
    """Proves names, days in UTC, modes, whole records, and an index that is JSON after every append."""
    mirror = Mirror(tmp_path / "traces")
    late = START.replace(hour=23, minute=59)
    mirror.write([row(1, trace_id="a0f63b41" + "0" * 24, started_at=late)])
    mirror.write(
        [row(2, trace_id="af3218d7" + "0" * 24, started_at=late + timedelta(minutes=2)), row(3, trace_id="")]
    )
    found = sorted(str(path.relative_to(mirror.folder)) for path in mirror.folder.rglob("*.json"))
    hashed = next(name for name in found if "a0f63b41" not in name and "trace-" in name and "01-31" in name)
    assert found == sorted(
        [
            "2026-01-31/index.json",
            "2026-01-31/trace-a0f63b41.json",
            hashed,
            "2026-02-01/index.json",
            "2026-02-01/trace-af3218d7.json",
        ]
    )
    for path in mirror.folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    index = json.loads((mirror.folder / "2026-01-31" / INDEX).read_bytes())
    assert [entry["execution_id"] for entry in index] == ["exec-000001", "exec-000003"]
    assert index[0]["file"] == "trace-a0f63b41.json"
    assert (index[0]["workflow_name"], index[0]["status"], index[0]["duration_ms"]) == (
        "hello",
        "completed",
        10.0,
    )
    record = json.loads((mirror.folder / "2026-01-31" / "trace-a0f63b41.json").read_bytes())
    assert (record["execution_id"], record["steps"][0]["tool_result"]) == ("exec-000001", "hello")


def test_runs_whose_names_collide_all_have_files(tmp_path: Path) -> None:
    """Proves that eight equal digits of a trace do not overwrite a run, and that writing one again does not add one."""
    mirror = Mirror(tmp_path / "traces")
    rows = [row(number, trace_id="ab" * 16, started_at=START) for number in range(5)]
    mirror.write(rows)
    mirror.write(rows)
    files = [json.loads(path.read_bytes()) for path in mirror.folder.rglob("trace-*.json")]
    assert sorted(each["execution_id"] for each in files) == [f"exec-{n:06d}" for n in range(5)]
    assert len(json.loads(next(mirror.folder.rglob(INDEX)).read_bytes())) == 5


def _moved() -> tuple[int, int]:
    """Return the bytes that this thread has read and written so far, as the kernel counts them."""
    counters = dict(line.split(": ") for line in Path("/proc/thread-self/io").read_text().splitlines())
    return int(counters["rchar"]), int(counters["wchar"])


@pytest.mark.skipif(not Path("/proc/thread-self/io").exists(), reason="this kernel does not count")
def test_an_entry_costs_the_same_after_many_runs(tmp_path: Path) -> None:
    """Proves that an append works in place: same inode, and bounded reads and writes instead of the whole index."""
    mirror = Mirror(tmp_path / "traces")
    mirror.write([row(number, started_at=START) for number in range(2_000)])
    index = mirror.folder / "2026-01-31" / INDEX
    before, inode, added = index.read_bytes(), index.stat().st_ino, row(2_001, started_at=START)
    read, written = _moved()
    mirror.write([added])
    read, written = (now - then for now, then in zip(_moved(), (read, written), strict=True))
    after = index.read_bytes()
    assert len(before) > 400_000
    # The run's own file and its entry, 2 KB, and as much for asking the kernel.
    assert 0 < read < 8_000, read
    assert 0 < written < 8_000, written
    assert index.stat().st_ino == inode
    assert after.startswith(before[:-3])
    assert len(after) - len(before) < 400
    assert len(json.loads(after)) == 2_001


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 60, 10**6])
def test_an_index_that_was_torn_is_mended(tmp_path: Path, cut: int) -> None:
    """Proves that after a power cut in the middle of an append the next one makes it whole, without the torn entry."""
    mirror = Mirror(tmp_path / "traces")
    mirror.write([row(number, started_at=START) for number in range(3)])
    index = mirror.folder / "2026-01-31" / INDEX
    data = index.read_bytes()
    index.write_bytes(data[: max(0, len(data) - cut)])
    mirror.write([row(9, started_at=START)])
    found = [entry["execution_id"] for entry in json.loads(index.read_bytes())]
    assert found[-1] == "exec-000009"
    assert found[:-1] == [f"exec-{n:06d}" for n in range(len(found) - 1)]


def _mirror_many(folder: Path, start: int) -> None:
    mirror = Mirror(folder)
    for number in range(start, start + 100):
        mirror.write([row(number, started_at=START)])


def test_processes_that_mirror_together_lose_no_entry(tmp_path: Path) -> None:
    """Proves that appends of three processes to one index are all there."""
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_mirror_many, args=(tmp_path / "traces", n * 1000)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(json.loads(next((tmp_path / "traces").rglob(INDEX)).read_bytes())) == 300


def test_pruned_runs_are_removed_from_the_mirror_too(tmp_path: Path) -> None:
    """Proves that files and entries of deleted runs are gone, whole days with their folder, and the others stay."""
    folder = tmp_path / ".ael"
    mirror = Mirror(folder / "traces")
    store = SqliteStore(folder / "telemetry.db", copies=mirror)
    rows = []
    for number in range(30):
        secret = number < 20
        at = START + timedelta(hours=number - 20)
        text = f"Marigold {number}" if secret else f"harmless {number}"
        rows.append(
            row(number, started_at=at, workflow_name=text, outputs=text, trace_id=f"{number:08x}" * 4)
        )
    store.write(rows)
    mirror.write(rows)
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert everything.count(b"Marigold") > 40
    store.prune(older_than=START)
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"Marigold" not in everything
    assert sorted(path.name for path in mirror.folder.iterdir()) == ["2026-01-31"]
    assert len(list(mirror.folder.rglob("trace-*.json"))) == 10
    assert len(json.loads((mirror.folder / "2026-01-31" / INDEX).read_bytes())) == 10
    store.close()


def test_file_of_another_program_is_not_deleted(tmp_path: Path) -> None:
    """Proves that pruning deletes only files that hold the run that was pruned."""
    folder = tmp_path / ".ael"
    mirror = Mirror(folder / "traces")
    store = SqliteStore(folder / "telemetry.db", copies=mirror)
    rows = [row(1, started_at=START, trace_id="ab" * 16)]
    store.write(rows)
    mirror.write([row(2, started_at=START, trace_id="ab" * 16), *rows])
    (mirror.folder / "2026-01-31" / "notes.txt").write_text("mine")
    store.prune(older_than=datetime.now(UTC) + timedelta(days=9999))
    assert sorted(path.name for path in (mirror.folder / "2026-01-31").iterdir()) == [
        INDEX,
        "notes.txt",
        "trace-abababab.json",
    ]
    store.close()


def test_a_half_written_file_never_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that a write that fails leaves neither a run's file nor a temporary one."""
    mirror = Mirror(tmp_path / "traces")

    def full(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        mirror.write([row(1)])
    assert [path for path in mirror.folder.rglob("*") if path.is_file()] == []
