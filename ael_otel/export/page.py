"""One run as a page: a waterfall that opens in any browser, without a network, a server or a script.

Everything is in the one file, and its policy forbids it to load or run anything; every text from a run is escaped.
Rows open by themselves (`<details>`), so the page works where scripts do not.
"""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

import msgspec

from ael_otel.store import ErrorRecord, ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.content import to_json

TICKS: Final = 5
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the waterfall; `facts` and `blocks` show when it is opened."""

    depth: int
    name: str
    remark: str
    status: str
    started: datetime
    took_ms: float | None
    look: str = ""
    facts: list[tuple[str, str]]
    blocks: list[tuple[str, str]]


class Sheet(msgspec.Struct, frozen=True):
    """A table: headings, and rows of as many cells."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


class Section(msgspec.Struct, frozen=True):
    """What else a page says of its run, below the waterfall."""

    title: str
    sheets: Sequence[Sheet]
    notes: Sequence[str]


def page(run: ExecutionRecord, sections: Sequence[Section] = ()) -> str:
    """Return the page of a run, with further sections below its waterfall."""
    rows = list(_rows(run))
    span_ms = _length(run, rows)
    title = run.workflow_name or "(direct call)"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="referrer" content="no-referrer">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}: {_text(run.status)}</title>",
        f"<style>{Path(__file__).with_name('waterfall.css').read_text('utf-8')}</style></head><body>",
        f'<header><h1>{_text(title)}<span class="status {_word(run.status)}">{_text(run.status)}</span></h1>',
        f"<p>{_summary(run)}</p>",
        f"<p>execution <code>{_text(run.execution_id)}</code>"
        + (f" &middot; trace <code>{_text(run.trace_id)}</code>" if run.trace_id else "")
        + "</p></header>",
    ]
    if run.error is not None:
        parts.append(f'<p class="why" role="alert">{_text(_error(run.error))}</p>')
    parts += ["<main>", _scale(span_ms), *(_row(row, run.started_at, span_ms) for row in rows), "</main>"]
    parts += map(_section, sections)
    parts += [
        "<footer>Times are UTC. Click a row for its parameters, results and ids.</footer></body></html>",
        "",
    ]
    return "\n".join(parts)


# --- rows -------------------------------------------------------------------------------------------------------------


