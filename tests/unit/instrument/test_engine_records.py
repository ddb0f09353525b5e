"""The engine's own records are redacted by the engine's patterns: the same result, in linear time."""

import marshal
import re

from hypothesis import example, given
from hypothesis import strategies as st

from ael_otel.instrument.engine_records import MAX_STORED, PATTERNS, redact_stored, redacted_text

PIECES = [
    "@",
    "a",
    "b.",
    ".co",
    "..",
    "-",
    "_",
    "%",
    " ",
    "é",
    "1",
    "1234567",
    "sk-",
    "k" * 32,
    "a@b.cd",
    "\n",
    "٣",
]


@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join))
@example("@a.bc@d.ef")
@example("a@b.co1x@c.de")
@example("a@b.cd@e.fg")
def test_a_text_is_as_the_patterns_leave_it(text: str) -> None:
    """Compares with the patterns themselves, one after the other."""
    expected = text
    for pattern, replacement in PATTERNS:
        expected = re.sub(pattern, replacement, expected)
    assert redacted_text(text) == expected


def test_a_stored_value_is_bounded_in_all_that_our_rules_get() -> None:
    """Compares what is redacted with the fields that are small together; the others are markers."""
    seen: list[object] = []

    def note(value: object) -> object:
        seen.append(value)
        return value

    third = "x" * (MAX_STORED // 3)
    value = {"a": third, "large": third * 3, "b": third, "object": object(), "c": third, "d": 1}
    marked = dict.fromkeys(("large", "object", "c"), "[REDACTED]")
    assert redact_stored(value, note) == {"a": third, "b": third, "d": 1} | marked
    assert redact_stored(third * 4, note) == "[REDACTED]"
    assert redact_stored(third, note) == third
    many = redact_stored({f"name {at}": None for at in range(MAX_STORED)}, note)
    assert list(many)[-1] == "[REDACTED]"
    assert all(len(marshal.dumps(each)) < MAX_STORED * 1.2 for each in seen)
