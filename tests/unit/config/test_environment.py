"""The settings reach the SDK as OTEL_* variables, and variables that are already set win."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.config import load_settings, otel_environment, settings_from_mapping, with_environment
from ael_otel.errors import ConfigError

DEFAULTS = {
    "OTEL_SERVICE_NAME": "ael",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317",
    "OTEL_EXPORTER_OTLP_INSECURE": "true",
    "OTEL_METRIC_EXPORT_INTERVAL": "10000",
    "OTEL_BSP_SCHEDULE_DELAY": "1000",
    "OTEL_BLRP_SCHEDULE_DELAY": "1000",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "ael,otel",
    "OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION": "false",
}


def test_the_defaults_stand_for_exactly_these_variables() -> None:
    """Exactly the documented variables are set; the stability opt-in is not."""
    assert otel_environment(settings_from_mapping({}), {}) == DEFAULTS


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_variable_that_is_set_is_not_returned(name: str) -> None:
    """The environment wins one variable at a time; an empty one counts as not set."""
    settings = settings_from_mapping({})
    assert name not in otel_environment(settings, {name: "none"})
    assert otel_environment(settings, {name: " "})[name] == DEFAULTS[name]


@pytest.mark.parametrize(
    ("section", "environ", "changes"),
    [
        ({"enabled": False}, {}, {"OTEL_SDK_DISABLED": "true"}),
        ({"enabled": False}, {"OTEL_SDK_DISABLED": "false"}, {}),
        ({"service_name": "a b"}, {}, {"OTEL_SERVICE_NAME": "a b"}),
        (
            {"service_name": "a"},
            {"OTEL_RESOURCE_ATTRIBUTES": "service.name=b"},
            {"OTEL_SERVICE_NAME": None},
        ),
        ({"service_version": "1,2"}, {}, {"OTEL_RESOURCE_ATTRIBUTES": "service.version=1%2C2"}),
        (
            {"service_version": "1"},
            {"OTEL_RESOURCE_ATTRIBUTES": "team=x"},
            {"OTEL_RESOURCE_ATTRIBUTES": "team=x,service.version=1"},
        ),
        ({"service_version": "1"}, {"OTEL_RESOURCE_ATTRIBUTES": "service.version=9"}, {}),
        (
            {"exporters": {"otlp": {"enabled": False}}},
            {},
            {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"},
        ),
        ({"traces": {"enabled": False}}, {}, {"OTEL_TRACES_EXPORTER": "none"}),
        ({"metrics": {"enabled": False}}, {}, {"OTEL_METRICS_EXPORTER": "none"}),
        ({"logs": {"enabled": False}}, {}, {"OTEL_LOGS_EXPORTER": "none"}),
        ({"logs": {"output": "stdout"}}, {}, {"OTEL_LOGS_EXPORTER": "none"}),
        ({"logs": {"output": "otlp"}}, {}, {}),
        (
            {"exporters": {"otlp": {"protocol": "http/protobuf"}}},
            {},
            {
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318",
            },
        ),
        (
            {},
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            {"OTEL_EXPORTER_OTLP_PROTOCOL": None, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"},
        ),
        (
            {"exporters": {"otlp": {"protocol": "http/protobuf", "endpoint": "http://c:4317"}}},
            {},
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"},
        ),
        (
            {"exporters": {"otlp": {"endpoint": "https://c"}}},
            {},
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c", "OTEL_EXPORTER_OTLP_INSECURE": "false"},
        ),
        (
            {"exporters": {"otlp": {"insecure": False}}},
            {},
            {"OTEL_EXPORTER_OTLP_INSECURE": "false"},
        ),
        (
            {"exporters": {"otlp": {"endpoint": "http://file"}}},
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "env:4317"},
            {"OTEL_EXPORTER_OTLP_ENDPOINT": None, "OTEL_EXPORTER_OTLP_INSECURE": None},
        ),
        (
            {"exporters": {"otlp": {"headers": {"Authorization": "Basic a=b, c", "x": "ü".encode().hex()}}}},
            {},
            {"OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20a%3Db%2C%20c,x=c3bc"},
        ),
        (
            {"sampling": {"rate": 10}},
            {},
            {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"},
        ),
        ({"sampling": {"rate": 10}}, {"OTEL_TRACES_SAMPLER": "always_on"}, {}),
        ({"sampling": {"rate": 100}}, {}, {}),
    ],
)
def test_a_setting_becomes_its_variable(
    section: dict[str, object], environ: dict[str, str], changes: dict[str, str | None]
) -> None:
    """Each setting changes just its own variables; None marks one that must not be set."""
    expected: dict[str, str | None] = {**DEFAULTS, **changes}
    assert otel_environment(settings_from_mapping(section), environ) == {
        name: value for name, value in expected.items() if value is not None
    }


ASCII = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.strip)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)


@given(headers=st.dictionaries(NAMES, ASCII, max_size=4), name=ASCII, version=ASCII)
def test_sdk_reads_the_variables_as_the_settings_mean(
    headers: dict[str, str], name: str, version: str
) -> None:
    """Any header value, service name and version survive the encoding that the SDK's own parsers expect."""
    from opentelemetry.sdk.resources import OTELResourceDetector
    from opentelemetry.util.re import parse_env_headers

    name = name or "x"
    settings = settings_from_mapping(
        {"service_name": name, "service_version": version, "exporters": {"otlp": {"headers": headers}}}
    )
    variables = otel_environment(settings, {})
    assert parse_env_headers(variables.get("OTEL_EXPORTER_OTLP_HEADERS", "")) == headers
    with mock.patch.dict(os.environ, variables, clear=True):
        attributes = OTELResourceDetector().detect().attributes
    assert attributes.get("service.name") == name
    assert attributes.get("service.version", "") == version


