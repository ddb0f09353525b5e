"""Compare two runs of a workflow: steps, inputs, outputs and durations."""

from collections.abc import Iterator
from typing import Any, Final, cast

import msgspec

from ael_otel.store import ErrorRecord, ExecutionRecord, StepRecord


class _Absent:
    """A value that one of two runs lacks."""


ABSENT: Final = _Absent()


class Difference(msgspec.Struct, frozen=True):
    """One value that differs: its path, and the value in each run; `in_a`, `in_b` say whether the run has it."""

    path: str
    a: Any = None
    b: Any = None
    in_a: bool = True
    in_b: bool = True


class Timing(msgspec.Struct, frozen=True):
    """The duration of a step in each run, in milliseconds; None if it did not run or has not ended."""

    step: str
    a_ms: float | None
    b_ms: float | None
    a_status: str | None
    b_status: str | None


class Comparison(msgspec.Struct, frozen=True):
    """The differences of two runs. Durations are in `timings`: they always differ, so they are not differences."""

    a: str
    b: str
    same_workflow: bool
    differences: list[Difference]
    timings: list[Timing]


def compare(a: ExecutionRecord, b: ExecutionRecord) -> Comparison:
    """Return the differences of two runs; steps are matched by their names."""
    steps_a, steps_b = ({step.step_id: step for step in run.steps} for run in (a, b))
    # In the order of the first run; steps of the second run only come last.
    names = list(dict.fromkeys([*steps_a, *steps_b]))
    timings = [Timing("", a.duration_ms, b.duration_ms, a.status, b.status)]
    timings += [_timing(name, steps_a.get(name), steps_b.get(name)) for name in names]
    found = list(_between(_run(a), _run(b), ""))
    for name in names:
        first, second = steps_a.get(name), steps_b.get(name)
        found += _between(
            ABSENT if first is None else _step(first),
            ABSENT if second is None else _step(second),
            f"steps.{name}",
        )
    return Comparison(
        a.execution_id,
        b.execution_id,
        (a.type, a.workflow_name) == (b.type, b.workflow_name),
        found,
        timings,
    )


def _timing(name: str, a: StepRecord | None, b: StepRecord | None) -> Timing:
    return Timing(
        name,
        None if a is None else a.duration_ms,
        None if b is None else b.duration_ms,
        None if a is None else a.status,
        None if b is None else b.status,
    )


def _run(run: ExecutionRecord) -> dict[str, Any]:
    return {
        "workflow_name": run.workflow_name,
        "workflow_version": run.workflow_version,
        "status": run.status,
        "caller_id": run.caller_id,
        "inputs": run.inputs,
        "outputs": run.outputs,
        "error": _error(run.error),
        "tool_calls": [
            {"tool": call.tool_name, "status": call.status, "params": call.params, "result": call.result}
            for call in run.tool_calls
        ],
    }


def _step(step: StepRecord) -> dict[str, Any]:
    code = step.code
    return {
        "status": step.status,
        "skip_reason": step.skip_reason,
        "tool": step.tool_name,
        "server": step.server,
        "attempt": step.attempt,
        "code_hash": step.code_hash,
        "error": _error(step.error),
        "params": step.tool_params,
        "result": step.tool_result if code is None else code.result,
        "stdout": None if code is None else code.stdout,
        "stderr": None if code is None else code.stderr,
        "calls": [
            {"tool": call.tool_name, "status": call.status, "params": call.params, "result": call.result}
            for call in step.tool_calls
            if call.source == "code_block"
        ],
    }


def _error(error: ErrorRecord | None) -> Any:
    return None if error is None else {"code": error.code, "message": error.message}


def _between(a: Any, b: Any, path: str) -> Iterator[Difference]:
    """Yield the differences of two values, each with the deepest path that identifies it."""
    if isinstance(a, dict) and isinstance(b, dict):
        one, other = cast("dict[str, Any]", a), cast("dict[str, Any]", b)
        for key in dict.fromkeys([*one, *other]):
            yield from _between(
                one.get(key, ABSENT), other.get(key, ABSENT), f"{path}.{key}" if path else key
            )
    elif isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        first, second = cast("list[Any]", a), cast("list[Any]", b)
        for index in range(max(len(first), len(second))):
            yield from _between(
                first[index] if index < len(first) else ABSENT,
                second[index] if index < len(second) else ABSENT,
                f"{path}[{index}]",
            )
    elif not _same(a, b):
        yield Difference(
            path,
            None if a is ABSENT else a,
            None if b is ABSENT else b,
            in_a=a is not ABSENT,
            in_b=b is not ABSENT,
        )


def _same(a: Any, b: Any) -> bool:
    # In Python 1 == 1.0 == True; in JSON they differ.
    return type(a) is type(b) and bool(a == b)
