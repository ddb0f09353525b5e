"""Who reads the records of a logger: only where that is our handler alone may its texts be redacted later."""

import logging
import logging.handlers
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from types import SimpleNamespace
from typing import Any

import pytest

from ael_otel.core.log_contract import sole_reader
from ael_otel.privacy.engine_logs import ArgumentFilter
from ael_otel.sdk.log_takeover import take_over


class Ours(logging.NullHandler):
    """A handler that declares that it writes the log contract."""

    writes_log_contract = True


@pytest.fixture
def logger() -> logging.Logger:
    """A logger whose records only a handler of ours gets."""
    made = logging.Logger("lab")  # noqa: LOG001 - apart from the root logger, to which pytest adds handlers
    made.addHandler(Ours())
    made.addFilter(ArgumentFilter())
    return made


def test_handler_of_ours_alone_reads(logger: logging.Logger) -> None:
    """Proves that our handler, our filter and handlers that do nothing do not count as an application's readers."""
    assert sole_reader(logger) is logger.handlers[0]
    logger.addHandler(logging.NullHandler())
    parent = logging.Logger("parent")  # noqa: LOG001
    logger.parent = parent
    parent.addHandler(logging.NullHandler())
    assert sole_reader(logger) is logger.handlers[0]


def _handler(logger: logging.Logger) -> None:
    logger.addHandler(logging.handlers.BufferingHandler(10))


def _handler_above(logger: logging.Logger) -> None:
    logger.parent = logging.Logger("parent")  # noqa: LOG001
    _handler(logger.parent)


def _filter(logger: logging.Logger) -> None:
    logger.addFilter(lambda _record: True)


def _filter_of_ours(logger: logging.Logger) -> None:
    logger.handlers[0].addFilter(lambda _record: True)


@pytest.mark.parametrize("adds", [_handler, _handler_above, _filter, _filter_of_ours])
def test_handler_of_an_application_counts_as_a_reader(
    logger: logging.Logger, adds: Callable[[logging.Logger], None]
) -> None:
    """Proves that each thing that gets to see a record makes texts be redacted before."""
    adds(logger)
    assert sole_reader(logger) is None


def test_handler_above_a_logger_that_does_not_propagate_reads_nothing(logger: logging.Logger) -> None:
    """Proves that only handlers that a record reaches count."""
    _handler_above(logger)
    logger.propagate = False
    assert sole_reader(logger) is logger.handlers[0]


@pytest.mark.parametrize("name", ["callHandlers", "handle", "makeRecord", "log", "_log"])
def test_replaced_method_of_loggers_reads(
    logger: logging.Logger, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that a method which an application has replaced, as error trackers do, counts as a reader."""
    stock = getattr(logging.Logger, name)

    def theirs(self: logging.Logger, *args: Any, **options: Any) -> Any:
        return stock(self, *args, **options)

    monkeypatch.setattr(logging.Logger, name, theirs)
    assert sole_reader(logger) is None


def test_class_of_an_application_reads() -> None:
    """Proves that a logger of an application's class counts as a reader."""

    class Theirs(logging.Logger):
        """A logger of an application."""

    logger = Theirs("lab")
    logger.addHandler(Ours())
    assert sole_reader(logger) is None


@contextmanager
def factory(made: Any) -> Iterator[None]:
    """Have records made by this factory."""
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(made)
    try:
        yield
    finally:
        logging.setLogRecordFactory(before)


def test_record_factory_of_an_application_reads(logger: logging.Logger) -> None:
    """Proves that a custom record factory counts as a reader."""
    with factory(partial(logging.LogRecord)):
        assert sole_reader(logger) is None


@pytest.mark.parametrize(
    ("inner", "hook", "alone"),
    [(logging.LogRecord, None, True), (logging.LogRecord, print, False), (print, None, False)],
)
def test_record_factory_of_otel_reads_if_it_has_a_hook_or_wraps_another(
    logger: logging.Logger, inner: Any, hook: Any, alone: bool
) -> None:
    """Proves that the factory which adds ids to records is none of an application's, unless it calls one."""
    module = {
        "__name__": "opentelemetry.instrumentation.logging",
        "LoggingInstrumentor": SimpleNamespace(_old_factory=inner, _log_hook=hook),
        "logging": logging,
    }
    exec("def record_factory(*args, **options): return logging.LogRecord(*args, **options)", module)  # noqa: S102
    with factory(module["record_factory"]):
        assert (sole_reader(logger) is not None) is alone


def test_takeover_of_ours_reads_nothing_and_a_wrapper_around_it_does(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that our replacement of `callHandlers` is recognised, also inside a wrapper that copies its attributes."""
    undo = take_over(logger.handlers[0])
    try:
        assert sole_reader(logger) is logger.handlers[0]
        stock = logging.Logger.callHandlers

        @wraps(stock)
        def theirs(self: logging.Logger, record: logging.LogRecord) -> None:
            stock(self, record)

        monkeypatch.setattr(logging.Logger, "callHandlers", theirs)
        assert sole_reader(logger) is None
        monkeypatch.undo()
    finally:
        undo()
