"""The table of all wrapped functions of the engine; it drives wrapping and unwrapping.

Module and attribute names are the engine's. A target that an engine version does not have is skipped; `feature` names
the telemetry that is then missing.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ael_otel.instrument import server_output, wrap_engine, wrap_frontend, wrap_native_telemetry

type Wrapper = Callable[..., Any]


class Target(NamedTuple):
    """One callable of the engine and its wrapper."""

    module: str
    attribute: str
    wrapper: Wrapper
    feature: str


TARGETS: tuple[Target, ...] = (
    Target(
        "ploston_core.application",
        "PlostApplication.initialize",
        wrap_frontend.application_opens,
        "run store and metrics endpoint of a host",
    ),
    Target(
        "ploston_core.engine.engine",
        "WorkflowEngine.__init__",
        wrap_frontend.engine_opens,
        "run store and metrics endpoint of a host",
    ),
    Target("uvicorn.server", "Server.shutdown", wrap_frontend.server_stops, "flush when the server stops"),
    Target("ploston_core.engine.engine", "WorkflowEngine.execute", wrap_engine.execute, "traces of runs"),
    Target(
        "ploston_core.engine.engine",
        "WorkflowEngine.execute_workflow",
        wrap_engine.execute_workflow,
        "traces of runs",
    ),
    Target(
        "ploston_core.engine.engine",
        "WorkflowEngine._execute_steps",
        wrap_engine.execute_steps,
        "execution ids",
    ),
    Target(
        "ploston_core.engine.engine", "WorkflowEngine._execute_step", wrap_engine.execute_step, "step spans"
    ),
    Target(
        "ploston_core.engine.engine",
        "WorkflowEngine._execute_step_once",
        wrap_engine.execute_step_once,
        "retry events",
    ),
    Target(
        "ploston_core.engine.engine",
        "generate_execution_id",
        wrap_engine.generate_execution_id,
        "early execution ids",
    ),
    Target(
        "ploston_core.engine.types",
        "ExecutionContext.add_step_result",
        wrap_engine.add_step_result,
        "skipped steps",
    ),
    Target(
        "ploston_core.template.engine",
        "TemplateEngine.render_string",
        wrap_engine.render_string,
        "outcomes of conditions",
    ),
    Target("ploston_core.invoker.invoker", "ToolInvoker.invoke", wrap_engine.invoke, "tool calls"),
    Target(
        "ploston_core.mcp.manager", "MCPClientManager.call_tool", wrap_engine.call_tool, "MCP server names"
    ),
    Target(
        "ploston_core.mcp.connection",
        "MCPConnection._connect_once",
        server_output.connect,
        "server names of log lines",
    ),
    Target(
        "ploston_core.mcp.connection",
        "MCPConnection._create_stdio_transport",
        server_output.stdio_transport,
        "lines of server stderr",
    ),
    Target(
        "ploston_core.mcp.connection",
        "MCPConnection.call_tool",
        server_output.server_call,
        "run ids of servers' log lines",
    ),
    Target(
        "fastmcp.client.client",
        "default_log_handler",
        server_output.server_message,
        "server log messages",
    ),
    Target(
        "ploston_core.sandbox.sandbox", "PythonExecSandbox.execute", wrap_engine.sandbox_execute, "code spans"
    ),
    Target(
        "ploston_core.mcp_frontend.server",
        "MCPFrontend._handle_tools_call",
        wrap_frontend.handle_tools_call,
        "joined traces",
    ),
    Target(
        "ploston_core.mcp_frontend.server",
        "MCPFrontend._handle_initialize",
        wrap_frontend.handle_initialize,
        "sessions of clients",
    ),
    Target(
        "ploston_core.mcp_frontend.server",
        "MCPFrontend._start_stdio",
        wrap_frontend.start_stdio,
        "sessions of clients over stdio",
    ),
    Target(
        "ploston_core.mcp_frontend.http_transport",
        "HTTPTransport._create_app",
        wrap_frontend.create_app,
        "sessions of clients over HTTP",
    ),
    Target(
        "ploston_core.mcp_frontend.server",
        "MCPFrontend._execute_runner_tool",
        wrap_frontend.execute_runner_tool,
        "runner tools",
    ),
    Target(
        "ploston_core.workflow.registry",
        "WorkflowRegistry.initialize",
        wrap_frontend.workflows_loaded,
        "zeros of workflows",
    ),
    Target(
        "ploston_core.workflow.registry",
        "WorkflowRegistry.register",
        wrap_frontend.workflow_registered,
        "zeros of workflows",
    ),
    Target(
        "ploston_core.workflow.registry",
        "WorkflowRegistry.register_validated",
        wrap_frontend.workflow_registered,
        "zeros of workflows",
    ),
    Target(
        "ploston_core.workflow.registry",
        "WorkflowRegistry.unregister",
        wrap_frontend.workflow_unregistered,
        "end of the rows of workflows",
    ),
    Target(
        "ploston_core.config.loader", "ConfigLoader.reload", wrap_frontend.config_reload, "events of reloads"
    ),
    Target(
        "ploston_core.config.tools.config_done",
        "handle_config_done",
        wrap_frontend.config_done,
        "events of reloads",
    ),
    Target(
        "ploston_core.registry.registry",
        "ToolRegistry.initialize",
        wrap_frontend.tools_listed,
        "zeros of tools",
    ),
    Target(
        "ploston_core.registry.registry", "ToolRegistry.refresh", wrap_frontend.tools_listed, "zeros of tools"
    ),
    Target(
        "ploston_core.registry.registry",
        "ToolRegistry.refresh_server",
        wrap_frontend.tools_listed,
        "zeros of tools",
    ),
    Target("ploston_core.logging.logger", "AELLogger._log", wrap_frontend.engine_log, "log correlation"),
    Target(
        "ploston_core.telemetry.instrumentation",
        "get_telemetry",
        wrap_native_telemetry.without_tracer,
        "native spans switched off",
    ),
    Target(
        "ploston_core.application",
        "get_telemetry",
        wrap_native_telemetry.without_tracer,
        "native spans switched off",
    ),
    Target(
        "ploston_core.application",
        "setup_telemetry",
        wrap_native_telemetry.quiet_setup,
        "quiet start of native telemetry",
    ),
    Target(
        "ploston_core.application",
        "_build_telemetry_store_config_from_env",
        wrap_native_telemetry.store_in_memory,
        "native telemetry database switched off",
    ),
    Target(
        "ploston_core.telemetry.store.collector",
        "TelemetryCollector.__init__",
        wrap_native_telemetry.collector_opens,
        "linear redaction of the engine's own records",
    ),
    Target(
        "ploston_core.telemetry.store.redactor",
        "Redactor.redact",
        wrap_native_telemetry.redact_records,
        "linear redaction of the engine's own records",
    ),
    Target(
        "ploston_core.telemetry.store.redactor",
        "Redactor._redact_patterns",
        wrap_native_telemetry.redact_patterns,
        "linear redaction of the engine's own records",
    ),
    Target(
        "fastmcp.client.telemetry",
        "get_tracer",
        wrap_native_telemetry.client_tracer,
        "one span per MCP request",
    ),
    Target(
        "mcp.shared.jsonrpc_dispatcher",
        "otel_span",
        wrap_native_telemetry.client_span,
        "one span per MCP request",
    ),
)

OPENING: Final = tuple(
    target
    for target in TARGETS
    if target.wrapper in (wrap_native_telemetry.quiet_setup, wrap_native_telemetry.store_in_memory)
)
"""Targets that decide, while an engine opens, which native telemetry it sets up."""
