"""OTEL_* variables that cannot be used: each is reported with its value and remedy, and none reaches the SDK."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.config import Settings, with_environment
from ael_otel.config.settings import Exporters, Otlp
from ael_otel.config.variables import CHECKS, FAULTS_VARIABLE, check_variables, drop_unusable
from ael_otel.errors import ConfigError

WARNED = [
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", None),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0", None),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", None),
    ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "GRPC!", None),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", None),
    ("OTEL_EXPORTER_OTLP_INSECURE", "yes", "false"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "a=b,broken,c=d", "a=b,c=d"),
    ("OTEL_BSP_SCHEDULE_DELAY", "5s", None),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "0", None),
    ("OTEL_BLRP_MAX_QUEUE_SIZE", "-1", None),
    ("OTEL_METRIC_EXPORT_INTERVAL", "1.5", None),
    ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many", None),
    ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "٣", None),
    ("OTEL_TRACES_EXPORTER", "jaeger", None),
    ("OTEL_METRICS_EXPORTER", "otlp,nosuch", "otlp"),
    ("OTEL_PROPAGATORS", "b3,tracecontext", "tracecontext"),
    ("OTEL_TRACES_SAMPLER", "half", None),
    ("OTEL_METRICS_EXEMPLAR_FILTER", "sometimes", None),
    ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "deltas", None),
    ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "exponential", None),
    ("OTEL_RESOURCE_ATTRIBUTES", "team=a b,broken,k=%zz", "team=a b,k=%zz"),
    ("OTEL_SDK_DISABLED", "1", "false"),
    ("OTEL_BSP_SCHEDULE_DELAY", "9" * 5000, None),
    ("OTEL_BSP_SCHEDULE_DELAY", "99999999999999", None),
    ("OTEL_BLRP_SCHEDULE_DELAY", "0", "1"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "2147483648", None),
    ("OTEL_SPAN_EVENT_COUNT_LIMIT", "9" * 30, None),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "inf", None),
    ("OTEL_EXPORTER_OTLP_HEADERS", "a=b%0Ac", None),
    ("OTEL_EXPORTER_OTLP_HEADERS", 'a="b",c=d', "c=d"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "a=é", None),
    ("OTEL_EXPORTER_OTLP_HEADERS", "a-bin=b", None),
    ("OTEL_PYTHON_ID_GENERATOR", "nosuch", None),
    ("OTEL_CONFIG_FILE", "otel.yaml", None),
    ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "nosuch,otel", "otel"),
    ("OTEL_PYTHON_TRACER_PROVIDER", "nosuch", None),
]
REFUSED = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://example.org"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:port"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:99999"),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/ca.pem"),
    ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a b:4317"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://caf\udce9:4317"),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", pytest.__file__),
    ("OTEL_PYTHON_EXPORTER_OTLP_GRPC_CREDENTIAL_PROVIDER", "nosuch"),
]
FINE = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://ada:pw@[::1]:4318/base"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20abc=,x-tenant=1,"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5"),
    ("OTEL_TRACES_EXPORTER", "console, otlp"),
    ("OTEL_PROPAGATORS", "tracecontext,baggage"),
    ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
    ("OTEL_TRACES_SAMPLER_ARG", "anything of another sampler"),
    ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0"),
    ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod,team=a%2Cb"),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "0000000000000600"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "2147483647"),
    ("OTEL_PYTHON_ID_GENERATOR", "random"),
    ("OTEL_PYTHON_METER_PROVIDER", "sdk_meter_provider"),
    ("OTEL_BSP_SCHEDULE_DELAY", ""),
    ("OTEL_BSP_SCHEDULE_DELAY", "  "),
]


@pytest.mark.parametrize(("variable", "value", "instead"), WARNED)
def test_unusable_value_is_a_warning_and_the_default(variable: str, value: str, instead: str | None) -> None:
    """Numbers and words of closed sets: OTel's specification asks for a warning and the default."""
    environ = {variable: value}
    (fault,) = drop_unusable(environ)
    assert fault.message.startswith(f"{variable}: ")
    assert not fault.fatal
    assert environ.pop(FAULTS_VARIABLE)
    assert environ == ({} if instead is None else {variable: instead})
    assert check_variables(environ) == []


@pytest.mark.parametrize(("variable", "value"), REFUSED)
def test_value_without_a_default_is_an_error(variable: str, value: str) -> None:
    """Telemetry would silently go elsewhere, or nowhere."""
    (fault,) = check_variables({variable: value})
    assert fault.fatal
    with pytest.raises(ConfigError, match=variable):
        with_environment(Settings(), {variable: value})


@pytest.mark.parametrize(("variable", "value"), FINE)
def test_usable_value_is_left_alone(variable: str, value: str) -> None:
    """Nothing is reported; an empty variable counts as not set."""
    environ = {variable: value}
    assert drop_unusable(environ) == []
    assert environ == ({variable: value} if value.strip() else {})


PEM = "-----BEGIN CERTIFICATE-----\n"


def test_client_key_without_its_certificate_is_an_error(tmp_path: Path) -> None:
    """For one without the other gRPC ends the process with SIGABRT, also where the other one could not be read."""
    pem = tmp_path / "client.pem"
    pem.write_text(PEM, "ascii")
    for one, other in (("CLIENT_KEY", "CLIENT_CERTIFICATE"), ("CLIENT_CERTIFICATE", "CLIENT_KEY")):
        for signal in ("", "LOGS_"):
            environ = {f"OTEL_EXPORTER_OTLP_{signal}{one}": str(pem)}
            (fault,) = check_variables(environ)
            assert fault.fatal
            assert f"without OTEL_EXPORTER_OTLP_{signal}{other}" in fault.message
            assert check_variables(environ | {f"OTEL_EXPORTER_OTLP_{signal}{other}": str(pem)}) == []

    environ = {
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(pem),
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/no/such.pem",
    }
    assert len(drop_unusable(environ)) == 2
    assert set(environ) == {FAULTS_VARIABLE}


