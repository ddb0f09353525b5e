"""Run a stored run again: read its inputs, and ask before its tools are called."""

import signal
import sys
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import click

from ael_otel.cli.render import text as words
from ael_otel.cli.trace.place import Place
from ael_otel.cli.trace.store_access import find, opened
from ael_otel.core.redaction import active_redaction
from ael_otel.errors import RerunError
from ael_otel.instrument.engine import workflow_plan
from ael_otel.privacy.markers import MARKER
from ael_otel.store import ExecutionRecord
from ael_otel.store.content import CYCLE, TRUNCATED, TYPE

_CHANGED_BY_STORING: Final = {
    TRUNCATED: "was cut when it was stored",
    TYPE: "is of a type that JSON does not have",
    CYCLE: "contains itself",
}
_MOST_NAMED: Final = 5


def stored_run(config: Path | None, wanted: str) -> tuple[ExecutionRecord, str]:
    """Return a stored run of a workflow and the workflow's name.

    Args:
        config: the configuration that names the store; None for the one that is found.
        wanted: the beginning of an execution id or trace id, or `latest`.

    Raises:
        RunNotFoundError: no run matches.
        RerunError: it is a direct call of a tool.
    """
    with opened(Place(config)) as store:
        run = find(store, wanted)
    if run.type != "workflow" or not run.workflow_name:
        raise RerunError(f"{run.execution_id} is a direct call of a tool, not a run of a workflow")
    return run, run.workflow_name


def inputs_of(run: ExecutionRecord, given: Mapping[str, Any], *, all_given: bool = False) -> dict[str, Any]:
    """Return the inputs of a stored run, with others in place of some.

    Args:
        run: the run.
        given: inputs that replace those of the same name.
        all_given: whether `given` are all inputs, so that those of the run are not used.

    Raises:
        RerunError: an input that is not replaced was redacted, cut or not stored.
    """
    if all_given:
        return dict(given)
    kept: object = run.inputs
    if not isinstance(kept, dict) or TRUNCATED in kept:
        why = "were not stored" if kept is None else "were cut or redacted as a whole when they were stored"
        raise RerunError(f"the inputs of {run.execution_id} {why}: give all of them with --inputs-file")
    stored = cast("dict[str, Any]", kept)
    faults = [
        f"{words.one_line(name)[:80]} {reason}"
        for name, value in stored.items()
        if name not in given and (reason := _why_changed(name) or _why_changed(value))
    ]
    if faults:
        more = f" and {len(faults) - _MOST_NAMED} more" if len(faults) > _MOST_NAMED else ""
        raise RerunError(
            f"inputs of {run.execution_id} are not stored as they were: {', '.join(faults[:_MOST_NAMED])}{more}; "
            "give each with -i NAME=VALUE"
        )
    return {**stored, **given}


def _why_changed(value: object) -> str | None:
    """Return how a stored value differs from the original, None if it does not."""
    if isinstance(value, str):
        marker = MARKER.search(value)
        return None if marker is None else f"contains {marker[0]}, which replaces what was redacted"
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        for field, why in _CHANGED_BY_STORING.items():
            if field in fields:
                return why
        return _first(each for pair in fields.items() for each in pair)
    return _first(cast("list[object]", value)) if isinstance(value, list) else None


def _first(values: Iterable[object]) -> str | None:
    return next((why for each in values if (why := _why_changed(each))), None)


def approve(
    application: Any, run: ExecutionRecord, inputs: Mapping[str, Any], *, allow_changed: bool, yes: bool
) -> None:
    """Say on stderr which tools a run will call, and wait until somebody agrees.

    Args:
        application: the engine, which has loaded the workflow.
        run: the stored run.
        inputs: those of the new run.
        allow_changed: whether the workflow may have another version now.
        yes: whether to ask nobody; then tools are listed only on a terminal.

    Raises:
        RerunError: the workflow has another version, stdin is not a terminal, or the answer is no.
        KeyboardInterrupt: Ctrl-C or SIGTERM instead of an answer.
    """
    name = str(run.workflow_name)
    plan = workflow_plan(application, name)
    if plan is None:
        return  # running it says what is wrong
    version = active_redaction().name(plan.version)
    if version != run.workflow_version and not allow_changed:
        then = "an unknown version" if run.workflow_version is None else f"version {run.workflow_version}"
        raise RerunError(
            f"{run.execution_id} was a run of {then} of {name}, which has version {version} now: "
            "pass --allow-changed to run this one"
        )
    if yes and not sys.stderr.isatty():
        return
    click.echo(
        f"{name} {version} runs again with {words.plural(len(inputs), 'input')}, as {run.execution_id} did.\n"
        + (f"Its steps call {', '.join(plan.tools)}." if plan.tools else "None of its steps is a tool call."),
        err=True,
    )
    if plan.code_steps:
        called = sorted(
            {words.tool(call.tool_name, call.server) for call in _calls(run) if call.source != "tool_step"}
        )
        then = f"it called {', '.join(called)}" if called else "it called none"
        click.echo(
            f"Code of {', '.join(plan.code_steps)} can call further tools; in the stored run {then}.",
            err=True,
        )
    if yes:
        return
    if not sys.stdin.isatty():
        raise RerunError("--from asks before it calls tools, and stdin is not a terminal: pass --yes")
    click.echo("Run it? [y/N]: ", nl=False, err=True)
    with _interruptible():
        answer = sys.stdin.readline()
    if answer.strip().lower() not in {"y", "yes"}:
        raise RerunError("not confirmed: nothing was run")


def _calls(run: ExecutionRecord) -> Iterable[Any]:
    yield from run.tool_calls
    for step in run.steps:
        yield from step.tool_calls


@contextmanager
def _interruptible() -> Generator[None]:
    """Let Ctrl-C and SIGTERM end a wait for stdin, which the event loop's own handlers would only note."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
