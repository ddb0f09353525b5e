"""Span names and start attributes, built once per (workflow, step, tool)."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from opentelemetry.util.types import AttributeValue

from ael_otel._generated import attributes as attr
from ael_otel._generated import spans

CACHED_PLANS: Final = 4_096


@lru_cache(maxsize=CACHED_PLANS)
def execution_attributes(workflow: str, genai: bool) -> Mapping[str, AttributeValue]:
    """Return what the span of a run starts with."""
    attributes: dict[str, AttributeValue] = {attr.AEL_WORKFLOW_NAME: workflow}
    if genai:
        attributes[attr.GEN_AI_OPERATION_NAME] = "invoke_workflow"
        attributes[attr.GEN_AI_WORKFLOW_NAME] = workflow
    return attributes


@lru_cache(maxsize=CACHED_PLANS)
def step_plan(
    workflow: str, step: str, step_type: str, index: int, tool: str | None, genai: bool
) -> tuple[str, Mapping[str, AttributeValue]]:
    """Return the name of a step's span and what it starts with."""
    attributes: dict[str, AttributeValue] = {
        attr.AEL_WORKFLOW_NAME: workflow,
        attr.AEL_STEP_NAME: step,
        attr.AEL_STEP_INDEX: index + 1,
        attr.AEL_STEP_TYPE: step_type,
    }
    if tool is not None:
        attributes[attr.AEL_TOOL_NAME] = tool
        if genai:
            attributes[attr.GEN_AI_OPERATION_NAME] = "execute_tool"
            attributes[attr.GEN_AI_TOOL_NAME] = tool
    pattern = spans.STEP_CODE.name if step_type == "code" else spans.STEP_TOOL_CALL.name
    return pattern.replace(f"{{{attr.AEL_STEP_INDEX}}}", str(index + 1)), attributes


@lru_cache(maxsize=CACHED_PLANS)
def tool_attributes(tool: str, server: str | None, source: str, genai: bool) -> Mapping[str, AttributeValue]:
    """Return what the span of a tool call starts with."""
    attributes: dict[str, AttributeValue] = {attr.AEL_TOOL_NAME: tool, attr.AEL_TOOL_SOURCE: source}
    if server is not None:
        attributes[attr.AEL_MCP_SERVER] = server
    if genai:
        attributes[attr.MCP_METHOD_NAME] = "tools/call"
        attributes[attr.GEN_AI_TOOL_NAME] = tool
    return attributes


@lru_cache(maxsize=CACHED_PLANS)
def code_attributes(code_hash: str | None) -> Mapping[str, AttributeValue]:
    """Return what the span of a run of code starts with."""
    return {} if code_hash is None else {attr.AEL_CODE_SHA256: code_hash}
