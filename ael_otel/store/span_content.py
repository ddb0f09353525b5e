"""Read content from spans: the inputs and outputs of agents, models and tools, by their attributes.

GenAI semantic conventions and OpenInference are read; the first attribute that is present counts.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ael_otel._generated.attributes import GEN_AI_TOOL_CALL_ARGUMENTS, GEN_AI_TOOL_CALL_RESULT
from ael_otel.store.records import ExecutionRecord, ToolCallRecord

_INPUTS: Final = (
    GEN_AI_TOOL_CALL_ARGUMENTS,
    "input.value",
    "gen_ai.input.messages",
    "traceloop.entity.input",
)
_OUTPUTS: Final = (
    GEN_AI_TOOL_CALL_RESULT,
    "output.value",
    "gen_ai.output.messages",
    "traceloop.entity.output",
)


def input_of(attributes: Mapping[str, Any]) -> Any:
    """Return the input of a span, None if it has no attribute for it."""
    return _first(attributes, _INPUTS)


def output_of(attributes: Mapping[str, Any]) -> Any:
    """Return the output of a span, None if it has no attribute for it."""
    return _first(attributes, _OUTPUTS)


def calls_of(record: ExecutionRecord) -> Iterable[ToolCallRecord]:
    """Return every tool call of a run."""
    return [*record.tool_calls, *(call for step in record.steps for call in step.tool_calls)]


def _first(attributes: Mapping[str, Any], names: Iterable[str]) -> Any:
    value = next((attributes[name] for name in names if name in attributes), None)
    # Converted to text, so that it can be searched for secrets and displayed, which base64 cannot.
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
