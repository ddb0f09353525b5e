"""The names in an expression: fields of a run, a step or a call, and where their values are."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, get_args

from ael_otel.store.records import (
    Decision,
    ExecutionStatus,
    ExecutionType,
    StepStatus,
    StepType,
    ToolCallSource,
    ToolCallStatus,
)
from ael_otel.store.where.tree import Key, Of

type Kind = Literal["text", "number", "duration", "time", "content", "code"]


class Field(NamedTuple):
    """A field: the kind of its values, its column or path, the possible values, and its meaning."""

    kind: Kind
    about: str
    column: str = ""
    path: tuple[Key, ...] = ()
    values: tuple[str, ...] = ()


_RUN: Final = {
    "id": Field("text", "execution id", "execution_id"),
    "trace": Field("text", "trace id", "trace_id"),
    "type": Field("text", "kind of run", "type", values=get_args(ExecutionType.__value__)),
    "status": Field("text", "status", "status", values=get_args(ExecutionStatus.__value__)),
    "workflow": Field("text", "name of the workflow; absent for a direct call", "workflow_name"),
    "version": Field("text", "version of the workflow, compared as text", "workflow_version"),
    "started": Field("time", "start", "started_us"),
    "ended": Field("time", "end; absent while in flight", "completed_us"),
    "duration": Field("duration", "duration; absent while in flight", "duration_us"),
    "error": Field("text", "code of the run's own error", "error_code"),
    "error.message": Field("text", "first 300 characters of its message", "error_message"),
    "errors": Field("code", "codes of all errors of the run, its steps and calls; `=` and `in` only"),
    "caller": Field("text", "client of the engine, or agent", "caller_id"),
    "session": Field("text", "session of an agent", "session_id"),
    "steps": Field("number", "how many steps", "steps"),
    "failed": Field("number", "how many failed steps", "failed"),
    "skipped": Field("number", "how many skipped steps", "skipped"),
    "retries": Field("number", "attempts after the first", "retries"),
    "calls": Field("number", "how many tool calls", "tool_calls"),
    "bytes": Field("number", "size of the stored record", "bytes"),
    "inputs": Field("content", "inputs of the run: `inputs.NAME`", path=("inputs",)),
    "outputs": Field("content", "outputs of the run", path=("outputs",)),
    "metadata": Field("content", "further facts, such as `metadata.session_id`", path=("metadata",)),
}
_STEP: Final = {
    "name": Field("text", "name of the step", path=("step_id",)),
    "index": Field("number", "position in the workflow, from 0", path=("index",)),
    "type": Field("text", "kind of step", path=("step_type",), values=get_args(StepType.__value__)),
    "status": Field("text", "status", path=("status",), values=get_args(StepStatus.__value__)),
    "tool": Field("text", "tool of a tool step", path=("tool_name",)),
    "server": Field("text", "MCP server of that tool", path=("server",)),
    "duration": Field("duration", "duration, all attempts", path=("duration_ms",)),
    "attempt": Field("number", "number of the last attempt, from 1", path=("attempt",)),
    "error": Field("text", "code of the error that failed it", path=("error", "code")),
    "error.message": Field("text", "message of that error", path=("error", "message")),
    "skip_reason": Field("text", "why it was skipped", path=("skip_reason",)),
    "decision": Field(
        "text", "result of its condition", path=("decision",), values=get_args(Decision.__value__)
    ),
    "params": Field("content", "parameters of a tool step", path=("tool_params",)),
    "result": Field("content", "result of a tool step", path=("tool_result",)),
    "output": Field("content", "result of a code step", path=("code", "result")),
    "stdout": Field("content", "printed text of a code step", path=("code", "stdout")),
    "stderr": Field("content", "its standard error", path=("code", "stderr")),
}
_CALL: Final = {
    "tool": Field("text", "name of the tool", "tool_name", ("tool_name",)),
    "status": Field("text", "status", "status", ("status",), values=get_args(ToolCallStatus.__value__)),
    "duration": Field("duration", "duration", "duration_us", ("duration_ms",)),
    "server": Field("text", "MCP server", path=("server",)),
    "step": Field("text", "name of the step that made it", path=("step_id",)),
    "source": Field("text", "who made it", path=("source",), values=get_args(ToolCallSource.__value__)),
    "agent": Field("text", "AI agent that made it", path=("agent",)),
    "error": Field("text", "code of its error", path=("error", "code")),
    "error.message": Field("text", "message of that error", path=("error", "message")),
    "params": Field("content", "arguments", path=("params",)),
    "result": Field("content", "result", path=("result",)),
}

FIELDS: Final[Mapping[Of, Mapping[str, Field]]] = MappingProxyType(
    {"run": _RUN, "step": _STEP, "call": _CALL}
)

KEPT_ONCE: Final[Mapping[str, str]] = MappingProxyType({"tool_params": "params", "tool_result": "result"})
"""Parameters and result of a tool step, which are stored in its last call."""
