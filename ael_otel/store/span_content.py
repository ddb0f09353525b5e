"""What spans carry as content: the inputs and outputs of agents, models and tools, by the attributes that say so.

GenAI semantic conventions and OpenInference are read; the first attribute that is there counts.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ael_otel._generated.attributes import GEN_AI_TOOL_CALL_ARGUMENTS, GEN_AI_TOOL_CALL_RESULT
from ael_otel.store.records import ExecutionRecord, ToolCallRecord

_INPUTS: Final = (GEN_AI_TOOL_CALL_ARGUMENTS, "input.value", "gen_ai.input.messages")
_OUTPUTS: Final = (GEN_AI_TOOL_CALL_RESULT, "output.value", "gen_ai.output.messages")


def input_of(attributes: Mapping[str, Any]) -> Any:
    """Return what went in, None where a span does not say."""
    return _first(attributes, _INPUTS)


def output_of(attributes: Mapping[str, Any]) -> Any:
    """Return what came out, None where a span does not say."""
    return _first(attributes, _OUTPUTS)


def calls_of(record: ExecutionRecord) -> Iterable[ToolCallRecord]:
    """Return every tool call of a run."""
    return [*record.tool_calls, *(call for step in record.steps for call in step.tool_calls)]


def _first(attributes: Mapping[str, Any], names: Iterable[str]) -> Any:
    value = next((attributes[name] for name in names if name in attributes), None)
    # As text it is searched for secrets, and shown; in base64 neither.
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
