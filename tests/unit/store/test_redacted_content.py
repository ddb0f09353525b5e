"""Content is redacted before it is cut, and a secret that the rough cut halves is not stored."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ael_otel.privacy.redactor import Redactor
from ael_otel.store.content import OVERLAP, PREVIEW, TRUNCATED, Capture

KEY = "ghp_" + "a1B2c3D4e5F6g7H8i9" * 2  # hygiene: made up
PEM = "-----" + "BEGIN PRIVATE KEY-----\n" + ("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 40)  # hygiene: made up
LIMIT = 1_000


def kept(value: object, limit: int = LIMIT, mode: str = "redacted") -> bytes:
    """The bytes that the run store gets."""
    return msgspec.json.encode(Capture(limit, redact=Redactor().value)(value, mode))


@settings(max_examples=60)
@given(st.integers(-len(KEY) - 2, 2), st.sampled_from(["text", "list", "field", "json", "bytes"]))
def test_half_of_a_secret_at_the_cut_is_not_stored(offset: int, shape: str) -> None:
    """Proves for each position of a secret around the rough cut, also where the text before it shrinks to nothing, that
    no six characters of it are stored.
    """
    # The redacted text before the cut is short, so that the text at the cut would be within the limit.
    shrinks = PEM + "-----END PRIVATE KEY-----\n"
    room = max(4 * LIMIT, 2 * OVERLAP)
    before = (shrinks * (room // len(shrinks) + 1))[: room + offset - 1] + " "
    text = before + KEY + " and more" * 3_000
    value: object = {
        "text": text,
        "list": [text],
        "field": {"note": text},
        "json": '{"note": "' + text.replace("\n", "\\n") + '"}',
        "bytes": text.encode(),
    }[shape]
    found = kept(value)
    assert len(found) < LIMIT + 200
    for start in range(4, len(KEY) - 6):
        assert KEY[start : start + 6].encode() not in found


@pytest.mark.parametrize("size", [10_000, 70_000, 500_000, 5_000_000])
def test_a_field_is_judged_by_its_name_in_json_of_any_length(size: int) -> None:
    """Proves that JSON in a text that is too long to store leaks no value under a secret's name."""
    value = '{"password": "lower-case-words", "note": "' + "x" * size + '"}'  # hygiene: made up
    found = kept(value)
    assert b"lower-case" not in found
    assert msgspec.json.decode(found)[TRUNCATED]["bytes"] == len(value)


def test_the_original_size_is_noted_and_the_cut_is_between_characters() -> None:
    """Proves that a value whose redacted form is cut has its original size, and is valid text."""
    value = {"note": "é" * 5_000, "password": "x" * 500}  # hygiene: made up
    found = msgspec.json.decode(kept(value, 999))
    assert found[TRUNCATED]["bytes"] == len(msgspec.json.encode(value))
    assert found[PREVIEW].startswith('{"note":"éé')
    assert len(msgspec.json.encode(found[PREVIEW])) <= 999 + 2


def test_policy_of_a_tool_selects_stored_content() -> None:
    """Proves none, keys, redacted and full on one value, and that blanking goes before full."""
    value = {"city": "Oslo", "password": "words-of-mine", "list": [1, None, {"a": True}]}  # hygiene: made up
    capture = Capture(redact=Redactor().value)
    assert capture(value, "none") is None
    assert msgspec.json.decode(kept(value, mode="keys")) == {
        "city": "[REDACTED]",
        "password": "[REDACTED]",
        "list": ["[REDACTED]", None, {"a": "[REDACTED]"}],
    }
    assert msgspec.json.decode(kept(value)) == {**value, "password": "[PASSWORD]"}
    assert msgspec.json.decode(kept(value, mode="full")) == value
    assert Capture(blank=True, redact=Redactor().value)(value, "full") == "[REDACTED]"


def test_bytes_are_redacted_as_the_text_that_they_are() -> None:
    """Proves that a secret in bytes is not stored in base64 either."""
    import base64

    found = msgspec.json.decode(kept({"raw": f"key {KEY}".encode()}))
    assert base64.b64decode(found["raw"]) == b"key [TOKEN]"
