"""From settings to OTEL_* variables, and from the wrapper's command line to settings: what a user sets always wins."""

import json
import sys
from pathlib import Path

import msgspec
import pytest

from ael_otel.config import Settings
from ael_otel.environment_variables import OTEL_PYTHON_AEL_CONFIG, config_argument, wrapped_command
from ael_otel.sdk.otel_variables import SIGNALS_VARIABLE, otlp_signals, prepare
from tests.support.interpreters import WRAPPER, environment, python

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
        ("prometheus", "prometheus", False),
        ("", "none", True),
    ],
)
def test_what_a_user_exports_to(stated: str, left: str, *, ours: bool) -> None:
    """Other exporters stay as they are; OTLP among them becomes ours; empty counts as not set."""
    environ = prepared(OTEL_TRACES_EXPORTER=stated)
    assert environ["OTEL_TRACES_EXPORTER"] == left
    assert ("traces" in otlp_signals(environ)) is ours
    assert {"metrics", "logs"} <= otlp_signals(environ)


@pytest.mark.parametrize(
    ("exporter", "protocol"), [("otlp_proto_grpc", "grpc"), ("otlp_proto_http", "http/protobuf")]
)
def test_an_exporter_that_names_its_protocol_keeps_it(exporter: str, protocol: str) -> None:
    """`otlp_proto_http` means HTTP, whatever the file says; a variable that says it for the signal wins."""
    other = {"grpc": "http/protobuf", "http/protobuf": "grpc"}[protocol]
    environ = prepared(OTEL_LOGS_EXPORTER=exporter, OTEL_EXPORTER_OTLP_PROTOCOL=other)
    assert environ["OTEL_EXPORTER_OTLP_LOGS_PROTOCOL"] == protocol
    assert "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" not in environ


def test_settings_switch_signals_off() -> None:
    """What the file does not export is not exported; a variable of the user wins over the file."""
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
    """No OTEL_* variable that is set is changed, whatever the settings say."""
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
    """The command prepares again what the wrapper has prepared: what is there stays, also with other settings."""
    environ = prepared(OTEL_TRACES_EXPORTER="console,otlp")
    before = dict(environ)
    prepare(msgspec.structs.replace(Settings(), service_name="other", enabled=False), environ)
    assert environ == before


@pytest.mark.parametrize(
    ("text", "signals"),
    [(None, set()), ("", set()), ("traces", {"traces"}), ("traces,logs", {"traces", "logs"})],
)
def test_reading_back_what_is_ours(text: str | None, signals: set[str]) -> None:
    """Where `prepare` did not run nothing is ours: then the SDK was built with exporters of its own."""
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


FAKE_AEL = f"""#!{sys.executable}
import json, os, sys
names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER", "OTEL_SERVICE_NAME", "{SIGNALS_VARIABLE}")
print(json.dumps({{"arguments": sys.argv[1:]}} | {{name: os.environ.get(name) for name in names}}))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a stand-in for `ael` that prints what it was given, and a good configuration."""
    script = tmp_path / "bin" / "ael"
    script.parent.mkdir()
    script.write_text(FAKE_AEL, "utf-8")
    script.chmod(0o755)
    (tmp_path / "good.yaml").write_text(
        "telemetry:\n  service_name: from-file\n  exporters: {otlp: {endpoint: 'http://file.example:4317'}}\n",
        "utf-8",
    )
    (tmp_path / "broken.yaml").write_text("telemetry: [", "utf-8")
    (tmp_path / "unknown.yaml").write_text("telemetry: {servce_name: x}", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wrapped(folder: Path, *words: str, **extra: str) -> dict[str, object]:
    """Run the wrapper with the stand-in, and return what the stand-in was given."""
    code = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
    env = environment(None, OTEL_SDK_DISABLED="true", HOME=str(folder), **extra)
    env["PATH"] = f"{folder / 'bin'}:{env['PATH']}"
    done = python(code, WRAPPER, *words, env=env)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout.splitlines()[0])


def test_the_file_reaches_the_sdk_through_the_wrapper(folder: Path) -> None:
    """`opentelemetry-instrument ael serve -c FILE`: the file's settings are in force before the SDK is built."""
    assert wrapped(folder, "ael", "serve", "-c", "good.yaml") == {
        "arguments": ["serve", "-c", "good.yaml"],
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://file.example:4317",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_SERVICE_NAME": "from-file",
        SIGNALS_VARIABLE: "traces,metrics,logs",
    }


def test_the_file_may_be_named_by_a_variable(folder: Path) -> None:
    """`AEL_CONFIG_PATH=FILE opentelemetry-instrument ael serve` is the same as `-c FILE`."""
    said = wrapped(folder, "ael", "serve", AEL_CONFIG_PATH="good.yaml")
    assert (said["arguments"], said["OTEL_SERVICE_NAME"]) == (["serve"], "from-file")


def test_the_wrappers_flags_win_over_the_file(folder: Path) -> None:
    """What a person writes between the wrapper and the command is OTel's own and wins."""
    said = wrapped(
        folder,
        "--service_name",
        "flag",
        "--traces_exporter",
        "console,otlp",
        "ael",
        "run",
        "hello",
        OTEL_PYTHON_AEL_CONFIG="good.yaml",
    )
    assert said["arguments"] == ["run", "hello"]
    assert said["OTEL_SERVICE_NAME"] == "flag"
    assert said["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://file.example:4317"


@pytest.mark.parametrize(
    "file", ["broken.yaml", "unknown.yaml", "missing.yaml", ".", "good.yaml/x"], ids=lambda file: file
)
def test_a_wrong_file_is_left_to_the_command(folder: Path, file: str) -> None:
    """The wrapper starts the command all the same, prints no traceback, and the command says what is wrong."""
    said = wrapped(folder, "ael", "serve", "-c", file)
    assert said["arguments"] == ["serve", "-c", file]
    assert said[SIGNALS_VARIABLE] is None


def test_other_commands_are_left_alone(folder: Path) -> None:
    """Verbs without a configuration, and other programs, are not prepared: they have no use for it."""
    assert wrapped(folder, "ael", "doctor")[SIGNALS_VARIABLE] is None


def test_a_fault_of_ours_does_not_keep_the_command_from_starting() -> None:
    """Should preparing break in a way nobody thought of, the wrapper still starts the command and says one line."""
    code = """
import sys
import ael_otel.config
def broken(*arguments):
    raise RuntimeError("thought of by nobody")
ael_otel.config.load_settings = broken
sys.argv = ["opentelemetry-instrument", "ael", "serve"]
import ael_otel.environment_variables
print("started")
"""
    done = python(code)
    assert (done.returncode, done.stdout.strip()) == (0, "started")
    assert done.stderr.strip() == (
        "ael-otel: the configuration file was not applied to the SDK: thought of by nobody"
    )


def test_the_module_offers_its_variable_to_the_wrapper() -> None:
    """`opentelemetry-instrument` makes a flag of each OTEL_* name in the module."""
    assert OTEL_PYTHON_AEL_CONFIG == "OTEL_PYTHON_AEL_CONFIG"
    done = python("import os, sys; os.execv(sys.argv[1], sys.argv[1:])", WRAPPER, "--help")
    assert "--ael_config" in done.stdout
