"""`ael cost`: tables, JSON and CSV of what model calls cost, prices computed again, sessions, the run's own page."""

import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from ael_otel.cli import cli
from ael_otel.cost import Prices
from ael_otel.cost.price_file import PriceFile
from ael_otel.export.page import page
from ael_otel.sessions.events import SessionEvent
from ael_otel.sessions.table import SessionTable
from ael_otel.store import ExecutionRecord
from ael_otel.store.model_calls import price_with
from ael_otel.store.records import ModelCallRecord, PriceRecord
from ael_otel.store.sqlite import SqliteStore
from tests.store.making import START, run, step
from tests.unit.cost.test_budget_proof import CALLS, PRICES
from tests.unit.cost.test_budget_proof import run as proof_run


def used(model: str, second: int, nano: int | None, **facts: Any) -> ModelCallRecord:
    """One model call."""
    known: dict[str, Any] = {"provider": "house", "step_id": "ask", "tool_name": "llm", "input_tokens": 1_000}
    if nano is None:
        known |= {"cost_source": "none"}
    else:
        price = PriceRecord(model, "house", "prices.yaml 1")
        known |= {"cost_nano": nano, "currency": "USD", "cost_source": "table", "price": price}
    return ModelCallRecord("result", START + timedelta(seconds=second), model, **(known | facts))


def records() -> list[ExecutionRecord]:
    """Two runs: one on the day after the other."""
    first = run(1, steps=[step("ask")], metadata={"session_id": "s-1"})
    second = run(2, workflow_name="other", started_at=START + timedelta(days=1))
    return [
        replace(first, model_calls=[used("m-1", 0, 1_050_000, output_tokens=30, cache_read_tokens=200)]),
        replace(
            second,
            model_calls=[
                used("m-1", 86_400, 2_000_000_000),
                used("house-7b", 86_401, None),
                used("m-2", 86_402, 7),
            ],
        ),
    ]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store of these runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("AEL_CONFIG_PATH", "PLOSTON_CONFIG_PATH", "AEL_TELEMETRY_DB"):
        monkeypatch.delenv(name, raising=False)
    store = SqliteStore(tmp_path / ".ael" / "telemetry.db")
    store.put(records())
    store.close()
    return tmp_path


def ael(*arguments: str) -> str:
    """The output of a verb that succeeds."""
    done = CliRunner().invoke(cli, list(arguments))
    assert done.exit_code == 0, done.output
    return done.stdout


def test_table_has_the_dearest_first_and_says_what_has_no_price(place: Path) -> None:
    """Proves the lines: amounts, calls without a price in no amount and named, the sum."""
    lines = [" ".join(line.split()) for line in ael("cost").splitlines()]
    assert lines[0] == "model calls input cached written output reasoning cost no price"
    assert lines[1:4] == [
        "m-1 2 2,000 200 0 30 0 2.00 USD -",
        "m-2 1 1,000 0 0 0 0 <0.000001 USD -",
        "house-7b 1 1,000 0 0 0 0 - 1",
    ]
    assert lines[5] == "4 model calls: 4,000 tokens in, 30 out, 2.00 USD."
    assert lines[6].startswith("1 call without a price, in no amount: house-7b (1).")


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("workflow", ["other", "hello"]),
        ("step", ["other.ask", "hello.ask"]),
        ("tool", ["llm"]),
        ("provider", ["house"]),
        ("session", ["(none)", "s-1"]),
        ("day", ["2026-01-31", "2026-02-01"]),
    ],
)
def test_each_key_groups_the_same_calls(place: Path, by: str, keys: list[str]) -> None:
    """Proves the groups, and that their sums are the total: exact amounts, in JSON."""
    found = json.loads(ael("cost", "--by", by, "-o", "json"))
    assert [row["key"] for row in found["rows"]] == keys
    assert sum(row["cost"][0]["nano"] for row in found["rows"]) == 2_001_050_007
    assert found["total"]["cost"] == [{"currency": "USD", "amount": "2.001050007", "nano": 2_001_050_007}]
    assert found["without_price"] == [{"model": "house-7b", "provider": "house", "calls": 1}]


