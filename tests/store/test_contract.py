"""The contract of every store: one suite for memory, SQLite (direct and behind a queue) and PostgreSQL."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ael_otel.export.formats import write
from ael_otel.store import (
    CodeRecord,
    ErrorRecord,
    ExecutionRecord,
    QueryError,
    RunQuery,
    TelemetryStore,
    ToolCallRecord,
)
from ael_otel.store.asynchronous import AsyncStore
from ael_otel.store.codec import decode
from ael_otel.store.content import CYCLE, PREVIEW, TRUNCATED, TYPE, Capture
from ael_otel.store.query import EXPORT_FORMATS, write_cursor
from tests.store.making import NEAR, QUERY, START, Model, call, filled, run, runs, step

# Hypothesis takes its bounds without a zone.
TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
FAST = settings(
    max_examples=40,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


def ids(records: Any) -> list[str]:
    """The ids of runs or summaries."""
    return [record.execution_id for record in records]


# --- one run ----------------------------------------------------------------------------------------------------------


def test_a_store_has_every_method_of_the_protocol(store: Any) -> None:
    """Proves that the backend is a `TelemetryStore`, by name of every method."""
    assert isinstance(store, TelemetryStore)


def test_run_is_visible_while_it_runs_and_complete_at_its_end(store: Any) -> None:
    """Proves that each event can be read back at once: start, step, call, end; and that the end stays the end."""
    record = run(status="running", completed_at=None, duration_ms=None, outputs=None, steps=[])
    store.start_execution(record)
    assert store.get(record.execution_id).status == "running"
    greet = step(
        status="running",
        completed_at=None,
        duration_ms=None,
        tool_calls=[],
        tool_params=None,
        tool_result=None,
    )
    record.steps.append(greet)
    store.start_step(record, greet)
    assert [each.status for each in store.get(record.execution_id).steps] == ["running"]
    made = call()
    greet.tool_calls.append(made)
    store.record_tool_call(record, made)
    greet.status, greet.duration_ms = "completed", 5.0
    store.complete_step(record, greet)
    seen = store.get(record.execution_id)
    assert seen.steps[0].status == "completed"
    assert seen.steps[0].tool_calls == [made]
    assert seen.steps[0].tool_result == "hello"
    assert store.query(RunQuery(status="running")).runs[0].steps == 1
    record.status, record.duration_ms, record.outputs = "completed", 10.0, {"greeting": "hello"}
    store.complete_execution(record)
    assert store.get(record.execution_id) == filled(record)
    late = replace(record, status="running", outputs=None)
    store.start_execution(late)
    assert store.get(record.execution_id).status == "completed"
    assert store.query(RunQuery(status="running")).runs == []


@pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
def test_a_run_can_end_in_three_ways(store: Any, end: str) -> None:
    """Proves that the record keeps its status, error and causes."""
    status = {"complete": "completed", "fail": "failed", "cancel": "cancelled"}[end]
    error = None
    if end != "complete":
        deep = ErrorRecord("c", "cause", "deep", cause=ErrorRecord("d", "cause", "deeper"))
        error = ErrorRecord("TOOL_FAILED", "tool", "card declined", "detail", True, "greet", "charge", deep)
    record = run(status=status, error=error)
    store.start_execution(run(status="running"))
    getattr(store, f"{end}_execution")(record)
    assert store.get(record.execution_id) == record
    (summary,) = store.query(RunQuery()).runs
    assert (summary.status, summary.error_code) == (status, error and "TOOL_FAILED")
    assert summary.error_message == (error and "card declined")


def test_snapshot_is_made_at_the_end(store: Any) -> None:
    """Proves that changes after the end to the record, or to a record that was read, do not reach the store."""
    record = run(inputs={"list": [1]})
    store.complete_execution(record)
    record.inputs["list"].append(2)
    record.workflow_name = "other"
    store.get(record.execution_id).steps.clear()
    kept = store.get(record.execution_id)
    assert (kept.inputs, kept.workflow_name, len(kept.steps)) == ({"list": [1]}, "hello", 1)


def test_skipped_and_failed_steps_retries_and_calls_are_counted(store: Any) -> None:
    """Proves that a summary has steps, failures, skips, retries and calls without reading the whole record."""
    record = run(
        status="failed",
        steps=[
            step("a", attempt=3),
            step("b", status="failed", error=ErrorRecord("TOOL_FAILED", "tool", "no")),
            step("c", status="skipped", skip_reason="when: x", tool_calls=[]),
        ],
    )
    store.fail_execution(record)
    for event in ("fail_step", "skip_step"):
        getattr(store, event)(record, record.steps[1])
    (summary,) = store.query(RunQuery()).runs
    assert (summary.steps, summary.failed, summary.skipped, summary.retries, summary.tool_calls) == (
        3,
        1,
        1,
        2,
        2,
    )
    assert summary.bytes > 500
    assert (summary.started_at, summary.duration_ms) == (record.started_at, 10.0)
    assert (summary.trace_id, summary.workflow_version) == (record.trace_id, "1.0.0")


def test_missing_run_is_none(store: Any) -> None:
    """Proves that an empty store answers every question."""
    assert store.get("exec-nobody") is None
    assert store.find("exec") == []
    assert list(store.recent()) == []
    assert store.query(RunQuery()).runs == []
    assert store.count(RunQuery()) == 0
    assert list(store.iterate(RunQuery())) == []
    assert [store.stats(by, RunQuery()) for by in ("workflow", "tool", "day")] == [[], [], []]
    assert (store.info().executions, store.info().oldest) == (0, None)
    assert store.prune(older_than=datetime.now(UTC)).executions == 0


# --- values that no backend likes -------------------------------------------------------------------------------------


class Odd:
    """A value that JSON has no word for."""

    def __repr__(self) -> str:
        return "Odd()"


class Worse:
    """A value whose repr raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


