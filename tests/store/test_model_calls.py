"""Model calls in every store: tokens and costs by run, responses that count once, older stores, fixed prices."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ael_otel.cost import Prices, summarise
from ael_otel.cost.price_file import PriceFile
from ael_otel.cost.repricing import repriced, store_repriced
from ael_otel.store import ExecutionRecord, RunQuery
from ael_otel.store.migrations import SCHEMA_VERSION, SQLITE, statements
from ael_otel.store.model_calls import price_with
from ael_otel.store.records import ModelCallRecord, PriceRecord
from ael_otel.store.sqlite import APPLICATION_ID, SqliteStore
from tests.store.making import START, call, run, step

PRICE = PriceRecord("m-*", "house", "prices.yaml 1", "2026-01-01")


def model_call(model: str | None = "m-1", second: int = 0, **facts: Any) -> ModelCallRecord:
    """One call with a cost of 5 billionths of a dollar."""
    known: dict[str, Any] = {
        "provider": "house",
        "step_id": "ask",
        "tool_name": "llm",
        "input_tokens": 10,
        "output_tokens": 3,
        "cost_nano": 5,
        "currency": "USD",
        "cost_source": "table",
        "price": PRICE,
    }
    return ModelCallRecord("result", START + timedelta(seconds=second), model, **(known | facts))


def with_calls(number: int, *calls: ModelCallRecord, **facts: Any) -> ExecutionRecord:
    """A run with these model calls."""
    return replace(run(number, **facts), model_calls=list(calls))


def test_model_calls_are_read_with_their_run_earliest_first(store: Any) -> None:
    """Proves that every figure of a call comes back, with workflow, session and caller of its run."""
    facts = {"metadata": {"session_id": "s-1"}, "caller_id": "bot", "workflow_name": "triage"}
    late = model_call(
        None,
        9,
        cost_nano=None,
        currency=None,
        cost_source="none",
        price=None,
        provider=None,
        output_tokens=None,
    )
    store.put([with_calls(2, late), with_calls(1, model_call(tier="batch", reasoning_tokens=2), **facts)])
    first, second = store.model_calls(RunQuery(limit=1))
    assert (first.execution_id, first.workflow_name, first.session_id, first.caller_id) == (
        "exec-000001",
        "triage",
        "s-1",
        "bot",
    )
    assert first.call._asdict() == {
        "at_us": 1769860800000000,
        "model": "m-1",
        "provider": "house",
        "step": "ask",
        "tool": "llm",
        "agent": None,
        "source": "result",
        "response": None,
        "input_tokens": 10,
        "output_tokens": 3,
        "cache_read_tokens": None,
        "cache_write_tokens": None,
        "reasoning_tokens": 2,
        "tier": "batch",
        "cost_nano": 5,
        "currency": "USD",
        "cost_source": "table",
        "price": "prices.yaml 1 house/m-* 2026-01-01",
    }
    assert (second.call.model, second.call.cost_nano, second.call.cost_source) == (None, None, "none")
    assert store.get("exec-000001").model_calls == [model_call(tier="batch", reasoning_tokens=2)]


@pytest.mark.parametrize(
    "query",
    [
        RunQuery(workflow="other"),
        RunQuery(where='workflow = "other"'),
        RunQuery(text="needle"),
        RunQuery(since=START + timedelta(seconds=2)),
    ],
)
def test_a_query_chooses_the_runs_whose_calls_are_read(store: Any, query: RunQuery) -> None:
    """Proves that filters, expressions and texts choose runs, also for a response that another run had before."""
    same = {"response": "0" * 16}
    store.put(
        [
            with_calls(1, model_call(**same)),
            with_calls(2, model_call("m-2", **same), workflow_name="other", outputs="a needle"),
        ]
    )
    (found,) = store.model_calls(query)
    assert (found.call.model, found.copy) == ("m-2", True)


def test_a_response_counts_where_it_was_recorded_first(store: Any) -> None:
    """Proves which record of a response is a copy: by order of recording, not by time; and after a replacement."""
    same = {"response": "a" * 16}
    store.put([with_calls(2, model_call(second=9, **same), model_call(second=10, **same))])
    store.put([with_calls(1, model_call(second=1, **same))])
    assert [each.copy for each in store.model_calls(RunQuery())] == [True, False, True]
    store.put([with_calls(2, model_call(second=9, **same))])
    assert [each.copy for each in store.model_calls(RunQuery())] == [True, False]
    store.delete(["exec-000002"])
    assert [each.copy for each in store.model_calls(RunQuery())] == [False]


def test_a_run_in_flight_shows_its_calls_and_a_deleted_one_none(store: Any) -> None:
    """Proves that calls go with their run, and that the final state replaces what was written before."""
    record = with_calls(1, model_call(), status="running", completed_at=None, duration_ms=None)
    store.start_execution(record)
    assert len(list(store.model_calls(RunQuery()))) == 1
    record.model_calls.append(model_call("m-2"))
    record.status = "completed"
    store.complete_execution(record)
    assert [each.call.model for each in store.model_calls(RunQuery())] == ["m-1", "m-2"]
    store.delete([record.execution_id])
    assert list(store.model_calls(RunQuery())) == []


def test_results_of_an_agents_calls_count_as_its_context(store: Any) -> None:
    """Proves that bytes of results are those of calls that an agent made, at the size that was returned."""
    cut = {"ael.truncated": {"bytes": 70_000}, "preview": "x"}
    calls = [
        call("read", agent="bot", result=cut),
        call("read", agent="bot", result="12345678"),
        call("read", result="0" * 500),
    ]
    direct = run(2, type="direct", steps=[], tool_calls=[call("list", source="direct", result=[1, 2])])
    store.put([run(1, steps=[step(tool_calls=calls)]), direct])
    assert {row.key: row.context_bytes for row in store.stats("tool", RunQuery())} == {
        "read": 70_010,
        "list": 5,
    }
    assert [row.context_bytes for row in store.stats("workflow", RunQuery())] == [0]


def test_calls_are_priced_when_they_are_recorded_and_never_again(
    make_store: Callable[[], Any], tmp_path: Path
) -> None:
    """Proves that the price of the first writing stays, and that later prices stand beside it."""

    def prices(rate: int) -> Prices:
        path = tmp_path / f"at-{rate}.yaml"
        path.write_text(f"prices: [{{model: 'm-*', input: {rate}, output: {rate}}}]", "utf-8")
        return Prices(PriceFile(path))

    fresh: dict[str, Any] = {"cost_nano": None, "currency": None, "cost_source": None, "price": None}
    store = make_store()
    price_with(prices(1).price)
    try:
        store.put([with_calls(1, model_call(**fresh), model_call("other", **fresh))])
        price_with(prices(2).price)
        store.put([store.get("exec-000001")])
    finally:
        price_with(None)
    found = [each.call for each in store.model_calls(RunQuery())]
    assert [(each.cost_nano, each.cost_source) for each in found] == [(13_000, "table"), (None, "none")]
    again = list(repriced(store, RunQuery(), prices(2)))
    assert [(each.recorded, each.cost.nano, each.changed) for each in again] == [
        (13_000, 26_000, True),
        (None, None, False),
    ]


def test_repriced_costs_are_stored_beside_the_recorded_ones(tmp_path: Path) -> None:
    """Proves that `store_repriced` changes no recorded cost, and that sums have both."""
    store = SqliteStore(tmp_path / "telemetry.db")
    store.put([with_calls(1, model_call()), with_calls(2, model_call("other"))])
    path = tmp_path / "prices.yaml"
    path.write_text("prices: [{model: 'm-*', input: 1, output: 1}]", "utf-8")
    store_repriced(store, repriced(store, RunQuery(), Prices(PriceFile(path))))
    (total,) = summarise(None, store.model_calls(RunQuery()))
    assert (total.cost_nano, total.repriced_nano) == ({"USD": 10}, {"USD": 13_000})
    assert [each.model_calls[0].cost_nano for each in store.iterate(RunQuery())] == [5, 5]
    store.close()


def test_a_store_of_schema_5_is_migrated_and_has_no_model_calls(tmp_path: Path) -> None:
    """Proves that an older store opens, keeps its figures, and takes model calls from then on."""
    path = tmp_path / "telemetry.db"
    old = sqlite3.connect(path, isolation_level=None)
    old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    old.execute("CREATE TABLE ael_versions (version INTEGER PRIMARY KEY, written_by TEXT)")
    for number, sql in statements(SQLITE, 0):
        if number <= 5:
            for statement in sql:
                old.execute(statement)
            old.execute("INSERT INTO ael_versions VALUES (?, '0.2.0')", (number,))
    old.execute("PRAGMA user_version = 5")
    old.execute(
        "INSERT INTO executions VALUES (1, 'exec-old', 'direct', 'completed', NULL, NULL, 1, 2, 1, NULL, NULL, NULL,"
        " NULL, '', 0, 0, 0, 0, 1, 2, '')"
    )
    old.execute("INSERT INTO bodies VALUES (1, '{}')")
    old.execute("INSERT INTO tool_calls VALUES (1, 0, 'read', 'success', 1, 9)")
    old.close()
    store = SqliteStore(path)
    assert store.read("PRAGMA user_version") == [(SCHEMA_VERSION,)]
    assert list(store.model_calls(RunQuery())) == []
    assert [(row.count, row.context_bytes) for row in store.stats("tool", RunQuery())] == [(1, 0)]
    store.put([with_calls(1, model_call())])
    assert len(list(store.model_calls(RunQuery()))) == 1
    assert store.read("PRAGMA integrity_check") == [("ok",)]
    store.close()


def test_a_damaged_row_is_left_out_and_named(tmp_path: Path) -> None:
    """Proves that a figure that is not a number does not end a sum: SQLite keeps any value in any column."""
    store = SqliteStore(tmp_path / "telemetry.db")
    store.put([with_calls(1, model_call()), with_calls(2, model_call())])
    with store.transaction() as transaction:
        transaction.run("UPDATE model_calls SET input_tokens = 'many' WHERE execution = 1")
    assert [each.execution_id for each in store.model_calls(RunQuery())] == ["exec-000002"]
    assert list(store.damaged) == ["exec-000001"]
    store.close()


def test_a_response_is_looked_up_by_an_index(tmp_path: Path) -> None:
    """Proves that finding copies does not read the table once for each call."""
    store = SqliteStore(tmp_path / "telemetry.db")
    plan = store.read(
        "EXPLAIN QUERY PLAN SELECT EXISTS (SELECT 1 FROM model_calls d WHERE d.response = m.response"
        " AND (d.execution, d.position) < (m.execution, m.position)) FROM model_calls m"
    )
    assert any("model_calls_by_response" in str(row[-1]) for row in plan), plan
    store.close()
