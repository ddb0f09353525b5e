"""Values that a caller passes never reach a log line, in any form and through any handler."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.privacy.engine_logs import (
    HARMLESS_FIELDS,
    MARKER,
    ArgumentFilter,
    harmless,
    quotes_input,
    without_arguments,
    without_quotes,
)

SECRET = "xyzzy-4711"

# Anything at all, with the secret somewhere in it: line breaks, quotes, brackets, half characters, other signs.
text = st.text(st.characters(), max_size=40)
signs = st.sampled_from(
    ["arguments=", "params=", "input_value=", ", input_type=", "\n", "\r\n", "'", '"', "}"]
)
noise = st.lists(st.one_of(text, signs), max_size=4).map("".join)
secret = st.tuples(noise, noise).map(SECRET.join)
unsigned = text.filter(lambda some: "arguments=" not in some and "params=" not in some)


@given(before=unsigned, sign=st.sampled_from(["arguments", "params"]), value=secret)
def test_text_after_the_equals_sign_is_removed(before: str, sign: str, value: str) -> None:
    """All text after `arguments=` or `params=` is removed; text before it stays."""
    clean = without_arguments(f"{before} {sign}={value}")
    assert SECRET not in clean
    assert clean.endswith(f"{sign}={MARKER}")


@given(value=st.recursive(secret | st.integers() | st.none(), lambda inner: st.dictionaries(text, inner)))
def test_values_in_the_engines_own_line_are_removed(value: object) -> None:
    """The line as the engine builds it: JSON of any arguments behind `arguments=`."""
    line = f"[TOOL_STEP] server=demo tool=echo arguments={json.dumps(value, default=str)}"
    assert without_arguments(line) == f"[TOOL_STEP] server=demo tool=echo arguments={MARKER}"


@given(before=text, value=secret, after=text)
def test_values_quoted_by_a_validator_are_removed(before: str, value: str, after: str) -> None:
    """Pydantic's and the MCP SDK's refusals lose the value, however it is printed, also when the text was cut short."""
    shown = repr(value)
    whole = f"{before} [type=float_parsing, input_value={shown}, input_type=str]"
    # In a text that was cut short, the end of the value cannot be distinguished from a quote inside it.
    cut = f"{before} input_value={shown.replace(', input_type=', '')}"
    for message in (whole, whole + after, cut, f"Input validation error: {shown}"):
        assert SECRET not in without_quotes(message)
        assert SECRET not in without_arguments(message)
        assert quotes_input(message)


def test_other_words_of_a_refusal_stay() -> None:
    """The kind of mismatch and the field are what a person needs, and stay."""
    message = (
        "1 validation error for call[add]\na\n  Input should be a valid number, unable to parse string "
        "[type=float_parsing, input_value='xyzzy-4711', input_type=str]\n    For further information visit x"
    )
    assert without_quotes(message) == message.replace("'xyzzy-4711'", MARKER)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "tool=echo",
        "the arguments are fine",
        "arguments: none",
        "three params = 3",
        "input_type=str",
        "validation error: no",
    ],
)
def test_other_lines_stay_as_they_are(line: str) -> None:
    """A line that shows no arguments is not touched."""
    assert without_arguments(line) == without_quotes(line) == line
    assert not quotes_input(line)


@given(
    context=st.dictionaries(st.sampled_from(sorted(HARMLESS_FIELDS)) | text, st.one_of(secret, st.booleans()))
)
def test_only_fields_with_harmless_names_pass(context: dict[str, object]) -> None:
    """Of the engine's log context only listed fields pass; a field of any other name does not, for any value."""
    found = harmless(context)
    assert set(found) <= HARMLESS_FIELDS
    assert all(found[key] == context[key] for key in found)


@pytest.mark.parametrize("value", [{"a": 1}, ["x"], None, "", object(), b"x", ("x",)])
def test_only_plain_values_pass(value: object) -> None:
    """A structure under a harmless name may hold anything, so it does not pass; nor does an empty value."""
    assert harmless({"status": value, "attempt": 2}) == {"attempt": 2}


def test_no_context_no_fields() -> None:
    """A line without context has no fields."""
    assert harmless(None) == harmless({}) == {}


@pytest.fixture
def written() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger with the filter, and a plain handler of the application."""
    logger, stream = logging.getLogger("test.engine"), io.StringIO()
    handler = logging.StreamHandler(stream)
    cut = ArgumentFilter()
    logger.addHandler(handler)
    logger.addFilter(cut)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger, stream
    logger.removeHandler(handler)
    logger.removeFilter(cut)
    logger.propagate = True


def test_the_filter_works_for_every_handler(written: tuple[logging.Logger, io.StringIO]) -> None:
    """The record itself is cut, so that foreign handlers do not print the values either."""
    logger, stream = written
    logger.info("call %s arguments=%s", "echo", {"card": SECRET})
    logger.info(f"call echo params={SECRET}")  # noqa: G004 - as the engine does it
    logger.info("call %s took %d ms", "echo", 3)
    assert stream.getvalue().splitlines() == [
        f"call echo arguments={MARKER}",
        f"call echo params={MARKER}",
        "call echo took 3 ms",
    ]


def test_a_line_that_cannot_be_built_shows_no_arguments(
    written: tuple[logging.Logger, io.StringIO], capfd: pytest.CaptureFixture[str]
) -> None:
    """A wrong format string breaks nothing, and logging's own complaint does not print the arguments instead."""
    logger, stream = written
    logger.info("call %d arguments=%s", SECRET, SECRET)
    assert SECRET not in stream.getvalue() + "".join(capfd.readouterr())


def test_a_record_is_never_dropped() -> None:
    """The filter changes records and lets all of them through, unchanged where there is nothing to cut."""
    cut = ArgumentFilter()
    for message, arguments in (
        ("fine", None),
        ("%s", ("a",)),
        ("%(a)s", ({"a": 1},)),
        ("%d", ("x",)),
        (7, None),
    ):
        record = logging.LogRecord("x", 20, "p", 1, message, arguments, None)
        before = (record.msg, record.args)
        assert cut.filter(record) is True
        if message != "%d":
            assert (record.msg, record.args) == before