def test_filters_choose_runs_and_csv_adds_up(place: Path) -> None:
    """Proves `--where` and `--since`, and that a spreadsheet has the exact amounts."""
    rows = list(csv.DictReader(io.StringIO(ael("cost", "--where", 'workflow = "hello"', "-o", "csv"))))
    assert [(row["model"], row["cost"], row["currency"], row["calls"]) for row in rows] == [
        ("m-1", "0.00105", "USD", "1")
    ]
    assert json.loads(ael("cost", "--since", "2026-02-01", "-o", "json"))["total"]["calls"] == 3
    assert ael("cost", "--workflow", "none").startswith("No model calls")


def test_prices_of_today_are_shown_and_stored_beside_the_recorded_ones(place: Path) -> None:
    """Proves that a dry run stores nothing, and that storing changes no recorded amount."""
    (place / "prices.yaml").write_text("prices: [{model: 'm-*', input: 1, output: 1}]", "utf-8")
    (place / "ael-config.yaml").write_text(
        "telemetry: {cost: {prices: prices.yaml, price_table: false}}", "utf-8"
    )
    dry = ael("cost", "reprice", "--dry-run")
    assert "4 model calls, 3 with another cost: recorded 2.00 USD" in dry
    assert "nothing was stored" in dry
    assert "repriced" not in ael("cost")
    found = json.loads(ael("cost", "reprice", "-o", "json"))
    assert (found["recorded"], found["repriced"]) == ({"USD": "2.001050007"}, {"USD": "0.00303"})
    total = json.loads(ael("cost", "-o", "json"))["total"]
    assert total["cost"][0]["amount"] == "2.001050007"
    assert total["repriced"][0]["amount"] == "0.00303"
    assert "repriced" in ael("cost")


def test_a_price_file_that_is_wrong_ends_with_its_place(place: Path) -> None:
    """Proves the exit code and the message."""
    (place / "ael-config.yaml").write_text("telemetry: {cost: {prices: none.yaml}}", "utf-8")
    done = CliRunner().invoke(cli, ["cost", "reprice", "--dry-run"])
    assert (done.exit_code, "telemetry.cost.prices" in done.stderr) == (2, True)


def test_sessions_count_as_their_agents_do_unless_spans_have_them(place: Path) -> None:
    """Proves that events of sessions are model calls of their own, also that a filter about runs leaves them out."""
    store = SqliteStore(place / ".ael" / "telemetry.db")
    start = int(START.timestamp() * 1e6)
    facts: dict[str, Any] = {"session_id": "talk", "agent": "opencode", "model": "m-9"}
    SessionTable(store, exports=False).add(
        [
            SessionEvent(kind="session.start", at_us=start, key="a", **facts),
            SessionEvent(
                kind="turn.end",
                at_us=start + 1,
                key="b",
                tokens={"input": 10, "cache_read": 90, "output": 5},
                cost_nano_usd=3_000,
                **facts,
            ),
        ]
    )
    store.close()
    found = json.loads(ael("cost", "--by", "session", "-o", "json"))
    talk = next(row for row in found["rows"] if row["key"] == "talk")
    assert (talk["input_tokens"], talk["cache_read_tokens"], talk["sources"]) == (100, 90, {"agent": 1})
    assert talk["cost"][0]["nano"] == 3_000
    assert "talk" not in ael("cost", "--by", "session", "--workflow", "hello")
    assert json.loads(ael("cost", "--caller", "opencode", "-o", "json"))["total"]["calls"] == 1


def test_the_run_shows_what_its_steps_used(place: Path) -> None:
    """Proves the lines in the tree, the JSON and the page of a run."""
    shown = ael("trace", "show", "exec-000001")
    text = "1 model call: 0.001050 USD, 1,000 tokens in (200 cached), 30 out"
    assert (shown.count("0.001050 USD, 1,000"), shown.count(text)) == (2, 1)
    document = json.loads(ael("trace", "show", "exec-000001", "-o", "json"))
    assert document["model_calls"][0]["cost_nano"] == 1_050_000
    assert text in page(records()[0])


