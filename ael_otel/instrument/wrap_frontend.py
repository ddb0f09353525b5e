"""Wrappers for an engine's opening and serving: the caller's trace, runner tools, zeros, log lines, shutdown."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from secrets import token_hex
from typing import Any, Final, cast

from opentelemetry import propagate
from opentelemetry.context import attach, detach, get_current
from opentelemetry.trace import get_current_span

from ael_otel._generated.attributes import ConfigTrigger, ErrorType
from ael_otel._generated.emitters import emit_config_reload
from ael_otel.core.caller import current_caller
from ael_otel.core.faults import fault_barrier
from ael_otel.core.log_contract import ContractHandler, log_is_owned, sole_reader
from ael_otel.core.redaction import active_redaction
from ael_otel.core.run_context import current_run
from ael_otel.emit.events import line
from ael_otel.instrument.active import current
from ael_otel.instrument.clients import (
    Call,
    ClientsMiddleware,
    caller_of_call,
    client_now,
    clients,
    current_stdio,
    initialized,
)
from ael_otel.instrument.wrap_engine import (
    PYTHON_EXEC,
    Args,
    Kwargs,
    Wrapped,
    argument,
    recorder,
    run_caller,
    split_runner,
)
from ael_otel.lifecycle import Failure, ToolCall, last_carried_by
from ael_otel.lifecycle.failure import classify
from ael_otel.lifecycle.outcome import status_of
from ael_otel.privacy.engine_logs import harmless, without_arguments

telemetry_logger = logging.getLogger("ael.telemetry")

_LEVELS: Final = logging.getLevelNamesMapping()


async def application_opens(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`PlostApplication.initialize`: start the host's telemetry before the engine starts its tool servers."""
    _open()
    return await wrapped(*args, **kwargs)


