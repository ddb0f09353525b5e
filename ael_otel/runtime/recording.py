"""Recording runs that no engine of ours makes: one context manager each for a run, a step, a tool call and code.

Each makes the span, the metrics, the failure's log record and the stored record at once. They nest by context
variables, so they work the same in threads and in asyncio, with `with` in both. An exception that leaves one of them
is its failure and passes on unchanged. Nothing of telemetry's own is ever raised.
"""

from collections.abc import Mapping
from typing import Any

from ael_otel.lifecycle import CodeBlock, Execution, Frame, Recorder, Step, ToolCall, current_frame
from ael_otel.runtime.hosting import recorder


class _ToolCall(ToolCall):
    __slots__ = ("_params",)

    def __init__(self, recorder: Recorder, tool: str, *, server: str | None, params: Any) -> None:
        super().__init__(recorder, tool, server=server)
        self._params = params

    def _begin(self) -> None:
        super()._begin()
        if self._params is not None:
            self.called_with(self._params)


def execution(
    workflow: str,
    *,
    inputs: Mapping[str, Any] | None = None,
    execution_id: str | None = None,
    version: str | None = None,
) -> Execution:
    """Record a run of `workflow`: span `Workflow Execution`, executions and duration, active runs, one stored run.

    Where `configure` has not been called, the first run starts telemetry with the configuration that is named by
    OTEL_PYTHON_AEL_CONFIG, AEL_CONFIG_PATH or PLOSTON_CONFIG_PATH; without one, spans and metrics go to the global
    providers, nothing is kept, and one line in the log says so.

        >>> import ael_otel
        >>> ael_otel.configure("ael-config.yaml")
        >>> with ael_otel.execution("triage", inputs={"ticket": 7}) as run:
        ...     with ael_otel.step("look-up", tool="search"):
        ...         with ael_otel.tool_call("search", params={"query": "printer"}) as call:
        ...             call.returned({"hits": 2})
        ...     run.finished({"answer": "turn it off and on"})

    Args:
        workflow: the name; a label of metrics, so one of few.
        inputs: what the run works on, kept redacted in the run store only.
        execution_id: an id of your own; None makes one up.
        version: the workflow's version.

    Returns:
        The run, entered with `with`. `finished(outputs)` says what it returned, `failed(error)` that it failed without
        an exception; `execution.execution_id` is its id once it has ended, or from the start where it was given.
    """
    return Execution(
        recorder(),
        workflow,
        execution_id=execution_id or "",
        inputs=None if inputs is None else dict(inputs),
        version=version,
    )


def step(name: str, *, tool: str | None = None, code: str | None = None, max_attempts: int = 1) -> Step:
    """Record one step of the run around it: span `Step <n>: <type>`, one count however often it is tried.

        >>> import ael_otel
        >>> with ael_otel.execution("triage"):
        ...     with ael_otel.step("rank", code="sorted(hits)") as ranking:
        ...         for attempt in (1, 2):
        ...             ranking.attempt()

    Args:
        name: the step's name in its workflow.
        tool: the tool that the step calls.
        code: the source that the step runs; it makes this a `code` step, and only its SHA-256 is kept.
        max_attempts: how often the step may be tried.

    Returns:
        The step, entered with `with`. `attempt()` says that it is tried (again), `skipped(reason)` that it is passed
        over, `failed(error)` that it failed without an exception.
    """
    return Step(
        recorder(),
        name,
        "tool_call" if code is None else "code",
        index=_steps_so_far(),
        tool=tool,
        code=code,
        max_attempts=max_attempts,
    )


def tool_call(name: str, *, server: str | None = None, params: Any = None) -> ToolCall:
    """Record one call of a tool: span `MCP Request`, invocations and duration, a record in the step or run around it.

    Without a run around it, the call is a run by itself.

        >>> import ael_otel
        >>> with ael_otel.tool_call("search", server="crm", params={"query": "printer"}) as call:
        ...     call.returned({"hits": 2})

    Args:
        name: the tool's name; a label of metrics, so one of few.
        server: the MCP server that offers it.
        params: what it is called with, kept redacted in the run store only.

    Returns:
        The call, entered with `with`. `returned(result)` says what it gave back, `failed(error)` that it failed
        without an exception.
    """
    return _ToolCall(recorder(), name, server=server, params=params)


def code_block(code: str | None = None) -> CodeBlock:
    """Record a run of code: span `Python Exec`; tools that the code calls nest in it.

        >>> import ael_otel
        >>> with ael_otel.execution("triage"), ael_otel.step("count", code="len(hits)"):
        ...     with ael_otel.code_block("len(hits)") as block:
        ...         block.printed("", "", 2)

    Args:
        code: the source; its SHA-256 and the names of the modules that it imports are kept.

    Returns:
        The block, entered with `with`. `printed(stdout, stderr, result)` says what came of it, `failed(error)` that it
        failed without an exception.
    """
    return CodeBlock(recorder(), code=code)


def _steps_so_far() -> int:
    frame: Frame | None = current_frame.get()
    return 0 if frame is None or frame.ended or frame.execution is None else len(frame.execution.steps)
