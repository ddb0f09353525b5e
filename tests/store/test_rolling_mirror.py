"""Runs as JSON lines beside the store: whole lines, rotation, bounds, deletion, several processes."""

import json
import multiprocessing
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ael_otel.store import rolling_mirror
from ael_otel.store.codec import decode
from ael_otel.store.pruning import MIB
from ael_otel.store.rolling_mirror import RollingMirror
from ael_otel.store.rows import Row, row_of
from ael_otel.store.sqlite import SqliteStore
from ael_otel.store.times import to_us
from tests.store.making import START, filled, run


def row(number: int, **facts: Any) -> Row:
    """The row of a made-up run."""
    return row_of(run(number, **facts))


def names(folder: Path) -> list[str]:
    """The names of all files in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def lines(folder: Path) -> list[str]:
    """The execution ids of all lines, by file and position."""
    return [
        json.loads(line)["execution_id"]
        for path in sorted(folder.glob("runs-*.jsonl"))
        for line in path.read_text().splitlines()
    ]


def test_each_run_is_a_line_in_the_file_of_its_day_for_its_owner_only(tmp_path: Path) -> None:
    """Proves that lines are whole records in the order of their ends, by UTC day of the start, 0600 in 0700."""
    mirror = RollingMirror(tmp_path / ".ael" / "traces")
    mirror.write([row(2, outputs={"text": "two\nlines"}), row(1)])
    mirror.write([row(3, started_at=START + timedelta(days=1))])
    mirror.write([])
    assert names(mirror.folder) == ["runs-2026-01-31.jsonl", "runs-2026-02-01.jsonl"]
    first = (mirror.folder / "runs-2026-01-31.jsonl").read_bytes().splitlines()
    assert [filled(decode(line)) for line in first] == [
        filled(run(2, outputs={"text": "two\nlines"})),
        filled(run(1)),
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in mirror.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(mirror.folder.stat().st_mode) == 0o700


def test_a_file_of_its_size_is_followed_by_the_next_and_the_oldest_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Proves rotation by size, the bound of all files, that the removal is logged, and that numbers sort as numbers."""
    mirror = RollingMirror(tmp_path / "traces", max_mb=4, file_mb=1)
    mirror.write([row(1, started_at=START - timedelta(days=1))])
    for number in range(2, 60):
        mirror.write([row(number, outputs="x" * 200_000)])
        sizes = [path.stat().st_size for path in mirror.folder.iterdir()]
        assert max(sizes) <= MIB
        assert sum(sizes) <= 4 * MIB
    kept = sorted(int(each.removeprefix("exec-")) for each in lines(mirror.folder))
    assert kept == list(range(kept[0], 60)), "the newest, without a gap"
    assert "runs-2026-01-30.jsonl was removed" in caplog.text
    assert "runs-2026-01-31.11.jsonl" in names(mirror.folder)


def test_a_line_that_was_torn_is_ended_and_takes_no_other_with_it(tmp_path: Path) -> None:
    """Proves that after a crash in the middle of a line the next run is a separate line."""
    mirror = RollingMirror(tmp_path / "traces")
    mirror.write([row(1), row(2)])
    path = mirror.folder / "runs-2026-01-31.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    mirror.write([row(3)])
    whole, torn, after = path.read_bytes().splitlines()
    assert [decode(each).execution_id for each in (whole, after)] == ["exec-000001", "exec-000003"]
    assert torn == row(2).body[:-39]


