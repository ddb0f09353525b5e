"""Names of attributes on spans of other instrumentations, the current one of the conventions first.

Names of usage are in `ael_otel.usage`. docs/reference/telemetry/conventions.md lists all of them.
"""

from collections.abc import Mapping
from typing import Any, Final

from ael_otel._generated import attributes as attr
from ael_otel.usage import SPAN_KINDS

TOOL_NAMES: Final = (
    attr.AEL_TOOL_NAME,
    attr.GEN_AI_TOOL_NAME,
    "tool.name",
    "mcp.tool.name",
)
RUN_NAMES: Final = (
    attr.GEN_AI_WORKFLOW_NAME,
    attr.GEN_AI_AGENT_NAME,
    "agent.name",
    "traceloop.workflow.name",
)
SERVERS: Final = (attr.AEL_MCP_SERVER, "mcp.server.name", "server.address")
SESSIONS: Final = (
    attr.SESSION_ID,
    attr.GEN_AI_CONVERSATION_ID,
    "traceloop.association.properties.session_id",
)
METHODS: Final = (attr.MCP_METHOD_NAME, "mcp.method", "rpc.method")
ENTITY: Final = "traceloop.entity.name"
"""Name of what OpenLLMetry's `traceloop.span.kind` is: of a tool, an agent or a workflow."""

WORKFLOW: Final = "invoke_workflow"
"""Operation of a span whose agent name, in newer conventions, is the name of a workflow."""

_TOOL_METHOD: Final = "tools/call"


def kind_of(facts: Mapping[str, Any]) -> str | None:
    """Return the kind that OpenInference or OpenLLMetry gives a span, in capitals: AGENT, CHAIN, TOOL, WORKFLOW."""
    return next((str(facts[name]).upper() for name in SPAN_KINDS if facts.get(name)), None)


def is_tool_call(facts: Mapping[str, Any]) -> bool:
    """Return whether a span is a call of a tool."""
    return (
        facts.get(attr.GEN_AI_OPERATION_NAME) == "execute_tool"
        or any(facts.get(name) == _TOOL_METHOD for name in METHODS)
        or kind_of(facts) == "TOOL"
        or attr.AEL_TOOL_SOURCE in facts
    )


def tool_name_of(facts: Mapping[str, Any]) -> str | None:
    """Return the name of the tool that a span calls."""
    return first(facts, TOOL_NAMES) or (_text(facts.get(ENTITY)) if kind_of(facts) == "TOOL" else None)


def agent_of(name: str, facts: Mapping[str, Any]) -> str | None:
    """Return the name of the agent whose work a span is, None where it does not say so by itself.

    Args:
        name: the name of the span, which is the agent's where no attribute names it.
        facts: its attributes.
    """
    if facts.get(attr.GEN_AI_OPERATION_NAME) == WORKFLOW:
        return None
    found = _text(facts.get(attr.GEN_AI_AGENT_NAME))
    if not found and (facts.get(attr.GEN_AI_OPERATION_NAME) == "invoke_agent" or kind_of(facts) == "AGENT"):
        # Elsewhere `agent.name` may be that of a monitoring agent.
        found = _text(facts.get("agent.name")) or _text(facts.get(ENTITY)) or name
    return found or None


def first(facts: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """Return the first of these attributes that has a value, as text."""
    return next((str(facts[name]) for name in names if facts.get(name)), None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
