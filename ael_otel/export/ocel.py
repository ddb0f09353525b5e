"""OCEL 2.0, the JSON of object-centric event logs, for tools of process mining (ocel-standard.org).

Events are the start and the end of each run, each step and each tool call, at the time that they
began; objects are runs, workflows, tools, sessions and callers. No content is in it.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from ael_otel.store import ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.content import clean

type Values = Mapping[str, str | float | int | None]

_TYPES: Final[Mapping[str, str]] = {"duration_ms": "float", "attempt": "integer"}
"""Types of attributes that are not strings."""

_OF_STARTS: Final = ("workflow", "version")
_OF_ENDS: Final = ("status", "duration_ms", "error_code")
_OF_STEPS: Final = ("status", "step_type", "duration_ms", "attempt", "skip_reason", "error_code")
_OF_CALLS: Final = ("status", "source", "duration_ms", "error_code")
_OF_OBJECTS: Final[Mapping[str, tuple[str, ...]]] = {
    "run": ("kind", "workflow", "version"),
    "workflow": (),
    "tool": (),
    "session": (),
    "caller": (),
}

_RUN_STARTED: Final = "run started"
_RUN_ENDED: Final = "run ended"


def written(runs: Iterable[ExecutionRecord]) -> Iterator[bytes]:
    """Yield one JSON object; each run is read once, and what it holds are the objects and the names of types."""
    log = _Log()
    yield b'{"events":['
    first = True
    for run in runs:
        for event in log.events(run):
            yield msgspec.json.encode(event) if first else b",\n" + msgspec.json.encode(event)
            first = False
    yield b'],\n"objects":['
    yield b",\n".join(log.objects.values())
    types = {
        "eventTypes": [_type(name, attributes) for name, attributes in log.types.items()],
        "objectTypes": [_type(name, attributes) for name, attributes in _OF_OBJECTS.items()],
    }
    yield b"],\n" + msgspec.json.encode(types)[1:] + b"\n"


class _Log:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.types: dict[str, tuple[str, ...]] = {}

    def events(self, run: ExecutionRecord) -> Iterator[dict[str, Any]]:
        """Yield the events of a run, in the order in which it has them; note their types and objects."""
        name = clean(run.execution_id)
        if f"run:{name}" in self.objects:
            return
        related = list(self._run(run, name))
        number = 0

        def event(
            kind: str, at: datetime, attributes: tuple[str, ...], values: Values, tool: str | None = None
        ) -> dict[str, Any]:
            nonlocal number
            number += 1
            self.types.setdefault(kind, attributes)
            uses = [] if tool is None else [_relation(self._object("tool", tool), "tool")]
            return {
                "id": f"{name}/{number}",
                "type": kind,
                "time": _time(at),
                "attributes": [
                    {"name": each, "value": values[each]} for each in attributes if values[each] is not None
                ],
                "relationships": [*related, *uses],
            }

        start: Values = {"workflow": _text(run.workflow_name), "version": _text(run.workflow_version)}
        yield event(_RUN_STARTED, run.started_at, _OF_STARTS, start)
        for step in run.steps:
            tool = None if step.tool_name is None else clean(step.tool_name)
            yield event(f"step {clean(step.step_id)}", step.started_at, _OF_STEPS, _of_step(step), tool)
            for call in step.tool_calls:
                tool = clean(call.tool_name)
                yield event(f"call {tool}", call.started_at, _OF_CALLS, _of_call(call), tool)
        for call in run.tool_calls:
            tool = clean(call.tool_name)
            yield event(f"call {tool}", call.started_at, _OF_CALLS, _of_call(call), tool)
        if run.status not in ("pending", "running"):
            end = run.completed_at or run.started_at + timedelta(milliseconds=run.duration_ms or 0.0)
            yield event(_RUN_ENDED, end, _OF_ENDS, _of_end(run))

    def _run(self, run: ExecutionRecord, name: str) -> Iterator[dict[str, str]]:
        session = run.metadata.get("session_id")
        about = (
            ("workflow", run.workflow_name),
            ("session", session if isinstance(session, str) else None),
            ("caller", run.caller_id),
        )
        others = [_relation(self._object(kind, clean(of)), kind) for kind, of in about if of]
        values: Values = {
            "kind": run.type,
            "workflow": _text(run.workflow_name),
            "version": _text(run.workflow_version),
        }
        self._object("run", name, at=run.started_at, values=values, others=others)
        yield _relation(f"run:{name}", "run")
        yield from others

    def _object(
        self,
        kind: str,
        name: str,
        *,
        at: datetime | None = None,
        values: Values | None = None,
        others: Iterable[dict[str, str]] = (),
    ) -> str:
        """Note an object, if it is new; return its id."""
        key = f"{kind}:{name}"
        if key not in self.objects:
            found = {
                "id": key,
                "type": kind,
                "attributes": [
                    {"name": each, "time": _time(at), "value": value}
                    for each, value in (values or {}).items()
                    if at is not None and value is not None
                ],
                "relationships": list(others),
            }
            self.objects[key] = msgspec.json.encode(found)
        return key


def _relation(key: str, qualifier: str) -> dict[str, str]:
    return {"objectId": key, "qualifier": qualifier}


def _type(name: str, attributes: Iterable[str]) -> dict[str, Any]:
    return {
        "name": name,
        "attributes": [{"name": each, "type": _TYPES.get(each, "string")} for each in attributes],
    }


def _of_end(run: ExecutionRecord) -> Values:
    code = None if run.error is None else clean(run.error.code)
    return {"status": run.status, "duration_ms": run.duration_ms, "error_code": code}


def _of_step(step: StepRecord) -> Values:
    return {
        "status": step.status,
        "step_type": step.step_type,
        "duration_ms": step.duration_ms,
        "attempt": step.attempt,
        "skip_reason": _text(step.skip_reason),
        "error_code": None if step.error is None else clean(step.error.code),
    }


def _of_call(call: ToolCallRecord) -> Values:
    return {
        "status": call.status,
        "source": call.source,
        "duration_ms": call.duration_ms,
        "error_code": None if call.error is None else clean(call.error.code),
    }


def _text(value: str | None) -> str | None:
    return None if value is None else clean(value)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
