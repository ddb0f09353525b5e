"""Short texts about a run: durations, ids, errors, what happened."""

from collections.abc import Sequence

from ael_otel.store import ErrorRecord, ExecutionRecord, StepRecord

SHORT_ID = 8
"""Number of characters of a displayed trace id; a unique prefix is enough wherever an id is expected."""

_WHEN = "when condition not met: "
_BY_ERROR = "Skipped due to error: "


def duration(milliseconds: float | None) -> str:
    """Return a duration with about three digits and its unit: `4.1 ms`, `118 ms`, `2.00 s`, `1 m 05 s`.

    None, the duration of work in progress, is `...`.
    """
    if milliseconds is None:
        return "..."
    if milliseconds < 99.95:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1e3
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} m {rest:02} s"


def lasted(status: str, milliseconds: float | None) -> str:
    """Return how long a run or step took as text; `-` if it is unknown, since its process died before it ended."""
    ended = status not in ("pending", "running")
    return "-" if ended and milliseconds is None else duration(milliseconds)


def size(count: float) -> str:
    """Return a number of bytes with about three digits: `812 B`, `6.7 kB`, `666 MB`."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.5 or unit == "GB":
            return f"{count:.1f} {unit}" if count < 99.95 else f"{count:.0f} {unit}"
    raise AssertionError  # unreachable: the loop returns


def one_line(text: str) -> str:
    """Return `text` on one line without control characters, so that a tool's output cannot control the terminal."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Return `text` with a marker for each control character; blanks stay as they are."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def short_id(identifier: str) -> str:
    """Return the first characters of a trace id."""
    return identifier[:SHORT_ID]


def error(record: ErrorRecord, took_ms: float | None = None) -> str:
    """Return an error as its code and its message: `TOOL_FAILED "card declined"`.

    A time-out has its duration in place of the message, and a cancellation has neither: their messages add nothing.
    """
    return error_text(record.code, record.message, took_ms)


def whole_error(record: ErrorRecord) -> str:
    """Return an error with the place where it occurred, its detail, and its causes."""
    lines = [error(record)]
    where = [
        f"{what} {one_line(name)}"
        for what, name in (("step", record.step_id), ("tool", record.tool_name))
        if name
    ]
    if where:
        lines.append(f"in {', '.join(where)}")
    lines += _detail(record)
    cause = record.cause
    while cause is not None:
        lines.append(f"caused by {error(cause)}")
        lines += _detail(cause)
        cause = cause.cause
    return "\n".join(lines)


def _detail(record: ErrorRecord) -> list[str]:
    """Return the lines of an error's detail, unless its message contains the same."""
    detail = one_line(record.detail or "")
    return [] if not detail or detail in one_line(record.message) else [f"detail: {detail}"]


def error_text(code: str, message: str, took_ms: float | None = None) -> str:
    """Return an error in the form of `error`, from its parts."""
    if code == "cancelled":
        return code
    if took_ms is not None and code.upper().endswith("TIMEOUT"):
        return f"{code} after {duration(took_ms)}"
    message = one_line(message)
    return f'{code} "{message}"' if message else code


def tool(name: str, server: str | None) -> str:
    """Return a tool with its MCP server: `echo@demo`."""
    return f"{name}@{server}" if server else name


def step_type(step: StepRecord) -> str:
    """Return the type as in traces and metrics, `tool_call` or `code`; `step` for other foreign spans."""
    if step.step_type == "code":
        return "code"
    return "step" if step.tool_name is None and step.status != "skipped" else "tool_call"


def skip_reason(step: StepRecord) -> str:
    """Return in few words why a step was skipped."""
    reason = one_line(step.skip_reason or "")
    if reason.startswith(_WHEN):
        return f"skipped: not when {reason.removeprefix(_WHEN)}"
    if reason.startswith(_BY_ERROR):
        return f"skipped on error: {reason.removeprefix(_BY_ERROR)}"
    return f"skipped: {reason}" if reason else "skipped"


def steps(run: ExecutionRecord) -> str:
    """Return the number of steps by outcome: `3 ok`, `2 ok, 3 skip`, or `1 of 2` if one did not complete."""
    if not run.steps:
        return "-"
    done = sum(step.status == "completed" for step in run.steps)
    skipped = sum(step.status == "skipped" for step in run.steps)
    if done + skipped < len(run.steps):
        return f"{done} of {len(run.steps)}"
    return f"{done} ok, {skipped} skip" if skipped else f"{done} ok"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: `1 run`, `2,000 runs`, `2 retries`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("y") else f"{count:,} {noun}s"


def what_happened(run: ExecutionRecord) -> str:
    """Return one line on everything except success: error, retries, tolerated errors, skips, handled tool errors."""
    notes: list[str] = []
    if run.error is not None:
        step_id = run.error.step_id or _step_of(run.error, run.steps)
        text = error(run.error, run.duration_ms)
        notes.append(f"{step_id}: {text}" if step_id else text)
    else:
        notes += [note for step in run.steps if (note := _note(step))]
    notes += [
        f"{step.step_id}: tolerated {error(step.error)}"
        for step in run.steps
        if step.error is not None and _tolerated(step, run)
    ]
    skipped = [step.step_id for step in run.steps if step.status == "skipped" and step.error is None]
    if skipped:
        notes.append(f"{', '.join(skipped)} skipped")
    return "; ".join(notes)


def _tolerated(step: StepRecord, run: ExecutionRecord) -> bool:
    """Return whether a step failed and its run continued: `on_error` skipped it, or the run completed anyway."""
    return step.status == "skipped" or (step.status == "failed" and run.status == "completed")


def _step_of(failure: ErrorRecord, steps: Sequence[StepRecord]) -> str | None:
    # A step that was cancelled because the run ran out of time did not cause the failure: its error code differs.
    return next(
        (step.step_id for step in steps if step.error is not None and step.error.code == failure.code), None
    )


def _note(step: StepRecord) -> str:
    if step.status != "completed":
        return ""
    if step.attempt > 1:
        return f"{step.step_id}: {plural(step.attempt - 1, 'retry')}"
    handled = [call for call in step.tool_calls if call.status != "success" and call.source == "code_block"]
    return f"{step.step_id}: handled a failed {handled[0].tool_name}" if handled else ""
