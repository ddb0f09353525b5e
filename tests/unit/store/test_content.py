"""Content is bounded, marked, redacted before it is cut, and never an exception."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.privacy.markers import FAULT, REDACTED
from ael_otel.store.codec import MAX_BODY, decode, encode
from ael_otel.store.content import PREVIEW, TRUNCATED, Capture, RunContent, as_plain, clean, cut_to
from ael_otel.store.records import ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.rows import row_of
from ael_otel.store.times import EPOCH


def kept(value: Any, *arguments: Any, **options: Any) -> Any:
    """Return a captured value as it is read back."""
    return msgspec.json.decode(msgspec.json.encode(Capture(*arguments, **options)(value)))


@given(st.text(max_size=300), st.integers(1, 100))
def test_text_is_cut_to_the_limit_with_its_original_length(text: str, limit: int) -> None:
    """Proves for any text, escapes and wide characters included, that its beginning is stored and fits."""
    found = kept(text, limit)
    if isinstance(found, str):
        assert found == clean(text)
        assert len(msgspec.json.encode(found)) <= limit
        return
    assert len(msgspec.json.encode(found[PREVIEW])) - 2 <= limit
    assert clean(text).startswith(found[PREVIEW])
    assert found[TRUNCATED]["bytes"] >= len(found[PREVIEW].encode())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    )
)
def test_no_value_is_an_exception(value: Any) -> None:
    """Proves that any nested value becomes JSON that decodes, captured or walked."""
    kept(value)
    msgspec.json.decode(msgspec.json.encode(as_plain(value)))


def test_none_stays_none() -> None:
    """Proves that None stays None: there was no value."""
    assert Capture()(None) is None
    assert Capture(blank=True)(None) is None


def test_blank_stores_only_that_there_was_a_value() -> None:
    """Proves `redact_inputs` and `redact_outputs`: not even the size is stored."""
    assert kept({"secret": 1}, blank=True) == REDACTED


def test_redaction_sees_plain_values_and_comes_before_the_cut() -> None:
    """Proves that the redactor gets JSON values, whole: a secret across the limit is not cut out of its sight."""
    seen: list[Any] = []

    def redact(value: Any) -> Any:
        seen.append(value)
        return value.replace("secret-0123456789", "[X]")

    text = "a" * 40 + "secret-0123456789" + "b" * 100
    assert kept(text, 50, redact=redact)[PREVIEW] == ("a" * 40 + "[X]" + "b" * 100)[:50]
    assert seen == [text]


def test_redaction_that_fails_blanks_the_value() -> None:
    """Proves that a fault of the redactor lets nothing through."""
    assert kept({"a": 1}, redact=lambda _: 1 / 0) == FAULT


class Colour(Enum):
    """An enumeration."""

    RED = "red"


@dataclass
class Point:
    """A data class."""

    x: int


class Model:
    """Something like a pydantic model."""

    def model_dump(self, mode: str) -> dict[str, str]:
        """Its plain form."""
        return {"mode": mode}


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Colour.RED, "red"),
        (Point(1), {"x": 1}),
        (Model(), {"mode": "json"}),
        (Decimal("1.5"), "1.5"),
        ((1, 2), [1, 2]),
    ],
)
def test_values_with_a_plain_form_are_stored_in_it(value: Any, plain: Any) -> None:
    """Proves enumerations, data classes, models, decimals and tuples, on both ways."""
    assert kept(value) == plain
    assert kept({"v": value, "\ud800": 0})["v"] == plain


def test_a_record_too_large_as_a_whole_keeps_most_of_its_content() -> None:
    """Proves that a run of very many large calls keeps steps, calls, times, and the part of each value that fits."""
    captured = Capture()("x" * 60_000)
    calls = [
        ToolCallRecord(str(n), "t", "tool_step", n, EPOCH, params=captured)
        for n in range(MAX_BODY // 60_000 + 10)
    ]
    record = ExecutionRecord(
        "e",
        "workflow",
        "completed",
        EPOCH,
        steps=[StepRecord("s", 0, "tool", "completed", EPOCH, tool_calls=calls)],
    )
    body = encode(record)
    assert len(body) < MAX_BODY
    found = decode(body)
    assert len(found.steps[0].tool_calls) == len(calls)
    for call in found.steps[0].tool_calls:
        assert call.params[TRUNCATED] == {"bytes": 60_002}
        assert len(call.params[PREVIEW]) > 50_000
    assert row_of(record).head.tool_calls == len(calls)


def test_a_field_that_this_version_does_not_know_is_passed_over() -> None:
    """Proves that a record of a later version with more fields can be read."""
    record = ExecutionRecord("e", "workflow", "completed", EPOCH)
    later = msgspec.json.decode(encode(record)) | {"new_field": 1}
    assert decode(msgspec.json.encode(later)) == record
    earlier = {name: later[name] for name in ("execution_id", "type", "status", "started_at")}
    assert decode(msgspec.json.encode(earlier)) == record


def test_content_of_a_run_is_bounded_and_the_newest_is_cut_first() -> None:
    """Proves that earlier values stay whole, later ones are cut to the rest, and the reserve is for the run."""
    content, freeze = RunContent(4_000), Capture(2_000)
    kept = [content.fit(freeze(f"{number} " + "x" * 998)) for number in range(5)]
    assert [len(each) for each in kept[:2]] == [1_002, 1_002]
    third = msgspec.json.decode(kept[2])
    assert (third[TRUNCATED], third[PREVIEW][:3]) == ({"bytes": 1_002}, "2 x")
    assert [msgspec.json.decode(each)[PREVIEW] for each in kept[3:]] == ["", ""]
    outputs = content.fit(freeze({"answer": "y" * 500}), of_run=True)
    assert msgspec.json.decode(outputs) == {"answer": "y" * 500}
    assert content.fit(None) is None
    assert content.fit("[EXCLUDED_PATH]") == "[EXCLUDED_PATH]"
    assert sum(len(each) for each in (*kept, outputs)) < 4_000 + 5 * 64


def test_value_that_was_cut_before_keeps_its_first_size() -> None:
    """Proves that cutting twice leaves one mark with the value's original size."""
    found = msgspec.json.decode(cut_to(Capture(500)("x" * 90_000), 100))
    assert found[TRUNCATED] == {"bytes": 90_000}
    assert found[PREVIEW] == "x" * 100


def test_large_record_loses_the_end_of_its_largest_values_only() -> None:
    """Proves that of a record beyond `MAX_BODY` small values stay whole and large ones keep most of theirs."""
    at = datetime(2026, 1, 31, tzinfo=UTC)
    calls = [
        ToolCallRecord(
            f"c{n}", "echo", "direct", n, at, params={"n": n}, result="x" * (900_000 if n % 2 else 50)
        )
        for n in range(60)
    ]
    record = ExecutionRecord("exec-1", "direct", "completed", at, outputs={"answer": 42}, tool_calls=calls)
    body = encode(record)
    assert MAX_BODY - 100_000 < len(body) <= MAX_BODY
    read = decode(body)
    assert read.outputs == {"answer": 42}
    assert [call.params for call in read.tool_calls] == [{"n": n} for n in range(60)]
    for number, call in enumerate(read.tool_calls):
        if number % 2:
            assert call.result[TRUNCATED] == {"bytes": 900_002}
            assert len(call.result[PREVIEW]) > 500_000
        else:
            assert call.result == "x" * 50
