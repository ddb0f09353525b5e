"""Searches for the slowest value: time grows with length alone, and no value takes many times as long as a plain text.

The pieces are those of `slowest.py`. A search in CI is short; `AEL_FUZZ_EXAMPLES=5000 pytest
tests/privacy/test_worst_case.py` searches longer. Times are the processor's, compared with a plain text in the same
run, since machines differ and are shared.
"""

import json
import os
from math import log

import pytest
from hypothesis import HealthCheck, Phase, given, settings, target
from hypothesis import strategies as st

from tests.privacy.slowest import (
    COUNTERS,
    ENDS,
    LITERALS,
    OTHERS,
    PLAIN,
    SHAPES,
    SIGNS,
    WHOLE,
    repeated,
    seconds,
    size_of,
)

EXAMPLES = int(os.environ.get("AEL_FUZZ_EXAMPLES", "40"))
SMALL, LARGE = 32_768, 262_144
MOST_TIMES_PLAIN = 30
"""A plain text goes at some 20 MB/s on a quiet machine, ten times the aim; cores that are shared need room."""
MOST_EXPONENT = 1.1

PIECES = st.one_of(
    st.sampled_from(OTHERS),
    st.sampled_from(WHOLE),
    st.builds("{}{}{}{}".format, *map(st.sampled_from, (LITERALS, SIGNS, COUNTERS, ENDS))),
    st.builds("{}#".format, st.sampled_from(SIGNS)),
)


def times_plain(shape: str, piece: str, attempts: int) -> float:
    """How many times as long a value takes as a plain text of its size."""
    value = SHAPES[shape](piece, 2 * SMALL)
    plain = seconds(repeated(PLAIN, size_of(value)), attempts + 1)
    return seconds(value, attempts) / plain


# Without the phase that explains failures: it traces each line, which takes several times as long.
PHASES = [phase for phase in Phase if phase is not Phase.explain]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)
@given(st.sampled_from(list(SHAPES)), st.lists(PIECES, min_size=1, max_size=3).map("".join))
def test_no_value_takes_many_times_as_long_as_a_plain_text(shape, piece):
    """Searches, guided by the time taken, for the piece and the shape that are slowest."""
    taken = times_plain(shape, piece, 2)
    target(taken)
    assert taken < MOST_TIMES_PLAIN or times_plain(shape, piece, 6) < MOST_TIMES_PLAIN


@pytest.mark.parametrize("piece", OTHERS, ids=range(len(OTHERS)))
def test_time_grows_with_length_alone(piece):
    """The exponent between 32 kB and 256 kB is that of a straight line, for the pieces that once were slow."""
    exponents = []
    for _ in range(5):
        small, large = seconds(repeated(piece, SMALL)), seconds(repeated(piece, LARGE), 1)
        exponents.append(log(large / max(small, 2e-4)) / log(LARGE / SMALL))
        if exponents[-1] <= MOST_EXPONENT:
            return
    pytest.fail(f"the time grows with an exponent of {min(exponents):.2f}")


def nested(depth: int) -> str:
    """JSON in a text of JSON, each time in quotes."""
    text = "word"
    for _ in range(depth):
        text = json.dumps([text])
    return text


@pytest.mark.parametrize(
    "value",
    [
        {f"name{number}": number for number in range(100_000)},
        {f"token{number}": "abc" for number in range(20_000)},
        ["word"] * 100_000,
        nested(14),
        "[" * 100_000,
        [[[["a@example.org"]]]] * 5_000,
        ["password="] * 20_000,
        [{"text": "- name: DB_PASSWORD"}, {"text": "value: x"}] * 10_000,
        ["-p", "a9b8c7d6e5"] * 10_000,
        [["user", "password"]] * 20_000,
        {"columns": ["user", "password"], "rows": [["a", "b"]] * 20_000},
    ],
    ids=[
        "names",
        "secret names",
        "items",
        "JSON in JSON",
        "brackets",
        "secrets",
        "open ends",
        "names and values",
        "options",
        "rows",
        "table",
    ],
)
def test_values_of_many_parts_take_no_longer_than_texts_of_their_size(value):
    """Names are judged one by one; 100,000 of them took 5 s."""
    size = max(len(json.dumps(value)), SMALL)
    assert seconds(value) < MOST_TIMES_PLAIN * seconds(repeated(PLAIN, size))
