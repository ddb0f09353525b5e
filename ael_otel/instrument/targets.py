"""The table of everything that is wrapped in the engine; it drives wrapping and unwrapping.

Module and attribute names are the engine's; a target that an engine version does not have is left out (which features
then lack is said by `feature`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ael_otel.instrument import server_output as servers
from ael_otel.instrument import wrap_engine as running
from ael_otel.instrument import wrap_frontend as serving
from ael_otel.instrument import wrap_native_telemetry as native

type Wrapper = Callable[..., Any]


class Target(NamedTuple):
    """One callable of the engine and what wraps it."""

    module: str
    attribute: str
    wrapper: Wrapper
    feature: str


TARGETS: tuple[Target, ...] = (
    Target(
        "ploston_core.application",
        "PlostApplication.initialize",
        serving.application_opens,
        "run store and metrics endpoint of a host",
    ),
    Target(
        "ploston_core.engine.engine",
        "WorkflowEngine.__init__",
        serving.engine_opens,
        "run store and metrics endpoint of a host",
    ),
    Target("uvicorn.server", "Server.shutdown", serving.server_stops, "flush when the server stops"),
    Target("ploston_core.engine.engine", "WorkflowEngine.execute", running.execute, "traces of runs"),
    Target(
        "ploston_core.engine.engine",
        "WorkflowEngine.execute_workflow",
        running.execute_workflow,
        "traces of runs",
    ),
    Target(
        "ploston_core.engine.engine", "WorkflowEngine._execute_steps", running.execute_steps, "execution ids"
    ),
    Target("ploston_core.engine.engine", "WorkflowEngine._execute_step", running.execute_step, "step spans"),
    Target(
        "ploston_core.engine.engine",
        "WorkflowEngine._execute_step_once",
        running.execute_step_once,
        "retry events",
    ),
    Target(
        "ploston_core.engine.engine",
        "generate_execution_id",
        running.generate_execution_id,
        "early execution ids",
    ),
    Target(
        "ploston_core.engine.types",
        "ExecutionContext.add_step_result",
        running.add_step_result,
        "skipped steps",
    ),
    Target("ploston_core.invoker.invoker", "ToolInvoker.invoke", running.invoke, "tool calls"),
    Target("ploston_core.mcp.manager", "MCPClientManager.call_tool", running.call_tool, "MCP server names"),
    Target(
        "ploston_core.mcp.connection",
        "MCPConnection._connect_once",
        servers.connect,
        "server names of log lines",
    ),
    Target(
        "ploston_core.mcp.connection",
        "MCPConnection._create_stdio_transport",
        servers.stdio_transport,
        "lines of server stderr",
    ),
    Target(
        "ploston_core.mcp.connection",
        "MCPConnection.call_tool",
        servers.server_call,
        "run ids of servers' log lines",
    ),
    Target(
        "fastmcp.client.client",
        "default_log_handler",
        servers.server_message,
        "server log messages",
    ),
    Target(
        "ploston_core.sandbox.sandbox", "PythonExecSandbox.execute", running.sandbox_execute, "code spans"
    ),
    Target(
        "ploston_core.mcp_frontend.server",
        "MCPFrontend._handle_tools_call",
        serving.handle_tools_call,
        "joined traces",
    ),
    Target(
        "ploston_core.mcp_frontend.server",
        "MCPFrontend._execute_runner_tool",
        serving.execute_runner_tool,
        "runner tools",
    ),
    Target(
        "ploston_core.workflow.registry",
        "WorkflowRegistry.initialize",
        serving.workflows_loaded,
        "zeros of workflows",
    ),
    Target(
        "ploston_core.workflow.registry",
        "WorkflowRegistry.register",
        serving.workflow_registered,
        "zeros of workflows",
    ),
    Target(
        "ploston_core.workflow.registry",
        "WorkflowRegistry.register_validated",
        serving.workflow_registered,
        "zeros of workflows",
    ),
    Target(
        "ploston_core.workflow.registry",
        "WorkflowRegistry.unregister",
        serving.workflow_unregistered,
        "end of the rows of workflows",
    ),
    Target("ploston_core.config.loader", "ConfigLoader.reload", serving.config_reload, "events of reloads"),
    Target(
        "ploston_core.config.tools.config_done",
        "handle_config_done",
        serving.config_done,
        "events of reloads",
    ),
    Target(
        "ploston_core.registry.registry", "ToolRegistry.initialize", serving.tools_listed, "zeros of tools"
    ),
    Target("ploston_core.registry.registry", "ToolRegistry.refresh", serving.tools_listed, "zeros of tools"),
    Target(
        "ploston_core.registry.registry",
        "ToolRegistry.refresh_server",
        serving.tools_listed,
        "zeros of tools",
    ),
    Target("ploston_core.logging.logger", "AELLogger._log", serving.engine_log, "log correlation"),
    Target(
        "ploston_core.telemetry.instrumentation",
        "get_telemetry",
        native.without_tracer,
        "native spans switched off",
    ),
    Target("ploston_core.application", "get_telemetry", native.without_tracer, "native spans switched off"),
    Target(
        "ploston_core.application", "setup_telemetry", native.quiet_setup, "quiet start of native telemetry"
    ),
    Target(
        "ploston_core.application",
        "_build_telemetry_store_config_from_env",
        native.store_in_memory,
        "native telemetry database switched off",
    ),
    Target(
        "ploston_core.telemetry.store.redactor",
        "Redactor._redact_patterns",
        native.redact_patterns,
        "linear redaction of the engine's own records",
    ),
    Target("fastmcp.client.telemetry", "get_tracer", native.client_tracer, "one span per MCP request"),
    Target("mcp.shared.jsonrpc_dispatcher", "otel_span", native.client_span, "one span per MCP request"),
)
