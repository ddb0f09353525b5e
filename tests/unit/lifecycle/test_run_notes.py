"""Content and ends of runs that another thread works on: the same records, under any load, and no secret out."""

import array
import logging
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from ael_otel.config import settings_from_mapping
from ael_otel.core.metrics import AelMetrics
from ael_otel.core.redaction import ActiveRedaction, active_redaction, set_active_redaction
from ael_otel.core.run_context import current_run
from ael_otel.core.telemetry_thread import TelemetryThread
from ael_otel.lifecycle import Execution, Recorder, Step, ToolCall
from ael_otel.lifecycle.run_notes import RunNotes
from ael_otel.privacy.run_secrets import RunSecrets
from ael_otel.sdk.log_notes import fields_of, note_of
from ael_otel.store import MemoryStore
from ael_otel.store.content import MAX_FROZEN, frozen, thawed
from tests.unit.lifecycle.conftest import ends_with

PASSWORD = "lower-case-words"  # hygiene: made up
EXCLUDED = {"privacy": {"excluded_paths": ["/srv/private"]}}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    set_active_redaction(None)


class Lab:
    """A recorder whose notes wait in a separate queue, which can be blocked."""

    def __init__(self, *, later: bool = True, telemetry: dict[str, Any] | None = None, **queue: Any) -> None:
        self.metrics = AelMetrics(MeterProvider(shutdown_on_exit=False))
        set_active_redaction(ActiveRedaction(settings_from_mapping(telemetry or {}), self.metrics))
        self.queue = TelemetryThread(**({"gather_s": 0.001} | queue))
        self.store = MemoryStore()
        self.recorder = Recorder(
            tracer_provider=TracerProvider(shutdown_on_exit=False),
            metrics=self.metrics,
            store=self.store,
            genai=False,
            synchronous=not later,
            queue=self.queue,
        )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hold the thread up: nothing that is noted is worked on."""
        held, go = threading.Event(), threading.Event()

        def hold() -> None:
            with self.queue._working:
                held.set()
                go.wait(60)

        holder = threading.Thread(target=hold, daemon=True)
        holder.start()
        assert held.wait(10)
        try:
            yield
        finally:
            go.set()
            holder.join(10)

    def run(
        self, params: Any = None, result: Any = None, outputs: Any = None, execution_id: str = "exec-1"
    ) -> None:
        """One run of one call."""
        with Execution(self.recorder, "shop", execution_id=execution_id, inputs={"order": "o-1"}) as run:
            with (
                Step(self.recorder, "pay", "tool_call", tool="charge"),
                ToolCall(self.recorder, "charge", server="bank") as call,
            ):
                call.called_with(params)
                call.returned(result)
            run.finished(outputs)

    def record(self, execution_id: str = "exec-1") -> dict[str, Any]:
        """Return the stored record of a run, without times and ids that differ from run to run."""
        assert self.queue.flush(30)
        found = self.store.get(execution_id)
        assert found is not None
        return timeless(msgspec.to_builtins(found))

    def call(self, execution_id: str = "exec-1") -> dict[str, Any]:
        """The only call of a run."""
        (step,) = self.record(execution_id)["steps"]
        (call,) = step["tool_calls"]
        return call


def timeless(value: Any) -> Any:
    """Return plain values without the times and ids that differ from run to run."""
    if isinstance(value, dict):
        odd = {"started_at", "completed_at", "duration_ms", "trace_id", "span_id", "call_id", "owner"}
        return {key: timeless(item) for key, item in value.items() if key not in odd}
    return [timeless(item) for item in value] if isinstance(value, list) else value


class Login(NamedTuple):
    """A named tuple, whose field names describe its values."""

    user: str
    password: str


@dataclass
class Account:
    """A class of an application."""

    user: str
    token: str


class Text(str):
    """A subclass of str."""

    __slots__ = ()


def ring() -> list[Any]:
    """A list that holds itself, twice."""
    found: list[Any] = [1]
    found += [found, found]
    return found


def nested(levels: int) -> Any:
    """A value in so many lists."""
    found: Any = "core"
    for _ in range(levels):
        found = [found]
    return found


VALUES: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "a secret by its name": lambda: {"user": "ada", "password": PASSWORD},
    "a text": lambda: "mail ada@example.com about it",
    "numbers": lambda: [1, 2.5, float("nan"), True, 2**63, 2**80],
    "keys that are no text": lambda: {1: "one", "two": 2},
    "bytes": lambda: {"raw": b"password=" + PASSWORD.encode(), "more": bytearray(b"abc")},
    "a buffer": lambda: {"values": array.array("i", [1, 2, 3])},
    "tuples and sets": lambda: {"both": (1, ("a", "b")), "one": {"x"}},
    "a named tuple": lambda: {"login": Login("ada", PASSWORD)},
    "a class": lambda: {"account": Account("ada", "abcdef-123456")},
    "a text of a class": lambda: [Text("mail ada@example.com")],
    "other types": lambda: {"price": Decimal("1.5"), "kind": object},
    "NUL": lambda: {"text": "a\0b", "list": [1]},
    "a lone surrogate": lambda: {"text": "cut \ud83d here"},
    "deep": lambda: nested(70),
    "deeper": lambda: nested(3_000),
    "a ring": ring,
    "large": lambda: {"items": [{"n": n, "password": f"word-{n}-of-many"} for n in range(8_000)]},
    "a large text": lambda: "all quiet here. " * 20_000,
    "a text too large to wait": lambda: "all quiet here. " * (MAX_FROZEN // 12),
    "JSON in a text": lambda: '{"password": "' + PASSWORD + '", "rest": "' + "x" * 70_000 + '"}',
}


@pytest.mark.parametrize("name", VALUES)
def test_record_of_a_value_is_the_same_later_as_at_once(name: str) -> None:
    """Proves for values of all kinds that a record made by another thread is the one that the caller would make."""
    if sys.version_info < (3, 13) and name in ("deeper", "a ring"):
        pytest.skip("the walk of 3.12 recurses in C")
    value = VALUES[name]
    at_once = Lab(later=False)
    at_once.run(value(), value(), {"all": value()})
    expected = at_once.record()
    set_active_redaction(None)
    later = Lab()
    later.run(value(), value(), {"all": value()})
    assert later.record() == expected
    assert PASSWORD not in str(expected)
    assert later.queue.accepted == later.queue.delivered > 0


def test_value_changed_after_the_call_is_recorded_as_it_was() -> None:
    """Proves that inputs, parameters, results and outputs are those of their moment, however late they are judged."""
    lab = Lab()
    inputs, params, result, outputs = {"n": [1]}, {"n": [1]}, {"n": [1]}, {"n": [1]}
    with lab.paused(), Execution(lab.recorder, "shop", execution_id="exec-1", inputs=inputs) as run:
        inputs["n"].append(2)
        with Step(lab.recorder, "pay", "tool_call", tool="charge"), ToolCall(lab.recorder, "charge") as call:
            call.called_with(params)
            params["n"].append(2)
            call.returned(result)
            result["n"].append(2)
        run.finished(outputs)
        outputs["n"].append(2)
    record, call_kept = lab.record(), lab.call()
    kept = (record["inputs"], call_kept["params"], call_kept["result"], record["outputs"])
    assert kept == ({"n": [1]},) * 4


def test_run_counts_as_running_until_its_content_is_redacted() -> None:
    """Proves that no reader sees an ended run without its content."""
    lab = Lab()
    with lab.paused():
        lab.run({"city": "Oslo"}, "rain", {"said": "rain"})
        (live,) = lab.store._kept.values()
        assert live.status == "running"  # type: ignore[union-attr]
        assert live.outputs is None  # type: ignore[union-attr]
    record = lab.record()
    assert (record["status"], record["outputs"]) == ("completed", {"said": "rain"})


def test_text_of_a_run_has_the_content_before_it_judged_first() -> None:
    """Proves with a blocked thread that a secret in parameters is masked in an error and a line right after them."""
    lab = Lab()
    with (
        lab.paused(),
        ends_with(RuntimeError),
        Execution(lab.recorder, "shop", execution_id="exec-1"),
        Step(lab.recorder, "pay", "tool_call", tool="charge"),
        ToolCall(lab.recorder, "charge") as call,
    ):
        call.called_with({"password": PASSWORD})
        assert active_redaction().text(f"so {PASSWORD} it is") == "so [PASSWORD] it is"
        raise RuntimeError(f"{PASSWORD} is wrong")
    record = lab.record()
    assert PASSWORD not in str(record)
    assert record["error"]["message"] == "[PASSWORD] is wrong"
    assert record["metadata"]["redactions"]["password"] == 1


def test_line_noted_before_content_is_masked_by_secrets_in_the_content() -> None:
    """Proves that a secret that a run shows late is masked in an earlier line that has not been written."""
    lab = Lab()
    record = logging.LogRecord("ael", logging.INFO, __file__, 1, f"so {PASSWORD} it is", (), None)
    with lab.paused(), Execution(lab.recorder, "shop", execution_id="exec-1"):
        note = note_of(record)
        with ToolCall(lab.recorder, "charge") as call:
            call.called_with({"password": PASSWORD})
        before = current_run.get()
        try:
            assert fields_of(note)["message"] == "so [PASSWORD] it is"
        finally:
            current_run.set(before)
    assert lab.queue.flush(30)


def test_excluded_file_shows_nowhere_with_the_thread_held_up() -> None:
    """Proves that a call of an excluded path, judged later, leaves nothing in record, line and error."""
    lab = Lab(telemetry=EXCLUDED)
    contents = "the whole contents of a file"
    record = logging.LogRecord("ael", logging.INFO, __file__, 1, "read %s", (contents,), None)
    with lab.paused():
        with ends_with(RuntimeError), Execution(lab.recorder, "shop", execution_id="exec-1") as run:
            with (
                Step(lab.recorder, "read", "tool_call", tool="read_file"),
                ToolCall(lab.recorder, "read_file") as call,
            ):
                call.called_with({"path": "/srv/private/notes.txt"})
                call.returned(contents)
                note = note_of(record)
            run.finished({"said": contents})
            raise RuntimeError(contents)
        before = current_run.get()
        try:
            assert contents not in str(fields_of(note))
        finally:
            current_run.set(before)
    found = lab.record()
    assert contents not in str(found)
    assert found["steps"][0]["tool_calls"][0]["result"] == "[EXCLUDED_PATH]"
    assert found["outputs"] == {"said": "[EXCLUDED_PATH]"}


@pytest.mark.parametrize(
    "queue", [{"max_bytes": 1}, {"max_notes": 1}, {"max_notes": 2}, {"max_bytes": 3_000}]
)
def test_full_queue_leaves_the_work_to_the_caller_without_a_drop(queue: dict[str, int]) -> None:
    """Proves with a thread that never works that no call waits for it and that each run is stored whole."""
    expected = Lab(later=False)
    expected.run({"password": PASSWORD}, PASSWORD, {"said": PASSWORD})
    whole = expected.record()
    set_active_redaction(None)
    lab = Lab(**queue)
    with lab.paused():
        for number in range(20):
            lab.run({"password": PASSWORD}, PASSWORD, {"said": PASSWORD}, f"exec-{number}")
            assert lab.queue.level.items <= queue.get("max_notes", 16_384)
            assert lab.queue.level.size <= queue.get("max_bytes", 1 << 30)
    for number in range(20):
        assert lab.record(f"exec-{number}") == whole | {"execution_id": f"exec-{number}"} | {
            "steps": [
                step
                | {"tool_calls": [call | {"execution_id": f"exec-{number}"} for call in step["tool_calls"]]}
                for step in whole["steps"]
            ]
        }
    assert (lab.queue.dropped, lab.queue.pending) == (0, 0)
    assert lab.queue.accepted == lab.queue.delivered
    assert not any(row.slots[0] for row in lab.metrics.telemetry.rows())


def test_text_that_cannot_wait_any_longer_is_not_let_through() -> None:
    """Proves that a text is replaced whole where content before it is still being judged when time is over."""
    secrets, at_it, go = RunSecrets(), threading.Event(), threading.Event()

    def judge() -> None:
        at_it.set()
        go.wait(30)

    secrets.later(judge)
    worker = threading.Thread(target=secrets.settle, daemon=True)
    worker.start()
    assert at_it.wait(10)
    assert secrets.settle(0.01) is False
    go.set()
    worker.join(10)
    assert secrets.settle(0.01) is True


def test_judgement_that_raises_is_not_judged_again() -> None:
    """Proves that a fault in one value does not keep the next ones waiting."""
    secrets, seen = RunSecrets(), []

    def fails() -> None:
        seen.append("one")
        raise ValueError("ours")

    secrets.later(fails)
    secrets.later(lambda: seen.append("two"))
    with pytest.raises(ValueError, match="ours"):
        secrets.settle()
    assert secrets.settle()
    assert seen == ["one", "two"]


def test_secrets_of_two_runs_are_complete_only_if_both_are_processed() -> None:
    """A line of a server of two runs is held back while content of either run waits for redaction."""
    go_on, judging = threading.Event(), threading.Event()
    ready, late, both = RunSecrets(), RunSecrets(), RunSecrets()
    ready.later(lambda: ready.remember("lower-case", "[PASSWORD]"))
    both.take_over(ready)
    assert both.settle(0.01) is True
    assert both.mask_text("say lower-case") == "say [PASSWORD]"

    def judge() -> None:
        judging.set()
        go_on.wait(10)

    late.later(judge)
    worker = threading.Thread(target=late.settle, daemon=True)
    worker.start()
    assert judging.wait(10)
    both.take_over(late, 0.01)
    assert both.settle(0.01) is False
    both.take_over(ready)
    assert both.settle(0.01) is False
    go_on.set()
    worker.join(10)


def test_judgement_may_ask_for_a_settled_run() -> None:
    """Proves that the code that redacts content may redact texts of the same run without waiting for itself."""
    secrets = RunSecrets()
    answers: list[bool] = []
    secrets.later(lambda: answers.append(secrets.settle(0.01)))
    assert secrets.settle(0.01)
    assert answers == [True]


def test_secrets_cross_to_another_process_judged() -> None:
    """Proves that pickling, as of an exception that code in a sandbox gets, keeps content that waits for redaction."""
    secrets = RunSecrets()
    secrets.later(lambda: secrets.remember(PASSWORD, "[PASSWORD]"))
    secrets.count("password", 1)
    found = pickle.loads(pickle.dumps(secrets))  # noqa: S301 - the test is about pickling
    assert (found.values, found.counts) == ({PASSWORD: "[PASSWORD]"}, {"password": 1})
    assert found.mask_text(f"so {PASSWORD}") == "so [PASSWORD]"


def test_runs_of_many_threads_keep_their_own_secrets_and_exact_counts() -> None:
    """Proves under random thread switches and a queue at its limit that each run is whole, masked and counted once."""
    lab = Lab(max_notes=8, gather_s=0.0002, notes_at_once=1)
    before, faults = sys.getswitchinterval(), []
    threads, runs = 4, 25

    def work(thread: int) -> None:
        try:
            for number in range(runs):
                canary = f"canary-{thread}-{number}-of-all"
                with (
                    ends_with(RuntimeError),
                    Execution(
                        lab.recorder,
                        "shop",
                        execution_id=f"exec-{thread}-{number}",
                        inputs={"password": canary},
                    ) as run,
                ):
                    with (
                        Step(lab.recorder, "pay", "tool_call", tool="charge"),
                        ToolCall(lab.recorder, "charge") as call,
                    ):
                        call.called_with({"text": f"use {canary} now", "token": f"{canary}-too"})
                        call.returned({"said": f"{canary} and {canary}-too"})
                    run.finished({"said": canary})
                    raise RuntimeError(f"{canary} failed")
        except Exception as error:  # noqa: BLE001 - the test reports it
            faults.append(error)

    sys.setswitchinterval(1e-5)
    try:
        workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert lab.queue.flush(60)
    finally:
        sys.setswitchinterval(before)
    assert faults == []
    for thread in range(threads):
        for number in range(runs):
            record = lab.record(f"exec-{thread}-{number}")
            assert "canary" not in str(record)
            assert record["inputs"] == {"password": "[PASSWORD]"}
            assert record["outputs"] == {"said": "[PASSWORD]"}
            assert record["error"]["message"] == "[PASSWORD] failed"
            assert record["metadata"]["redactions"]["password"] == 1
    queue = lab.queue
    assert (queue.accepted, queue.dropped, queue.pending) == (queue.delivered, 0, 0)


def test_store_that_does_not_accept_notes_is_fed_by_the_caller() -> None:
    """Proves that a store of an application is called by the thread of the run, as ever."""

    class Theirs(MemoryStore):
        takes_notes = False

    recorder = Recorder(
        metrics=AelMetrics(MeterProvider(shutdown_on_exit=False)), store=Theirs(), synchronous=False
    )
    assert not recorder.notes.later
    recorder.store = MemoryStore()
    assert recorder.notes.later
    recorder.stop_counting()


def test_value_without_a_run_is_judged_at_once() -> None:
    """Proves that content without a run around it does not wait: nothing would have it judged before it is used."""
    seen: list[Any] = []
    value = {"a": [1]}
    RunNotes(later=True, queue=TelemetryThread()).content(
        lambda value, _redaction, exact: seen.append((value, exact)), value, None
    )
    assert seen == [(value, False)]
    assert seen[0][0] is value


def test_frozen_value_is_a_copy_of_exact_types() -> None:
    """Proves which values wait as copies: those that come back as they were."""
    value = {"a": [1, 2.5, None, True, "x", b"y"], "b": (1, {2}), 3: frozenset({4})}
    data = frozen(value)
    assert data is not None
    assert thawed(data) == value
    assert thawed(data) is not value
    for odd in (ring(), {"login": Login("a", "b")}, "x" * (MAX_FROZEN + 1), nested(3_000)):
        assert frozen(odd) is None
