"""Failures: one type of a closed set and one text of bounded length, for any exception of an engine or a tool."""

import asyncio
from enum import Enum
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel._generated.attributes import ERROR_TYPE_VALUES, ErrorComponent, ErrorType
from ael_otel.core.run_context import RunScope, current_run
from ael_otel.lifecycle import Failure, carried_by, classify, mark
from ael_otel.lifecycle.failure import MAX_MESSAGE, bounded, shows_input, text_of


class Category(Enum):
    """The engine's error categories."""

    VALIDATION = "VALIDATION"
    TOOL = "TOOL"


class EngineError(Exception):
    """An error as the engine raises it."""

    def __init__(self, message: str = "", **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.__dict__.update(fields)


class Slotted(Exception):  # noqa: N818 - a stand-in
    """An exception that takes no attributes."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class Speechless(Exception):  # noqa: N818 - a stand-in
    """An exception whose text raises."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("code", ERROR_TYPE_VALUES)
def test_the_engines_codes_are_types(code: ErrorType) -> None:
    """Each code of the closed set is a type by itself."""
    failure = classify(EngineError("no", code=code), "tool")
    assert (failure.type, failure.component, failure.message) == (code, "tool", "no")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (EngineError(code="FUTURE_CODE"), "other"),
        (EngineError(code=404), "internal"),
        (EngineError(code=None), "internal"),
        (ValueError("x"), "internal"),
        (TimeoutError(), "timeout"),
        (asyncio.CancelledError(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (SystemExit(2), "cancelled"),
        (GeneratorExit(), "cancelled"),
        (ExceptionGroup("two", [ValueError("a"), TypeError("b")]), "internal"),
        (OSError(2, "no such file"), "internal"),
        (SystemExit("code of the interpreter"), "cancelled"),
    ],
    ids=repr,
)
def test_everything_else_has_a_type_too(error: BaseException, kind: str) -> None:
    """Unknown codes and foreign exceptions fall into the four types beside the engine's codes."""
    assert classify(error, "step").type == kind


def test_the_first_who_sees_an_error_decides() -> None:
    """An exception carries its failure: later classifications in other components change nothing."""
    error = EngineError("no", code="TOOL_REJECTED")
    first = classify(error, "tool")
    assert classify(error, "step") is classify(error, "workflow_engine") is first is carried_by(error)
    other = Failure("MCP_CONNECTION_FAILED", "mcp", "lost")
    mark(error, other)
    assert carried_by(error) is other


def test_an_exception_that_takes_no_attributes() -> None:
    """Such an exception is classified each time and never broken by it."""
    error = Slotted("x")
    assert classify(error, "tool").component == "tool"
    assert classify(error, "step").component == "step"
    assert carried_by(error) is None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("what"), "what"),
        (ValueError(), "ValueError"),
        (TimeoutError(), "TimeoutError"),
        (Speechless(), "Speechless"),
        (EngineError("message", detail="detail", category=Category.TOOL), "message"),
        (EngineError("message", detail="detail", category=Category.VALIDATION), "message: detail"),
        (EngineError("message", detail="", category=Category.VALIDATION), "message"),
        (EngineError("", detail="detail"), "EngineError"),
        (KeyError("key"), "'key'"),
    ],
    ids=repr,
)
def test_text_of_an_error_is_never_empty(error: BaseException, text: str) -> None:
    """Every exception has a text that helps a person."""
    assert text_of(error) == text


@given(text=st.text(st.characters(), max_size=MAX_MESSAGE * 2))
def test_texts_are_bounded(text: str) -> None:
    """A long text keeps its beginning and states its original length."""
    kept = bounded(text)
    if len(text) <= MAX_MESSAGE:
        assert kept == text
    else:
        assert kept == f"{text[:MAX_MESSAGE]}… ({len(text)} characters)"


def test_values_quoted_by_a_validator_are_removed_before_the_cut() -> None:
    """Half of a quoted argument is an argument too: the cut comes first, so that no sign of its end is missed."""
    message = "x" * (MAX_MESSAGE - 20) + "input_value='xyzzy-4711', input_type=str]"
    assert "xyzzy" not in bounded(message)
    error = EngineError("refused")
    error.__cause__ = ValueError("input_value='xyzzy-4711', input_type=str")
    record = classify(error, "tool").record()
    assert "xyzzy" not in record.cause.message
    assert shows_input(error)
    assert not shows_input(EngineError("refused"))
    error.__cause__.__cause__ = error  # a ring ends too
    assert shows_input(error)


def test_a_record_has_three_causes() -> None:
    """A chain is recorded three deep, by type and text, explicit causes as well as the engine's own field."""
    errors = [EngineError(f"error {number}") for number in range(6)]
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    record = classify(errors[0], "tool").record(step_id="pay", tool_name="charge")
    assert (record.step_id, record.tool_name, record.category) == ("pay", "charge", "tool")
    texts = []
    cause = record.cause
    while cause is not None:
        texts.append((cause.code, cause.message))
        cause = cause.cause
    assert texts == [("EngineError", f"error {number}") for number in (1, 2, 3)]
    error = EngineError("outer", cause=ValueError("inner"))
    assert classify(error, "tool").record().cause.message == "inner"
    own = EngineError("alone")
    own.cause = own
    assert classify(own, "tool").record().cause is None