def _rows(run: ExecutionRecord) -> Iterator[_Row]:
    yield _Row(
        depth=0,
        name=run.workflow_name or "(direct call)",
        remark="run" if run.type == "workflow" else "direct",
        status=run.status,
        started=run.started_at,
        took_ms=run.duration_ms,
        facts=_facts(
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
        yield _call(call, 1)
    for step in sorted(run.steps, key=lambda step: step.index):
        yield _step(step)
        depth = 2
        if step.code is not None:
            yield _Row(
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
            yield _call(call, depth if call.source == "code_block" else 2, attempt=step.retried)


def _step(step: StepRecord) -> _Row:
    # What a tool step was given and gave is that of its calls, which are shown below it.
    own = not step.tool_calls
    return _Row(
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
            ("span", step.span_id),
        ),
        blocks=_blocks(("parameters", step.tool_params), ("result", step.tool_result)) if own else [],
    )


def _call(call: ToolCallRecord, depth: int, *, attempt: bool = False) -> _Row:
    return _Row(
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


# --- HTML -------------------------------------------------------------------------------------------------------------


def _row(row: _Row, origin: datetime, span_ms: float) -> str:
    bad = row.status in ("failed", "error", "timeout", "cancelled")
    look = "bad" if bad else row.look
    facts = "".join(
        f"<dt>{_text(name)}</dt><dd><code>{_text(value)}</code></dd>" for name, value in row.facts
    )
    blocks = "".join(f"<h2>{_text(name)}</h2><pre>{_text(value)}</pre>" for name, value in row.blocks)
    colour = f" {_word(row.status)}" if bad or row.status in ("skipped", "running", "pending") else ""
    left, width = _part(row, origin, span_ms)
    took = row.status if row.status == "skipped" else _took(row.took_ms)
    name = _text(row.name)
    return (
        f'<details style="--depth:{row.depth}"><summary class="row">'
        f'<span class="name{colour}" title="{name}">{name}<small>{_text(row.remark)}</small></span>'
        f'<span class="took{colour}">{_text(took)}</span>'
        f'<span class="lane"><i class="{look}" style="left:{left:.3f}%;width:{width:.3f}%"></i></span>'
        f'</summary><div class="more"><dl><dt>started</dt><dd><code>{_moment(row.started)}</code></dd>{facts}</dl>'
        f"{blocks}</div></details>"
    )


def _section(section: Section) -> str:
    sheets = "".join(
        f"<table><thead><tr>{_cells('th', sheet.heads)}</tr></thead><tbody>"
        + "".join(f"<tr>{_cells('td', row)}</tr>" for row in sheet.rows)
        + "</tbody></table>"
        for sheet in section.sheets
    )
    notes = "".join(f"<p>{_text(note)}</p>" for note in section.notes)
    return f'<section><h2>{_text(section.title)}</h2><div class="sheets">{sheets}</div>{notes}</section>'


def _cells(tag: str, texts: Sequence[str]) -> str:
    return "".join(f"<{tag}>{_text(text)}</{tag}>" for text in texts)


def _part(row: _Row, origin: datetime, span_ms: float) -> tuple[float, float]:
    """Return where the bar begins and how long it is, in percent."""
    begin = (row.started - origin).total_seconds() * 1e3 / span_ms * 100
    begin = min(max(begin, 0.0), 100.0)
    length = 100.0 - begin if row.took_ms is None else max(row.took_ms, 0.0) / span_ms * 100
    return begin, min(length, 100.0 - begin)


def _length(run: ExecutionRecord, rows: Sequence[_Row]) -> float:
    """Return the milliseconds that the whole width stands for: the run, or what of it has been seen."""
    seen = [(row.started - run.started_at).total_seconds() * 1e3 + (row.took_ms or 0.0) for row in rows]
    return max(run.duration_ms or max(seen), 0.001)


def _scale(span_ms: float) -> str:
    ticks = "".join(
        f'<span class="at" style="left:{100 * tick / (TICKS - 1):.0f}%">{_took(span_ms * tick / (TICKS - 1))}</span>'
        for tick in range(TICKS)
    )
    return (
        '<div class="row scale" aria-hidden="true"><span class="name" style="--depth:0"></span>'
        f'<span class="took"></span><span class="lane">{ticks}</span></div>'
    )


def _summary(run: ExecutionRecord) -> str:
    calls = len(run.tool_calls) + sum(len(step.tool_calls) for step in run.steps)
    took = "still running" if run.duration_ms is None else f"took {_took(run.duration_ms)}"
    parts = [f"started {_moment(run.started_at)}", took]
    if run.steps:
        parts.append(f"{len(run.steps)} step{'s' if len(run.steps) != 1 else ''}")
    parts.append(f"{calls} tool call{'s' if calls != 1 else ''}")
    return " &middot; ".join(parts)


def _took(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "running"
    if milliseconds >= 60_000:
        minutes, rest = divmod(round(milliseconds / 1e3), 60)
        return f"{minutes} min {rest:02} s"
    if milliseconds >= 1_000:
        return f"{milliseconds / 1e3:.2f} s"
    return f"{milliseconds:.1f} ms"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _word(status: str) -> str:
    return "".join(c for c in status if c.isalpha())


def _text(text: str) -> str:
    """Escape a text; what HTML has no character for is replaced."""
    allowed = (
        c
        if c in "\n\t" or (ord(c) >= 0x20 and not 0x7F <= ord(c) < 0xA0 and not 0xD800 <= ord(c) < 0xE000)
        else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )
    return escape("".join(allowed), quote=True)