def test_spans_of_another_agent_are_priced_when_they_are_imported(place: Path) -> None:
    """Proves that counts of spans, and of a response that a tool returned, come with an import and get their price."""
    (place / "prices.yaml").write_text("prices: [{model: '*', input: 1, output: 10}]", "utf-8")
    (place / "ael-config.yaml").write_text(
        "telemetry: {cost: {prices: prices.yaml, price_table: false}}", "utf-8"
    )
    answer = {"model": "small", "usage": {"prompt_tokens": 5, "completion_tokens": 1}}

    def span(number: int, parent: int, name: str, facts: dict[str, Any]) -> dict[str, Any]:
        return {
            "traceId": "b" * 32,
            "spanId": f"{number:016x}",
            "parentSpanId": f"{parent:016x}" if parent else "",
            "name": name,
            "startTimeUnixNano": str(1_769_860_800_000_000_000 + number),
            "endTimeUnixNano": str(1_769_860_801_000_000_000 + number),
            "attributes": [
                {
                    "key": key,
                    "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
                }
                for key, value in facts.items()
            ],
        }

    tokens = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 7}
    spans = [
        span(
            1,
            0,
            "invoke_agent bot",
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "bot", **tokens},
        ),
        span(2, 1, "chat", {"gen_ai.operation.name": "chat", "gen_ai.response.model": "large", **tokens}),
        span(
            3,
            1,
            "execute_tool ask",
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "ask",
                "gen_ai.tool.call.result": json.dumps(answer),
            },
        ),
    ]
    document = {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "other"}, "spans": spans}]}]}
    (place / "in.json").write_text(json.dumps(document), "utf-8")
    ael("trace", "import", "in.json")
    found = json.loads(ael("cost", "--workflow", "bot", "-o", "json"))
    assert [(row["key"], row["cost"][0]["nano"]) for row in found["rows"]] == [
        ("large", 100 * 1_000 + 7 * 10_000),
        ("small", 5 * 1_000 + 10_000),
    ]
    by_tool = json.loads(ael("cost", "--by", "tool", "--workflow", "bot", "-o", "json"))["rows"]
    assert [row["key"] for row in by_tool] == ["(none)", "ask"]
    by_caller = json.loads(ael("cost", "--by", "caller", "--workflow", "bot", "-o", "json"))["rows"]
    assert [(row["key"], row["calls"]) for row in by_caller] == [("bot", 2)]
    stats = json.loads(ael("trace", "stats", "--by", "tool", "--workflow", "bot", "-o", "json"))
    assert stats["rows"][0]["context_bytes"] == len(json.dumps(json.dumps(answer)))


def test_output_on_the_page_is_what_the_command_prints(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that the table in the documentation is the one of the budget proof's calls and one without a price."""
    path = tmp_path / "proof.yaml"
    path.write_text(PRICES, "utf-8")
    store = SqliteStore(tmp_path / "page.db")
    price_with(Prices(PriceFile(path)).price)
    own = {"model": "house-model-7b", "usage": {"prompt_tokens": 900, "completion_tokens": 9}}
    store.put([proof_run(*(each.response for each in CALLS), own)])
    price_with(None)
    store.close()
    monkeypatch.setenv("AEL_TELEMETRY_DB", str(tmp_path / "page.db"))
    monkeypatch.setattr("ael_otel.cli.render.cost_table.is_installed", lambda: False)
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "cost.md").read_text("utf-8")
    sample = next(part for part in page.split("```text\n") if part.startswith("model ")).partition("```")[0]
    printed = [line.rstrip() for line in ael("cost").splitlines()]
    assert printed == [line.rstrip() for line in sample.rstrip().splitlines()]
