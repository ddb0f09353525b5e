"""What is promised to others, spelled once by hand: tests hold to it what is generated, printed and sent."""

from typing import Final

LOG_FIELDS: Final = (
    "timestamp",
    "level",
    "component",
    "workflow_id",
    "execution_id",
    "message",
    "trace_id",
    "span_id",
)
"""The fields that every line of the log begins with, in this order."""