def test_the_sdk_builds_the_sampler_that_the_rate_asks_for() -> None:
    """10 percent is a parent-based ratio of 0.1 in the SDK itself."""
    from opentelemetry.sdk.trace.sampling import _get_from_env_or_default

    variables = otel_environment(settings_from_mapping({"sampling": {"rate": 10}}), {})
    with mock.patch.dict(os.environ, variables, clear=True):
        assert "TraceIdRatioBased{0.1}" in _get_from_env_or_default().get_description()


@pytest.mark.parametrize(
    ("environ", "key", "expected"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "smoke"}, "exporters.otlp.protocol", "grpc"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "x"}, "sampling.rate", 100),
    ],
)
def test_unusable_variable_leaves_the_default_and_a_notice(
    environ: dict[str, str], key: str, expected: object, write: Callable[[str], Path]
) -> None:
    """The settings hold the value that the SDK would use, and a warning is logged."""
    settings = load_settings(write("telemetry: {}"), environ)
    found: Any = settings
    for name in key.split("."):
        found = getattr(found, name)
    assert found == expected
    (notice,) = settings.notices
    assert notice.startswith(list(environ)[-1])


@pytest.mark.parametrize(
    ("environ", "key", "expected"),
    [
        ({"OTEL_SERVICE_NAME": "env"}, "service_name", "env"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=env"}, "service_name", "env"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "a=b,service.version=1%202"}, "service_version", "1 2"),
        ({"OTEL_SDK_DISABLED": "TRUE"}, "enabled", False),
        ({"OTEL_SDK_DISABLED": "false"}, "enabled", True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://env:1"}, "exporters.otlp.endpoint", "http://env:1"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://env:1"}, "exporters.otlp.insecure", True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "env:1"}, "exporters.otlp.insecure", False),
        ({"OTEL_EXPORTER_OTLP_INSECURE": "False"}, "exporters.otlp.insecure", False),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "exporters.otlp.protocol", "http/protobuf"),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            "exporters.otlp.endpoint",
            "http://localhost:4318",
        ),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "exporters.otlp.protocol", "grpc"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "a=b%2Cc, d = e"}, "exporters.otlp.headers", {"a": "b,c", "d": "e"}),
        ({"OTEL_EXPORTER_PROMETHEUS_PORT": "1234"}, "metrics.port", 1234),
        ({"OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.2"}, "metrics.host", "127.0.0.2"),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, "sampling.rate", 100),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.07"}, "sampling.rate", 7),
    ],
)
def test_settings_reflect_changes_by_the_environment(
    environ: dict[str, str], key: str, expected: object, write: Callable[[str], Path]
) -> None:
    """The value in effect is in the loaded settings, without a notice: a variable is set on purpose."""
    settings = load_settings(write("telemetry: {sampling: {rate: 50}}"), environ)
    found: Any = settings
    for name in key.split("."):
        found = getattr(found, name)
    assert found == expected
    assert settings.notices == ()


