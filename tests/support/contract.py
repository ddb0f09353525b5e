"""Promised names, written once by hand: tests compare generated, printed and sent names with them."""

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
"""The fields at the start of every line of the log, in this order."""
