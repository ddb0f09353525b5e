"""The engine's own keys keep their meaning; one notice names keys without effect, and ours win a contradiction."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ael_otel.config import load_settings, settings_from_mapping
from ael_otel.config.settings import Settings
from ael_otel.errors import ConfigError


def value(settings: Settings, key: str) -> object:
    """The value of a dotted key."""
    found: Any = settings
    for name in key.split("."):
        found = getattr(found, name)
    return found


@pytest.mark.parametrize(
    ("section", "key", "expected"),
    [
        ({"service_name": "a"}, "service_name", "a"),
        ({"service_version": "2"}, "service_version", "2"),
        ({"storage": {"type": "memory"}}, "store.backend", "memory"),
        ({"storage": {"type": "file"}}, "store.backend", "sqlite"),
        ({"storage": {"type": "postgres"}}, "store.backend", "postgresql"),
        ({"export": {"otlp": {"enabled": False}}}, "exporters.otlp.enabled", False),
        ({"export": {"otlp": {"endpoint": "http://c:4317"}}}, "exporters.otlp.endpoint", "http://c:4317"),
        ({"export": {"otlp": {"endpoint": "c:4317"}}}, "exporters.otlp.endpoint", "c:4317"),
        ({"export": {"otlp": {"insecure": False}}}, "exporters.otlp.insecure", False),
        ({"export": {"otlp": {"protocol": "http"}}}, "exporters.otlp.protocol", "http/protobuf"),
        ({"export": {"otlp": {"protocol": "grpc"}}}, "exporters.otlp.protocol", "grpc"),
        ({"export": {"otlp": {"headers": {"a": "b"}}}}, "exporters.otlp.headers", {"a": "b"}),
        ({"export": {"enabled": False}}, "exporters.otlp.enabled", False),
        ({"export": {"endpoint": "https://c"}}, "exporters.otlp.endpoint", "https://c"),
        ({"export": {"endpoint": ""}}, "exporters.otlp.endpoint", "http://localhost:4317"),
        ({"metrics": {"prometheus_enabled": False}}, "metrics.prometheus_enabled", False),
        ({"tracing": {"enabled": False}}, "traces.enabled", False),
        ({"tracing": {"sample_rate": 1}}, "sampling.rate", 100),
        ({"tracing": {"sample_rate": 0.07}}, "sampling.rate", 7),
        ({"tracing": {"export_to_otlp": True}}, "traces.enabled", True),
        ({"logging": {"enabled": False}}, "logs.enabled", False),
        ({"logging": {"export_to_otlp": True}}, "logs.output", "both"),
        ({"logging": {"export_to_otlp": False}}, "logs.output", "stdout"),
        ({"logging": {"include_trace_context": True}}, "logs.enabled", True),
    ],
)
def test_an_engine_key_sets_ours_without_a_word(
    section: dict[str, object], key: str, expected: object
) -> None:
    """A key with the same meaning is used without a notice."""
    settings = settings_from_mapping(section)
    assert value(settings, key) == expected
    assert settings.notices == ()


@pytest.mark.parametrize(
    ("section", "notices"),
    [
        (
            {"tracing": {"export_to_otlp": False}},
            [
                (
                    "telemetry.tracing.export_to_otlp has no effect here: to export no traces "
                    "use telemetry.traces.enabled or telemetry.exporters.otlp.enabled"
                )
            ],
        ),
        (
            {"logging": {"include_trace_context": False}},
            [
                (
                    "telemetry.logging.include_trace_context has no effect here: every line written inside a run "
                    "carries its trace ids; remove the key"
                )
            ],
        ),
        (
            {"tracing": {"sample_rate": 0.5}, "sampling": {"rate": 10}},
            ["telemetry.tracing.sample_rate is ignored: telemetry.sampling.rate overrides it"],
        ),
        ({"tracing": {"sample_rate": 0.1}, "sampling": {"rate": 10}}, []),
        (
            {"export": {"endpoint": "http://a", "otlp": {"endpoint": "http://b"}}},
            ["telemetry.export.otlp.endpoint is ignored: telemetry.export.endpoint overrides it"],
        ),
        (
            {"metrics": {"host": "0.0.0.0"}},
            ["telemetry.metrics.host is not a loopback address: anyone who reaches it can read the metrics"],
        ),
        ({"metrics": {"host": "::1"}}, []),
        ({"metrics": {"host": "localhost"}}, []),
        ({"metrics": {"host": "0.0.0.0", "enabled": False}}, []),
        ({"sampling": {"rate": 1, "keep": ["errors"]}}, []),
        (
            {"sampling": {"keep": ["errors"]}},
            ["telemetry.sampling.keep has no effect: every trace is exported at rate 100"],
        ),
        *(
            ({section: {key: setting}}, [])
            for section, key, setting in (
                ("privacy", "scrub_pii", True),
                ("privacy", "excluded_paths", []),
                ("redaction", "sensitive_field_patterns", ["token"]),
                ("redaction", "allow_fields", ["note"]),
                ("redaction", "tools", {"vault_*": "none", "*": "keys"}),
            )
        ),
        (
            {"redaction": {"tools": {"weather": "full", "*": "redacted"}}},
            [
                (
                    "telemetry.redaction.tools is full for weather: run records contain its parameters and results "
                    "unredacted, with all secrets"
                )
            ],
        ),
        ({"redaction": {"redact_inputs": True, "redact_outputs": True, "max_result_size": 10}}, []),
    ],
)
def test_key_without_effect_gives_one_notice(section: dict[str, object], notices: list[str]) -> None:
    """A key without effect, a contradiction, an open port and a doubtful rate each give one line, agreement none."""
    assert list(settings_from_mapping(section).notices) == notices


def test_our_key_wins_in_any_order() -> None:
    """The engine's key written last does not win."""
    settings = settings_from_mapping(
        {
            "exporters": {"otlp": {"endpoint": "http://ours"}},
            "export": {"otlp": {"endpoint": "http://engine"}},
        }
    )
    assert settings.exporters.otlp.endpoint == "http://ours"


def test_key_that_is_repeated_is_an_error_with_every_line(write: Callable[[str], Path]) -> None:
    """PyYAML silently uses the last of two equal keys, and the value of the first would be lost."""
    file = write(
        "telemetry:\n  enabled: false\n  store: {backend: memory}\n  enabled: true\n  enabled: true\n"
        "tools:\n  mcp_servers: {}\ntools:\n  mcp_servers: {}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(file, {})
    assert [str(each) for each in caught.value.mistakes] == [
        "ael-config.yaml:5: telemetry.enabled occurs more than once, in lines 2, 4 and 5; remove all but one",
        "ael-config.yaml:8: tools occurs more than once, in lines 6 and 8; remove all but one",
    ]


def test_key_of_the_same_name_in_another_section_is_not_repeated(write: Callable[[str], Path]) -> None:
    """Items of a list, sections and merge keys may have keys of equal names."""
    file = write(
        "base: &base {days: 3}\nmore: &more {max_mb: 5}\n"
        "telemetry:\n  enabled: true\n  metrics: {enabled: true}\n  retention:\n    <<: *base\n    <<: *more\n"
        "  privacy:\n    patterns:\n      - {name: a, regex: x}\n      - {name: b, regex: y}\n"
    )
    assert load_settings(file, {}).enabled
