"""From the wrapper's command line to settings, through the wrapper itself."""

import json
import sys
from pathlib import Path

import pytest

from ael_otel.environment_variables import OTEL_PYTHON_AEL_CONFIG
from ael_otel.sdk.otel_variables import SIGNALS_VARIABLE
from tests.support.interpreters import WRAPPER, environment, python

FAKE_AEL = f"""#!{sys.executable}
import json, os, sys
names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER", "OTEL_SERVICE_NAME", "{SIGNALS_VARIABLE}")
print(json.dumps({{"arguments": sys.argv[1:]}} | {{name: os.environ.get(name) for name in names}}))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a stand-in for `ael` that prints its arguments and variables, and a valid configuration."""
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
    """Run the wrapper with the stand-in, and return the stand-in's arguments and variables."""
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
    """Options between the wrapper and the command are OTel's own and win."""
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
def test_wrong_file_is_reported_by_the_command(folder: Path, file: str) -> None:
    """The wrapper starts the command nevertheless, prints no traceback, and the command names the fault."""
    said = wrapped(folder, "ael", "serve", "-c", file)
    assert said["arguments"] == ["serve", "-c", file]
    assert said[SIGNALS_VARIABLE] is None


def test_other_commands_are_not_changed(folder: Path) -> None:
    """Verbs without a configuration, and other programs, are not prepared: they have no use for it."""
    assert wrapped(folder, "ael", "doctor")[SIGNALS_VARIABLE] is None


def test_a_fault_of_ours_does_not_keep_the_command_from_starting() -> None:
    """If preparing raises an unexpected exception, the wrapper still starts the command and prints one line."""
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


UNUSABLE = {
    "OTEL_ATTRIBUTE_COUNT_LIMIT": "many",
    "OTEL_BSP_SCHEDULE_DELAY": "5s",
    "OTEL_EXPORTER_OTLP_CERTIFICATE": "/no/such/ca.pem",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "localhost",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "10s",
    "OTEL_TRACES_EXPORTER": "jaeger",
    "OTEL_TRACES_SAMPLER": "sometimes",
}
"""Values that people copy from guides of other programs."""


def test_application_starts_with_variables_that_the_sdk_could_not_read(folder: Path) -> None:
    """Proves for a program of any kind that it runs, and that one line on stderr names each variable and its value."""
    code = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
    env = environment(None, HOME=str(folder), **UNUSABLE)
    done = python(code, WRAPPER, sys.executable, "-c", "print('it runs')", env=env)
    assert (done.returncode, done.stdout) == (0, "it runs\n"), done.stderr
    lines = done.stderr.splitlines()
    assert [line.split(": ")[2] for line in lines] == list(UNUSABLE)
    for line, value in zip(lines, UNUSABLE.values(), strict=True):
        assert line.startswith(("ael-otel: warning: ", "ael-otel: error: "))
        assert repr(value) in line


@pytest.mark.parametrize(
    ("value", "used"), [("b3", "baggage traceparent tracestate"), ("xray,baggage,jaeger", "baggage")]
)
def test_application_starts_with_a_propagator_that_is_not_installed(value: str, used: str) -> None:
    """Under the wrapper, which loads propagators before anything else; one line reports it."""
    code = "from opentelemetry import propagate; print(*sorted(propagate.get_global_textmap().fields))"
    env = environment(None, OTEL_PROPAGATORS=value, OTEL_SDK_DISABLED="true")
    run = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
    done = python(run, WRAPPER, "python", "-c", code, env=env)
    assert (done.returncode, done.stdout) == (0, f"{used}\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("ael-otel: warning: OTEL_PROPAGATORS: ")
