"""Open the engine in this process and run workflows in it, for `ael serve`, `ael run` and `ael demo`."""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Literal, TextIO

from ael_otel.core.log_contract import log_is_owned
from ael_otel.core.redaction import active_redaction
from ael_otel.errors import ConfigError, EngineUnavailableError, WorkflowNotFoundError
from ael_otel.instrument.instrumentation import engine_opening
from ael_otel.lifecycle import last_carried_by, run_observer
from ael_otel.lifecycle.failure import text_of
from ael_otel.version import install_command


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How one run in this process ended. `error` has `code`, `message` and `component`; durations are milliseconds."""

    execution_id: str
    workflow: str
    status: Literal["completed", "failed", "cancelled"]
    outputs: dict[str, Any]
    error: dict[str, Any] | None
    trace_id: str
    duration_ms: float


def refuse_without_engine() -> None:
    """Check that the engine is installed, without importing it, so that a failing command leaves no empty store behind.

    Raises:
        EngineUnavailableError: it is not installed; the message names the command that installs it.
    """
    if "ploston_core" not in sys.modules and find_spec("ploston_core") is None:
        raise EngineUnavailableError(f"the engine is not installed: `{install_command('engine')}`")


async def open_application(
    config: Path,
    *,
    transport: Literal["http", "stdio"] = "http",
    host: str = "127.0.0.1",
    port: int = 8082,
    rest: bool = True,
    log_output: TextIO | None = None,
) -> Any:
    """Load the configuration, connect the MCP servers and return the engine's application, ready to serve or run.

    Raises:
        EngineUnavailableError: the engine is not installed or too old.
        ConfigError: the engine rejects the file or cannot start what it configures, or the user has no home directory.
    """
    try:
        from ploston_core.application import PlostApplication
        from ploston_core.errors import AELError
        from ploston_core.types import MCPTransport
    except ImportError as error:
        raise EngineUnavailableError(
            f"the engine cannot be imported ({error}): install it with `{install_command('engine')}`"
        ) from error
    except RuntimeError as error:
        # FastMCP's settings look up the home directory when they are imported; a container's arbitrary user id has
        # none.
        if _has_a_home():
            raise
        raise ConfigError(
            "the engine's libraries need a home directory and this user has none: set HOME to a writable "
            f"folder ({error})",
            key="HOME",
        ) from error
    _log_through_root()
    application = PlostApplication(
        config_path=str(config),
        # The engine logs everything that it prints: if our handler writes the log, each line would appear twice.
        log_output=_Nowhere() if log_is_owned() else log_output or sys.stderr,
        transport=MCPTransport.STDIO if transport == "stdio" else MCPTransport.HTTP,
        http_host=host,
        http_port=port,
        with_rest_api=rest,
    )
    try:
        with engine_opening():
            await application.initialize()
    except AELError as error:
        raise ConfigError(f"{config}: {_without_secrets(error)}", path=config) from error
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        # The engine checks little of its file: a wrong type results in an arbitrary Python error.
        raise ConfigError(
            f"{config}: the engine does not accept this file: {active_redaction().text(text_of(error))}",
            path=config,
        ) from error
    if application.config_loader is not None and application.config_loader.used_defaults:
        raise ConfigError(f"{config}: the engine found no configuration in this file", path=config)
    return application


class _Nowhere(io.StringIO):
    """A stream that discards what is written to it."""

    def write(self, text: str, /) -> int:
        """Return the number of characters, as `write` of a real stream does."""
        return len(text)


def _has_a_home() -> bool:
    return os.path.expanduser("~") != "~"  # noqa: PTH111 - no error without a home


def _without_secrets(error: BaseException) -> str:
    detail = getattr(error, "detail", None)
    message, detail = active_redaction().text(text_of(error)), active_redaction().text(str(detail or ""))
    return message if not detail or detail in message else f"{message}: {detail}"


QUIET_LOGGERS: Final = ("ploston.chain_detection", "httpx", "httpcore", "mcp.client.streamable_http")
"""Loggers whose lines below WARNING are useless or too many."""


def _log_through_root() -> None:
    """Let uvicorn's records reach the root logger: by default it prints its own lines, some of them on stdout.

    A line for each HTTP request, received or sent, adds nothing to the engine's own lines, and contains a URL whose
    query may hold a key; the engine's line for each collection of its metrics has no content at all. The MCP client
    logs the id of each HTTP session, with which others could take part in it.
    """
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    # A filter, because uvicorn sets this logger's level itself when it starts.
    access = logging.getLogger("uvicorn.access")
    if _is_worth_a_line not in access.filters:
        access.addFilter(_is_worth_a_line)
    with contextlib.suppress(ImportError):
        from uvicorn.config import LOGGING_CONFIG

        LOGGING_CONFIG["handlers"] = {}
        LOGGING_CONFIG["loggers"] = {
            name: {"level": "INFO", "propagate": True, "handlers": []}
            for name in ("uvicorn", "uvicorn.error", "uvicorn.access")
        }


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def workflow_names(application: Any) -> list[str]:
    """Return the names of the workflows that the engine has loaded, sorted."""
    return sorted(workflow.name for workflow in application.workflow_registry.list_workflows())


@dataclass(frozen=True, slots=True)
class WorkflowPlan:
    """What a loaded workflow will do: its version, the tools of its steps (`server/tool`), and its steps of code."""

    version: str
    tools: tuple[str, ...]
    code_steps: tuple[str, ...]


def workflow_plan(application: Any, name: str) -> WorkflowPlan | None:
    """Return what a workflow will do; None if there is no such workflow."""
    workflow = application.workflow_registry.get(name)
    if workflow is None:
        return None
    tools = {
        f"{step.mcp}/{step.tool}" if step.mcp else step.tool: None for step in workflow.steps if step.tool
    }
    return WorkflowPlan(
        str(workflow.version), tuple(tools), tuple(step.id for step in workflow.steps if not step.tool)
    )


def tool_names(application: Any) -> list[str]:
    """Return the names of the tools that the engine lists, sorted."""
    return sorted(tool.name for tool in application.tool_registry.list_tools())


def disconnected_servers(application: Any) -> dict[str, str]:
    """Return the MCP servers that are not connected, each with its status or error."""
    statuses: dict[str, Any] = application.mcp_manager.get_status() if application.mcp_manager else {}
    broken: dict[str, str] = {}
    for name, status in statuses.items():
        state = getattr(getattr(status, "status", None), "value", "")
        if state != "connected":
            reason = str(getattr(status, "error", None) or getattr(status, "last_error", None) or state)
            broken[name] = active_redaction().text(reason)
    return broken


async def run_workflow(
    application: Any,
    name: str,
    inputs: dict[str, Any],
    timeout_s: float | None = None,
    on_start: Callable[[str, str], None] | None = None,
) -> RunOutcome:
    """Run one workflow and return its outcome; a failed run is an outcome, not an exception.

    Args:
        application: the result of `open_application`.
        name: the workflow's name.
        inputs: its inputs.
        timeout_s: seconds after which the engine cancels the run; None leaves it to the steps' own limits.
        on_start: called with the execution id and the trace id as soon as the run has them.

    Raises:
        WorkflowNotFoundError: there is no such workflow.
    """
    names = workflow_names(application)
    if name not in names:
        raise WorkflowNotFoundError(name, names)
    ids = {"execution": "", "trace": ""}

    def note(execution_id: str, trace_id: str) -> None:
        ids.update(execution=execution_id, trace=trace_id)
        if on_start is not None:
            on_start(execution_id, trace_id)

    started = perf_counter()
    token = run_observer.set(note)
    try:
        result = await application.workflow_engine.execute(name, inputs, timeout_seconds=timeout_s)
    except Exception as error:
        # The engine raises only for errors outside the steps, mainly a time-out of the whole run.
        status, outputs = "failed", dict[str, Any]()
        failure: dict[str, Any] | None = _error_of(error)
    else:
        status = str(getattr(result.status, "value", result.status))
        outputs = dict(result.outputs or {})
        failure = None if result.error is None else _error_of(result.error)
        ids["execution"] = ids["execution"] or result.execution_id
    finally:
        run_observer.reset(token)
    return RunOutcome(
        execution_id=ids["execution"],
        workflow=name,
        status="completed" if status == "completed" else "cancelled" if status == "cancelled" else "failed",
        outputs=outputs,
        error=failure,
        trace_id=ids["trace"],
        duration_ms=(perf_counter() - started) * 1e3,
    )


def _error_of(error: BaseException) -> dict[str, Any]:
    failure = last_carried_by(error)
    return {
        "code": failure.type if failure is not None else str(getattr(error, "code", "internal")),
        "component": failure.component if failure is not None else "workflow_engine",
        "message": active_redaction().text(text_of(error)),
    }
