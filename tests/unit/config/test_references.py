"""References to the environment mean what they mean to the engine."""

import os
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ael_otel.config import load_settings
from ael_otel.config.file import Source, resolve_references
from ael_otel.errors import ConfigError

ENVIRON = {"SET": "value", "EMPTY": "", "NUMBER": "8080"}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("${SET}", "value"),
        ("a ${SET} b ${SET}", "a value b value"),
        ("${ SET }", "value"),
        ("${EMPTY}", ""),
        ("${SET:-other}", "value"),
        ("${EMPTY:-other}", "other"),
        ("${UNSET:-other}", "other"),
        ("${UNSET:-}", ""),
        ("${SET:+other}", "other"),
        ("${EMPTY:+other}", ""),
        ("${UNSET:+other}", ""),
        ("${SET:?why}", "value"),
        ("$$", "$"),
        ("$${SET}", "${SET}"),
        ("$SET", "$SET"),
        ("${1BAD}", "${1BAD}"),
        ("${SET:other}", "${SET:other}"),
        ("${SET", "${SET"),
    ],
)
def test_each_form_gives_its_value(written: str, expected: str) -> None:
    """Every form of the grammar, and text that only looks like one."""
    assert resolve_references(written, "key", Source(), ENVIRON) == expected


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


def test_a_reference_can_stand_for_a_number_or_a_switch(write: Callable[[str], Path]) -> None:
    """The environment holds only text, so text from there converts; text in quotes does not, and text stays text."""
    path = write(
        "telemetry:\n"
        "  enabled: ${ON:-false}\n"
        "  service_name: ${NUMBER}\n"
        "  metrics: {port: '${NUMBER}'}\n"
        "  sampling: {rate: '${RATE:-12.5}'}\n"
        "  logs: {level: '${LEVEL:-warn}'}\n"
        "  exporters: {otlp: {headers: {x-account: '${NUMBER}'}}}\n"
    )
    settings = load_settings(path, ENVIRON)
    assert settings.enabled is False
    assert settings.service_name == "8080"
    assert settings.metrics.port == 8080
    assert settings.sampling.rate == 12.5
    assert settings.logs.level == "WARNING"
    assert settings.exporters.otlp.headers == {"x-account": "8080"}
    assert type(settings.service_name) is str


def test_a_shared_value_is_resolved_in_each_place(write: Callable[[str], Path]) -> None:
    """A YAML alias to a value elsewhere in the section works as YAML means it."""
    path = write(
        "telemetry:\n"
        "  privacy: {excluded_paths: &paths ['${SET}/*']}\n"
        "  redaction: {sensitive_field_patterns: *paths}\n"
    )
    settings = load_settings(path, ENVIRON)
    assert settings.privacy.excluded_paths == settings.redaction.sensitive_field_patterns == ("value/*",)