def _cycle() -> Any:
    loop: dict[str, Any] = {"name": "loop"}
    loop["self"] = loop
    return loop


def _deep() -> Any:
    value: Any = "end"
    for _ in range(5_000):
        value = [value]
    return value


HOSTILE: dict[str, tuple[Callable[[], Any], Callable[[Any], bool]]] = {
    "NUL": (lambda: {"a\0b": "c\0d"}, lambda kept: kept == {"a\ufffdb": "c\ufffdd"}),
    "lone surrogate": (lambda: ["\ud800x"], lambda kept: kept == ["\ufffdx"]),
    "surrogate pair": (lambda: "\ud83d\ude00", lambda kept: kept == "\U0001f600"),
    "cycle": (_cycle, lambda kept: kept == {"name": "loop", "self": {CYCLE: True}}),
    "no JSON": (lambda: {"odd": Odd()}, lambda kept: kept["odd"].pop(TYPE)[-3:] == kept["odd"]["text"][:3] == "Odd"),
    "no repr": (Worse, lambda kept: kept["text"] == "[no repr: RuntimeError]"),
    "huge int": (lambda: 10**30, lambda kept: int(kept) == 10**30),
    "not a number": (lambda: [float("nan"), float("inf")], lambda kept: kept in ([None, None], ["nan", "inf"])),
    "bytes": (lambda: b"\xff\x00", lambda kept: kept == "/wA="),
    "keys": (lambda: {(1, 2): 3, 4: 5}, lambda kept: kept == {"(1, 2)": 3, "4": 5}),
    "set": (lambda: {1}, lambda kept: kept == [1]),
    "deep": (_deep, lambda kept: isinstance(kept, list)),
    "10 MB of text": (lambda: "x" * 10_000_000, lambda kept: kept[TRUNCATED] == {"bytes": 10_000_000}),
    "10 MB of rows": (
        lambda: [{"row": number, "text": "y" * 100} for number in range(80_000)],
        lambda kept: kept[TRUNCATED]["bytes"] > 5_000_000 and kept[PREVIEW].startswith('[{"row":0'),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("captured", [True, False], ids=["captured", "as it is"])
def test_any_value_is_stored_bounded_and_marked(store: Any, kind: str, captured: bool) -> None:
    """Proves that content of any kind raises nothing, with and without `Capture`, and that kinds are distinguished."""
    make, fits = HOSTILE[kind]
    value = Capture()(make()) if captured else make()
    store.complete_execution(
        run(
            outputs=value,
            inputs={"v": value},
            steps=[step(tool_calls=[call(result=value)], tool_result=None)],
        )
    )
    kept = store.get("exec-000001")
    assert fits(store.get("exec-000001").outputs)
    assert kept.steps[0].tool_calls[0].result == kept.outputs
    assert len(msgspec.json.encode(kept.outputs)) < (70_000 if captured else 1_100_000)


def test_names_and_messages_are_cleaned_too(store: Any) -> None:
    """Proves that NUL and lone surrogates in ids, names and messages do not reach a database, and can be asked for."""
    error = ErrorRecord("other", "tool", "bad \0 \udfff text")
    store.fail_execution(
        run(workflow_name="a\0b", status="failed", error=error, metadata={"session_id": "s\0"})
    )
    (summary,) = store.query(RunQuery(workflow="a\ufffdb", text="bad \ufffd")).runs
    assert summary.error_message == "bad \ufffd \ufffd text"
    assert summary.session_id == "s\ufffd"


# --- asking -----------------------------------------------------------------------------------------------------------


@FAST
@given(record=runs(TIMES))
def test_a_record_comes_back_as_it_went_in(make_store: Callable[[], Any], record: ExecutionRecord) -> None:
    """Proves the round trip of any record with clean text, times to the microsecond."""
    store = _one(make_store)
    expected = filled(msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=ExecutionRecord))
    record.execution_id = expected.execution_id = f"exec-{_next():08d}"
    store.finish_execution(record)
    assert store.get(record.execution_id) == expected
    assert store.find(record.execution_id) == [record.execution_id]


@FAST
@given(records=st.lists(runs(), max_size=12), queries=st.lists(QUERY, min_size=1, max_size=6))
def test_filters_and_pages_agree_with_a_naive_model(
    make_store: Callable[[], Any], records: list[ExecutionRecord], queries: list[RunQuery]
) -> None:
    """Proves filters, order, pages, counts and iteration for any runs and questions, against a list comprehension."""
    store, model = _cleared(_one(make_store)), Model()
    for record in records:
        store.finish_execution(record)
        model.put(filled(record))
    for query in queries:
        expected = ids(model.ask(query))
        found: list[str] = []
        asked = query
        while True:
            page = store.query(asked)
            assert query.limit is None or len(page.runs) <= query.limit
            found += ids(page.runs)
            left = len(expected) - len(found) + len(page.runs)
            assert store.count(asked) == left
            assert [store.count(asked, most) for most in (1, 2, 1000)] == [min(left, 1), min(left, 2), left]
            if page.cursor is None:
                break
            asked = replace(query, cursor=page.cursor)
        assert found == expected
        assert ids(store.iterate(query)) == expected[: query.limit]


_number = iter(range(10**9))


def _next() -> int:
    return next(_number)


_kept: dict[int, Any] = {}


def _one(make_store: Callable[[], Any]) -> Any:
    """One store for all examples of a test."""
    if id(make_store) not in _kept:
        _kept.clear()
        _kept[id(make_store)] = make_store()
    return _kept[id(make_store)]


def _cleared(store: Any) -> Any:
    for each in store.query(RunQuery(status="running", limit=None)).runs:
        store.finish_execution(replace(store.get(each.execution_id), status="failed"))
    store.prune(older_than=datetime(2300, 1, 1, tzinfo=UTC))
    return store


def test_a_time_in_another_zone_or_without_one_is_the_same_moment(store: Any) -> None:
    """Proves that ranges compare moments, not texts: other offsets, and naive times as UTC; half-open."""
    for number in range(4):
        store.complete_execution(run(number))
    east = timezone(timedelta(hours=9))
    since = (START + timedelta(seconds=1)).astimezone(east)
    until = (START + timedelta(seconds=3)).replace(tzinfo=None)
    assert ids(store.query(RunQuery(since=since, until=until)).runs) == ["exec-000002", "exec-000001"]
    store.complete_execution(run(9, started_at=since.replace(year=2025)))
    assert store.get("exec-000009").started_at == since.replace(year=2025)


@pytest.mark.parametrize(
    "query",
    [
        RunQuery(limit=0),
        RunQuery(limit=2**70),
        RunQuery(cursor=write_cursor(2**80, "exec-1")),
        RunQuery(cursor="nonsense"),
        RunQuery(cursor="bm8"),
        RunQuery(since=START, until=START - timedelta(seconds=1)),
    ],
)
def test_a_question_without_sense_is_refused(store: Any, query: RunQuery) -> None:
    """Proves that a wrong limit, cursor or range is an error with words, on every way to ask."""
    for ask in (store.query, store.iterate, store.count):
        with pytest.raises(QueryError):
            ask(query)


def test_a_person_finds_a_run_by_the_beginning_of_an_id(store: Any) -> None:
    """Proves prefixes of execution ids with and without `exec-`, of trace ids, and that an exact id is not a prefix."""
    store.put([run(1, execution_id="exec-ab12"), run(2, execution_id="exec-ab1"), run(3, trace_id="ab" * 16)])
    assert store.find("exec-ab1") == ["exec-ab1"]
    assert (
        store.find("ab1") == ["exec-ab1", "exec-ab12"] or store.find("ab1") == ["exec-ab1", "exec-ab12"][::-1]
    )
    assert store.find("ab12") == ["exec-ab12"]
    assert store.find("ab") == ["exec-000003", "exec-ab1", "exec-ab12"]
    assert store.find("ab", limit=2) == ["exec-000003", "exec-ab1"]
    assert store.find("abab") == ["exec-000003"]
    assert store.find("") == store.find("x") == store.find("%") == []


@pytest.mark.parametrize(
    "text", ["100%", "a_b", "!", 'say "x"', "back\\slash", "naïve", "tab\there", "4711", "EMAIL"]
)
def test_text_search_is_literal(store: Any, text: str) -> None:
    """Proves that wildcards, quotes, escapes and numbers are found literally, A to Z in either case, keys included."""
    store.complete_execution(
        run(1, outputs={"note": ['100% a_b ! say "x" back\\slash naïve tab\there', 4711], "email": 1})
    )
    store.complete_execution(run(2, outputs={"note": "100 acb say x backslash naive tabhere 471"}))
    assert ids(store.query(RunQuery(text=text)).runs) == ["exec-000001"]
    assert ids(store.query(RunQuery(text=text.lower())).runs) == ["exec-000001"]
    # Not in the words that the record is made of.
    assert store.query(RunQuery(text="duration_ms")).runs == []


def test_recent_and_iterate_yield_whole_runs_newest_first(store: Any) -> None:
    """Proves the order by start, not by arrival, and that many runs come out one after the other."""
    numbers = [*range(300, 600), *range(300)]
    store.put(run(number) for number in numbers)
    expected = [f"exec-{number:06d}" for number in reversed(range(600))]
    assert ids(store.iterate(RunQuery(limit=None))) == expected
    assert ids(store.recent(5)) == expected[:5]
    assert store.recent(1)[0] == run(599)
    assert len(list(store.iterate(RunQuery(limit=250)))) == 250


# --- statistics -------------------------------------------------------------------------------------------------------


def test_records_that_are_read_together_fit_into_memory(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of many megabytes are read few at a time, a very large one alone; order and number are the same."""
    store.put(run(number, outputs={"text": "x" * (100 * number)}) for number in range(1, 20))
    store.flush()
    sizes = {each.execution_id: each.bytes for each in store.query(RunQuery(limit=None)).runs}
    most = 3 * min(sizes.values())
    reader = getattr(store, "backend", store)
    read: list[list[str]] = []
    bodies = reader.bodies

    def noted(execution_ids: Sequence[str]) -> dict[str, bytes]:
        read.append(list(execution_ids))
        return bodies(execution_ids)

    monkeypatch.setattr("ael_otel.store.reader.BYTES_AT_ONCE", most)
    monkeypatch.setattr(reader, "bodies", noted)
    assert ids(reader.iterate(RunQuery(limit=None))) == list(sizes)
    assert [each for group in read for each in group] == list(sizes)
    assert all(len(group) == 1 or sum(sizes[each] for each in group) <= most for group in read)
    assert 1 < len(read) < len(sizes)


@FAST
@given(durations=st.lists(st.integers(0, 10**7), min_size=1, max_size=30))
def test_percentiles_are_by_nearest_rank(make_store: Callable[[], Any], durations: list[int]) -> None:
    """Proves the percentiles against their definition: the smallest value that so many are not above."""
    store = _cleared(_one(make_store))
    store.put(run(number, duration_ms=each / 1e3) for number, each in enumerate(durations))
    (row,) = store.stats("workflow", RunQuery())
    for percent, value in ((50, row.p50_ms), (95, row.p95_ms), (99, row.p99_ms)):
        enough = [
            each for each in durations if sum(d <= each for d in durations) * 100 >= percent * len(durations)
        ]
        assert value == min(enough) / 1e3


def test_errors_are_counted_once_by_code_tool_and_step(store: Any) -> None:
    """Proves count, times and recovered share of each error at every level, and the effect of filters."""

    def at(seconds: float) -> datetime:
        return START + timedelta(seconds=seconds)

    def failed_call(tool: str, seconds: float, code: str = "TOOL_FAILED", **facts: Any) -> ToolCallRecord:
        error = ErrorRecord(code, "TOOL", "no")
        facts = {"status": "error", "error": error, "completed_at": at(seconds), **facts}
        return call(tool, at=at(seconds), **facts)

    declined, invalid = (
        ErrorRecord("TOOL_FAILED", "TOOL", "no"),
        ErrorRecord("INPUT_INVALID", "VALIDATION", "x"),
    )
    crashed, stopped = ErrorRecord("CODE_RUNTIME", "CODE", "boom"), ErrorRecord("cancelled", "tool", "")
    late = ErrorRecord("WORKFLOW_TIMEOUT", "WORKFLOW", "late")
    retried = {"attempt": 3, "max_attempts": 3}
    store.put(
        [
            run(
                1,
                workflow_name="order",
                steps=[step("pay", tool_calls=[failed_call("charge", 1)] * 2 + [call("charge")], **retried)],
            ),
            run(
                2,
                workflow_name="order",
                status="failed",
                error=declined,
                steps=[
                    step(
                        "pay",
                        status="failed",
                        error=declined,
                        tool_calls=[failed_call("charge", n) for n in (2, 3)],
                        attempt=2,
                        max_attempts=2,
                    )
                ],
            ),
            run(3, workflow_name="order", status="failed", error=invalid, steps=[], completed_at=at(4)),
            run(
                4,
                workflow_name="order",
                steps=[
                    step(
                        "crunch",
                        step_type="code",
                        tool_name=None,
                        tool_calls=[],
                        attempt_errors=[crashed],
                        attempt=2,
                        max_attempts=2,
                    )
                ],
            ),
            run(
                5,
                workflow_name="order",
                status="failed",
                error=late,
                steps=[
                    step(
                        "pay",
                        status="failed",
                        error=stopped,
                        tool_name="charge",
                        tool_calls=[failed_call("charge", 5, "cancelled", status="cancelled")],
                    )
                ],
            ),
            run(6, workflow_name="order", status="cancelled", error=stopped, steps=[]),
            run(
                7,
                type="direct",
                workflow_name=None,
                steps=[],
                status="failed",
                error=declined,
                tool_calls=[failed_call("charge", 7, step_id=None, source="direct")],
            ),
            run(
                8,
                workflow_name="other",
                steps=[step("pay", status="skipped", error=declined, tool_calls=[failed_call("charge", 8)])],
            ),
            run(9),
        ]
    )
    rows = store.errors(RunQuery(limit=1))
    assert [(row.code, row.tool, row.workflow, row.step, row.count, row.recovered) for row in rows] == [
        ("TOOL_FAILED", "charge", "order", "pay", 4, 2),
        ("CODE_RUNTIME", None, "order", "crunch", 1, 1),
        ("INPUT_INVALID", None, "order", None, 1, 0),
        ("TOOL_FAILED", "charge", None, None, 1, 0),
        ("TOOL_FAILED", "charge", "other", "pay", 1, 0),
        ("WORKFLOW_TIMEOUT", "charge", "order", "pay", 1, 0),
    ]
    first = rows[0]
    assert (first.recovery_rate, first.first_seen, first.last_seen) == (0.5, at(1), at(3))
    assert first.last_execution_id == run(2).execution_id
    assert [row.count for row in store.errors(RunQuery(error="TOOL_FAILED"))] == [4, 1, 1]
    assert [row.count for row in store.errors(RunQuery(tool="charge", workflow="order"))] == [4, 1]
    assert [row.step for row in store.errors(RunQuery(text="boom"))] == ["crunch"]
    assert store.errors(RunQuery(until=at(1))) == []


def test_statistics_by_workflow_tool_and_day(store: Any) -> None:
    """Proves counts, running runs, error rates and sizes by each key, and that filters select the counted runs."""
    failed = ErrorRecord("TOOL_FAILED", "tool", "no")
    bad = call("charge", status="error", error=failed, at=START)
    store.put(
        [
            run(1),
            run(2, status="failed", error=failed, steps=[step(tool_calls=[call(), bad])]),
            run(3, status="cancelled", workflow_name="mixed"),
            run(4, type="direct", workflow_name=None, steps=[], tool_calls=[call("add", status="timeout")]),
            run(86_400, steps=[]),
        ]
    )
    store.start_execution(run(5, status="running", duration_ms=None, steps=[]))
    by_workflow = {row.key: row for row in store.stats("workflow", RunQuery())}
    assert [*by_workflow] == ["hello", "(direct)", "mixed"]
    hello = by_workflow["hello"]
    assert (hello.count, hello.running, hello.errors, hello.error_rate) == (4, 1, 1, 1 / 3)
    assert (by_workflow["mixed"].errors, by_workflow["mixed"].error_rate) == (0, 0)
    by_tool = {row.key: (row.count, row.errors) for row in store.stats("tool", RunQuery())}
    assert by_tool == {"echo": (3, 0), "add": (1, 1), "charge": (1, 1)}
    assert {row.key: row.count for row in store.stats("day", RunQuery())} == {
        "2026-01-31": 5,
        "2026-02-01": 1,
    }
    assert sum(row.bytes for row in store.stats("day", RunQuery())) == sum(
        each.bytes for each in store.query(RunQuery(limit=None)).runs
    )
    only = RunQuery(since=START + timedelta(seconds=2), limit=1, tool="echo")
    assert [(row.key, row.count) for row in store.stats("tool", only)] == [("echo", 2)]
    assert [(row.key, row.count) for row in store.stats("tool", RunQuery(text="add"))] == [("add", 1)]
    assert [row.count for row in store.stats("workflow", RunQuery(error="TOOL_FAILED"))] == [1]
    info = store.info()
    assert (info.executions, info.running) == (6, 1)
    assert (info.oldest, info.newest) == (run(1).started_at, run(86_400).started_at)
    assert info.bytes > 0


def test_redactions_are_summed_over_the_runs_asked_for_and_go_with_them(store: Any) -> None:
    """Proves that counts are summed by kind, most first, follow every filter, and end with their run."""
    taken = {1: {"email": 2, "token": 1}, 2: {"token": 4}, 3: {}}
    for number, counts in taken.items():
        metadata = {"redactions": counts} if counts else {}
        store.finish_execution(run(number, workflow_name=f"flow-{number}", metadata=metadata))
    assert list(store.redactions(RunQuery()).items()) == [("token", 5), ("email", 2)]
    assert store.redactions(RunQuery(workflow="flow-1")) == {"email": 2, "token": 1}
    assert store.redactions(RunQuery(text="flow-2")) == {"token": 4}
    assert store.redactions(RunQuery(workflow="flow-3")) == {}
    assert store.redactions(RunQuery(limit=1)) == {"token": 5, "email": 2}, "whatever the limit says"
    store.finish_execution(run(1, workflow_name="flow-1", metadata={"redactions": {"ssn": 1}}))
    assert store.redactions(RunQuery()) == {"token": 4, "ssn": 1}, "a run written again counts as it is now"
    store.prune(older_than=START + timedelta(seconds=1, milliseconds=500))
    assert store.redactions(RunQuery()) == {"token": 4}
    odd = {"email": "many", "token": -1, "ssn": 3}
    store.finish_execution(run(4, metadata={"redactions": odd}))
    assert store.redactions(RunQuery(workflow="hello")) == {"ssn": 3}, "what is no count is left out"


# --- pruning ----------------------------------------------------------------------------------------------------------


@FAST
@given(records=st.lists(runs(), max_size=12), cutoff=NEAR)
def test_pruning_by_age_deletes_older_ended_runs(
    make_store: Callable[[], Any], records: list[ExecutionRecord], cutoff: datetime
) -> None:
    """Proves that exactly the ended runs that started before the cutoff go, and that a dry run lists them."""
    store, model = _cleared(_one(make_store)), Model()
    for record in records:
        store.finish_execution(record)
        model.put(record)
    stay = {
        each.execution_id
        for each in model.records.values()
        if each.started_at >= cutoff or each.status == "running"
    }
    said = store.prune(older_than=cutoff, dry_run=True)
    assert store.count(RunQuery()) == len(model.records)
    done = store.prune(older_than=cutoff)
    assert said.executions == done.executions == len(model.records) - len(stay)
    assert set(ids(store.query(RunQuery(limit=None)).runs)) == stay
    assert said.dry_run
    assert not done.dry_run


def test_pruning_by_size_keeps_the_newest(store: Any) -> None:
    """Proves that the oldest runs go until the store fits, and those in flight stay."""
    store.start_execution(run(0, status="running"))
    store.put(run(number, outputs={"fill": "z" * 20_000}) for number in range(1, 201))
    said = store.prune(max_mb=1, dry_run=True)
    done = store.prune(max_mb=1)
    left = ids(store.query(RunQuery(limit=None)).runs)
    assert left[-1] == "exec-000000"
    assert left[:-1] == [f"exec-{number:06d}" for number in range(200, 200 - len(left) + 1, -1)]
    assert 20 < len(left) < 60
    assert done.executions == 201 - len(left)
    assert abs(said.executions - done.executions) < 40
    assert store.prune(max_mb=1).executions == 0


# --- many at once -----------------------------------------------------------------------------------------------------


def test_threads_write_and_read_at_the_same_time(store: Any) -> None:
    """Proves that no run is lost or mixed up when several threads write and others read."""
    faults: list[BaseException] = []

    def guarded(action: Callable[[], None]) -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - reported below
            faults.append(error)

    def write(start: int) -> None:
        for number in range(start, start + 25):
            store.start_execution(run(number, status="running"))
            store.complete_execution(run(number))

    def read() -> None:
        for _ in range(10):
            store.query(RunQuery())
            store.stats("tool", RunQuery())

    threads = [threading.Thread(target=guarded, args=(lambda n=n: write(n * 100),)) for n in range(4)]
    threads += [threading.Thread(target=guarded, args=(read,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert store.count(RunQuery(status="completed")) == 100


def test_the_asynchronous_form_does_the_same(store: Any) -> None:
    """Proves that each call of `AsyncStore` is the store's own."""

    async def use() -> None:
        wrapped = AsyncStore(store)
        record = run(1, status="running")
        await wrapped.start_execution(record)
        for event in (wrapped.start_step, wrapped.complete_step, wrapped.fail_step, wrapped.skip_step):
            await event(record, record.steps[0])
        await wrapped.record_tool_call(record, record.steps[0].tool_calls[0])
        await wrapped.complete_execution(run(1))
        await wrapped.fail_execution(run(2, status="failed"))
        await wrapped.cancel_execution(run(3, status="cancelled"))
        assert await wrapped.put([run(number) for number in range(4, 104)]) == 100
        assert await wrapped.flush()
        assert await wrapped.get("exec-000001") == run(1)
        assert await wrapped.find("000002") == ["exec-000002"]
        assert len(await wrapped.recent(3)) == 3
        assert ids((await wrapped.query(RunQuery(limit=1))).runs) == ["exec-000103"]
        assert await wrapped.count(RunQuery()) == 103
        assert len([record async for record in wrapped.iterate(RunQuery(limit=None))]) == 103
        assert (await wrapped.stats("workflow", RunQuery()))[0].count == 103
        assert (await wrapped.info()).executions == 103
        assert (await wrapped.prune(older_than=START + timedelta(seconds=4))).executions == 3
        await wrapped.close()

    asyncio.run(use())


def test_closing_twice_is_closing_once(store: Any) -> None:
    """Proves that `close` can be called again, and `flush` before it."""
    store.complete_execution(run(1))
    assert store.flush()
    store.close()
    store.close()


# --- export and delete ------------------------------------------------------------------------------------------------


def test_export_of_every_format_has_the_runs_of_the_query(store: Any) -> None:
    """Proves that `export` yields the format writer's output for the chosen runs, newest first, on every backend."""
    store.put([run(number, workflow_name="a" if number % 2 else "b") for number in range(1, 8)])
    query = RunQuery(workflow="a", limit=None)
    assert ids(query_runs := list(store.iterate(query))) == [f"exec-{number:06d}" for number in (7, 5, 3, 1)]
    for form in EXPORT_FORMATS:
        data = b"".join(store.export(form, query, service="shop"))
        assert data == b"".join(write(form, query_runs, "shop")), form
        assert b"".join(store.export(form, RunQuery(workflow="nobody"))) == b"".join(write(form, [], "shop"))
    lines = b"".join(store.export("jsonl", query)).splitlines()
    assert [filled(decode(line)) for line in lines] == query_runs
    two = b"".join(store.export("jsonl", RunQuery(limit=2))).splitlines()
    assert [decode(line).execution_id for line in two] == ["exec-000007", "exec-000006"]


def test_export_of_an_unknown_format_is_refused_before_the_first_byte(store: Any) -> None:
    """Proves that the error names the formats, and that a query that makes no sense is refused at the call too."""
    formats = ", ".join(EXPORT_FORMATS)
    with pytest.raises(QueryError, match=f"'pdf' is not an export format: use one of {formats}$"):
        store.export("pdf", RunQuery())
    with pytest.raises(QueryError, match="limit"):
        store.export("json", RunQuery(limit=0))


def test_query_by_ids_returns_those_runs_only(store: Any) -> None:
    """Proves the filter `ids`: unknown ones do not matter, none at all finds nothing, others still count."""
    store.put(run(number) for number in range(1, 6))
    wanted = ("exec-000004", "exec-000002", "exec-nobody")
    assert ids(store.query(RunQuery(ids=wanted)).runs) == ["exec-000004", "exec-000002"]
    assert store.count(RunQuery(ids=())) == 0
    assert ids(store.iterate(RunQuery(ids=wanted, until=START + timedelta(seconds=3)))) == ["exec-000002"]


def test_delete_removes_ended_runs_and_names_the_others(store: Any) -> None:
    """Proves that runs in flight stay and are named, unknown ids too, and that a deleted run may come again."""
    store.put([run(1), run(2, status="failed"), run(3), run(4, status="running")])
    report = store.delete(["exec-000001", "exec-000002", "exec-000001", "exec-000004", "exec-nobody"])
    assert (report.executions, report.running, report.unknown, report.forgotten) == (
        2,
        ["exec-000004"],
        ["exec-nobody"],
        True,
    )
    assert report.bytes > 0
    assert ids(store.query(RunQuery()).runs) == ["exec-000004", "exec-000003"]
    assert store.get("exec-000001") is None
    assert sum(each.count for each in store.stats("tool", RunQuery())) == 2
    assert store.delete([]).executions == 0
    store.put([run(1)])
    assert store.get("exec-000001") == filled(run(1))


def test_delete_of_more_runs_than_one_transaction_removes_all(store: Any) -> None:
    """Proves that any number of runs can be named."""
    store.put(run(number) for number in range(1, 651))
    report = store.delete(f"exec-{number:06d}" for number in range(1, 641))
    assert (report.executions, store.count(RunQuery())) == (640, 10)


def test_asynchronous_store_exports_and_deletes(store: Any) -> None:
    """Proves that `AsyncStore` passes both on."""
    store.put(run(number) for number in range(1, 120))

    async def both() -> tuple[bytes, int]:
        wrapped = AsyncStore(store)
        data = b"".join([part async for part in wrapped.export("jsonl", RunQuery(limit=None))])
        return data, (await wrapped.delete(["exec-000001"])).executions

    data, deleted = asyncio.run(both())
    assert (len(data.splitlines()), deleted, store.get("exec-000001")) == (119, 1, None)


def test_causes_beyond_the_third_are_cut_wherever_an_error_is(store: Any) -> None:
    """Proves that `put` and the events keep three causes of every error, and leave the caller's record as it is."""

    def error(depth: int) -> ErrorRecord:
        cause = error(depth - 1) if depth else None
        return ErrorRecord(
            f"E{depth}", "cause", "m", f"detail {depth}", step_id="s", tool_name="t", cause=cause
        )

    def depths(record: ExecutionRecord) -> list[int]:
        found = [
            record.error,
            record.tool_calls[0].error,
            record.steps[0].error,
            record.steps[0].tool_calls[0].error,
        ]
        code = record.steps[0].code
        found += [*record.steps[0].attempt_errors, None if code is None else code.exception]
        return [depth(each) for each in found]

    def depth(found: ErrorRecord | None) -> int:
        return 0 if found is None or found.cause is None else 1 + depth(found.cause)

    record = run(
        1,
        status="failed",
        error=error(9),
        tool_calls=[call(error=error(8))],
        steps=[
            step(
                error=error(7),
                tool_calls=[call(error=error(6))],
                attempt_errors=[error(3), error(5)],
                code=CodeRecord("hash", exception=error(4)),
            )
        ],
    )
    store.put([record])
    store.finish_execution(replace(record, execution_id="exec-finished"))
    assert depths(record) == [9, 8, 7, 6, 3, 5, 4]
    for execution_id in (record.execution_id, "exec-finished"):
        kept = store.get(execution_id)
        assert depths(kept) == [3, 3, 3, 3, 3, 3, 3]
        assert kept.error.cause.cause.cause == replace(error(6), cause=None)
        assert (kept.error.detail, kept.error.step_id, kept.error.tool_name) == ("detail 9", "s", "t")
