"""From settings to OTEL_* variables, and the wrapper's command line: values of the user always win."""

import msgspec
import pytest

from ael_otel.config import Settings
from ael_otel.config.command_line import config_argument
from ael_otel.environment_variables import wrapped_command
from ael_otel.sdk.otel_variables import SIGNALS_VARIABLE, otlp_signals, prepare

EXPORTERS = ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")


def prepared(settings: Settings | None = None, **environ: str) -> dict[str, str]:
    """The environment after `prepare`."""
    prepare(settings or Settings(), environ)
    return environ


def test_otlp_is_left_to_us() -> None:
    """The SDK's configurator gets no OTLP exporter for any signal: ours count and are bounded."""
    environ = prepared()
    assert {name: environ[name] for name in EXPORTERS} == dict.fromkeys(EXPORTERS, "none")
    assert otlp_signals(environ) == {"traces", "metrics", "logs"}


@pytest.mark.parametrize(
    ("stated", "left", "ours"),
    [
        ("otlp", "none", True),
        ("console,otlp", "console", True),
        (" otlp , console ", "console", True),
        ("otlp_proto_grpc", "none", True),
        ("otlp_proto_http,console", "console", True),
        ("console", "console", False),
        ("none", "none", False),
        ("", "none", True),
    ],
)
def test_exporters_of_the_user_are_kept(stated: str, left: str, *, ours: bool) -> None:
    """Other exporters are not changed; OTLP among them becomes ours; empty counts as not set."""
    environ = prepared(OTEL_TRACES_EXPORTER=stated)
    assert environ["OTEL_TRACES_EXPORTER"] == left
    assert ("traces" in otlp_signals(environ)) is ours
    assert {"metrics", "logs"} <= otlp_signals(environ)


def test_metrics_for_prometheus_alone_stay_so() -> None:
    """An exporter that only one signal has is left to that signal."""
    environ = prepared(OTEL_METRICS_EXPORTER="prometheus")
    assert environ["OTEL_METRICS_EXPORTER"] == "prometheus"
    assert otlp_signals(environ) == {"traces", "logs"}


@pytest.mark.parametrize(
    ("exporter", "protocol"), [("otlp_proto_grpc", "grpc"), ("otlp_proto_http", "http/protobuf")]
)
def test_an_exporter_that_names_its_protocol_keeps_it(exporter: str, protocol: str) -> None:
    """`otlp_proto_http` means HTTP and wins over the file; a variable for the signal wins over both."""
    other = {"grpc": "http/protobuf", "http/protobuf": "grpc"}[protocol]
    environ = prepared(OTEL_LOGS_EXPORTER=exporter, OTEL_EXPORTER_OTLP_PROTOCOL=other)
    assert environ["OTEL_EXPORTER_OTLP_LOGS_PROTOCOL"] == protocol
    assert "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" not in environ


def test_settings_switch_signals_off() -> None:
    """Signals that the file does not export are not exported; a variable of the user wins over the file."""
    settings = msgspec.structs.replace(
        Settings(), traces=msgspec.structs.replace(Settings().traces, enabled=False)
    )
    assert otlp_signals(prepared(settings)) == {"metrics", "logs"}
    assert otlp_signals(prepared(settings, OTEL_TRACES_EXPORTER="otlp")) == {"traces", "metrics", "logs"}
    off = msgspec.structs.replace(Settings(), enabled=False)
    assert prepared(off)["OTEL_SDK_DISABLED"] == "true"
    assert prepared(off, OTEL_SDK_DISABLED="false")["OTEL_SDK_DISABLED"] == "false"


USER = {
    "OTEL_SERVICE_NAME": "mine",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example:4317",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=mine",
    "OTEL_TRACES_SAMPLER": "always_on",
    "OTEL_METRIC_EXPORT_INTERVAL": "1234",
    "OTEL_BSP_SCHEDULE_DELAY": "77",
    "OTEL_BLRP_SCHEDULE_DELAY": "78",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel",
    "OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION": "true",
    "OTEL_SDK_DISABLED": "false",
}


@pytest.mark.parametrize("name", USER)
def test_the_users_variables_win(name: str) -> None:
    """No OTEL_* variable that is set is changed, for any settings."""
    settings = Settings()
    otlp = msgspec.structs.replace(
        settings.exporters.otlp, endpoint="http://file.example:4317", headers={"authorization": "file"}
    )
    settings = msgspec.structs.replace(
        settings,
        service_name="file",
        exporters=msgspec.structs.replace(settings.exporters, otlp=otlp),
        sampling=msgspec.structs.replace(settings.sampling, rate=10),
    )
    assert prepared(settings, **{name: USER[name]})[name] == USER[name]


def test_preparing_twice_changes_nothing() -> None:
    """The command prepares again after the wrapper: set variables stay, also with other settings."""
    environ = prepared(OTEL_TRACES_EXPORTER="console,otlp")
    before = dict(environ)
    prepare(msgspec.structs.replace(Settings(), service_name="other", enabled=False), environ)
    assert environ == before


@pytest.mark.parametrize(
    ("text", "signals"),
    [(None, set()), ("", set()), ("traces", {"traces"}), ("traces,logs", {"traces", "logs"})],
)
def test_own_exporters_are_read_back(text: str | None, signals: set[str]) -> None:
    """Without `prepare` no exporter is ours: the SDK was built with its own."""
    assert otlp_signals({} if text is None else {SIGNALS_VARIABLE: text}) == signals


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("opentelemetry-instrument ael serve", "ael serve"),
        ("/x/bin/opentelemetry-instrument /y/bin/ael run hello -c a.yaml", "/y/bin/ael run hello -c a.yaml"),
        ("opentelemetry-instrument --traces_exporter console ael serve", "ael serve"),
        ("opentelemetry-instrument --service_name ael ael serve -c a.yaml", "ael serve -c a.yaml"),
        ("opentelemetry-instrument --service_name=ael ael serve", "ael serve"),
        ("opentelemetry-instrument --service_name x --traces_exporter none -- ael serve", "ael serve"),
        ("opentelemetry-instrument uv run ael serve", "ael serve"),
        ("opentelemetry-instrument python app.py", None),
        ("opentelemetry-instrument --service_name ael python app.py", None),
        ("opentelemetry-instrument", None),
        ("opentelemetry-instrument --service_name ael", None),
        ("opentelemetry-bootstrap ael serve", None),
        ("ael serve", None),
        ("", None),
    ],
)
def test_the_command_inside_the_wrapper(line: str, command: str | None) -> None:
    """The `ael` command is found behind the wrapper's own flags, whose values may be called `ael` too."""
    found = wrapped_command(line.split())
    assert (None if found is None else " ".join(found)) == command


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("ael serve -c a.yaml", "a.yaml"),
        ("ael serve -ca.yaml", "a.yaml"),
        ("ael serve --config a.yaml", "a.yaml"),
        ("ael serve --config=a.yaml", "a.yaml"),
        ("ael run hello -i x=1 -c a.yaml --json", "a.yaml"),
        ("ael serve --port 1 --config=dir/a=b.yaml", "dir/a=b.yaml"),
        ("ael serve", None),
        ("ael serve -c", None),
        ("ael serve --config", None),
        ("ael serve --configuration x", None),
        ("ael serve --config=", ""),
        ("", None),
    ],
)
def test_the_file_on_the_command_line(line: str, file: str | None) -> None:
    """Every way in which click takes `-c FILE` is understood."""
    assert config_argument(line.split()) == file
