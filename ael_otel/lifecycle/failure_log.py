"""Log lines about a failure."""

import logging
from typing import Final

from ael_otel._generated.attributes import ErrorComponent
from ael_otel.emit import events
from ael_otel.lifecycle.failure import Failure, shows_input

logger: Final = logging.getLogger("ael.lifecycle")


def shown(failure: Failure) -> BaseException | None:
    """Return the exception that goes with the failure's line; none whose text quotes what a caller passed in.

    Whoever handles the record would print that text.
    """
    error = failure.error
    return None if error is None or shows_input(error) else error


def log_failure(
    failure: Failure, component: ErrorComponent, message: str, severity: int = logging.ERROR
) -> None:
    """Log a failure that is no event by itself."""
    if logger.isEnabledFor(severity):
        events.line(
            logger,
            severity,
            message,
            component=component,
            error_type=failure.type,
            error_message=failure.message,
            exception=shown(failure),
        )
