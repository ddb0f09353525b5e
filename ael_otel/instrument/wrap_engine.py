"""Wrappers around the engine's functions that run workflows; they open and close the frames of the lifecycle.

Each wrapper calls the wrapped function exactly once, with the same arguments, and returns its result or raises its
exception. Faults of our own code do not leave a wrapper (`fault_barrier`, and the frames' own barriers).
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final

from ael_otel._generated.attributes import ErrorType, StepType
from ael_otel.core.caller import Caller
from ael_otel.core.faults import fault_barrier
from ael_otel.instrument.active import current
from ael_otel.instrument.clients import current_request
from ael_otel.lifecycle import CodeBlock, Execution, Failure, Recorder, Step, ToolCall, current_frame
from ael_otel.lifecycle.failure import carried_by, classify, mark, text_of
from ael_otel.sessions.callers import caller_now, caller_of, clean_id

type Wrapped = Callable[..., Awaitable[Any]]
type Args = tuple[Any, ...]
type Kwargs = dict[str, Any]

PYTHON_EXEC: Final = "python_exec"

_handed_over: ContextVar[Execution | None] = ContextVar("ael_otel_handed_over", default=None)
"""The run that `execute` has opened for the `execute_workflow` that it calls; read once."""


def recorder() -> Recorder | None:
    """Return the active recorder, or None if the instrumentation is off."""
    active = current()
    return None if active is None else active.recorder


def argument(args: Args, kwargs: Mapping[str, Any], position: int, name: str, default: Any = None) -> Any:
    """Return an argument, passed by position or by name."""
    if len(args) > position:
        return args[position]
    return kwargs.get(name, default)


def run_caller(kwargs: Mapping[str, Any]) -> Caller | None:
    """Return the caller of a run that begins now; None inside a run, which already has its caller."""
    found: Caller | None = None
    with fault_barrier("run_caller"):
        frame = current_frame.get()
        if frame is not None and not frame.ended:
            return None
        found = caller_now()
        if found is None and (request := current_request.get()) is not None:
            found = request.caller
        if found is None and (bridge := clean_id(kwargs.get("bridge_session_id"))) is not None:
            found = caller_of(None, bridge, None)
    return found


async def execute(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`WorkflowEngine.execute`: the run from its name to its result; only here is its time-out visible."""
    record = recorder()
    if record is None:
        return await wrapped(*args, **kwargs)
    frame = Execution(
        record,
        str(argument(args, kwargs, 0, "workflow_id", "")),
        execution_id=kwargs.get("parent_execution_id") or "",
        inputs=argument(args, kwargs, 1, "inputs"),
        caller=run_caller(kwargs),
    )
    token = _handed_over.set(frame)
    try:
        with frame:
            try:
                result = await wrapped(*args, **kwargs)
            except Exception as error:
                with fault_barrier("execute"):
                    if getattr(error, "code", None) == "WORKFLOW_NOT_FOUND":
                        frame.workflow_unknown()
                    elif error.args == _TIMED_OUT_BEFORE_1_7:
                        seconds = argument(args, kwargs, 2, "timeout_seconds")
                        message = f"Workflow timed out after {seconds}s"
                        mark(error, Failure("WORKFLOW_TIMEOUT", "workflow_engine", message, error=error))
                raise
            with fault_barrier("execute"):
                _observe_run(frame, result)
            return result
    finally:
        _handed_over.reset(token)


_TIMED_OUT_BEFORE_1_7: Final = ("Unknown error code: EXECUTION_TIMEOUT",)
"""The message of the run's time-out in older engines: they lack the error code that they want to raise."""


