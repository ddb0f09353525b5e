"""Reduce runs to the data that the methods need."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from sys import intern
from typing import Any, Final, NamedTuple

import msgspec

from ael_otel.privacy.markers import ALL_MARKERS
from ael_otel.store import ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.content import TRUNCATED
from ael_otel.store.error_stats import CANCELLED, occurrences

MAX_TEMPLATE: Final = 120
"""Maximum characters of a masked error message."""

MAX_TRAITS: Final = 50
"""Maximum tools of one step: code may call any number."""

_MAX_MASKED: Final = 2_000
_MASKS: Final = (
    (re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F-]{12,}\b"), "<id>"),
    (re.compile(r"(?:\b[A-Za-z]:)?(?:[/\\][\w.@+-]+){2,}"), "<path>"),
    (re.compile(r"\b(?=[0-9a-zA-Z_-]*\d)[0-9a-zA-Z_-]{8,}\b"), "<id>"),
    (re.compile(r"\d+(?:\.\d+)?"), "<n>"),
)

_HIDDEN: Final = re.compile("|".join(re.escape(each) for each in (*sorted(ALL_MARKERS), TRUNCATED)).encode())
"""Markers of redacted or cut content: two inputs that look alike may differ there."""

_encoder: Final = msgspec.json.Encoder(order="deterministic")


class Passed(NamedTuple):
    """One step of a run.

    `failed` is whether it ended in an error, even if the run continued. `traits` describe its peculiarities as parts of
    sentences, in their order. `lost_ms` is the time until its last attempt, `wait_ms` the part of that in which nothing
    was called. `retried_at` are the starts of its attempts after the first, in seconds since 1970. `key` identifies its
    input, None if that is absent, redacted or cut.
    """

    name: str
    tool: str | None
    ended_well: bool
    failed: bool
    skipped: bool
    attempts: int
    traits: tuple[str, ...]
    took_ms: float | None
    lost_ms: float
    wait_ms: float
    retried_at: tuple[float, ...]
    key: int | None


class Met(NamedTuple):
    """An error in a run, and whether the run recovered from it."""

    template: str
    step: str | None
    recovered: bool


class Spent(NamedTuple):
    """The cost of a model call, in billionths of a currency; `place` names step and model."""

    currency: str
    place: str
    nano: int


class Past(NamedTuple):
    """A finished run of a workflow, reduced; `spent` is None if a model call has no price."""

    execution_id: str
    workflow: str
    version: str
    started_at: datetime
    failed: bool
    took_ms: float | None
    steps: tuple[Passed, ...]
    errors: tuple[Met, ...]
    spent: tuple[Spent, ...] | None

    @property
    def lost_ms(self) -> float:
        """The time that its retries took."""
        return sum(step.lost_ms for step in self.steps)


class Direct(NamedTuple):
    """One tool call that a client made directly, without a workflow; times are seconds since 1970.

    `caller` identifies the session, or without one the client.
    """

    execution_id: str
    caller: str
    tool: str
    started: float
    ended: float


def reduced(runs: Iterable[ExecutionRecord]) -> Iterator[Past | Direct]:
    """Yield the finished runs; running ones have no outcome, and cancelled ones no cause."""
    responses: set[str] = set()
    for run in runs:
        if run.status not in ("completed", "failed"):
            continue
        if run.workflow_name is not None:
            yield _past(run, run.workflow_name, responses)
        elif run.type == "direct" and (direct := _direct(run)) is not None:
            yield direct


def _past(run: ExecutionRecord, workflow: str, responses: set[str]) -> Past:
    return Past(
        run.execution_id,
        intern(workflow),
        intern(run.workflow_version or ""),
        run.started_at,
        run.status == "failed",
        run.duration_ms,
        tuple(_passed(run, step) for step in run.steps),
        tuple(_errors(run)),
        _spent(run, responses),
    )


def _spent(run: ExecutionRecord, responses: set[str]) -> tuple[Spent, ...] | None:
    """Return the costs of the run's model calls; a response that is recorded twice counts once."""
    found: list[Spent] = []
    for call in run.model_calls:
        if call.response is not None:
            if call.response in responses:
                continue
            responses.add(call.response)
        if call.cost_nano is None or call.currency is None:
            return None
        step = "" if call.step_id is None else f"in step {call.step_id} "
        found.append(
            Spent(intern(call.currency), intern(f"{step}by {call.model or 'a model'}"), call.cost_nano)
        )
    return tuple(found)


