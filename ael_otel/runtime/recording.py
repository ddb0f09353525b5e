"""Record runs without the engine: one context manager each for a run, a step, a tool call and code.

Each makes the span, the metrics, the failure's log record and the stored record at once. They nest by context
variables, so they work the same in threads and in asyncio, with `with` in both. An exception that leaves one of them is
recorded as its failure and passes on unchanged. They raise no exception of telemetry's own.
"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from ael_otel.lifecycle import CodeBlock, Execution, Frame, Recorder, Step, ToolCall, current_frame
from ael_otel.runtime.hosting import recorder
from ael_otel.sessions.callers import caller_now, clean_id, clean_name
from ael_otel.sessions.hosted import AgentSession


class _ToolCall(ToolCall):
    __slots__ = ("_params",)

    def __init__(self, recorder: Recorder, tool: str, *, server: str | None, params: Any) -> None:
        super().__init__(recorder, tool, server=server, caller=caller_now())
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
    providers, nothing is recorded, and one line in the log says so.

        >>> import ael_otel
        >>> ael_otel.configure("ael-config.yaml")
        >>> with ael_otel.execution("triage", inputs={"ticket": 7}) as run:
        ...     with ael_otel.step("look-up", tool="search"):
        ...         with ael_otel.tool_call("search", params={"query": "printer"}) as call:
        ...             call.returned({"hits": 2})
        ...     run.finished({"answer": "turn it off and on"})

    Args:
        workflow: the name; a label of metrics, so one of few.
        inputs: what the run works on; stored only in the run store, redacted.
        execution_id: an id of your own; None makes one up.
        version: the workflow's version.

    Returns:
        The run, entered with `with`. `finished(outputs)` records its outputs, `failed(error)` a failure without an
        exception; `execution.execution_id` is its id, from the start.
    """
    return Execution(
        recorder(),
        workflow,
        # Created here, not at the end: otherwise log lines would lack it, and the store would record a run without an
        # id.
        execution_id=execution_id or f"exec-{uuid4().hex[:12]}",
        inputs=None if inputs is None else dict(inputs),
        version=version,
        caller=caller_now(),
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
        code: the source that the step runs; it makes this a `code` step, and only its SHA-256 is stored.
        max_attempts: how often the step may be tried.

    Returns:
        The step, entered with `with`. `attempt()` records an attempt, `skipped(reason)` that it is skipped,
        `failed(error)` a failure without an exception.
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
        params: the parameters of the call; stored only in the run store, redacted.

    Returns:
        The call, entered with `with`. `returned(result)` records its result, `failed(error)` a failure without an
        exception.
    """
    return _ToolCall(recorder(), name, server=server, params=params)


def code_block(code: str | None = None) -> CodeBlock:
    """Record the execution of code: span `Python Exec`; tools that the code calls nest in it.

        >>> import ael_otel
        >>> with ael_otel.execution("triage"), ael_otel.step("count", code="len(hits)"):
        ...     with ael_otel.code_block("len(hits)") as block:
        ...         block.printed("", "", 2)

    Args:
        code: the source; its SHA-256 and the names of the modules that it imports are stored.

    Returns:
        The block, entered with `with`. `printed(stdout, stderr, result)` records its output and result, `failed(error)`
        a failure without an exception.
    """
    return CodeBlock(recorder(), code=code)


def session(
    agent: str,
    *,
    session_id: str | None = None,
    version: str | None = None,
    model: str | None = None,
    workspace: str | None = None,
) -> AgentSession:
    """Record a session of an agent that this process hosts; runs inside get its agent name and its session id.

    A tool call inside, outside any run, belongs to the session. Each event is passed to `on` hooks and stored.

        >>> import ael_otel
        >>> with ael_otel.session("support-bot", version="2.1") as conversation:
        ...     with conversation.turn():
        ...         with ael_otel.tool_call("search", params={"query": "printer"}) as call:
        ...             call.returned({"hits": 2})
        ...         with ael_otel.execution("triage"):
        ...             pass

    Args:
        agent: the agent's name; a label of metrics, so one of few.
        session_id: an id of your own, at most 256 characters; None makes one up.
        version: the agent's version.
        model: the model that it uses.
        workspace: the folder that it works in.

    Returns:
        The session, entered with `with`. `turn()` records a turn, `decided(about, decision)` a decision,
        `failed(error)` an error, `message(text)` a message that keeps the agent going, `idle(seconds)` a time of
        waiting.
    """
    recorder()
    return AgentSession(
        clean_name(agent) or "unknown",
        clean_id(session_id),
        version=clean_name(version),
        model=clean_name(model),
        workspace=workspace,
    )


def _steps_so_far() -> int:
    frame: Frame | None = current_frame.get()
    return 0 if frame is None or frame.ended or frame.execution is None else len(frame.execution.steps)
