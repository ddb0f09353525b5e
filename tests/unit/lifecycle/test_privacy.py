"""Content in records and on spans: the policy of each tool, excluded files, content on spans, fail closed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ael_otel.config import settings_from_mapping
from ael_otel.core.metrics import AelMetrics
from ael_otel.core.redaction import CONTENT_VARIABLE, ActiveRedaction, active_redaction, set_active_redaction
from ael_otel.lifecycle import Execution, Recorder, Step, ToolCall
from ael_otel.store import MemoryStore

KEY = "ghp_" + "a1B2c3D4e5F6g7H8i9" * 2  # hygiene: made up
CALL = {"city": "Oslo", "password": "lower-case-words", "key": KEY}  # hygiene: made up


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    set_active_redaction(None)


class Made:
    """One run of one call under a configuration."""

    def __init__(self, telemetry: Mapping[str, Any], params: Any = CALL, result: Any = KEY) -> None:
        self.metrics = AelMetrics(MeterProvider(shutdown_on_exit=False))
        set_active_redaction(ActiveRedaction(settings_from_mapping(telemetry), self.metrics))
        self.exporter, self.store = InMemorySpanExporter(), MemoryStore()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        recorder = Recorder(tracer_provider=provider, metrics=self.metrics, store=self.store)
        with (
            Execution(recorder, "shop", execution_id="exec-1", inputs={"order": "o-1"}) as run,
            Step(recorder, "pay", "tool_call", tool="charge"),
        ):
            with ToolCall(recorder, "charge", server="bank") as call:
                call.called_with(params)
                call.returned(result)
            run.finished({"said": f"it answered {result} to lower-case-words"})
        self.record = msgspec.to_builtins(self.store.get("exec-1"))
        (step,) = self.record["steps"]
        (self.call,) = step["tool_calls"]

    def counted(self) -> dict[str, int]:
        """The redactions of the process by kind."""
        return {
            str(row.attributes["kind"]): int(row.slots[0])
            for row in self.metrics.redaction.rows()
            if row.slots[0]
        }


@pytest.mark.parametrize(
    ("mode", "params", "result"),
    [
        ("none", None, None),
        ("keys", dict.fromkeys(CALL, "[REDACTED]"), "[REDACTED]"),
        ("redacted", {"city": "Oslo", "password": "[PASSWORD]", "key": "[TOKEN]"}, "[TOKEN]"),
        ("full", CALL, KEY),
    ],
)
def test_policy_of_a_tool_selects_the_content_of_its_calls(mode: str, params: Any, result: Any) -> None:
    """Proves each policy on parameters and result, that the first pattern counts, and that nothing is on the span."""
    made = Made({"redaction": {"tools": {"char*": mode, "*": "none"}}})
    assert (made.call["params"], made.call["result"]) == (params, result)
    assert not any(
        KEY in span.to_json() or "Oslo" in span.to_json() for span in made.exporter.get_finished_spans()
    )


def test_value_redacted_once_is_masked_everywhere_in_the_run_and_counted() -> None:
    """Proves that a password recognised by its field is masked in the outputs too, and counted by run and process."""
    made = Made({})
    assert made.record["outputs"] == {"said": "it answered [TOKEN] to [PASSWORD]"}
    assert made.record["metadata"]["redactions"] == made.counted()
    assert set(made.counted()) == {"password", "token"}


def test_condition_of_a_skipped_step_is_redacted_and_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """Proves that a password written into a `when` is in no span, log record or stored step."""
    caplog.set_level("INFO")
    set_active_redaction(ActiveRedaction(settings_from_mapping({})))
    exporter, store = InMemorySpanExporter(), MemoryStore()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    recorder = Recorder(tracer_provider=provider, store=store)
    condition = "when: inputs.password == 'lower-case-words'"
    with Execution(recorder, "shop", execution_id="exec-1") as run:
        with Step(recorder, "pay", "tool_call", tool="charge") as step:
            step.decided(met=False)
            step.skipped(condition)
        run.skip_step("thank", "tool_call", "echo", condition + "x" * 5_000)
    spans = [span.to_json() for span in exporter.get_finished_spans()]
    assert len([each for each in spans if "when: inputs.password == '[PASSWORD]'" in each]) == 2
    logged = [str(vars(record)) for record in caplog.records]
    assert "lower-case-words" not in f"{spans}{logged}{msgspec.to_builtins(store.get('exec-1'))}"
    found = store.get("exec-1")
    assert found is not None
    assert [len(each.skip_reason or "") for each in found.steps] == [37, 1_024]


def test_name_and_contents_of_an_excluded_file_are_not_recorded(tmp_path: Path) -> None:
    """Proves that the result of a call which names one is a marker, and that the run's outputs hold none of it."""
    secret = "nothing that a rule would know"
    path = str(tmp_path / "private" / "notes.txt")
    made = Made(
        {"privacy": {"excluded_paths": [str(tmp_path / "private")]}},
        params={"path": path},
        result=f"{secret}\n",
    )
    assert made.call["params"] == {"path": "[EXCLUDED_PATH]"}
    assert made.call["result"] == "[EXCLUDED_PATH]"
    assert secret not in str(made.record)