def engine_opens(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`WorkflowEngine.__init__`: start the host's telemetry for an engine that is assembled by hand."""
    _open()
    return wrapped(*args, **kwargs)


def _open() -> None:
    active = current()
    if active is not None and active.on_open is not None:
        with fault_barrier("engine_opens"):
            active.on_open()


async def server_stops(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`uvicorn.Server.shutdown`: flush the host's telemetry before the server re-raises the signal that stopped it.

    That signal is usually SIGTERM, whose default action ends the process without its exit handlers.
    """
    result = await wrapped(*args, **kwargs)
    active = current()
    if active is not None and active.on_server_stop is not None:
        with fault_barrier("server_stops"):
            await asyncio.to_thread(active.on_server_stop)
    return result


async def handle_tools_call(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`MCPFrontend._handle_tools_call`: make the caller's trace (`params._meta.traceparent`, SEP-414) the parent.

    The call belongs to its client's session, and the run that it causes has the client as its caller. A call of a name
    that the engine does not route anywhere is a direct call that failed, as it is over REST.
    """
    record = recorder()
    if record is None:
        return await wrapped(*args, **kwargs)
    token = None
    caller_token = None
    call: Call | None = None
    params = argument(args, kwargs, 0, "params")
    with fault_barrier("handle_tools_call"):
        token = _join(params)
        client = client_now()
        call = None if client is None else client.call(_mapping(params).get("name"))
        caller = caller_of_call(_mapping(_mapping(params).get("_meta")), client, call)
        caller_token = current_caller.set(caller)
    result: Any = None
    raised: BaseException | None = None
    try:
        result = await wrapped(*args, **kwargs)
        return result
    except asyncio.CancelledError as error:
        raised = error
        raise
    except Exception as error:
        raised = error
        # An error that passed a frame carries its failure: the call has been recorded there.
        if getattr(error, "code", None) != "TOOL_UNAVAILABLE" or last_carried_by(error) is not None:
            raise
        called = _mapping(params)
        name = str(called.get("name", ""))
        with ToolCall(record, name, caller=run_caller({})) as frame:
            with fault_barrier("handle_tools_call"):
                frame.called_with(called.get("arguments"))
                registry = getattr(instance, "_tool_registry", None)
                if registry is None or registry.get(name) is None:
                    frame.tool_unknown()
            raise
    finally:
        with fault_barrier("handle_tools_call"):
            if call is not None:
                _end_call(call, result, raised)
        if caller_token is not None:
            current_caller.reset(caller_token)
        if token is not None:
            detach(token)


def _end_call(call: Call, result: Any, raised: BaseException | None) -> None:
    if raised is None:
        call.ends("error" if _mapping(result).get("isError") else "success")
        return
    failure = last_carried_by(raised) or classify(raised, "workflow_engine")
    call.ends(status_of(failure), failure.type)


async def handle_initialize(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`MCPFrontend._handle_initialize`: a client has connected: start its session."""
    result = await wrapped(*args, **kwargs)
    if recorder() is not None:
        with fault_barrier("handle_initialize"):
            initialized(_mapping(_mapping(argument(args, kwargs, 0, "params")).get("clientInfo")))
    return result


async def start_stdio(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`MCPFrontend._start_stdio`: record one client until its stream ends."""
    session_id = f"mcp-{token_hex(16)}"
    token = current_stdio.set(session_id)
    try:
        return await wrapped(*args, **kwargs)
    finally:
        current_stdio.reset(token)
        with fault_barrier("start_stdio"):
            clients.close(session_id, "closed")


def create_app(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`HTTPTransport._create_app`: record the sender of each request, as caller of the runs that it causes."""
    app = wrapped(*args, **kwargs)
    if recorder() is not None:
        with fault_barrier("create_app"):
            app.add_middleware(ClientsMiddleware)
    return app


def _join(params: Any) -> Any:
    meta: Any = _mapping(params).get("_meta")
    meta = _mapping(meta)
    carrier = {
        key: meta[key] for key in propagate.get_global_textmap().fields if isinstance(meta.get(key), str)
    }
    if "traceparent" in meta:
        return attach(propagate.extract(carrier)) if carrier else None
    return attach(propagate.extract(carrier, get_current())) if "baggage" in carrier else None


def _mapping(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


async def execute_runner_tool(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`MCPFrontend._execute_runner_tool`: record a direct call of a runner's tool, which has no invoker."""
    record = recorder()
    if record is None:
        return await wrapped(*args, **kwargs)
    runner = str(argument(args, kwargs, 0, "runner_name", ""))
    tool = str(argument(args, kwargs, 1, "tool_name", ""))
    params = argument(args, kwargs, 2, "arguments")
    async with record.around_tool(tool, params) as watched:
        with ToolCall(record, tool, server=runner, caller=run_caller({})) as frame:
            watched.entered(frame)
            with fault_barrier("execute_runner_tool"):
                frame.called_with(params)
                # The engine takes any name of three parts for a runner's tool, so callers can make them up.
                if not _offers(instance, runner, tool):
                    frame.tool_unknown()
            result = await wrapped(*args, **kwargs)
            with fault_barrier("execute_runner_tool"):
                frame.returned(_mapping(result).get("content"))
                if _mapping(result).get("isError"):
                    frame.failure = Failure("TOOL_FAILED", "tool", "the runner's tool returned an error")
            return result


def _offers(frontend: Any, runner: str, tool: str) -> bool:
    registry = getattr(frontend, "_runner_registry", None)
    if registry is None:
        return False
    for known in registry.list():
        if known.name == runner:
            tools: list[Any] = known.available_tools or []
            return any(
                tool == (each if isinstance(each, str) else _mapping(each).get("name")) for each in tools
            )
    return False


async def workflows_loaded(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`WorkflowRegistry.initialize`: emit zeros for every workflow that was loaded."""
    outcome = await wrapped(*args, **kwargs)
    with fault_barrier("workflows_loaded"):
        _expect_workflows(instance)
    return outcome


def workflow_unregistered(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`WorkflowRegistry.unregister`: end the series of the workflow."""
    return workflow_registered(wrapped, instance, args, kwargs)


def workflow_registered(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`WorkflowRegistry.register*`: emit zeros for a workflow that is added later; async in some versions only."""
    outcome = wrapped(*args, **kwargs)
    if isawaitable(outcome):
        return _then(outcome, lambda: _expect_workflows(instance))
    with fault_barrier("workflow_registered"):
        _expect_workflows(instance)
    return outcome


async def _then(outcome: Awaitable[Any], action: Callable[[], None]) -> Any:
    result = await outcome
    with fault_barrier("workflow_registered"):
        action()
    return result


def _expect_workflows(registry: Any) -> None:
    record = recorder()
    if record is not None:
        shown = active_redaction().name
        record.metrics.list_workflows(registry, [shown(each.name) for each in registry.list_workflows()])


async def tools_listed(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`ToolRegistry.initialize` and `refresh*`: emit zeros for every tool that is listed."""
    outcome = await wrapped(*args, **kwargs)
    with fault_barrier("tools_listed"):
        record = recorder()
        if record is not None:
            shown = active_redaction().name
            record.metrics.list_tools(
                instance,
                [
                    shown(split_runner(tool.name)[1])
                    for tool in instance.list_tools()
                    if tool.name != PYTHON_EXEC
                ],
            )
    return outcome


def config_reload(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`ConfigLoader.reload`: emit an event, whether the file could be read or not."""
    try:
        result = wrapped(*args, **kwargs)
    except Exception as error:
        with fault_barrier("config_reload"):
            _say_reloaded("reload", classify(error, "workflow_engine").type)
        raise
    with fault_barrier("config_reload"):
        _say_reloaded("reload", None)
    return result


async def config_done(wrapped: Wrapped, instance: Any, args: Args, kwargs: Kwargs) -> Any:
    """`handle_config_done`: emit an event when an agent changes the configuration by the engine's tool, or fails to."""
    result = await wrapped(*args, **kwargs)
    with fault_barrier("config_done"):
        _say_reloaded("tool", None if _mapping(result).get("success") else "CONFIG_VALIDATION_FAILED")
    return result


def _say_reloaded(trigger: ConfigTrigger, error_type: ErrorType | None) -> None:
    if recorder() is None:
        return
    emit_config_reload(
        telemetry_logger,
        logging.INFO if error_type is None else logging.WARNING,
        "configuration reloaded; changes to the section telemetry take effect at the next start"
        if error_type is None
        else f"configuration could not be reloaded: {error_type}",
        component="workflow_engine",
        config_trigger=trigger,
        status="success" if error_type is None else "error",
        error_type=error_type,
    )


def engine_log(wrapped: Callable[..., None], instance: Any, args: Args, kwargs: Kwargs) -> None:
    """`AELLogger._log`: write the engine's line with the ids of the run it belongs to, and without arguments.

    If our handler owns the log, it writes the line once and the engine prints nothing; otherwise the engine prints its
    line with the ids added. The engine keeps the ids of the latest run on one shared object, so lines of overlapping
    runs would carry each other's ids: those of the run's own context replace them.
    """
    if len(args) == 4:  # as the engine calls it
        level, component, message, context = args
    else:
        level = argument(args, kwargs, 0, "level")
        component = argument(args, kwargs, 1, "component", "")
        message = argument(args, kwargs, 2, "message", "")
        context = argument(args, kwargs, 3, "context")
    redacts = active_redaction().redacts
    if recorder() is None or not (redacts or log_is_owned()):
        wrapped(*args, **kwargs)
        return
    text: str = str(message)
    number = logging.INFO
    fields: dict[str, Any] = {}
    owned = False
    reader: ContractHandler | None = None
    with fault_barrier("engine_log"):
        number = _LEVELS.get(str(getattr(level, "value", level)), logging.INFO)
        text = without_arguments(text) if redacts else text
        fields = harmless(context) if redacts else dict(cast("dict[str, Any]", context or {}))
        owned = log_is_owned()
        reader = sole_reader(instance._stdlib_logger) if owned and redacts else None
        if reader is None:  # our handler redacts what it writes, on the telemetry thread
            text = (
                active_redaction().error_text(text)
                if number >= logging.WARNING
                else active_redaction().text(text)
            )
        scope = current_run.get()
        if scope is not None:
            fields.pop("step_id", None)
        if not owned and scope is not None:
            fields |= {
                "workflow_id": scope.workflow_id,
                "execution_id": scope.execution_id,
                "step_id": scope.step_id,
            }
            span = get_current_span().get_span_context()
            if span.is_valid:
                fields |= {"trace_id": format(span.trace_id, "032x"), "span_id": format(span.span_id, "016x")}
    if not owned:
        wrapped(level, component, text, fields)
        return
    with fault_barrier("engine_log"):
        if instance._should_log(level) and instance.config.components.get(component, True):
            logger: logging.Logger = instance._stdlib_logger
            if reader is None:
                line(logger, number, text, component=str(component), fields=fields)
            elif logger.isEnabledFor(number) and number >= reader.level:
                reader.note_line(logger.name, number, text, str(component), fields)
