"""Emitting events: log records that carry an `event_name`, by way of Python's logging.

A record goes to whichever handlers its logger has; the pipeline's turns it into a line of the log contract and an OTLP
record. What it must know rides on the record as extras, named below.
"""

import logging
from collections.abc import Mapping
from typing import Any

from ael_otel.emit.activity import activity


def line(
    logger: logging.Logger,
    severity: int,
    message: str,
    *,
    component: str,
    event: str = "",
    fields: Mapping[str, Any] | None = None,
    error_type: str | None = None,
    error_message: str | None = None,
    exception: BaseException | None = None,
) -> None:
    """Log one line, with these extras: `ael_component`, `ael_event` (name of the event that the record is),
    `ael_fields` (fields that have a value), and on an error `ael_error_type` and `ael_error_message`.
    """
    extra: dict[str, Any] = {"ael_component": component, "ael_event": event}
    if fields is not None:
        extra["ael_fields"] = {key: value for key, value in fields.items() if value is not None}
    if error_type is not None:
        extra["ael_error_type"] = error_type
    if error_message is not None:
        extra["ael_error_message"] = error_message
    logger.log(severity, "%s", message, exc_info=exception, extra=extra)


class EventType:
    """Emits the events of one name."""

    __slots__ = ("_activity", "_name")

    def __init__(self, name: str) -> None:
        self._activity = activity("events", name)
        self._name = name

    def emit(
        self,
        logger: logging.Logger,
        severity: int,
        message: str,
        component: str,
        fields: Mapping[str, Any],
        *,
        error_type: str | None = None,
        error_message: str | None = None,
        exception: BaseException | None = None,
    ) -> None:
        """Log the event, if its logger takes that severity."""
        if not logger.isEnabledFor(severity):
            return
        self._activity.note()
        line(
            logger,
            severity,
            message,
            component=component,
            event=self._name,
            fields=fields,
            error_type=error_type,
            error_message=error_message,
            exception=exception,
        )
