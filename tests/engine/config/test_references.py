"""References to the environment mean what they mean to the engine."""

import os
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ael_otel.config.file import Source, resolve_references
from ael_otel.errors import ConfigError

ENVIRON = {"SET": "value", "EMPTY": "", "NUMBER": "8080"}


PARTS = st.sampled_from(
    ["$", "{", "}", "SET", "EMPTY", "UNSET", ":", "-", "+", "?", " ", "x", "1", "${", "${SET", "${UNSET:"]
)


@given(st.lists(PARTS, max_size=12).map("".join))
@example("${SET:-${EMPTY}}")
@example("$$${SET}")
def test_the_grammar_is_the_engine_s(text: str) -> None:
    """For any mixture of the grammar's parts the engine's own resolver gives the same text, or both refuse."""
    engine = pytest.importorskip("ploston_core.config.loader")
    with mock.patch.dict(os.environ, ENVIRON, clear=True):
        try:
            expected = engine.resolve_env_vars(text)
        except Exception as error:  # noqa: BLE001  # the engine's own class; any refusal counts
            expected = type(error)
    try:
        found = resolve_references(text, "key", Source(), ENVIRON)
    except ConfigError:
        assert isinstance(expected, type)
    else:
        assert found == expected