def test_sampler_that_is_not_a_percentage_gives_a_notice() -> None:
    """`sampling.rate` cannot express such a sampler, so a notice names it."""
    settings = with_environment(settings_from_mapping({}), {"OTEL_TRACES_SAMPLER": "always_off"})
    assert settings.notices == ("telemetry.sampling.rate is ignored: OTEL_TRACES_SAMPLER overrides it",)


def test_a_host_from_the_environment_is_cautioned_about_too() -> None:
    """A port open to other hosts gives a notice, also if a variable opens it."""
    settings = with_environment(settings_from_mapping({}), {"OTEL_EXPORTER_PROMETHEUS_HOST": "0.0.0.0"})
    assert settings.notices == (
        "OTEL_EXPORTER_PROMETHEUS_HOST is not a loopback address: anyone who reaches it can read the metrics",
    )


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "1.5", "٣"])
def test_a_port_of_the_environment_that_is_none_is_an_error(port: str) -> None:
    """We read this variable ourselves, so we judge it: the message names the variable."""
    with pytest.raises(ConfigError) as caught:
        with_environment(settings_from_mapping({}), {"OTEL_EXPORTER_PROMETHEUS_PORT": port})
    assert str(caught.value) == "OTEL_EXPORTER_PROMETHEUS_PORT must be a whole number from 1 to 65535"


def test_loading_again_in_the_environment_that_was_set_changes_nothing(write: Callable[[str], Path]) -> None:
    """A child process that inherits the variables and reads the same file has the same settings."""
    path = write(
        "telemetry:\n  service_version: '1'\n  sampling: {rate: 7}\n  metrics: {port: 1234}\n"
        "  exporters: {otlp: {protocol: http/protobuf, headers: {a: 'b, c'}}}\n"
    )
    first = load_settings(path, {})
    inherited = otel_environment(first, {})
    assert load_settings(path, inherited) == first
    assert otel_environment(first, inherited) == {}


@pytest.mark.parametrize(
    ("given", "rate"), [("production", 1), ("normal", 10), ("Debugging", 100), (1, 1), (2.5, 2.5)]
)
def test_a_rate_has_names(given: object, rate: float) -> None:
    """Each preset stands for its percentage, in any case; a number is itself."""
    assert settings_from_mapping({"sampling": {"rate": given}}).sampling.rate == rate


@pytest.mark.parametrize("given", ["errors,slow", " errors , slow ", ["errors", "slow"]])
def test_keep_is_a_list_or_one_text(given: object) -> None:
    """`errors,slow` and a list of both mean the same."""
    assert settings_from_mapping({"sampling": {"keep": given}}).sampling.keep == ("errors", "slow")


def test_sampler_of_the_environment_does_not_change_keep() -> None:
    """OTEL_TRACES_SAMPLER wins over the rate only; seen through our own sampler too."""
    settings = settings_from_mapping({"sampling": {"rate": 50, "keep": ["slow"], "slow_over": 2}})
    stated = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.07"}
    around = {**stated, "OTEL_TRACES_SAMPLER": "ael_record", "AEL_OTEL_SAMPLER": "traceidratio"}
    for environ in (stated, around):
        found = with_environment(settings, environ)
        assert (found.sampling.rate, found.sampling.keep, found.sampling.slow_over) == (7, ("slow",), 2)
        assert found.notices == settings.notices
