"""Contain faults of our own code: caught, logged once and counted; raised only in tests.

The engine must behave the same with and without telemetry, so every entry point that runs inside an engine call goes
through `fault_barrier`. Under pytest a swallowed fault would hide a bug of ours, therefore it is raised there;
`AEL_OTEL_RAISE_FAULTS=0` or `=1` decides explicitly.
"""

import logging
import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from types import TracebackType

logger = logging.getLogger("ael_otel")

RAISE_FAULTS_VARIABLE = "AEL_OTEL_RAISE_FAULTS"

_seen: set[tuple[str, str]] = set()
_lock = Lock()
_counters: list[Callable[[], None]] = []


def raises_faults() -> bool:
    """Return whether our own faults are raised instead of swallowed."""
    explicit = os.environ.get(RAISE_FAULTS_VARIABLE)
    if explicit is not None:
        return explicit.strip().lower() in ("1", "true", "yes", "on")
    return under_test()


def under_test() -> bool:
    """Return whether pytest is running a test in this process."""
    return "pytest" in sys.modules and "PYTEST_CURRENT_TEST" in os.environ


def pause(seconds: float) -> None:
    """Let other threads run for `seconds` (0: yield once); never raises, so that a failed wait does not end our
    threads.

    `time.sleep` raises OSError (EINVAL) under libfaketime, which people use to test code that depends on the clock.
    """
    if os.name == "posix":
        select.select((), (), (), seconds)
    else:
        time.sleep(seconds)


def count_faults_with(counter: Callable[[], None]) -> Callable[[], None]:
    """Call `counter` once for each fault from now on; return a function that ends this."""
    with _lock:
        _counters.append(counter)

    def stop() -> None:
        with _lock:
            if counter in _counters:
                _counters.remove(counter)

    return stop


def report_fault(where: str, error: BaseException, *, component: str = "telemetry") -> None:
    """Count a fault of our own code; log the first of its kind at each place, with its traceback.

    A fault with another `component` than "telemetry" has been counted by the caller.

    Raises:
        BaseException: `error` itself, when `raises_faults()` says so.
    """
    if raises_faults():
        raise error
    key = (where, type(error).__qualname__)
    with _lock:
        first = key not in _seen
        _seen.add(key)
        counters = tuple(_counters)
    for counter in counters if component == "telemetry" else ():
        with suppress(Exception):  # if counting fails too, only the log line below reports it
            counter()
    if first:
        logger.error(
            "telemetry fault in %s, the workflow is not affected; further ones of this kind are only counted "
            '(ael_errors_total{component="%s"})',
            where,
            component,
            exc_info=error,
        )


class fault_barrier:  # noqa: N801 - reads as a statement: `with fault_barrier("step"):`
    """Context manager that catches every `Exception` raised inside it and reports it with `report_fault`.

    `KeyboardInterrupt`, `SystemExit` and cancellation pass through, since they are not faults of ours.
    """

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        report_fault(self._where, error)
        return True


def forget_reported_faults() -> None:
    """Log the first fault of each kind again; for tests, and for a child process after a fork."""
    with _lock:
        _seen.clear()
