"""Render one session of an agent as a page: the waterfall of its turns, with calls, decisions and idle times."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from ael_otel.export.waterfall import Link, Row, Section, Sheet, Waterfall, document, moment, took
from ael_otel.sessions.session import Entry, Session, SessionRecord
from ael_otel.sessions.wording import (
    NO_END,
    cost_of,
    counts,
    inner_of,
    lasted_us,
    name_of,
    plural,
    state,
    unknown_of,
    verdict_of,
)
from ael_otel.store import ExecutionRecord
from ael_otel.store.content import to_json
from ael_otel.store.times import from_us


def session_page(
    session: Session, runs: Sequence[ExecutionRecord] = (), pages: Mapping[str, str] | None = None
) -> str:
    """Return the page of a session as HTML.

    The arguments are those of `session_waterfall`, but `pages` has file names of pages in the same folder.
    """
    addresses = {run: quote(name, safe="") for run, name in (pages or {}).items()}
    return document(session_waterfall(session, runs, addresses))


def session_waterfall(
    session: Session, runs: Sequence[ExecutionRecord] = (), pages: Mapping[str, str] | None = None
) -> Waterfall:
    """Return what the page of a session shows.

    Args:
        session: the session.
        runs: the runs that it caused.
        pages: addresses of the pages of runs (`Link.page`), by execution id; a run without one is not linked.
    """
    record, pages = session.record, pages or {}
    end_us = max(
        [record.ended_us or record.last_us, *(entry.end_us or entry.at_us for entry in session.entries)]
    )
    return Waterfall(
        title=f"{record.agent} {record.agent_version or ''}".rstrip(),
        status=state(record).removeprefix("ended: "),
        summary=_summary(record),
        ids=[("session", record.session_id), ("trace", record.trace_id)],
        rows=list(_rows(session, pages)),
        started=from_us(record.started_us),
        span_ms=max((end_us - record.started_us) / 1e3, 0.001),
        sections=list(_sections(session, runs, pages)),
        footer="Times are UTC. Click a row for files, sizes and ids.",
    )


def _summary(record: SessionRecord) -> list[str]:
    lasted = f"{'so far' if record.ended_us is None else 'lasted'} {took(lasted_us(record) / 1e3)}"
    failed = f" ({record.failed_calls} failed)" if record.failed_calls else ""
    return [
        f"started {moment(from_us(record.started_us))}",
        lasted,
        plural(record.turns, "turn"),
        f"{plural(record.tool_calls, 'tool call')}{failed}",
        plural(record.errors, "error"),
        *([f"idle {took(record.idle_us / 1e3)}"] if record.idle_us else []),
    ]


# --- rows -------------------------------------------------------------------------------------------------------------


def _rows(session: Session, pages: Mapping[str, str]) -> Iterator[Row]:
    record = session.record
    yield Row(
        depth=0,
        name=record.agent,
        remark="session",
        status=record.status if record.outcome in (None, "unknown") else record.outcome,
        started=from_us(record.started_us),
        took_ms=None if record.ended_us is None else lasted_us(record) / 1e3,
        facts=_facts(
            ("status", state(record)),
            ("began by", record.source),
            ("ended by", record.reason),
            ("reopened", f"{record.reopened} times" if record.reopened else None),
            ("workspace", record.workspace),
            ("models", ", ".join(record.models)),
            ("tokens", counts(record.tokens)),
            ("cost", cost_of(record)),
            ("parent session", record.parent_session_id),
            ("span", record.span_id),
        ),
        blocks=[],
    )
    turn = 0
    inner = inner_of(session)
    for entry in session.entries:
        if entry.turn is not None and entry.turn != entry.key:
            continue
        turn += entry.kind == "turn"
        yield _row(entry, 1, turn, pages)
        if entry.kind == "turn":
            for each in inner.get(entry.key, ()):
                yield _row(each, 2, 0, pages)


def _row(entry: Entry, depth: int, turn: int, pages: Mapping[str, str]) -> Row:
    verdict = verdict_of(entry)
    run = entry.execution_id
    lasts = entry.kind in ("turn", "call", "subagent", "idle")
    unknown = verdict == NO_END
    return Row(
        depth=depth,
        name=name_of(entry, turn),
        remark=verdict if entry.kind not in ("idle", "turn") else "",
        status="unknown" if unknown else "error" if entry.kind == "error" else _status(entry),
        started=from_us(entry.at_us),
        took_ms=0.0 if unknown or not lasts else _length_ms(entry),
        look={"call": "call", "idle": "idle", "subagent": "code"}.get(entry.kind, "" if lasts else "mark"),
        facts=[
            *_facts(
                ("outcome", verdict),
                ("error", entry.error_type if entry.kind != "error" else None),
                ("subagent", entry.subagent_id),
                ("call", entry.call_id),
                ("files", "\n".join(entry.paths)),
                ("excluded files", str(entry.excluded_paths) if entry.excluded_paths else None),
                ("bytes", counts(entry.sizes)),
                ("tokens", counts(entry.tokens)),
            ),
            *([("run", Link(run, pages[run]) if run in pages else run)] if run else []),
        ],
        blocks=[
            (name, value if isinstance(value, str) else _json(value))
            for name, value in (entry.content or {}).items()
        ],
    )


def _status(entry: Entry) -> str:
    if entry.kind == "decision":
        return "denied" if entry.decision in ("deny", "denied") else "success"
    goes_on = entry.kind in ("turn", "call", "subagent") and entry.end_us is None
    return entry.outcome or ("running" if goes_on else "success")


def _length_ms(entry: Entry) -> float | None:
    return None if entry.end_us is None else (entry.end_us - entry.at_us) / 1e3


# --- sections ---------------------------------------------------------------------------------------------------------


def _sections(
    session: Session, runs: Sequence[ExecutionRecord], pages: Mapping[str, str]
) -> Iterator[Section]:
    stored = {run.execution_id for run in runs}
    elsewhere = list(
        dict.fromkeys(
            entry.execution_id
            for entry in session.entries
            if entry.execution_id and entry.execution_id not in stored
        )
    )
    if runs or elsewhere:
        rows: list[list[str | Link]] = [
            [
                run.workflow_name or "(direct call)",
                run.status,
                moment(run.started_at),
                took(run.duration_ms),
                Link(run.execution_id, pages[run.execution_id])
                if run.execution_id in pages
                else run.execution_id,
            ]
            for run in runs
        ]
        notes = [f"{each} is in none of the stores that were searched" for each in elsewhere]
        heads = ["workflow", "status", "started", "took", "run"]
        yield Section("Runs that this session caused", [Sheet(heads, rows)] if rows else [], notes)
    if unknown := unknown_of(session):
        yield Section("What is unknown, and why", [Sheet(["unknown", "because"], unknown)], [])


def _facts(*pairs: tuple[str, str | None]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in pairs if value]


def _json(value: Any) -> str:
    return msgspec.json.format(to_json(value, sys.maxsize), indent=2).decode()