def test_content_on_spans_is_redacted_and_follows_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that the variable puts redacted arguments and result on the call's span, also for `full`."""
    monkeypatch.setenv(CONTENT_VARIABLE, "true")
    for mode, shown in (("redacted", True), ("full", True), ("none", False)):
        made = Made({"redaction": {"tools": {"*": mode}}})
        (span,) = (each for each in made.exporter.get_finished_spans() if each.name == "MCP Request")
        attributes = dict(span.attributes or {})
        assert ("gen_ai.tool.call.arguments" in attributes) is shown
        if shown:
            assert msgspec.json.decode(str(attributes["gen_ai.tool.call.arguments"])) == {
                "city": "Oslo",
                "password": "[PASSWORD]",
                "key": "[TOKEN]",
            }
            assert attributes["gen_ai.tool.call.result"] == '"[TOKEN]"'


def test_fault_of_the_redactor_blanks_the_value_and_the_run_continues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Proves fail closed from end to end: no content, the marker in its place, the fault counted."""
    from ael_otel.privacy.redactor import Redactor

    def fails(*_: object) -> str:
        raise RuntimeError("made up")

    monkeypatch.setattr(Redactor, "value", fails)
    made = Made({})
    assert (made.call["params"], made.call["result"]) == ("[REDACTION_ERROR]", "[REDACTION_ERROR]")
    assert made.record["status"] == "completed"
    assert made.counted()["error"] >= 3
    assert active_redaction().text("plain") == "plain"


def test_with_telemetry_disabled_no_content_is_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters and results of a call are not copied or redacted, for any content and any mode of a tool."""
    from ael_otel.core.redaction import DisabledRedaction
    from ael_otel.privacy.redactor import Redactor

    looked_at: list[object] = []
    for name in ("value", "field", "attributes", "names_excluded", "explain"):
        monkeypatch.setattr(Redactor, name, lambda _self, *given: looked_at.append(given))
    settings = settings_from_mapping({"enabled": False, "redaction": {"tools": {"*": "full"}}})
    metrics = AelMetrics(MeterProvider(shutdown_on_exit=False))
    set_active_redaction(DisabledRedaction(settings, metrics))
    recorder = Recorder(tracer_provider=TracerProvider(shutdown_on_exit=False), metrics=metrics, store=None)
    with (
        Execution(recorder, "shop", execution_id="exec-1", inputs={"order": KEY}) as run,
        Step(recorder, "pay", "tool_call", tool="charge"),
    ):
        with ToolCall(recorder, "charge", server="bank") as call:
            call.called_with({"path": "~/.ssh/id_rsa", **CALL})
            call.returned(KEY)
        run.finished({"said": KEY})
    assert not looked_at
