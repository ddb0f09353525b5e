"""Every record of the process reaches our handler once, for any handlers of its logger."""

import io
import logging
import logging.handlers
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.logging import RichHandler

from ael_otel.sdk.log_takeover import is_replaced, take_over


class Kept(logging.Handler):
    """Stores its messages."""

    def __init__(self, level: int = logging.INFO) -> None:
        super().__init__(level)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.messages.append(record.getMessage())


@pytest.fixture
def ours() -> Iterator[Kept]:
    """Our handler on the root logger, in charge."""
    stock, handler, root = logging.Logger.callHandlers, Kept(), logging.getLogger()
    root.addHandler(handler)
    undo = take_over(handler)
    yield handler
    undo()
    root.removeHandler(handler)
    assert logging.Logger.callHandlers is stock


@pytest.fixture
def logger(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    """A separate logger, reset afterwards."""
    made = logging.getLogger(f"takeover.{request.node.name}")
    made.setLevel(logging.DEBUG)
    yield made
    made.handlers.clear()
    made.filters.clear()
    made.propagate = True
    made.setLevel(logging.NOTSET)


def rich() -> logging.Handler:
    """The handler that FastMCP puts on its loggers."""
    return RichHandler(console=Console(stderr=True))


def plain() -> logging.Handler:
    """Python's own."""
    return logging.StreamHandler()


def through_memory() -> logging.Handler:
    """A buffer before a console."""
    return logging.handlers.MemoryHandler(1, target=logging.StreamHandler(sys.stdout))


@pytest.mark.parametrize("propagate", [True, False])
@pytest.mark.parametrize("make", [rich, plain, through_memory])
def test_console_handler_is_passed_over_and_record_ends_once_in_ours(
    ours: Kept,
    logger: logging.Logger,
    make: Callable[[], logging.Handler],
    propagate: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is printed, whether or not the logger propagates, and also when the handler comes later."""
    logger.propagate = propagate
    logger.addHandler(make())
    logger.info("one")
    logger.addHandler(make())
    logger.getChild("below").warning("two")
    assert ours.messages == ["one", "two"]
    assert capsys.readouterr() == ("", "")


def test_two_console_handlers_with_filters_of_opposite_kind_give_one_record(
    ours: Kept, logger: logging.Logger
) -> None:
    """FastMCP has a handler for records with a traceback and one for all others."""
    logger.propagate = False
    for passes in (lambda record: record.exc_info is None, lambda record: record.exc_info is not None):
        handler = rich()
        handler.addFilter(passes)
        logger.addHandler(handler)
    logger.info("plain")
    logger.error("with", exc_info=ValueError("no"))
    assert ours.messages == ["plain", "with"]


def test_level_of_logger_and_of_its_console_handler_count(ours: Kept, logger: logging.Logger) -> None:
    """Records that its own handler would not have printed do not flood our log."""
    logger.propagate = False
    handler = plain()
    handler.setLevel(logging.WARNING)
    logger.addHandler(handler)
    logger.info("quiet")
    logger.warning("loud")
    handler.addFilter(lambda record: "secret" not in record.getMessage())
    logger.error("secret")
    logger.setLevel(logging.CRITICAL)
    logger.error("too low")
    assert ours.messages == ["loud"]


def test_level_of_ours_counts(ours: Kept, logger: logging.Logger) -> None:
    """A logger at DEBUG with its own console handler writes no DEBUG lines into a log at INFO."""
    logger.propagate = False
    logger.addHandler(plain())
    logger.debug("detail")
    assert ours.messages == []


@pytest.mark.parametrize("propagate", [True, False])
def test_file_and_memory_handlers_stay(
    ours: Kept, logger: logging.Logger, tmp_path: Path, propagate: bool
) -> None:
    """A handler for somebody's own purposes gets every record as before, and so does ours, once."""
    logger.propagate = propagate
    path, memory = tmp_path / "own.log", io.StringIO()
    file = logging.FileHandler(path)
    logger.addHandler(file)
    logger.addHandler(logging.StreamHandler(memory))
    logger.info("here")
    file.close()
    assert path.read_text() == memory.getvalue() == "here\n"
    assert ours.messages == ["here"]


def test_silenced_logger_stays_silent(ours: Kept, logger: logging.Logger) -> None:
    """No propagation and nothing but a NullHandler is how a library is switched off."""
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    logger.error("nobody asked")
    assert ours.messages == []


def test_last_resort_is_ours(ours: Kept, logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """Python prints warnings of a logger without any handler on stderr: they end in our log instead."""
    logger.propagate = False
    logger.info("not printed")
    logger.warning("printed")
    assert ours.messages == ["printed"]
    assert capsys.readouterr() == ("", "")


def test_broken_filter_of_a_bypassed_handler_drops_no_record(ours: Kept, logger: logging.Logger) -> None:
    """Somebody's filter may raise: the record shows all the same."""
    logger.propagate = False
    handler = plain()
    handler.addFilter(lambda record: record.no_such_field)
    logger.addHandler(handler)
    logger.info("here")
    assert ours.messages == ["here"]


def test_stream_saved_before_a_redirection_is_a_console(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that took hold of stderr before `sys.stderr` was replaced still writes to descriptor 2."""
    with open(2, "w", closefd=False) as stream:
        handler = logging.StreamHandler(stream)
        assert is_replaced(handler)
        handler.setStream(io.StringIO())
        assert not is_replaced(handler)
    with open(os.devnull, "w") as elsewhere:  # noqa: PTH123 - beside the one above
        assert not is_replaced(logging.StreamHandler(elsewhere))


def test_undo_of_an_outer_takeover_leaves_the_inner_one(logger: logging.Logger) -> None:
    """Undone out of order, a takeover that another one has replaced changes nothing."""
    stock = logging.Logger.callHandlers
    first, second = Kept(), Kept()
    undo_first = take_over(first)
    undo_second = take_over(second)
    undo_first()
    logger.propagate = False
    logger.warning("here")
    assert (first.messages, second.messages) == ([], ["here"])
    undo_second()
    logging.Logger.callHandlers = stock
