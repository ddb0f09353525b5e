"""Log lines about a failure."""

import logging
from typing import Final

from ael_otel._generated.attributes import ErrorComponent
from ael_otel.emit import events
from ael_otel.lifecycle.failure import Failure, shows_input
from ael_otel.lifecycle.redacted_exception import stand_in

logger: Final = logging.getLogger("ael.lifecycle")


def shown(failure: Failure) -> BaseException | None:
    """Return the exception that goes with the failure's line; none whose text quotes what a validator was given.

    Whoever handles the record prints its text, and those of its causes. Where one must not be printed, a stand-in of
    the same class name and traceback says what may be.
    """
    error = failure.error
    if error is None or shows_input(error):
        return None
    return stand_in(error, failure.clean)


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
            error_message=failure.told,
            exception=shown(failure),
        )