def test_a_write_that_fails_midway_leaves_no_part_of_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that on a full disk the file is as it was before."""
    mirror = RollingMirror(tmp_path / "traces")
    mirror.write([row(1)])
    before = (mirror.folder / "runs-2026-01-31.jsonl").read_bytes()
    opened = rolling_mirror.os.fdopen

    def full(*arguments: Any, **options: Any) -> Any:
        file = opened(*arguments, **options)

        class Full:
            """A file that takes ten bytes."""

            def __enter__(self) -> "Full":
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def __getattr__(self, name: str) -> Any:
                return getattr(file, name)

            def write(self, data: bytes) -> int:
                if file.tell() > len(before):
                    raise OSError(28, "No space left on device")
                return file.write(data[:10])

        return Full()

    monkeypatch.setattr(rolling_mirror.os, "fdopen", full)
    with pytest.raises(OSError, match="No space"):
        mirror.write([row(2)])
    assert (mirror.folder / "runs-2026-01-31.jsonl").read_bytes() == before


def test_prune_removes_whole_days_and_the_lines_of_the_day_in_between(tmp_path: Path) -> None:
    """Proves that nothing of a pruned run is left, also of runs that the store forgot earlier, and the others stay."""
    folder = tmp_path / ".ael"
    mirror = RollingMirror(folder / "traces")
    store = SqliteStore(folder / "telemetry.db", copies=mirror)
    rows = [
        row(number, started_at=START + timedelta(hours=number - 20), outputs=f"Marigold {number:02d}")
        for number in range(30)
    ]
    mirror.write([row(99, started_at=START - timedelta(days=9), outputs="Marigold 99")])
    mirror.write(rows)
    store.write(rows)
    store.prune(older_than=START, dry_run=True)
    assert len(lines(mirror.folder)) == 31
    store.prune(older_than=START)
    assert names(mirror.folder) == ["runs-2026-01-31.jsonl"]
    assert lines(mirror.folder) == [f"exec-{number:06d}" for number in range(20, 30)]
    store.prune(max_mb=1)
    assert len(lines(mirror.folder)) == 10
    store.close()


def test_prune_by_size_removes_the_lines_of_exactly_the_runs_that_went(tmp_path: Path) -> None:
    """Proves that a run that started at the same moment as the last one deleted keeps its line if it is stored."""
    folder = tmp_path / ".ael"
    mirror = RollingMirror(folder / "traces")
    store = SqliteStore(folder / "telemetry.db", copies=mirror)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [row(number, started_at=at, outputs="x" * 60_000) for number in range(40)]
    mirror.write(rows)
    store.write(rows)
    report = store.prune(max_mb=1)
    assert 0 < report.executions < 40
    assert sorted(lines(mirror.folder)) == [f"exec-{number:06d}" for number in range(report.executions, 40)]
    store.close()


def test_delete_removes_the_lines_of_those_runs_and_torn_ones(tmp_path: Path) -> None:
    """Proves that a deleted run is gone from every file of its day, with the leftovers of a killed rewrite."""
    mirror = RollingMirror(tmp_path / "traces", max_mb=8, file_mb=1)
    store = SqliteStore(tmp_path / "telemetry.db", copies=mirror)
    rows = [row(number, outputs=f"Marigold {number} " + "x" * 100_000) for number in range(20)]
    mirror.write(rows)
    mirror.write([rows[3]])  # a record that was written again has two lines
    store.write(rows)
    path = mirror.folder / "runs-2026-01-31.jsonl"
    path.write_bytes(path.read_bytes() + rows[3].body[:200])
    (mirror.folder / ".runs-2026-01-31.jsonl.4711").write_bytes(rows[3].body)
    store.delete(["exec-000003", "exec-000015"])
    everything = b"".join(each.read_bytes() for each in mirror.folder.iterdir())
    assert (b"exec-000003" in everything, b"exec-000015" in everything) == (False, False)
    assert (b"Marigold 3 " in everything, b"Marigold 15 " in everything) == (False, False)
    assert sorted(lines(mirror.folder)) == [f"exec-{n:06d}" for n in range(20) if n not in (3, 15)]
    assert {stat.S_IMODE(each.stat().st_mode) for each in mirror.folder.iterdir()} == {0o600}
    store.delete([f"exec-{number:06d}" for number in range(20)])
    assert names(mirror.folder) == []
    store.close()


def _append(folder: Path, first: int) -> None:
    mirror = RollingMirror(folder, max_mb=64, file_mb=1)
    for number in range(first, first + 100):
        mirror.write([row(number, outputs="x" * 20_000)])


def _forget(folder: Path, last: int) -> None:
    mirror = RollingMirror(folder)
    for number in range(1, last):
        mirror.remove_before(to_us(START + timedelta(seconds=number)))


def test_processes_append_and_delete_at_once_and_no_line_is_lost(tmp_path: Path) -> None:
    """Proves that three writers and one that deletes the first fifty runs leave each other line whole, once."""
    folder = tmp_path / "traces"
    RollingMirror(folder).write([row(1)])
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append, args=(folder, first)) for first in (1000, 2000, 3000)]
    workers.append(context.Process(target=_forget, args=(folder, 50)))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    wanted = [f"exec-{first + number:06d}" for first in (1000, 2000, 3000) for number in range(100)]
    assert sorted(lines(folder)) == wanted
    assert [name for name in names(folder) if name.startswith(".")] == []


def test_other_files_in_the_folder_stay(tmp_path: Path) -> None:
    """Proves that only files of our names are counted, removed or changed."""
    mirror = RollingMirror(tmp_path / "traces", max_mb=2, file_mb=1)
    mirror.write([row(1)])
    for name in ("runs-notes.jsonl", "runs-2026-01-31.copy.jsonl", "runs-2025-01-01.jsonl.bak"):
        (mirror.folder / name).write_text("mine")
    mirror.remove_before(to_us(START + timedelta(days=3650)))
    assert names(mirror.folder) == [
        "runs-2025-01-01.jsonl.bak",
        "runs-2026-01-31.copy.jsonl",
        "runs-notes.jsonl",
    ]