def test_detail_of_an_engine_error_is_recorded() -> None:
    """Category and whether a retry may help are the engine's."""
    record = classify(EngineError("no", category=Category.VALIDATION, retryable=True), "step").record()
    assert (record.category, record.retryable) == ("VALIDATION", True)
    record = classify(EngineError("no", category="text", retryable=None), "step").record()
    assert (record.category, record.retryable) == ("step", False)


@pytest.mark.parametrize("component", get_args(ErrorComponent))
def test_kinds_of_failure(component: ErrorComponent) -> None:
    """A failure knows whether it was a time-out or a cancellation; nothing is both."""
    for kind in ERROR_TYPE_VALUES:
        failure = Failure(kind, component, "x")
        assert failure.timed_out is (kind == "timeout" or kind.endswith("_TIMEOUT"))
        assert failure.cancelled is (kind == "cancelled")
        assert not failure.counted


def chained(*errors: BaseException) -> BaseException:
    """The first error, each caused by the next one."""
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


def test_record_has_the_engines_detail_and_names_redacted() -> None:
    """Proves that detail, step and tool of an engine's error are recorded, bounded and redacted."""
    key = "AKIA" + "Q3EXAMPLE7TESTKA"  # hygiene: made up
    error = EngineError(
        "no", code="TOOL_FAILED", detail=f"key {key} refused", step_id="pay", tool_name="charge"
    )
    record = classify(error, "workflow_engine").record()
    assert (record.step_id, record.tool_name) == ("pay", "charge")
    assert record.detail is not None
    assert (record.detail.startswith("key ["), key in record.detail) == (True, False)
    long = classify(EngineError("no", code="TOOL_FAILED", detail="x " * MAX_MESSAGE), "tool").record().detail
    assert long is not None
    assert len(long) < MAX_MESSAGE + 40
    assert classify(EngineError("no", detail=7, step_id=None, tool_name=""), "tool").record().detail is None


def test_record_names_the_frame_that_reports_it_before_the_birth_and_the_error() -> None:
    """Proves the order: the frame's own values, the frame of the first failure, the engine's error."""
    token = current_run.set(RunScope("shop", "exec-1", "count", "add"))
    try:
        failure = classify(EngineError("no", step_id="other", tool_name="other"), "tool")
    finally:
        current_run.reset(token)
    record = failure.record()
    assert (record.step_id, record.tool_name) == ("count", "add")
    record = failure.record(step_id="pay", tool_name="charge")
    assert (record.step_id, record.tool_name) == ("pay", "charge")


def test_causes_are_three_deep_with_the_engines_detail_of_each() -> None:
    """Proves code, category, detail and names of engine errors in the chain, and its end after the third cause."""
    engine = EngineError("late", code="MCP_LOST", category=Category.TOOL, detail="socket", tool_name="charge")
    error = chained(
        EngineError("no", code="TOOL_FAILED"), engine, *[OSError(f"level {n}") for n in (2, 3, 4)]
    )
    first = classify(error, "tool").record().cause
    assert first is not None
    assert (first.code, first.category, first.message, first.detail, first.tool_name) == (
        "MCP_LOST",
        "TOOL",
        "late",
        "socket",
        "charge",
    )
    second = first.cause
    assert second is not None
    assert (second.code, second.category, second.message) == ("OSError", "cause", "level 2")
    assert second.cause is not None
    assert (second.cause.message, second.cause.cause) == ("level 3", None)


@pytest.mark.parametrize(("suppressed", "found"), [(False, "while handling"), (True, None)])
def test_error_raised_while_another_was_handled_has_it_as_its_cause(
    suppressed: bool, found: str | None
) -> None:
    """Proves that Python's implicit chain counts unless the code cut it with `from None`."""
    error = EngineError("no", code="TOOL_FAILED")
    error.__context__ = KeyError("while handling")
    error.__suppress_context__ = suppressed
    cause = classify(error, "tool").record().cause
    assert (None if cause is None else cause.message.strip("'")) == found


def test_causes_that_lead_in_a_circle_end() -> None:
    """Proves that two errors that name each other give a record of bounded depth."""
    one, other = EngineError("one", code="TOOL_FAILED"), EngineError("other")
    one.cause, other.cause = other, one  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    record = classify(one, "tool").record()
    depth = 0
    while record.cause is not None:
        record, depth = record.cause, depth + 1
    assert depth == 3


def test_detail_of_the_error_that_replaced_a_failure_is_recorded() -> None:
    """Proves that the detail of the engine's wrapping error is in the record, under the first error's type."""
    failure = classify(EngineError("refused", code="TOOL_REJECTED"), "tool")
    assert failure.record().detail is None
    mark(EngineError("step failed", code="STEP_FAILED", detail="after 3 attempts"), failure)
    record = failure.record()
    assert (record.code, record.message, record.detail) == ("TOOL_REJECTED", "refused", "after 3 attempts")