@pytest.mark.parametrize(
    ("endpoint", "protocol", "wrong"),
    [
        ("ENDPOINT", "PROTOCOL", "ENDPOINT"),
        ("ENDPOINT", "LOGS_PROTOCOL", "ENDPOINT"),
        ("LOGS_ENDPOINT", "PROTOCOL", "LOGS_ENDPOINT"),
        ("LOGS_ENDPOINT", "TRACES_PROTOCOL", None),
    ],
)
def test_endpoint_without_a_scheme_is_an_error_over_http(
    endpoint: str, protocol: str, wrong: str | None
) -> None:
    """Only gRPC takes `host:port`; over HTTP each request would fail for the address."""
    base = "OTEL_EXPORTER_OTLP_"
    environ = {f"{base}{endpoint}": "localhost:4318", f"{base}{protocol}": "http/protobuf"}
    assert [fault.variable for fault in check_variables(environ)] == ([f"{base}{wrong}"] if wrong else [])
    assert check_variables(environ | {f"{base}{endpoint}": "http://localhost:4318"}) == []


def test_endpoint_without_a_scheme_is_an_error_where_the_file_asks_for_http() -> None:
    """The protocol can be that of the configuration file."""
    http = Settings(
        exporters=Exporters(otlp=Otlp(endpoint="http://localhost:4318", protocol="http/protobuf"))
    )
    with pytest.raises(
        ConfigError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT: .* put http:// or https:// before it"
    ):
        with_environment(http, {"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"})


def test_batch_fits_the_queue() -> None:
    """The SDK's own processors, of the console exporter for example, raise for a batch above the queue."""
    environ = {"OTEL_BSP_MAX_QUEUE_SIZE": "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "200"}
    (fault,) = drop_unusable(environ)
    assert "OTEL_BSP_MAX_QUEUE_SIZE (100)" in fault.message
    assert environ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"] == "100"
    environ = {"OTEL_BLRP_MAX_QUEUE_SIZE": "100"}
    assert drop_unusable(environ) == []
    assert environ["OTEL_BLRP_MAX_EXPORT_BATCH_SIZE"] == "100"


def test_ratio_is_checked_for_ratio_samplers_only() -> None:
    """The meaning of the argument depends on the sampler."""
    environ = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "10%"}
    (fault,) = check_variables(environ)
    assert fault.variable == "OTEL_TRACES_SAMPLER_ARG"
    drop_unusable(environ)
    assert environ["OTEL_TRACES_SAMPLER_ARG"] == "1.0", "the SDK prints a line of its own where there is none"


@pytest.mark.parametrize("name", ["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_X"])
def test_value_that_is_not_utf_8_is_left_out(name: str) -> None:
    """An exporter cannot encode it: with such a name of the service no metric was ever sent."""
    environ = {name: b"caf\xe9=1".decode("utf-8", "surrogateescape")}
    (fault,) = drop_unusable(environ)
    assert fault.message == f"{name}: its value is not UTF-8; set it in UTF-8; it is left out"
    assert not fault.fatal
    assert name not in environ
    json.dumps(environ).encode()


def test_all_mistakes_are_reported_at_once() -> None:
    """A person mends them in one go."""
    environ = {name: value for name, value in REFUSED if name.endswith(("CERTIFICATE", "CLIENT_KEY"))}
    with pytest.raises(ConfigError) as raised:
        with_environment(Settings(), environ)
    assert all(name in str(raised.value) for name in environ)


def test_warnings_are_notices_of_the_settings() -> None:
    """They are logged at the start, and printed by `ael run`."""
    settings = with_environment(
        Settings(), {"OTEL_EXPORTER_OTLP_TIMEOUT": "10s", "OTEL_TRACES_EXPORTER": "zipkin"}
    )
    assert [notice.split(":")[0] for notice in settings.notices] == [
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_TRACES_EXPORTER",
    ]


def test_values_of_headers_and_logins_are_not_printed() -> None:
    """They are secrets."""
    environ = {
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer abc,def hunter2",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://ada:hunter2@example.org",  # hygiene: made up
        "OTEL_RESOURCE_ATTRIBUTES": "hunter2",
    }
    messages = " ".join(fault.message for fault in check_variables(environ))
    assert "hunter2" not in messages
    assert "abc" not in messages


@given(st.sampled_from(sorted(CHECKS)), st.text(max_size=40))
def test_any_value_is_judged(variable: str, value: str) -> None:
    """No value raises, and the remaining ones are usable, unless it is an error."""
    environ = {variable: value}
    faults = drop_unusable(environ)
    environ.pop(FAULTS_VARIABLE, None)
    assert check_variables(environ) == []
    assert all("\n" not in fault.message for fault in faults)


def test_dropped_variables_are_still_reported() -> None:
    """The wrapper and `ael` itself remove values before settings are read; the notice reports the original ones."""
    environ = {"OTEL_PROPAGATORS": "b3", "OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://x"}
    first = drop_unusable(environ)
    assert drop_unusable(environ) == check_variables(environ) == first
    with pytest.raises(ConfigError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        with_environment(Settings(), environ)


@pytest.mark.parametrize("noted", ["", "x", "{}", "[1]", "null"])
def test_made_up_note_is_not_a_fault(noted: str) -> None:
    """For any value of our variable."""
    assert check_variables({FAULTS_VARIABLE: noted}) == []
