"""References to the environment mean what they mean to the engine."""

from collections.abc import Callable
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("written", ["${ODD}", "${ODD:-other}", "${ODD:?why}", "a ${ODD}"])
def test_value_that_is_not_utf_8_is_refused(written: str) -> None:
    """Bytes that no text has are named with key and variable, without the value."""
    environ = {"ODD": b"caf\xe9".decode("utf-8", "surrogateescape")}
    with pytest.raises(
        ConfigError, match=r"a\.b: the value of the environment variable ODD is not UTF-8"
    ) as raised:
        resolve_references(written, "a.b", Source(), environ)
    assert "caf" not in str(raised.value)
