"""Many runs at the same time: telemetry of one run never appears in another."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.lab import view
from tests.engine.lab.client import Lab, Taken, mcp_session

RUNS = 100
TREE = """\
Workflow Execution  name=overlap status=success
  Step 1: tool_call  name=first status=completed tool=add
    MCP Request [CLIENT]  tool=add server=lab source=tool_step
  Step 2: tool_call  name=hold status=completed tool=wait
    MCP Request [CLIENT]  tool=wait server=lab source=tool_step
  Step 3: tool_call  name=last status=completed tool=echo
    MCP Request [CLIENT]  tool=echo server=lab source=tool_step"""


def _counts(runs: int) -> str:
    return "\n".join(
        f"{line} x{runs}"
        for line in (
            "runs overlap success",
            "step overlap first tool_call",
            "step overlap hold tool_call",
            "step overlap last tool_call",
            "call add success",
            "call echo success",
            "call wait success",
        )
    )


def _most_at_once(records: list[dict[str, Any]]) -> int:
    ends = sorted(
        [(each["started_at"], 1) for each in records] + [(each["completed_at"], -1) for each in records]
    )
    most = now = 0
    for _, change in ends:
        now += change
        most = max(most, now)
    return most


def _check_each(taken: Taken, runs: int, *, at_once: int) -> None:
    """Split the gathered telemetry by run and check each run as if it had been alone."""
    assert view.counts(taken.metrics) == _counts(runs)
    view.check_histograms(taken)
    assert len(taken.records) == runs
    assert len({record["execution_id"] for record in taken.records}) == runs
    assert len({record["trace_id"] for record in taken.records}) == runs
    assert _most_at_once(taken.records) >= at_once, "they did overlap"
    spans, logs = view.by_trace(taken.spans), defaultdict(list)
    for log in taken.logs:
        logs[log["trace_id"]].append(log)
    for record in taken.records:
        trace = record["trace_id"]
        mine = view.of_the_run(spans[trace])
        assert view.tree(mine) == TREE
        root = view.check_tree(mine)
        view.check_record(record, mine, root)
        own = [
            line
            for line in taken.lines
            if trace == line["trace_id"] or record["execution_id"] == line["execution_id"]
        ]
        failures = [each for each in taken.derived if each["trace_id"] == trace]
        alone = Taken(spans[trace], own, logs[trace], [record], failures, {}, {})
        view.check_lines(alone, mine, record["execution_id"], "overlap")
        view.check_derived(alone)


def test_a_hundred_runs_in_one_process_never_mix(lab: Lab) -> None:
    """Proves that of 100 overlapping runs each has its own trace, its own lines, all of them, and its own record."""
    lab.collect()
    answers = lab.ask("many", workflow="overlap", count=RUNS)["runs"]
    taken = lab.collect()
    _check_each(taken, RUNS, at_once=50)
    number_of = {answer["execution_id"]: answer["number"] for answer in answers}
    for record in taken.records:
        number = number_of[record["execution_id"]]
        assert record["inputs"] == {"number": number}
        assert record["outputs"] == {"last": f"run {number}"}
    assert not [line for line in taken.lines if not line["trace_id"]], (
        "every line of this time is of some run"
    )


def test_failures_that_overlap_never_mix(lab: Lab) -> None:
    """Proves that of many runs that fail at the same time each is counted once and logged once, in its own trace."""
    lab.collect()
    lab.ask("many", workflow="tool_error", count=50)
    taken = lab.collect()
    spans = view.by_trace(taken.spans)
    assert len(spans) == len(taken.records) == 50
    assert taken.metrics["ael.errors"] == {"component=tool,type=TOOL_FAILED": 50}
    failures = {line["trace_id"]: line for line in view.failure_lines(taken.lines)}
    assert len(failures) == len(view.failure_lines(taken.lines)) == 50
    for record in taken.records:
        root = view.check_tree(spans[record["trace_id"]])
        view.check_record(record, spans[record["trace_id"]], root)
        line = failures[record["trace_id"]]
        assert (line["execution_id"], line["span_id"]) == (record["execution_id"], root["span_id"])


def test_clients_that_call_at_the_same_time_never_mix(lab: Lab) -> None:
    """Proves the same for runs that come in over MCP and REST together, each with its own answer."""

    async def call_all() -> list[str]:
        async with mcp_session(lab.port) as mcp, httpx.AsyncClient(timeout=60) as rest:

            async def over_mcp(number: int) -> str:
                return str((await mcp.call_tool("overlap", {"number": number})).content[0].text)

            async def over_rest(number: int) -> str:
                answer = await rest.post(
                    f"http://127.0.0.1:{lab.port}/api/v1/workflows/overlap/execute",
                    json={"inputs": {"number": number}},
                )
                return str(answer.json()["outputs"])

            return await asyncio.gather(*(call(n) for n in range(15) for call in (over_mcp, over_rest)))

    lab.collect()
    answers = asyncio.run(call_all())
    assert all(f"run {number // 2}" in answer for number, answer in enumerate(answers))
    _check_each(lab.collect(), 30, at_once=5)


@pytest.fixture
def sampled(tmp_path: Path) -> Iterator[Lab]:
    """A process that exports one trace in a hundred."""
    with Lab(tmp_path / "home", telemetry={"sampling": {"rate": 1}}) as running:
        yield running


def test_sampling_removes_spans_only(sampled: Lab) -> None:
    """Proves that at 1 % the lines keep all their ids, records and metrics are complete, a trace is whole or absent."""
    answers = sampled.ask("many", workflow="overlap", count=RUNS)["runs"]
    taken = sampled.collect()
    assert view.counts(taken.metrics) == _counts(RUNS)
    view.check_histograms(taken)
    assert {record["execution_id"] for record in taken.records} == {
        answer["execution_id"] for answer in answers
    }
    ids = {}
    for record in taken.records:
        assert record["status"] == "completed"
        assert [step["status"] for step in record["steps"]] == ["completed"] * 3
        assert [len(step["tool_calls"]) for step in record["steps"]] == [1, 1, 1]
        own = [record["span_id"]]
        own += [each["span_id"] for step in record["steps"] for each in (step, *step["tool_calls"])]
        assert len(set(own)) == 7
        assert all(int(each, 16) for each in own)
        ids[record["execution_id"]] = (record["trace_id"], set(own))
    lines: dict[str, int] = defaultdict(int)
    for line in taken.lines:
        trace, spans = ids[line["execution_id"]]
        assert line["trace_id"] == trace
        assert line["span_id"] in spans
        assert line["workflow_id"] == "overlap"
        lines[line["execution_id"]] += 1
    assert len(lines) == RUNS
    assert len(set(lines.values())) == 1, "no run has lost a line"
    traces = view.by_trace(taken.spans)
    assert len(traces) < RUNS / 5
    assert all(view.tree(spans) == TREE for spans in traces.values())
