"""Compare the telemetry of the engine's runs, as a receiver outside the process gets it, with the registry."""

from pathlib import Path

import pytest

from tests.engine.lab.client import Lab
from tests.engine.outcomes import OUTCOMES
from tests.support.needs import require
from tests.support.otlp_sink import OtlpSink
from tools.telemetry_schema.live.check import LiveCheck, Report
from tools.telemetry_schema.live.coverage import read_gaps
from tools.telemetry_schema.live.sources import from_message
from tools.telemetry_schema.project import GAPS, ROOT, packaged_registry

CANARY = "canary-" + "7f3a91c2"
EXPORTERS = {f"OTEL_{signal}_EXPORTER": "otlp" for signal in ("TRACES", "METRICS", "LOGS")} | {
    # Short enough to collect during a run: a gauge of active runs is zero again when the run ends.
    "OTEL_METRIC_EXPORT_INTERVAL": "100"
}


def run_everything(lab: Lab) -> None:
    """Produce every outcome once: each row of the table, both time limits, a cancellation, calls outside a run."""
    # First, since a busy machine may lose the last batch of spans at the end of the process.
    lab.ask("execute", workflow="model_answer", inputs={})
    for outcome in OUTCOMES:
        lab.ask("execute", workflow=outcome.workflow, inputs=outcome.inputs)
    for workflow in ("slow", "slow_code"):
        lab.ask("execute", workflow=workflow, inputs={}, timeout_s=0.3)
    lab.ask("cancel", workflow="slow", inputs={})
    lab.ask("execute", workflow="nobody", inputs={})
    lab.mcp("echo", {"text": CANARY})
    lab.mcp("refuse", {"why": "card declined"})
    lab.mcp("python_exec", {"code": "result = 1 / 0"})
    lab.ask("execute", workflow="secrets", inputs={"text": CANARY})
    lab.ask("execute", workflow="secrets", inputs={"text": "write to ada@example.com"})  # something to redact
    (lab.folder / "again.yaml").write_text("logging: {level: INFO}\n", "utf-8")
    assert lab.ask("reload", path=str(lab.folder / "again.yaml"))["raised"]
    lab.ask("upgrade", folder=str(lab.folder))
    lab.ask("break_store")
    lab.ask("execute", workflow="success", inputs={})
    lab.ask("mend")


def checked(folder: Path, protocol: str) -> Report:
    """Run everything in a separate process that sends here; return the report of the live check."""
    live = LiveCheck(packaged_registry(), canaries=[CANARY], gaps=read_gaps(ROOT / GAPS))
    with OtlpSink(http_port=0) as sink:
        endpoint = sink.endpoint if protocol == "grpc" else sink.http_endpoint
        otlp = {"endpoint": endpoint, "insecure": True, "protocol": protocol}
        with Lab(
            folder,
            telemetry={"exporters": {"otlp": otlp}, "cost": {"budget": 5}},
            environment={
                **EXPORTERS,
                "AEL_OTEL_RAISE_FAULTS": "0",
                "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
            },
        ) as lab:
            run_everything(lab)
        assert len(sink.requests()) >= 3
    for request in sink.requests():
        live.feed(from_message(request))
    return live.report()


@pytest.mark.engine
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_what_the_engine_emits_is_what_the_registry_says(tmp_path: Path, protocol: str) -> None:
    """Proves over a real exporter that nothing undeclared is emitted, no planted text leaks, everything recommended is
    emitted, and each declared gap exists.
    """
    require("engine")
    report = checked(tmp_path / "home", protocol)
    problems = [f"{each.id}: {each.signal_name}: {each.message}" for each in report.violations]
    problems += report.coverage.problems(report.gaps)
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
    assert report.coverage.share() == 1 or report.gaps
    assert report.items > 300
    seen = report.coverage.seen
    assert {f"ael.model.{name}" for name in ("calls", "tokens", "cost", "budget")} <= set(seen["metrics"])
    assert seen["spans"]["ael.model_call"] == 1
    assert {
        name
        for name in ("missing_schema_url", "recommended_attribute_not_present")
        if name in str(report.summary())
    } == set()
