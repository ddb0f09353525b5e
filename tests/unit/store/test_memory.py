"""The memory store: bounded, thread-safe, and it evicts the oldest ended runs first."""

import sys
import threading
import tracemalloc
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ael_otel.store import (
    ErrorRecord,
    ExecutionRecord,
    MemoryStore,
    StepRecord,
    TelemetryStore,
    ToolCallRecord,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


def run(number: int, status: str = "running") -> ExecutionRecord:
    """The record of a run that started `number` seconds after the others."""
    return ExecutionRecord(f"exec-{number}", "workflow", status, START + timedelta(seconds=number))


def ids(store: MemoryStore, limit: int = 100) -> list[str]:
    """The ids of the latest runs."""
    return [record.execution_id for record in store.recent(limit)]


def test_written_run_can_be_read() -> None:
    """A run is readable from its start, with its steps so far, and reads return copies."""
    store: TelemetryStore = MemoryStore()
    record = run(1)
    store.start_execution(record)
    step = StepRecord("pay", 0, "tool", "running", START)
    record.steps.append(step)
    store.step_changed(record, step)
    store.tool_call_finished(record, ToolCallRecord("c", "charge", "tool_step", 1, START))
    assert store.get("exec-1") == record
    store.get("exec-1").steps.clear()
    assert store.get("exec-1").steps == [step]
    record.status = "completed"
    store.finish_execution(record)
    assert list(store.recent()) == [record]
    assert store.get("exec-2") is None


def test_the_latest_come_first() -> None:
    """`recent` is in the order of the runs' starts, newest first, as many as asked for."""
    store = MemoryStore()
    for number in range(5):
        store.start_execution(run(number))
    store.finish_execution(store.get("exec-1"))
    assert ids(store) == ["exec-4", "exec-3", "exec-2", "exec-1", "exec-0"]
    assert ids(store, 2) == ["exec-4", "exec-3"]
    assert len(store) == 5


def test_a_full_store_forgets_the_oldest_finished_run() -> None:
    """Running runs stay as long as there is a finished one to evict."""
    store = MemoryStore(3)
    store.start_execution(run(0))
    store.start_execution(run(1, "completed"))
    store.start_execution(run(2, "failed"))
    store.start_execution(run(3))
    assert ids(store) == ["exec-3", "exec-2", "exec-0"]
    store.start_execution(run(4))
    assert ids(store) == ["exec-4", "exec-3", "exec-0"]
    store.start_execution(run(5))
    assert ids(store) == ["exec-5", "exec-4", "exec-3"]


def test_evicted_run_that_ends_is_stored_again() -> None:
    """The end of a run is stored, also if it was evicted while it ran; its start time decides its order."""
    store = MemoryStore(2)
    records = [run(number) for number in range(3)]
    for record in records:
        store.start_execution(record)
    assert ids(store) == ["exec-2", "exec-1"]
    records[2].status = "completed"
    store.finish_execution(records[2])
    records[0].status = "failed"
    store.finish_execution(records[0])
    assert ids(store) == ["exec-1", "exec-0"]


def test_a_second_start_replaces_the_first() -> None:
    """An id stands for one run: the later record replaces the first, and no other is evicted for it."""
    store = MemoryStore(2)
    store.start_execution(run(0))
    store.start_execution(run(1))
    again = run(0, "completed")
    store.start_execution(again)
    assert store.get("exec-0") == again
    assert len(store) == 2


@pytest.mark.parametrize("size", [0, -1])
def test_a_store_keeps_at_least_one(size: int) -> None:
    """A size of zero is refused with the key to set."""
    with pytest.raises(ValueError, match=f"max_executions={size}, set 1 or more"):
        MemoryStore(size)
    store = MemoryStore(1)
    store.start_execution(run(0))
    store.start_execution(run(1))
    assert ids(store) == ["exec-1"]


def large(number: int, kilobytes: int, status: str = "completed") -> ExecutionRecord:
    """A run whose inputs take so much."""
    record = run(number, status)
    record.inputs = "x" * kilobytes * 1024
    return record


def test_store_that_is_full_by_bytes_forgets_the_oldest_finished_runs() -> None:
    """Proves the bound in bytes: the oldest go, as many as a new run needs; runs in flight stay; each is counted."""
    store = MemoryStore(1000, 1024 * 1024)
    store.start_execution(run(0))
    for number in range(1, 10):
        store.finish_execution(large(number, 100))
    assert (len(store), store.evicted) == (10, 0)
    store.finish_execution(large(10, 300))
    assert ids(store) == [f"exec-{number}" for number in (10, 9, 8, 7, 6, 5, 4, 3, 0)]
    assert store.evicted == 2
    store.put([large(number, 700) for number in (11, 12)])
    assert ids(store) == ["exec-12", "exec-0"]
    assert store.evicted == 11


def test_run_larger_than_the_store_stays_alone() -> None:
    """Proves that the latest run is stored for any size, and evicted with the next one."""
    store = MemoryStore(1000, 50_000)
    store.finish_execution(large(1, 100))
    assert ids(store) == ["exec-1"]
    store.finish_execution(run(2, "completed"))
    assert ids(store) == ["exec-2"]
    store.start_execution(run(3))
    assert ids(store) == ["exec-3", "exec-2"]


def test_room_of_replaced_deleted_and_pruned_runs_is_free_again() -> None:
    """Proves that the count of bytes follows each way in which a run leaves or is written again."""
    store = MemoryStore(1000, 1024 * 1024)
    for _ in range(5):
        for number in range(9):
            store.finish_execution(large(number, 100))
        store.start_execution(large(0, 100))
        assert (len(store), store.evicted) == (9, 0)
        store.delete(["exec-0", "exec-1", "exec-8", "exec-9"])
        store.prune(older_than=START + timedelta(seconds=4))
        assert len(store) == 4


def test_full_store_is_reported_once_with_the_key_to_set(caplog: pytest.LogCaptureFixture) -> None:
    """Proves one line for many runs that are pushed out, with the keys that give more room."""
    caplog.set_level("INFO")
    store = MemoryStore(2)
    for number in range(6):
        store.finish_execution(run(number, "completed"))
    (line,) = caplog.messages
    assert "telemetry.limits.memory_runs" in line
    assert "telemetry.limits.memory_mb" in line
    assert store.evicted == 4


def test_bytes_are_those_that_the_store_takes() -> None:
    """Proves against Python's own allocator that runs with much text and with many calls stay near their bound."""
    bound = 4 * 1024 * 1024
    for make in (lambda number: large(number, 64), _with_calls):
        store = MemoryStore(100_000, bound)
        tracemalloc.start()
        try:
            for number in range(4_000 if make is _with_calls else 200):
                store.finish_execution(make(number))
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert store.evicted > 0
        assert bound / 2 < held < 1.3 * bound


def _with_calls(number: int) -> ExecutionRecord:
    record = run(number, "completed")
    record.tool_calls = [
        ToolCallRecord(f"call-{each}", "search", "tool_step", each, START, duration_ms=each / 7)
        for each in range(10)
    ]
    return record


@pytest.mark.parametrize("size", [0, -1])
def test_store_without_room_is_refused(size: int) -> None:
    """Proves that a bound of zero bytes is refused with the key to set."""
    with pytest.raises(ValueError, match=f"max_bytes={size}, set 1 or more"):
        MemoryStore(1, size)


def test_threads_share_a_store() -> None:
    """Writers and readers at once: never more than the size, never an error, the last runs are there."""
    store = MemoryStore(50)
    stop = threading.Event()
    faults: list[BaseException] = []

    def write(part: int) -> None:
        try:
            for turn in range(500):
                record = run(part * 1000 + turn)
                store.start_execution(record)
                record.status = "completed"
                store.finish_execution(record)
        except Exception as fault:  # noqa: BLE001 - a thread reports to its test
            faults.append(fault)

    def read() -> None:
        try:
            while not stop.is_set():
                assert len(store.recent(100)) <= 50
                assert len(store) <= 50
                store.get("exec-1")
        except Exception as fault:  # noqa: BLE001 - a thread reports to its test
            faults.append(fault)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    writers = [threading.Thread(target=write, args=(part,)) for part in range(4)]
    reader = threading.Thread(target=read)
    for thread in (*writers, reader):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    sys.setswitchinterval(interval)
    assert faults == []
    assert len(store) == 50


class MemoryStoreModel(RuleBasedStateMachine):
    """The store against a plain list: runs in the order in which they came, the same rule of forgetting."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 3
        self.store = MemoryStore(self.size)
        self.kept: list[ExecutionRecord] = []
        self.running: list[ExecutionRecord] = []
        self.number = 0

    def _keep(self, record: ExecutionRecord) -> None:
        if record in self.kept:
            return
        if len(self.kept) == self.size:
            finished = [one for one in self.kept if one.status not in ("pending", "running")]
            self.kept.remove((finished or self.kept)[0])
        self.kept.append(record)

    @rule()
    def start(self) -> None:
        """A run begins."""
        self.number += 1
        record = run(self.number)
        self.running.append(record)
        self._keep(record)
        self.store.start_execution(record)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 10), status=st.sampled_from(["completed", "failed", "cancelled"]))
    def finish(self, which: int, status: str) -> None:
        """A run ends, in any order."""
        record = self.running.pop(which % len(self.running))
        record.status = status
        self._keep(record)
        self.store.finish_execution(record)

    @invariant()
    def agrees(self) -> None:
        """Both hold the same runs; the store shows the latest first."""
        by_start = sorted(self.kept, key=lambda record: record.started_at, reverse=True)
        assert list(self.store.recent(10)) == by_start
        assert len(self.store) == len(self.kept) <= self.size
        for record in self.kept:
            assert self.store.get(record.execution_id) == record


MemoryStoreModel.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestMemoryStoreModel = MemoryStoreModel.TestCase


def test_records_survive_being_written_out() -> None:
    """Records are plain values: JSON and back is the same, with times in UTC and nested causes."""
    error = ErrorRecord("TOOL_FAILED", "tool", "no", cause=ErrorRecord("ValueError", "cause", "inner"))
    call = ToolCallRecord("c", "charge", "tool_step", 1, START, server="demo", error=error, duration_ms=1.5)
    step = StepRecord("pay", 0, "tool", "failed", START, tool_calls=[call], error=error, attempt=2)
    record = run(1, "failed")
    record.steps.append(step)
    record.inputs, record.error = {"card": "x", "n": 1}, error
    text = msgspec.json.encode(record)
    assert msgspec.json.decode(text, type=ExecutionRecord) == record
    assert b'"2026-01-01T00:00:01Z"' in text


def test_records_share_no_lists() -> None:
    """A new record has its own lists."""
    assert run(1).steps is not run(2).steps
    assert run(1).metadata is not run(2).metadata
