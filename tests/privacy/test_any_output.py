"""A secret of any kind at any place of a run's inputs or results appears in no output of that run.

The frames are called directly, as the instrumentation calls them, since a run of the engine takes too long for so
many examples. Everything behind them is real: exporters, log handler, SQLite file, mirror, exports, metrics.
"""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

from ael_otel.config import Settings
from ael_otel.core.metrics import AelMetrics
from ael_otel.core.redaction import ActiveRedaction, set_active_redaction
from ael_otel.export.formats import RECORD_FORMATS, SPAN_FORMATS, write
from ael_otel.lifecycle import Execution, Recorder, Step, ToolCall
from ael_otel.sdk.logs import RunLogHandler
from ael_otel.sdk.prometheus_reader import PrometheusReader
from ael_otel.sdk.redacting_exporters import RedactingLogExporter, RedactingSpanExporter
from ael_otel.store.background_writer import QueuedStore
from ael_otel.store.mirror import Mirror
from ael_otel.store.sqlite import SqliteStore
from tests.unit.privacy.secrets import any_secret, core, scalars, structures
from tests.unit.privacy.test_properties import planted

FORMATS = (*RECORD_FORMATS, *SPAN_FORMATS)
logger = logging.getLogger("tests.privacy.any_output")


class Outputs:
    """Everything that leaves the process or lies on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spans, self.records = InMemorySpanExporter(), InMemoryLogRecordExporter()
        tracers = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(RedactingSpanExporter(self.spans)))
        loggers = LoggerProvider(Resource({}), shutdown_on_exit=False)
        loggers.add_log_record_processor(SimpleLogRecordProcessor(RedactingLogExporter(self.records)))
        self.pull = PrometheusReader()
        meters = MeterProvider([self.pull.reader], Resource({}), shutdown_on_exit=False)
        self.stdout = io.StringIO()
        self.handler = RunLogHandler(stream=self.stdout, provider=loggers)
        self.store = QueuedStore(
            lambda: SqliteStore(folder / "telemetry.db"), mirrors=(Mirror(folder / "traces"),), linger_s=0.001
        )
        self.recorder = Recorder(tracer_provider=tracers, metrics=AelMetrics(meters), store=self.store)
        self.recorder.spans_carry_content = True
        self.runs = 0

    def run(self, value: Any, secret: str) -> str:
        """Record one run with the value as input and result, and the secret in its texts; return its id."""
        self.runs += 1
        execution_id = f"exec-{self.runs:012}"
        with (
            suppress(ValueError),
            Execution(self.recorder, "w", execution_id=execution_id, inputs={"i": value}) as run,
        ):
            with Step(self.recorder, "s", "tool_call", tool="t") as step:
                step.attempt()
                with suppress(OSError), ToolCall(self.recorder, "t", server="m") as call:
                    call.called_with({"p": value})
                    call.returned(value)
                    logger.info("the tool said %s", secret)
                    raise OSError(f"no: {secret}")
            run.finished({"o": value})
            raise ValueError(secret)
        assert self.store.flush()
        return execution_id

    def all_of(self, execution_id: str) -> Iterator[tuple[str, str]]:
        """Yield the name and the text of each output of a run; collected telemetry is cleared."""
        yield "spans", "\n".join(span.to_json() for span in self.spans.get_finished_spans())
        yield "log records", "\n".join(each.to_json() for each in self.records.get_finished_logs())
        yield "log lines", self.stdout.getvalue()
        registry = CollectorRegistry()
        registry.register(self.pull)
        yield "metrics", generate_latest(registry).decode()
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                yield path.name, path.read_bytes().decode("utf-8", "replace")
        found = self.store.get(execution_id)
        assert found is not None
        assert found.steps[0].tool_calls[0].params is not None, "nothing was kept, so nothing is proved"
        for form in FORMATS:
            yield form, b"".join(write(form, [found])).decode()

    def forget(self) -> None:
        """Begin anew in memory."""
        self.spans.clear()
        self.records.clear()
        self.stdout.truncate(self.stdout.seek(0))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outputs]:
    """One process's telemetry, for all examples."""
    set_active_redaction(ActiveRedaction(Settings()))
    made = Outputs(tmp_path_factory.mktemp("any"))
    logger.setLevel(logging.INFO)
    logger.addHandler(made.handler)
    yield made
    logger.removeHandler(made.handler)
    made.store.close()
    set_active_redaction(None)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(value=structures(scalars), secret=any_secret, choose=st.integers(0, 1000))
def test_a_secret_anywhere_in_content_is_in_no_output(
    outputs: Outputs, value: Any, secret: str, choose: int
) -> None:
    """Proves it for spans with content, log records and lines, metrics, the database, mirror and exports."""
    hidden = core(secret)
    forms = {hidden, json.dumps(hidden)[1:-1]}
    execution_id = outputs.run(planted(value, secret, choose), secret)
    for name, text in outputs.all_of(execution_id):
        assert not [form for form in forms if form in text], name
    outputs.forget()


def test_without_the_redactor_each_output_shows_it(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that the search works: with redaction disabled all outputs but the metrics contain the secret."""
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9" * 2  # hygiene: made up
    for name in ("text", "content", "name", "attributes", "error_text"):
        monkeypatch.setattr(ActiveRedaction, name, lambda _self, value, **_: value)
    execution_id = outputs.run({"a": secret}, secret)
    shown = {name for name, text in outputs.all_of(execution_id) if secret in text}
    assert {"spans", "log lines", "json", "jsonl", "csv"} <= shown
    assert any(name.startswith("telemetry.db") for name in shown)
    assert any(name.startswith("trace-") for name in shown)
