"""Telemetry of one run as short text to compare with a table, and checks that hold for every run.

The text leaves out values that the checks below derive from the rest, so that a table stays readable: ids and
times, the type attributes of an error (its status says it), the workflow's name on each step, the histograms' counts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest

from ael_otel._generated import events
from ael_otel._generated import metrics as spec
from ael_otel.store import ExecutionRecord
from tests.engine.lab.client import Taken
from tests.support.contract import LOG_FIELDS
from tests.support.differences import differences

EXECUTIONS, INVOCATIONS, STEPS, ERRORS = (
    each.name for each in (spec.WORKFLOW_EXECUTIONS, spec.TOOL_INVOCATIONS, spec.STEP_EXECUTIONS, spec.ERRORS)
)
OURS = frozenset(each.name for each in spec.ALL)

type Span = dict[str, Any]


# --- spans ------------------------------------------------------------------------------------------------------------


def by_trace(spans: Iterable[Span]) -> dict[str, list[Span]]:
    """Spans by the trace they are in."""
    traces: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        traces[span["trace_id"]].append(span)
    return dict(traces)


def roots_of(spans: Iterable[Span]) -> list[Span]:
    """Spans whose parent is not among them."""
    ids = {span["span_id"] for span in spans}
    return [span for span in spans if span["parent_id"] not in ids]


def tree(spans: list[Span]) -> str:
    """One line per span, indented below its parent: name, kind unless internal, error, attributes, then its events."""
    children: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        children[span["parent_id"]].append(span)
    lines: list[str] = []

    def show(span: Span, depth: int) -> None:
        kind = "" if span["kind"] == "INTERNAL" else f" [{span['kind']}]"
        error = f" ERROR {span['description']}" if span["status"] == "ERROR" else ""
        facts = " ".join(_facts(span))
        lines.append("  " * depth + f"{span['name']}{kind}{error}" + (f"  {facts}" if facts else ""))
        for event in span["events"]:
            attributes = " ".join(
                f"{key.removeprefix('ael.')}={value}" for key, value in event["attributes"].items()
            )
            lines.append("  " * (depth + 1) + f"* {event['name']} {attributes}")
        for child in sorted(children[span["span_id"]], key=lambda each: each["start"]):
            show(child, depth + 1)

    for root in sorted(roots_of(spans), key=lambda each: each["start"]):
        show(root, 0)
    return "\n".join(lines)


_SHOWN = {
    "ael.workflow.name": "name",
    "ael.workflow.status": "status",
    "ael.step.name": "name",
    "ael.step.status": "status",
    "ael.step.skip_reason": "skip_reason",
    "ael.step.attempt": "attempt",
    "ael.tool.name": "tool",
    "ael.mcp.server": "server",
    "ael.tool.source": "source",
}
_TOLERATED = ("on_error: ", "on_missing_tool: ")
"""How the reason begins for which a step was skipped that ran and failed."""
_FOLLOWS = {
    "ael.workflow.id",
    "ael.workflow.version",
    "ael.error.type",
    "error.type",
    "ael.step.index",
    "ael.step.type",
    "ael.step.max_attempts",
    "ael.code.sha256",
    "session.id",
}


def _facts(span: Span) -> Iterable[str]:
    attributes = dict(span["attributes"])
    if span["name"].startswith("Step"):
        attributes.pop("ael.workflow.name", None)
    for key, short in _SHOWN.items():
        if key in attributes:
            value = attributes.pop(key)
            yield f"{short}={value!r}" if " " in str(value) else f"{short}={value}"
    for key, value in sorted(attributes.items()):
        if key not in _FOLLOWS:
            yield f"{key}={value}"


def of_the_run(spans: list[Span]) -> list[Span]:
    """The run's own spans: `Workflow Execution` and what is below it.

    Around them may be the HTTP server's spans; FastAPI makes some by itself.
    """
    runs = [span for span in spans if span["name"] == "Workflow Execution"]
    assert len(runs) == 1, "one span per run"
    below = {runs[0]["span_id"]}
    while more := {span["span_id"] for span in spans if span["parent_id"] in below} - below:
        below |= more
    others = [span for span in spans if span["span_id"] not in below]
    assert {span["scope"] for span in others} <= {"fastapi"}
    if others:
        (server,) = roots_of(spans)
        assert server["kind"] == "SERVER"
    return [span for span in spans if span["span_id"] in below]


def check_tree(spans: list[Span]) -> Span:
    """Check the invariants of the spans of every run and return its root."""
    assert len(by_trace(spans)) == 1, "one trace per run"
    roots = roots_of(spans)
    assert len(roots) == 1, "one root and no orphan"
    by_id = {span["span_id"]: span for span in spans}
    assert len(by_id) == len(spans), "span ids are unique"
    root = roots[0]
    for span in spans:
        attributes = span["attributes"]
        # A run is linked to its caller's session, if there is one and it is not in the caller's trace.
        assert span["links"] == (span is root and "session.id" in attributes and not root["parent_id"])
        assert span["start"] <= span["end"]
        parent = by_id.get(span["parent_id"])
        if parent is not None:
            assert parent["start"] <= span["start"], f"{span['name']} starts before its parent"
            assert span["end"] <= parent["end"], f"{span['name']} outlives its parent"
        assert not [event for event in span["events"] if event["name"] == "exception"], (
            "exceptions are log records"
        )
        if span["scope"] != "ael":
            continue
        if span["status"] == "ERROR":
            assert attributes["ael.error.type"] == attributes["error.type"] == span["description"]
        else:
            assert span["status"] == "UNSET"
            # The kind of a failure that was tolerated is on the step, which is none that failed.
            tolerated = str(attributes.get("ael.step.skip_reason")).startswith(_TOLERATED)
            assert ("ael.error.type" in attributes) == tolerated
            assert "error.type" not in attributes
        if span["name"].startswith("Step"):
            kind = {"code": "code_execution"}.get(attributes["ael.step.type"], "tool_call")
            assert span["name"] == f"Step {attributes['ael.step.index']}: {kind}"
            assert attributes["ael.workflow.name"] == root["attributes"]["ael.workflow.name"]
            assert ("ael.tool.name" in attributes) == (kind == "tool_call")
            assert parent is root
    return root


# --- metrics ----------------------------------------------------------------------------------------------------------


def _row(row: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in row.split(",")) if row else {}


def counts(changes: Mapping[str, Mapping[str, float]]) -> str:
    """Return the counters' changes, one line each: name, labels in the contract's order, the number if it is not 1."""
    lines: list[str] = []
    for word, metric in (
        ("runs", spec.WORKFLOW_EXECUTIONS),
        ("step", spec.STEP_EXECUTIONS),
        ("call", spec.TOOL_INVOCATIONS),
        ("error", spec.ERRORS),
    ):
        rows: list[str] = []
        for row, change in changes.get(metric.name, {}).items():
            labels = _row(row)
            assert sorted(labels) == sorted(metric.labels), f"{metric.name} has labels {sorted(labels)}"
            values = " ".join(labels[label] for label in metric.labels)
            rows.append(f"{word} {values}" + ("" if change == 1 else f" x{change:g}"))
        lines += sorted(rows)
    return "\n".join(lines)


def check_histograms(taken: Taken) -> None:
    """Check that each run and call was timed once, with the time of its record, and that nothing else moved."""
    changes = {name: rows for name, rows in taken.metrics.items() if name in OURS}
    runs = [record for record in taken.records if record["type"] == "workflow"]
    calls = [call for record in taken.records for call in record["tool_calls"]]
    calls += [call for record in taken.records for step in record["steps"] for call in step["tool_calls"]]
    for counter, histogram, label, timed in (
        (EXECUTIONS, spec.WORKFLOW_DURATION.name, "workflow", runs),
        (INVOCATIONS, spec.TOOL_DURATION.name, "tool", calls),
    ):
        counted: Counter[str] = Counter()
        for row, change in changes.get(counter, {}).items():
            counted[_row(row)[label]] += int(change)
        rows = changes.get(histogram, {})
        observed = {_row(row)[label]: change for row, change in rows.items() if not row.endswith(" sum")}
        assert observed == dict(counted), f"{histogram} counts what {counter} counts"
        seconds = sum(change for row, change in rows.items() if row.endswith(" sum"))
        assert seconds == pytest.approx(sum(each["duration_ms"] for each in timed) / 1e3)
    assert not changes.keys() - {
        EXECUTIONS, INVOCATIONS, STEPS, ERRORS, spec.WORKFLOW_DURATION.name, spec.TOOL_DURATION.name
    }, "nothing else changed; the gauge of active runs is back where it was"  # fmt: skip
    assert taken.rows[spec.ACTIVE_WORKFLOWS.name] == {"": 0}


# --- log lines --------------------------------------------------------------------------------------------------------


def check_lines(taken: Taken, spans: list[Span], execution_id: str, workflow: str) -> list[dict[str, Any]]:
    """Check every line of a run against its spans, and stdout against OTLP; return the run's lines.

    A line is of the run if it carries any of its ids, or those of a span that is not around the run.
    """
    by_id = {span["span_id"]: span for span in spans}
    trace = spans[0]["trace_id"]
    above = {span["parent_id"] for span in spans} | {span["span_id"] for span in taken.spans} | {""}
    around_it = above - by_id.keys()
    inside = [
        line
        for line in taken.lines
        if line["execution_id"] or line["workflow_id"] or line["span_id"] not in around_it
    ]
    assert inside, "a run leaves lines"
    for line in inside:
        assert tuple(line)[: len(LOG_FIELDS)] == LOG_FIELDS
        assert (line["trace_id"], line["execution_id"], line["workflow_id"]) == (
            trace,
            execution_id,
            workflow,
        )
        span = by_id[line["span_id"]]
        around = span
        while not around["name"].startswith("Step") and around["parent_id"] in by_id:
            around = by_id[around["parent_id"]]
        step = around["attributes"].get("ael.step.name", "")
        if line.get("event_name") == "ael.execution.fail":
            step = _failed_step(spans)  # the run's own line names the step that ended it
        assert line.get("step_id", "") == step
    written = [
        _essence(line)
        for line in taken.lines
        if not line["component"].startswith(("opentelemetry", "ael_otel"))
    ]
    sent = [_sent(record) for record in taken.logs]
    assert sent == written, "stdout and OTLP tell the same, once"
    named = Counter((line["event_name"], line["span_id"]) for line in inside if "event_name" in line)
    assert named == _events_of(spans)
    return inside


def _failed_step(spans: list[Span]) -> str:
    """The name of the last step that failed, nothing where the run failed outside any step."""
    failed = [
        span
        for span in spans
        if span["name"].startswith("Step") and span["attributes"].get("ael.step.status") == "failed"
    ]
    return max(failed, key=lambda span: span["start"])["attributes"]["ael.step.name"] if failed else ""


def _events_of(spans: list[Span]) -> Counter[tuple[str, str]]:
    """The events that spans call for: a failed run, a step skipped or decided on, an attempt after the first."""
    found: Counter[tuple[str, str]] = Counter()
    for span in spans:
        if span["name"] == "Workflow Execution" and span["status"] == "ERROR":
            found[events.EXECUTION_FAIL.name, span["span_id"]] = 1
        if span["attributes"].get("ael.step.status") == "skipped":
            found[events.STEP_SKIP.name, span["span_id"]] = 1
        if [event for event in span["events"] if event["name"] == "decision"]:
            found[events.STEP_DECIDE.name, span["span_id"]] = 1
        if retries := len([event for event in span["events"] if event["name"] == "retry"]):
            found[events.STEP_RETRY.name, span["span_id"]] = retries
    return found


def _essence(line: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in line.items() if key not in ("timestamp", "level") and value != ""}
    return {"severity": line["level"], **kept}


def _sent(record: Mapping[str, Any]) -> dict[str, Any]:
    found = {"severity": record["severity"], "message": record["body"], **record["attributes"]}
    if record["event"]:
        found["event_name"] = record["event"]
    if int(record["trace_id"], 16):
        found |= {"trace_id": record["trace_id"], "span_id": record["span_id"]}
    return found


def failure_lines(lines: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Lines that carry an exception."""
    return [line for line in lines if any(key.startswith("exception.") for key in line)]


