"""Emit events: log records with an `event_name`, through Python's logging.

A record goes to every handler of its logger; the pipeline's handler turns it into a line of the log contract and an
OTLP record. The values that the handler needs are extra attributes of the record, which are named here.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

from ael_otel.emit.activity import activity

COMPONENT: Final = "ael_component"
"""Extra attribute: the component of the engine that logs the line."""
EVENT: Final = "ael_event"
"""Extra attribute: the name of the event; empty for a line that is not an event."""
FIELDS: Final = "ael_fields"
"""Extra attribute: further fields. Any other extra of a record is ignored, since it may hold arguments or results."""
ERROR_TYPE: Final = "ael_error_type"
ERROR_MESSAGE: Final = "ael_error_message"


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
    """Log one line; a field with the value None is left out."""
    extra: dict[str, Any] = {COMPONENT: component, EVENT: event}
    if fields is not None:
        extra[FIELDS] = {key: value for key, value in fields.items() if value is not None}
    if error_type is not None:
        extra[ERROR_TYPE] = error_type
    if error_message is not None:
        extra[ERROR_MESSAGE] = error_message
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
        """Log the event, if its logger is enabled for that severity."""
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
