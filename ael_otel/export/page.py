"""Render one run as a page: the waterfall of its steps, calls and code."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ael_otel.cost.wording import usage_of
from ael_otel.export.waterfall import Row, Section, Waterfall, document, moment, took
from ael_otel.store import ErrorRecord, ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.content import to_json


def page(run: ExecutionRecord, sections: Sequence[Section] = ()) -> str:
    """Return the page of a run as HTML, with further sections below its waterfall."""
    return document(waterfall_of(run, sections))


def waterfall_of(run: ExecutionRecord, sections: Sequence[Section] = ()) -> Waterfall:
    """Return what the page of a run shows."""
    rows = list(_rows(run))
    return Waterfall(
        title=run.workflow_name or "(direct call)",
        status=run.status,
        summary=_summary(run),
        ids=[("execution", run.execution_id), *([("trace", run.trace_id)] if run.trace_id else [])],
        why=None if run.error is None else _error(run.error),
        rows=rows,
        started=run.started_at,
        span_ms=_length(run, rows),
        sections=sections,
        footer="Times are UTC. Click a row for its parameters, results and ids.",
    )


def _summary(run: ExecutionRecord) -> list[str]:
    calls = len(run.tool_calls) + sum(len(step.tool_calls) for step in run.steps)
    lasted = "still running" if run.duration_ms is None else f"took {took(run.duration_ms)}"
    parts = [f"started {moment(run.started_at)}", lasted]
    if run.steps:
        parts.append(f"{len(run.steps)} step{'s' if len(run.steps) != 1 else ''}")
    parts.append(f"{calls} tool call{'s' if calls != 1 else ''}")
    if run.model_calls:
        parts.append(usage_of(run.model_calls))
    return parts


def _length(run: ExecutionRecord, rows: Sequence[Row]) -> float:
    """Return the milliseconds of the waterfall's width: the duration of the run, or of its recorded part."""
    seen = [(row.started - run.started_at).total_seconds() * 1e3 + (row.took_ms or 0.0) for row in rows]
    return max(run.duration_ms or max(seen), 0.001)


def _rows(run: ExecutionRecord) -> Iterator[Row]:
    yield Row(
        depth=0,
        name=run.workflow_name or "(direct call)",
        remark="run" if run.type == "workflow" else "direct",
        status=run.status,
        started=run.started_at,
        took_ms=run.duration_ms,
        facts=_facts(
            ("models", usage_of(run.model_calls)),
            ("version", run.workflow_version),
            ("caller", run.caller_id),
            ("span", run.span_id),
            *(
                (name, value if isinstance(value, str) else _json(value))
                for name, value in run.metadata.items()
            ),
        ),
        blocks=_blocks(("inputs", run.inputs), ("outputs", run.outputs)),
    )
    for call in run.tool_calls:
        yield _call(call, 1, run)
    for step in sorted(run.steps, key=lambda step: step.index):
        yield _step(step, run)
        depth = 2
        if step.code is not None:
            yield Row(
                depth=2,
                name="Python",
                remark=", ".join(step.code.imports),
                status="failed" if step.code.exception is not None else step.status,
                started=step.code.started_at or step.started_at,
                took_ms=step.code.duration_ms,
                look="code",
                facts=_facts(
                    ("SHA-256", step.code.code_hash),
                    ("error", _error(step.code.exception)),
                    ("span", step.code.span_id),
                ),
                blocks=_blocks(
                    ("stdout", step.code.stdout), ("stderr", step.code.stderr), ("result", step.code.result)
                ),
            )
            depth = 3
        for call in step.tool_calls:
            yield _call(call, depth if call.source == "code_block" else 2, run, attempt=step.retried)


def _step(step: StepRecord, run: ExecutionRecord) -> Row:
    # Parameters and result of a tool step are those of its calls, which are rows below it.
    own = not step.tool_calls
    return Row(
        depth=1,
        name=step.label,
        remark="code" if step.step_type == "code" else _tool(step.tool_name or "step", step.server),
        status=step.status,
        started=step.started_at,
        took_ms=0.0 if step.status == "skipped" else step.duration_ms,
        facts=_facts(
            ("status", step.status),
            ("skipped", step.skip_reason),
            ("attempts", f"{step.attempt} of {step.max_attempts}" if step.max_attempts > 1 else None),
            ("error", _error(step.error)),
            ("models", usage_of([call for call in run.model_calls if call.step_id == step.step_id])),
            ("span", step.span_id),
        ),
        blocks=_blocks(("parameters", step.tool_params), ("result", step.tool_result)) if own else [],
    )


def _call(call: ToolCallRecord, depth: int, run: ExecutionRecord, *, attempt: bool = False) -> Row:
    used = usage_of([each for each in run.model_calls if each.call_id == call.call_id])
    return Row(
        depth=depth,
        name=f"attempt {call.sequence}" if attempt else _tool(call.tool_name, call.server),
        remark="from code" if call.source == "code_block" else "call",
        status=call.status,
        started=call.started_at,
        took_ms=call.duration_ms,
        look="call",
        facts=_facts(
            ("tool", _tool(call.tool_name, call.server)),
            ("status", call.status),
            ("error", _error(call.error)),
            ("models", used),
            ("call", call.call_id),
            ("span", call.span_id),
        ),
        blocks=_blocks(("parameters", call.params), ("result", call.result)),
    )


def _facts(*pairs: tuple[str, str | None]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in pairs if value]


def _blocks(*pairs: tuple[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, value if isinstance(value, str) else _json(value))
        for name, value in pairs
        if value is not None and value not in ({}, "")
    ]


def _json(value: Any) -> str:
    return msgspec.json.format(to_json(value, sys.maxsize), indent=2).decode()


def _tool(name: str, server: str | None) -> str:
    return f"{name}@{server}" if server else name


def _error(error: ErrorRecord | None) -> str:
    if error is None:
        return ""
    lines = [f"{error.code}: {error.message}" if error.message else error.code]
    where = [f"{what} {name}" for what, name in (("step", error.step_id), ("tool", error.tool_name)) if name]
    if where:
        lines.append(f"in {', '.join(where)}")
    if error.detail and error.detail not in error.message:
        lines.append(error.detail)
    if error.cause is not None:
        lines.append(f"caused by {_error(error.cause)}")
    return "\n".join(lines)