# --- records ----------------------------------------------------------------------------------------------------------

_PAUSE_MS = 1_000
"""How long a loaded machine may pause the process between two statements that take the time of the same moment."""
_STATUS = {"success": "completed", "cancelled": "cancelled"}


def check_record(record: Mapping[str, Any], spans: list[Span], root: Span) -> None:
    """Check that the store's record agrees with the spans: statuses, errors, attempts, calls, durations, ids."""
    attributes = root["attributes"]
    assert record["type"] == "workflow"
    assert (record["trace_id"], record["span_id"]) == (root["trace_id"], root["span_id"])
    assert record["execution_id"] == attributes["ael.workflow.id"]
    assert record["workflow_name"] == attributes["ael.workflow.name"]
    assert record["workflow_version"] == attributes.get("ael.workflow.version")
    assert record["status"] == _STATUS.get(attributes["ael.workflow.status"], "failed")
    _same(record, root)
    steps = sorted(
        (span for span in spans if span["name"].startswith("Step")),
        key=lambda span: (span["start"], span["end"]),
    )
    assert [step["span_id"] for step in record["steps"]] == [span["span_id"] for span in steps]
    for step, span in zip(record["steps"], steps, strict=True):
        facts = span["attributes"]
        assert step["step_id"] == facts["ael.step.name"]
        assert step["index"] == facts["ael.step.index"] - 1
        assert step["step_type"] == {"code": "code"}.get(facts["ael.step.type"], "tool")
        assert step["status"] == facts["ael.step.status"]
        assert step["skip_reason"] == facts.get("ael.step.skip_reason")
        assert step["tool_name"] == facts.get("ael.tool.name")
        assert max(step["attempt"], 1) == facts.get("ael.step.attempt", 1)
        assert step["max_attempts"] == facts.get("ael.step.max_attempts", 1)
        blocks = [
            each for each in spans if each["parent_id"] == span["span_id"] and each["name"] == "Python Exec"
        ]
        assert {each["attributes"]["ael.code.sha256"] for each in blocks} <= {step["code_hash"]}
        assert (step["code_hash"] is None) == (step["step_type"] == "tool") or step["status"] == "skipped"
        _same(step, span)
        below = {span["span_id"]}
        below |= {each["span_id"] for each in spans if each["parent_id"] in below}
        calls = [each for each in spans if each["parent_id"] in below and each["name"] == "MCP Request"]
        calls.sort(key=lambda each: each["start"])
        assert [call["span_id"] for call in step["tool_calls"]] == [each["span_id"] for each in calls]
        for number, (call, each) in enumerate(zip(step["tool_calls"], calls, strict=True), start=1):
            assert call["sequence"] == number
            assert call["execution_id"] == record["execution_id"]
            assert call["step_id"] == step["step_id"]
            assert call["tool_name"] == each["attributes"]["ael.tool.name"]
            assert call["server"] == each["attributes"].get("ael.mcp.server")
            assert call["source"] == each["attributes"]["ael.tool.source"]
            assert (call["status"] == "success") == (each["status"] != "ERROR")
            _same(call, each)


def check_derived(taken: Taken) -> None:
    """Check that each run's spans give the record that was stored, field by field, content apart, and no other."""
    stored, derived = (
        {record["execution_id"]: msgspec.convert(record, ExecutionRecord) for record in records}
        for records in (taken.records, taken.derived)
    )
    assert stored.keys() == derived.keys()
    found = [
        line for each, run in stored.items() for line in differences(run, derived[each], "", _PAUSE_MS / 1e3)
    ]
    assert found == []


def _same(record: Mapping[str, Any], span: Span) -> None:
    error = record["error"]
    if span["status"] == "ERROR":
        assert error["code"] == span["attributes"]["ael.error.type"]
        assert error["message"]
    elif str(record.get("skip_reason")).startswith(_TOLERATED):
        assert error["code"] == span["attributes"]["ael.error.type"]
        assert error["code"] in (record["skip_reason"].removeprefix("on_error: "), "TOOL_UNAVAILABLE")
    else:
        assert error is None
    assert record["completed_at"] >= record["started_at"]
    # The clock starts after the span and stops before it.
    assert -1 < (span["end"] - span["start"]) / 1e6 - record["duration_ms"] < _PAUSE_MS
