"""Sampling with the real engine and the real exporters: exported spans, and traces of exemplars."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.engine.lab.client import Lab
from tests.support.otlp_sink import OtlpSink

FINE = 60
FAILED = 12


@contextmanager
def exporting(
    folder: Path, sampling: Mapping[str, Any], **environment: str
) -> Iterator[tuple[Lab, OtlpSink]]:
    """A process that exports traces and metrics to a sink; after the block its queue has arrived."""
    with OtlpSink() as sink:
        variables = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
            # Each export has the exemplars since the last one only, so a single one at the end has them all.
            "OTEL_METRIC_EXPORT_INTERVAL": "600000",
            **environment,
        }
        with Lab(folder / "home", telemetry={"sampling": sampling}, environment=variables) as lab:
            yield lab, sink


def traces_of(sink: OtlpSink) -> dict[str, list[Span]]:
    """The exported spans by trace."""
    found: dict[str, list[Span]] = defaultdict(list)
    for request in sink.requests(ExportTraceServiceRequest):
        for group in request.resource_spans:
            for scope in group.scope_spans:
                for span in scope.spans:
                    found[span.trace_id.hex()].append(span)
    return dict(found)


def exemplars_of(sink: OtlpSink) -> set[str]:
    """The trace ids that exemplars name."""
    found: set[str] = set()
    for request in sink.requests(ExportMetricsServiceRequest):
        for group in request.resource_metrics:
            for scope in group.scope_metrics:
                for metric in scope.metrics:
                    for kind in (metric.sum, metric.gauge, metric.histogram):
                        found |= {each.trace_id.hex() for p in kind.data_points for each in p.exemplars}
    return found


def is_whole(spans: list[Span]) -> bool:
    """Whether every span but one has its parent among the others."""
    ids = {span.span_id for span in spans}
    return sum(span.parent_span_id not in ids for span in spans) == 1


@pytest.mark.parametrize("rate", ["production", 20])
def test_exemplars_point_at_exported_traces_only(tmp_path: Path, rate: object) -> None:
    """Of 60 runs a share is exported, each trace whole; no exemplar names a trace that is not among them."""
    with exporting(tmp_path, {"rate": rate}) as (lab, sink):
        lab.ask("many", workflow="overlap", count=FINE)
        records = lab.collect().records
    traces = traces_of(sink)
    assert len(records) == FINE
    assert all(is_whole(spans) for spans in traces.values())
    assert exemplars_of(sink) <= set(traces)
    if rate == 20:
        assert 0 < len(traces) < FINE * 0.6
        assert exemplars_of(sink), "nothing was proven"


@pytest.mark.parametrize("variables", [{}, {"OTEL_TRACES_SAMPLER": "always_off"}])
def test_failed_runs_survive_sampling(tmp_path: Path, variables: dict[str, str]) -> None:
    """With `keep: errors` every failed run is exported whole; the share stays a share."""
    with exporting(tmp_path, {"rate": 1, "keep": "errors"}, **variables) as (lab, sink):
        lab.ask("many", workflow="overlap", count=FINE)
        for _ in range(FAILED):
            lab.ask("execute", workflow="tool_error", inputs={})
        records = lab.collect().records
    traces = traces_of(sink)
    failed = {record["trace_id"]: record for record in records if record["status"] == "failed"}
    assert len(failed) == FAILED
    assert set(failed) <= set(traces)
    for trace, record in failed.items():
        assert is_whole(traces[trace])
        recorded = {record["span_id"]}
        for step in record["steps"]:
            recorded |= {step["span_id"], *(call["span_id"] for call in step["tool_calls"])}
        assert recorded <= {span.span_id.hex() for span in traces[trace]}
    others = set(traces) - set(failed)
    assert len(others) <= (FINE / 4 if not variables else 0)
    assert exemplars_of(sink) <= set(traces)


def test_slow_runs_survive_sampling(tmp_path: Path) -> None:
    """With `keep: slow` a run that takes `slow_over` seconds is exported, a quick one and a failed one are not."""
    sampling = {"rate": 1, "keep": ["slow"], "slow_over": 0.5}
    with exporting(tmp_path, sampling, OTEL_TRACES_SAMPLER="always_off") as (lab, sink):
        lab.ask("execute", workflow="success", inputs={})
        lab.ask("execute", workflow="tool_error", inputs={})
        lab.ask("execute", workflow="slow", inputs={})
        records = lab.collect().records
    slow = {record["trace_id"] for record in records if record["duration_ms"] >= 500}
    assert slow
    assert len(slow) < len(records)
    assert set(traces_of(sink)) == slow


def test_called_server_gets_the_unsampled_flag(tmp_path: Path) -> None:
    """A kept trace was unsampled when the tool was called: its flag is off there, and on in the exported copy."""
    with exporting(
        tmp_path, {"rate": 1, "keep": "slow", "slow_over": 0.001}, OTEL_TRACES_SAMPLER="always_off"
    ) as (
        lab,
        sink,
    ):
        seen = lab.ask("execute", workflow="whose_trace", inputs={})["outputs"]["seen"]
        lab.collect()
    _, trace, _, flags = seen.split("-")
    assert int(flags, 16) & 1 == 0
    assert trace in traces_of(sink)
