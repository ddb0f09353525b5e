"""Names of attributes on spans of others: current and older ones give the same record, and the page lists them all."""

from pathlib import Path
from typing import Any

import pytest

from ael_otel import usage
from ael_otel.store import foreign_names, span_content
from ael_otel.store.derive import derive
from ael_otel.store.span_processor import Ended

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "telemetry" / "conventions.md"

CURRENT = {
    "run": {"gen_ai.operation.name": "invoke_workflow", "gen_ai.agent.name": "nightly", "session.id": "s-1"},
    "agent": {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "bot"},
    "tool": {"mcp.method.name": "tools/call", "gen_ai.tool.name": "search", "server.address": "web"},
    "model": {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "house",
        "gen_ai.response.model": "m-1",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.cache_read.input_tokens": 20,
        "gen_ai.usage.cache_write.input_tokens": 10,
        "gen_ai.usage.output_tokens": 40,
        "gen_ai.usage.reasoning.output_tokens": 15,
    },
}
OLDER: dict[str, dict[str, dict[str, Any]]] = {
    "GenAI of 1.41": {
        "run": {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": "nightly",
            "gen_ai.conversation.id": "s-1",
        },
        "agent": CURRENT["agent"],
        "tool": {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "search",
            "mcp.server.name": "web",
        },
        "model": {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "house",
            "gen_ai.request.model": "m-1",
            "gen_ai.usage.prompt_tokens": 100,
            "gen_ai.usage.cache_read_input_tokens": 20,
            "gen_ai.usage.cache_creation.input_tokens": 10,
            "gen_ai.usage.completion_tokens": 40,
            "gen_ai.usage.reasoning_tokens": 15,
        },
    },
    "OpenInference": {
        "run": {"openinference.span.kind": "CHAIN", "agent.name": "nightly", "session.id": "s-1"},
        "agent": {"openinference.span.kind": "AGENT", "agent.name": "bot"},
        "tool": {"openinference.span.kind": "TOOL", "tool.name": "search", "mcp.server.name": "web"},
        "model": {
            "openinference.span.kind": "LLM",
            "llm.provider": "house",
            "llm.model_name": "m-1",
            "llm.token_count.prompt": 100,
            "llm.token_count.prompt_details.cache_read": 20,
            "llm.token_count.prompt_details.cache_write": 10,
            "llm.token_count.completion": 40,
            "llm.token_count.completion_details.reasoning": 15,
        },
    },
    "OpenLLMetry": {
        "run": {
            "traceloop.span.kind": "workflow",
            "traceloop.workflow.name": "nightly",
            "traceloop.association.properties.session_id": "s-1",
        },
        "agent": {"traceloop.span.kind": "agent", "traceloop.entity.name": "bot"},
        "tool": {"traceloop.span.kind": "tool", "traceloop.entity.name": "search", "mcp.server.name": "web"},
        "model": {
            "gen_ai.system": "house",
            "gen_ai.response.model": "m-1",
            "gen_ai.usage.prompt_tokens": 100,
            "gen_ai.usage.cache_read_input_tokens": 20,
            "gen_ai.usage.cache_creation_input_tokens": 10,
            "gen_ai.usage.completion_tokens": 40,
            "gen_ai.usage.reasoning_tokens": 15,
        },
    },
}


def record(names: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What a trace of a workflow, an agent in it, its tool and a model call says."""
    parents = {"run": 0, "agent": 1, "tool": 2, "model": 2}
    spans = [
        Ended(
            "a" * 32, f"{number:016x}", f"{parents[kind]:016x}" if parents[kind] else "", "any", number, number + 9,
            facts, (), "ok", "",
        )
        for number, (kind, facts) in enumerate(names.items(), 1)
    ]  # fmt: skip
    (run,) = derive(spans)
    (step,) = run.steps
    (tool,) = step.tool_calls
    (model,) = run.model_calls
    return {
        "run": (run.workflow_name, run.metadata["session_id"], run.metadata["agents"]),
        "tool": (tool.tool_name, tool.server, tool.agent),
        "model": (model.model, model.provider, model.agent),
        "tokens": (
            model.input_tokens,
            model.cache_read_tokens,
            model.cache_write_tokens,
            model.output_tokens,
            model.reasoning_tokens,
        ),
    }


def test_current_names_are_read() -> None:
    """Proves the record of a trace by the separate GenAI conventions: a workflow's name is none of an agent."""
    assert record(CURRENT) == {
        "run": ("nightly", "s-1", ["bot"]),
        "tool": ("search", "web", "bot"),
        "model": ("m-1", "house", "bot"),
        "tokens": (100, 20, 10, 40, 15),
    }


@pytest.mark.parametrize("names", OLDER.values(), ids=OLDER)
def test_older_names_give_the_same_record(names: dict[str, dict[str, Any]]) -> None:
    """Proves that spans by older names, and by names of other projects, give the record of the current ones."""
    assert record(names) == record(CURRENT)


def test_page_lists_every_name_that_is_read() -> None:
    """Proves that a name that is added to a table is on the page."""
    text = PAGE.read_text("utf-8")
    tables = [
        foreign_names.TOOL_NAMES[1:],
        foreign_names.RUN_NAMES,
        foreign_names.SERVERS[1:],
        foreign_names.SESSIONS,
        foreign_names.METHODS,
        (foreign_names.ENTITY,),
        usage.SPAN_KINDS,
        usage.MODELS,
        usage.PROVIDERS,
        *usage._ALIASES.values(),
        usage._TIERS,
        usage._COSTS,
        span_content._INPUTS,
        span_content._OUTPUTS,
    ]
    names = [name for table in tables for name in table]
    assert len(names) > 60
    assert [name for name in names if f"`{name}`" not in text] == []
