"""The one way to record a run: a frame each for executions, steps, tool calls and code blocks.

A frame is a context manager that makes the span, the metrics, the failure's log record and the store event in one
place. Callers (the instrumentation of the engine, other engines) only report what happens.
"""

from ael_otel.lifecycle.code_block import CodeBlock
from ael_otel.lifecycle.execution import Execution, run_observer
from ael_otel.lifecycle.failure import Failure, carried_by, classify, last_carried_by, mark
from ael_otel.lifecycle.frame import Frame, current_frame
from ael_otel.lifecycle.observers import Moment, Unwatched, observe_tool_calls
from ael_otel.lifecycle.recorder import Recorder
from ael_otel.lifecycle.step import Step
from ael_otel.lifecycle.tool_call import ToolCall

__all__ = [
    "CodeBlock",
    "Execution",
    "Failure",
    "Frame",
    "Moment",
    "Recorder",
    "Step",
    "ToolCall",
    "Unwatched",
    "carried_by",
    "classify",
    "current_frame",
    "last_carried_by",
    "mark",
    "observe_tool_calls",
    "run_observer",
]
