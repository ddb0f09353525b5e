"""What a review found: telemetry sent twice, made-up names as labels, one exception object that ends several runs."""

import logging
import os
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider

from ael_otel import environment_variables
from ael_otel.core.metrics import AelMetrics
from ael_otel.lifecycle import Execution, Recorder
from ael_otel.sdk.logs import RunLogHandler
from ael_otel.sdk.otel_variables import SIGNALS_VARIABLE


def test_the_wrapped_demo_prepares_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """`opentelemetry-instrument ael demo` gets its exporters from us, as `serve` and `run` do."""
    for name in [name for name in os.environ if name.startswith(("OTEL_", "AEL_OTEL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "argv", ["opentelemetry-instrument", "ael", "demo"])
    monkeypatch.setattr(os, "environ", dict(os.environ))
    environment_variables._prepare()
    assert os.environ[SIGNALS_VARIABLE] == "traces,metrics,logs"
    assert os.environ["OTEL_TRACES_EXPORTER"] == "none"
    assert environment_variables._DEMO_CONFIG.is_file()


def test_one_exception_object_that_ends_three_runs_is_three_errors() -> None:
    """An exception object that is raised again in a later run is counted again, once for each run."""
    recorder = Recorder(tracer_provider=TracerProvider(), metrics=AelMetrics())
    lost = ConnectionError("gone")
    before = recorder.metrics.error.bind(type="internal", component="workflow_engine").errors
    for _ in range(3):
        with pytest.raises(ConnectionError), Execution(recorder, "w"):
            raise lost
    assert recorder.metrics.error.bind(type="internal", component="workflow_engine").errors == before + 3


def test_an_exporters_login_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """What the SDK says about an endpoint is logged without the name and password in it."""
    handler = RunLogHandler(stream=sys.stdout)
    for text in (
        "exporting logs to user:hunter2@localhost:1, retrying",
        "at http://user:hunter2@h/v1",  # hygiene: made up
    ):  # hygiene: made up
        record = logging.LogRecord("opentelemetry.exporter", logging.WARNING, "", len(text), text, None, None)
        handler.handle(record)
    printed = capsys.readouterr().out
    assert "hunter2" not in printed
    assert (printed.count("***@"), printed.count("[URL_CREDENTIALS]@")) == (1, 1)