async def execute_workflow(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`WorkflowEngine.execute_workflow`: the run that `execute` has opened, otherwise a new one."""
    record = recorder()
    if record is None:
        return await wrapped(*args, **kwargs)
    workflow = argument(args, kwargs, 0, "workflow")
    outer = _handed_over.get()
    if outer is not None:
        _handed_over.set(None)
        return await wrapped(*args, **kwargs)
    with Execution(
        record,
        str(getattr(workflow, "name", "")),
        execution_id=kwargs.get("parent_execution_id") or "",
        inputs=argument(args, kwargs, 1, "inputs"),
        version=_text(getattr(workflow, "version", None)),
        caller=run_caller(kwargs),
    ) as frame:
        result = await wrapped(*args, **kwargs)
        with fault_barrier("execute_workflow"):
            _observe_run(frame, result)
        return result


def _observe_run(frame: Execution, result: Any) -> None:
    frame.identify(
        _text(getattr(result, "execution_id", "")) or "",
        version=_text(getattr(result, "workflow_version", None)),
    )
    frame.finished(getattr(result, "outputs", None))
    status = _value(getattr(result, "status", None))
    if status in ("failed", "cancelled"):
        error = getattr(result, "error", None)
        if isinstance(error, BaseException):
            frame.failed(error)
        else:
            frame.failure = Failure(
                "cancelled" if status == "cancelled" else "other",
                "workflow_engine",
                str(error or f"run {status}"),
            )


def generate_execution_id(wrapped: Callable[..., str], instance: Any, args: Args, kwargs: Kwargs) -> str:
    """`generate_execution_id`: sets the id before the first log line of the run."""
    execution_id = wrapped(*args, **kwargs)
    with fault_barrier("generate_execution_id"):
        frame = current_frame.get()
        if isinstance(frame, Execution) and not frame.ended:
            frame.identify(execution_id)
    return execution_id


async def execute_steps(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`WorkflowEngine._execute_steps`: sets id and version before the first step, if they are not set yet."""
    with fault_barrier("execute_steps"):
        frame = current_frame.get()
        if isinstance(frame, Execution):
            context = argument(args, kwargs, 0, "context")
            workflow = getattr(context, "workflow", None)
            frame.identify(
                _text(getattr(context, "execution_id", "")) or "",
                version=_text(getattr(workflow, "version", None)),
            )
    return await wrapped(*args, **kwargs)


async def execute_step(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`WorkflowEngine._execute_step`: one logical step with all its attempts."""
    record = recorder()
    if record is None:
        return await wrapped(*args, **kwargs)
    opened: Step | None = None
    with fault_barrier("execute_step"):
        opened = _step_frame(record, args, kwargs)
    if opened is None:
        return await wrapped(*args, **kwargs)
    with opened as frame:
        result = await wrapped(*args, **kwargs)
        with fault_barrier("execute_step"):
            _observe_step(frame, result)
        return result


def _step_frame(record: Recorder, args: Args, kwargs: Kwargs) -> Step:
    step = argument(args, kwargs, 0, "step")
    kind = step_type_of(step)
    return Step(
        record,
        str(getattr(step, "id", "")),
        kind,
        index=int(argument(args, kwargs, 2, "step_index", 0)),
        tool=_text(getattr(step, "tool", None)) if kind == "tool_call" else None,
        code=_text(getattr(step, "code", None)) if kind == "code" else None,
        max_attempts=_max_attempts(step, argument(args, kwargs, 1, "context")),
        literals=getattr(step, "params", None),
        when=_text(getattr(step, "when", None)) or None,
    )


def _observe_step(frame: Step, result: Any) -> None:
    status = _value(getattr(result, "status", None))
    error = getattr(result, "error", None)
    if status == "failed":
        frame.failed(error if isinstance(error, BaseException) else RuntimeError(str(error)))
    elif status == "skipped":
        if isinstance(error, BaseException):
            frame.attempt_failed(error)
            kind = frame.child_failure.type if frame.child_failure is not None else "other"
            frame.skipped(f"on_error: {kind}", ran=True)
        else:
            reason = skip_reason(_text(getattr(result, "skip_reason", None)) or "")
            frame.skipped(reason, ran=reason.startswith("on_missing_tool"))


async def execute_step_once(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`WorkflowEngine._execute_step_once`: one attempt of a step."""
    frame = current_frame.get()
    if not isinstance(frame, Step) or frame.ended:
        return await wrapped(*args, **kwargs)
    with fault_barrier("execute_step_once"):
        frame.attempt()
    result = await wrapped(*args, **kwargs)
    with fault_barrier("execute_step_once"):
        error = getattr(result, "error", None)
        if isinstance(error, BaseException):
            frame.attempt_failed(error)
    return result


def render_string(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`TemplateEngine.render_string`: the result of a step's condition, which the engine reports only if it skips."""
    rendered = wrapped(*args, **kwargs)
    frame = current_frame.get()
    if isinstance(frame, Step) and frame.when is not None:
        with fault_barrier("render_string"):
            if argument(args, kwargs, 0, "template_str") == "{{ " + frame.when + " }}":
                # Since 1.7 the text "false" is false; earlier engines treat any text as true.
                truth = getattr(sys.modules.get(_ENGINE), "_coerce_when_truthy", bool)
                frame.decided(bool(truth(rendered)))
    return rendered


_ENGINE: Final = "ploston_core.engine.engine"


def add_step_result(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`ExecutionContext.add_step_result`: the only place where a step that was skipped by cascade is visible."""
    outcome = wrapped(*args, **kwargs)
    with fault_barrier("add_step_result"):
        frame = current_frame.get()
        result = argument(args, kwargs, 0, "result")
        if isinstance(frame, Execution) and _value(getattr(result, "status", None)) == "skipped":
            step_id = str(getattr(result, "step_id", ""))
            step = instance.workflow.get_step(step_id)
            kind = step_type_of(step)
            tool = _text(getattr(step, "tool", None)) if kind == "tool_call" else None
            frame.skip_step(
                step_id, kind, tool, skip_reason(_text(getattr(result, "skip_reason", None)) or "")
            )
    return outcome


async def invoke(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`ToolInvoker.invoke`: every tool call of any caller, but not the running of code."""
    record = recorder()
    name = str(argument(args, kwargs, 0, "tool_name", ""))
    if record is None or name == PYTHON_EXEC:
        return await wrapped(*args, **kwargs)
    runner, tool = split_runner(name)
    params = argument(args, kwargs, 1, "params")
    async with record.around_tool(tool, params) as watched:
        with ToolCall(record, tool, server=runner, caller=run_caller(kwargs)) as frame:
            watched.entered(frame)
            with fault_barrier("invoke"):
                frame.called_with(params)
            try:
                result = await wrapped(*args, **kwargs)
            except Exception as raised:
                with fault_barrier("invoke"):
                    registry = getattr(instance, "_registry", None)
                    unavailable = getattr(raised, "code", None) == "TOOL_UNAVAILABLE"
                    if unavailable and (
                        runner is not None or (registry is not None and registry.get(name) is None)
                    ):
                        frame.tool_unknown()
                raise
            with fault_barrier("invoke"):
                frame.returned(getattr(result, "output", None))
                if not getattr(result, "success", True):
                    error = getattr(result, "error", None)
                    frame.failed(error if isinstance(error, BaseException) else RuntimeError(str(error)))
            return result


async def call_tool(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`MCPClientManager.call_tool`: the server's name, and the error before the engine replaces it by TOOL_FAILED."""
    record = recorder()
    if record is None:
        return await wrapped(*args, **kwargs)
    server = str(argument(args, kwargs, 0, "server_name", ""))
    frame = current_frame.get()
    if not isinstance(frame, ToolCall) or frame.ended:
        tool, params = str(argument(args, kwargs, 1, "tool_name", "")), argument(args, kwargs, 2, "arguments")
        async with record.around_tool(tool, params) as watched:
            with ToolCall(record, tool, server=server, caller=run_caller(kwargs)) as own:
                watched.entered(own)
                with fault_barrier("call_tool"):
                    own.called_with(params)
                result = await _transport(wrapped, args, kwargs, own)
                with fault_barrier("call_tool"):
                    own.returned(getattr(result, "content", None))
                return result
    with fault_barrier("call_tool"):
        frame.served_by(server)
    return await _transport(wrapped, args, kwargs, frame)


async def _transport(wrapped: Wrapped, args: Args, kwargs: Kwargs, frame: ToolCall) -> Any:
    try:
        result = await wrapped(*args, **kwargs)
    except Exception as error:
        with fault_barrier("call_tool"):
            frame.originally(mcp_failure(error))
        raise
    with fault_barrier("call_tool"):
        if getattr(result, "is_error", False):
            frame.originally(Failure("TOOL_FAILED", "tool", str(getattr(result, "error", ""))))
    return result


async def sandbox_execute(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`PythonExecSandbox.execute`: one run of sandboxed code, which reports failures as text."""
    record = recorder()
    if record is None:
        return await wrapped(*args, **kwargs)
    code = _text(argument(args, kwargs, 0, "code"))
    async with record.around_code(code) as watched:
        with CodeBlock(record, code=code) as frame:
            watched.entered(frame)
            result = await wrapped(*args, **kwargs)
            with fault_barrier("sandbox_execute"):
                frame.printed(*(getattr(result, name, None) for name in ("stdout", "stderr", "result")))
                if not getattr(result, "success", True):
                    text = str(getattr(result, "error", "") or "code failed")
                    nested = frame.child_failure
                    if nested is not None and _LOST_ON_THE_WAY in text:
                        frame.failure = nested
                    else:
                        frame.failed_as(code_failure(text))
            return result


_LOST_ON_THE_WAY: Final = "AELError.__init__() missing"
"""The error for sandboxed code in another process if a tool fails: the engine's error cannot be unpickled there."""


def mcp_failure(error: Exception) -> Failure:
    """Classify an error of the MCP client: the tool returned an error, or the connection failed.

    The engine's own errors keep their code; a tool's error result is TOOL_FAILED in `tool`; a lost or refused
    connection is MCP_CONNECTION_FAILED in `mcp`; any other fault of protocol or client is TOOL_FAILED in `mcp`.
    """
    carried = carried_by(error)
    if carried is not None:
        return carried
    name = type(error).__name__
    if isinstance(getattr(error, "code", None), str):
        return classify(error, "mcp")
    kind: ErrorType = "TOOL_FAILED"
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return Failure("TOOL_TIMEOUT", "mcp", text_of(error), error=error)
    if name == "ToolError":
        return Failure(kind, "tool", text_of(error), error=error, category="TOOL")
    said = getattr(getattr(error, "error", None), "code", None) if name in ("McpError", "MCPError") else None
    if said in _REQUEST_TIMEOUT:
        return Failure("TOOL_TIMEOUT", "mcp", text_of(error), error=error)
    if (
        isinstance(error, (ConnectionError, OSError, EOFError))
        or name in _CONNECTION_ERRORS
        or said == _CONNECTION_CLOSED
    ):
        kind = "MCP_CONNECTION_FAILED"
    return Failure(kind, "mcp", text_of(error), error=error)


# Codes of the MCP library's own errors; versions 1 and 2 differ in that of the time-out.
_CONNECTION_CLOSED: Final = -32000
_REQUEST_TIMEOUT: Final = (408, -32001)

_CONNECTION_ERRORS: Final = frozenset(
    {
        "BrokenResourceError",
        "ClosedResourceError",
        "ConnectError",
        "ConnectTimeout",
        "EndOfStream",
        "RemoteProtocolError",
    }
)


def code_failure(message: str) -> Failure:
    """Classify a failure of the sandbox by its text, in the wording of each engine version: it reports only text."""
    kind: ErrorType = "CODE_RUNTIME"
    for start, meaning in _SANDBOX_WORDS:
        if message.startswith(start):
            kind = meaning
            break
    return Failure(kind, "sandbox", message)


# Complete beginnings as the sandbox writes them, since the rest, and any other text, comes from the code itself. The
# text of an error that the code raises begins with its class and `at line`.
_SANDBOX_WORDS: Final[tuple[tuple[str, ErrorType], ...]] = (
    ("Security violation: Syntax error in code", "CODE_SYNTAX"),
    ("Security violation: ", "CODE_SECURITY"),
    ("SyntaxError: ", "CODE_SYNTAX"),
    ("Execution timeout after ", "CODE_TIMEOUT"),
)


def skip_reason(engine_text: str) -> str:
    """Return why a step was skipped, in the form `<rule>: <subject>`, without error texts."""
    for prefix, rule in (
        ("when condition not met: ", "when: "),
        ("dependency '", "dependency: "),
        ("Tool '", "on_missing_tool: "),
    ):
        if engine_text.startswith(prefix):
            rest = engine_text.removeprefix(prefix)
            return rule + (rest.split("'", 1)[0] if prefix.endswith("'") else rest)
    return engine_text.split(":", 1)[0] or "skipped"


def split_runner(name: str) -> tuple[str | None, str]:
    """Split `runner__server__tool` into the runner and `server__tool`; other names have no runner."""
    runner, separator, rest = name.partition("__")
    return (runner, rest) if separator and "__" in rest else (None, name)


def step_type_of(step: Any) -> StepType:
    """Return the value of `ael.step.type` for the type in a step definition."""
    return "code" if _value(getattr(step, "step_type", None)) == "code" else "tool_call"


def _max_attempts(step: Any, context: Any) -> int:
    defaults = getattr(getattr(context, "workflow", None), "defaults", None)
    retry = getattr(step, "retry", None) or getattr(defaults, "retry", None)
    return int(getattr(retry, "max_attempts", 1) or 1)


def _value(status: Any) -> str:
    return str(getattr(status, "value", status))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
