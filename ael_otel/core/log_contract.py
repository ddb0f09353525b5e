"""Detect whether our own handler writes the process's log; used by `instrument`, which loads without an SDK."""

import logging
from collections.abc import Mapping
from functools import lru_cache
from operator import attrgetter
from types import FunctionType
from typing import Any, Final, Protocol, cast

from ael_otel.privacy.engine_logs import ArgumentFilter

TAKEOVER: Final = "ael_takeover"
"""Attribute that marks a method of loggers as wrapped by this package; its value is the method itself."""


def log_is_owned() -> bool:
    """Return whether the root logger has a handler that writes records in the log contract.

    Such a handler has an attribute `writes_log_contract` with the value True.
    """
    # Called for each line of the engine: `isinstance` with a protocol takes 10 us.
    for handler in logging.getLogger().handlers:  # noqa: SIM110 - `any` takes twice as long
        if getattr(handler, "writes_log_contract", False) is True:
            return True
    return False


class ContractHandler(Protocol):
    """A handler that writes log records in the log contract."""

    level: int

    def note_line(
        self, name: str, level: int, message: str, component: str, fields: Mapping[str, Any] | None
    ) -> None:
        """Write a line of the logger `name` as its record would be written, without creating the record."""
        ...


def sole_reader(logger: logging.Logger) -> ContractHandler | None:
    """Return our handler if nothing else reads the records of `logger`; it redacts them as it writes. Else None.

    Anything that belongs to an application (a handler, even one that receives nothing at the moment, a filter, a record
    factory, a class or a method of loggers that is not Python's) counts as a reader: it must get redacted texts.
    """
    kind = type(logger)
    if kind is not logging.Logger or not _creates_only(logging.getLogRecordFactory()):
        return None
    if logger.filters and any(type(each) is not ArgumentFilter for each in logger.filters):
        return None
    if not _are_known((kind.callHandlers, kind.handle, kind.makeRecord, kind.log, _inner(kind))):
        return None
    found: Any = None
    at: logging.Logger | None = logger
    while at is not None:
        for handler in at.handlers:
            if (
                getattr(handler, "writes_log_contract", False) is True
                and not handler.filters
                and found is None
            ):
                found = handler
            elif type(handler) is not logging.NullHandler:
                return None
        at = at.parent if at.propagate else None
    return cast("ContractHandler | None", found)


_inner: Final = attrgetter("_log")


@lru_cache(maxsize=64)
def _are_known(methods: tuple[Any, ...]) -> bool:
    return all(map(_is_known, methods))


def _is_known(method: Any) -> bool:
    """Return whether a method of loggers is Python's or our own."""
    # Not by `__module__`: a decorator copies it. It copies attributes too, so ours holds the method that it belongs to.
    if type(method) is not FunctionType:
        return False
    return method.__globals__.get("__name__") == "logging" or getattr(method, TAKEOVER, None) is method


def _creates_only(factory: Any) -> bool:
    """Return whether a record factory is Python's, or OTel's wrapper of that one (it adds ids) without a hook."""
    if factory is logging.LogRecord:
        return True
    module = getattr(factory, "__globals__", {})
    if module.get("__name__") != "opentelemetry.instrumentation.logging":
        return False
    found = module.get("LoggingInstrumentor")
    return getattr(found, "_old_factory", None) is logging.LogRecord and not callable(
        getattr(found, "_log_hook", factory)
    )