def _direct(run: ExecutionRecord) -> Direct | None:
    session = run.metadata.get("session_id")
    caller = session if isinstance(session, str) and session else run.caller_id
    if not caller or not run.tool_calls:
        return None
    started = run.started_at.timestamp()
    ended = started + (run.duration_ms or 0.0) / 1e3
    return Direct(run.execution_id, intern(caller), intern(run.tool_calls[0].tool_name), started, ended)


def _passed(run: ExecutionRecord, step: StepRecord) -> Passed:
    lost = wait = 0.0
    if step.attempt > 1 and step.duration_ms is not None:
        last = step.tool_calls[-1].duration_ms if step.tool_calls else None
        lost = max(0.0, step.duration_ms - (step.duration_ms / step.attempt if last is None else last))
        calls = [call.duration_ms for call in step.tool_calls if call.duration_ms is not None]
        if step.step_type == "tool" and len(calls) >= step.attempt:
            wait = min(lost, max(0.0, step.duration_ms - sum(calls)))
    error = step.error
    cancelled = error is not None and error.code == CANCELLED
    return Passed(
        intern(step.step_id),
        None if step.tool_name is None else intern(step.tool_name),
        step.status == "completed",
        not cancelled and (error is not None or step.status == "failed"),
        step.status == "skipped",
        step.attempt,
        tuple(_traits(step)),
        step.duration_ms,
        lost,
        wait,
        _retried_at(step),
        None if cancelled else _key(run, step),
    )


def _traits(step: StepRecord) -> Iterator[str]:
    if step.step_type != "tool" and step.tool_calls:
        yield from _of_calls(step.step_id, step.tool_calls)
    if step.attempt > 1:
        yield intern(f"step {step.step_id} was retried")
    if step.status == "skipped":
        after = " after an error" if step.error is not None else ""
        yield intern(f"step {step.step_id} was skipped{after}")


def _of_calls(step: str, calls: Iterable[ToolCallRecord]) -> Iterator[str]:
    """Yield each tool that code called, once, in the order of the first calls; failed calls separately."""
    different = dict.fromkeys((call.tool_name, call.error is not None) for call in calls)
    for tool, failed in islice(different, MAX_TRAITS):
        yield intern(f"step {step} called {tool}{' without success' if failed else ''}")


def _retried_at(step: StepRecord) -> tuple[float, ...]:
    if step.attempt < 2:
        return ()
    if step.step_type == "tool" and len(step.tool_calls) >= step.attempt:
        return tuple(call.started_at.timestamp() for call in step.tool_calls[1:])
    return (step.started_at.timestamp(),) * (step.attempt - 1)


def _key(run: ExecutionRecord, step: StepRecord) -> int | None:
    """Return a key that is equal for equal inputs: parameters of a tool, or code and the run's inputs."""
    found: Any
    if step.step_type == "tool":
        found = (step.tool_name, step.tool_params)
    elif step.code_hash:
        found = (step.code_hash, run.inputs)
    else:
        return None
    if found[1] is None:
        return None
    try:
        text = _encoder.encode(found)
    except (TypeError, ValueError, RecursionError):
        return None
    return None if _HIDDEN.search(text) else hash(text)


def _errors(run: ExecutionRecord) -> Iterator[Met]:
    """Yield each error once, at the lowest level that recorded it; it is recovered if it did not fail the run."""
    found: dict[tuple[str, str | None], bool] = {}
    for each in occurrences(run):
        key = f"{each.code}: {template(each.message)}", each.step
        found[key] = found.get(key, True) and (each.recovered or run.status == "completed")
    for (text, step), recovered in found.items():
        yield Met(intern(text), step, recovered)


def template(message: str) -> str:
    """Return a message with ids, paths and numbers masked, so that messages of one cause are equal."""
    text = message[:_MAX_MASKED]
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return " ".join(text.split())[:MAX_TEMPLATE]
