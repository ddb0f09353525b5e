"""A number at the end of a name does not change what the name says, so that numbered keys are judged once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.privacy import field_names

_WORDS = st.sampled_from(
    [
        *field_names.ANCHORS,
        "api",
        "client",
        "auth",
        "sha",
        "oauth",
        "AWS",
        "count",
        "row",
        "number",
        "2fa",
        "x",
    ]
)
_SIGNS = st.sampled_from(["_", "-", "", ".", " ", "7_"])


@given(st.lists(st.tuples(_WORDS, _SIGNS), min_size=1, max_size=4), st.integers(0, 10**9))
def test_names_that_differ_in_a_number_are_judged_alike(parts: list[tuple[str, str]], number: int) -> None:
    """Compares the judgement of each name itself with that of its shape."""
    name = "".join(word + sign for word, sign in parts) + f"{number:02d}"
    assert field_names._judge.__wrapped__(name) == field_names._judge.__wrapped__(field_names._shape(name))


@pytest.mark.parametrize("name", ["auth0", "auth_0", "key_7", "token"])
def test_a_single_digit_may_be_part_of_a_name(name: str) -> None:
    """Such a name is judged as it is written."""
    assert field_names._shape(name) == name
