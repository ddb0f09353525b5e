"""The tail-sampling profile in the real Collector: failed and slow traces arrive whole, and a share of the others."""

import re
import time
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.stack.collector import Alone, Config, alone, merged
from tests.stack.conftest import ROOT, deploy_module, eventually, in_image
from tests.stack.otlp import SERVICE, text
from tests.stack.test_compose import resolved

TRACES, FAILED, SLOW, SPANS = 200, 20, 20, 4
FILES = ("config.yaml", "tail-sampling.yaml")
START = time.time_ns() - 60 * 10**9


def quick(config: Config) -> None:
    """Decide after four seconds, treat one second as slow, and send metrics at once."""
    sampling = config["processors"]["tail_sampling"]
    sampling["decision_wait"] = "4s"
    sampling["policies"][1]["latency"]["threshold_ms"] = 1000
    sampling["policies"][2]["probabilistic"]["sampling_percentage"] = 10
    config["connectors"]["span_metrics"]["metrics_flush_interval"] = "1s"


def crowded(config: Config) -> None:
    """Use `quick` with room for ten traces."""
    quick(config)
    config["processors"]["tail_sampling"]["num_traces"] = 10


def identity(number: int) -> bytes:
    """Return a trace id that is distributed like a random one, which sampling by trace id requires."""
    return ((number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128).to_bytes(16, "big")


def part(number: int, position: int) -> ExportTraceServiceRequest:
    """Return one span of a trace: the first 20 fail, the next 20 take two seconds; the root span comes last."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.append(text("service.name", SERVICE))
    topmost = position == SPANS - 1
    span = group.scope_spans.add().spans.add(trace_id=identity(number), name="run" if topmost else "step")
    span.span_id = (number * SPANS + position + 1).to_bytes(8, "big")
    if not topmost:
        span.attributes.append(text("ael.step.name", "greet"))
        span.parent_span_id = (number * SPANS + SPANS).to_bytes(8, "big")
    seconds = 2 if topmost and FAILED <= number < FAILED + SLOW else 0.01
    span.start_time_unix_nano, span.end_time_unix_nano = START, START + int(seconds * 1e9)
    if number < FAILED and position == 1:
        span.status.code = Status.STATUS_CODE_ERROR
    return request


def send_all(collector: Alone) -> None:
    """Send every trace in four requests, all of them interleaved, within the decision wait even on a busy machine."""
    sender = collector.sender()
    for position in range(SPANS):
        request = ExportTraceServiceRequest()
        for number in range(TRACES):
            request.MergeFrom(part(number, position))
        sender.send(request)
    sender.close()


def counted(collector: Alone) -> int:
    """Return the number of spans that the span metrics have counted so far."""
    total = 0
    for request in collector.sink.metrics[-1:]:
        for group in request.resource_metrics:
            for scope in group.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == "traces.spanmetrics.calls":
                        total += sum(point.as_int for point in metric.sum.data_points)
    return total


def own(collector: Alone, name: str) -> dict[str, float]:
    """Return the values of one of the Collector's own metrics, by their labels."""
    rows = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", collector.own_metrics(), re.MULTILINE)
    return {labels: float(value) for labels, value in rows}


@pytest.mark.docker
@pytest.mark.slow
def test_failed_and_slow_traces_arrive_whole_and_of_the_others_a_share(tmp_path: Path) -> None:
    """Of 200 traces, the 20 failed and the 20 slow ones arrive whole, about a tenth of the rest whole, nothing else.

    Span metrics count all 800 spans, the Collector's own metrics count the dropped traces, and a span that arrives
    after decision follows its trace.
    """
    with alone(tmp_path, merged(*FILES), quick) as collector:
        send_all(collector)
        wanted = {identity(number) for number in range(FAILED + SLOW)}

        def arrived() -> dict[bytes, int]:
            found: dict[bytes, int] = defaultdict(int)
            for span in list(collector.sink.spans):
                found[span.trace_id] += 1
            return dict(found)

        eventually(lambda: wanted <= set(arrived()))
        decided = "otelcol_processor_tail_sampling_global_count_traces_sampled"
        rows = eventually(lambda: found if sum((found := own(collector, decided)).values()) == TRACES else {})
        eventually(lambda: len(arrived()) == sum(v for k, v in rows.items() if 'sampled="true"' in k))
        found = arrived()
        assert set(found.values()) == {SPANS}
        others = len(found) - FAILED - SLOW
        # 160 traces at 10 %: 16, within four standard deviations.
        assert 1 <= others <= 32
        assert sum(v for k, v in rows.items() if 'sampled="false"' in k) == TRACES - len(found)

        eventually(lambda: counted(collector) == TRACES * SPANS)
        labels = {
            attribute.key
            for group in collector.sink.metrics[-1].resource_metrics
            for scope in group.scope_metrics
            for metric in scope.metrics
            if metric.name == "traces.spanmetrics.latency"
            for point in metric.histogram.data_points
            for attribute in point.attributes
        }
        assert {"service", "span.name", "span.kind", "status.code", "ael.step.name"} <= labels

        late = part(0, 0)
        late.resource_spans[0].scope_spans[0].spans[0].span_id = (10**6).to_bytes(8, "big")
        sender = collector.sender()
        sender.send(late)
        sender.close()
        eventually(lambda: arrived()[identity(0)] == SPANS + 1)


@pytest.mark.docker
@pytest.mark.slow
def test_traces_that_find_no_room_are_counted(tmp_path: Path) -> None:
    """With room for ten traces, 200 at once evict each other, and the Collector's own metrics count the evictions."""
    with alone(tmp_path, merged(*FILES), crowded) as collector:
        send_all(collector)
        name = "otelcol_processor_tail_sampling_sampling_trace_dropped_too_early"
        eventually(lambda: sum(own(collector, name).values()) > TRACES / 2)


@pytest.mark.docker
def test_the_collector_accepts_both_files() -> None:
    """`validate` of the pinned Collector loads the profile over the configuration."""
    arguments = [f"--config=collector/{name}" for name in FILES]
    done = in_image("collector", "/otelcol-contrib", "validate", *arguments)
    assert done.returncode == 0, done.stderr


def test_redaction_comes_before_both_ways() -> None:
    """Spans are redacted once, before span metrics and before sampling; other pipelines are unchanged."""
    plain, profile = merged("config.yaml"), merged(*FILES)
    before, after = plain["service"]["pipelines"], profile["service"]["pipelines"]
    assert after["traces"]["processors"] == before["traces"]["processors"]
    assert after["traces"]["exporters"] == ["forward/sampling", "span_metrics"]
    assert after["traces/sampled"]["exporters"] == before["traces"]["exporters"]
    assert {name: after[name] for name in ("logs", "metrics")} == {
        name: before[name] for name in ("logs", "metrics")
    }
    used = {name for pipeline in after.values() for name in (*pipeline["receivers"], *pipeline["exporters"])}
    assert set(profile["connectors"]) <= used


def test_span_metrics_are_those_of_tempo() -> None:
    """Our labels and buckets are those of Tempo, so that a board shows the same with the profile."""
    connector = merged(*FILES)["connectors"]["span_metrics"]
    tempo = yaml.safe_load((ROOT / "tempo" / "tempo.yaml").read_text("utf-8"))
    theirs = tempo["metrics_generator"]["processor"]["span_metrics"]
    assert [each["name"] for each in connector["dimensions"]] == theirs["dimensions"]
    units = {"ms": 0.001, "s": 1.0}
    parts = [re.fullmatch(r"([0-9]+)(ms|s)", each) for each in connector["histogram"]["explicit"]["buckets"]]
    assert [int(part[1]) * units[part[2]] for part in parts if part] == theirs["histogram_buckets"]


def test_the_overlay_changes_what_it_says() -> None:
    """Compose mounts and reads both files, keeps the health check, and disables Tempo's span metrics; nothing else."""
    with_it = resolved("compose.yaml", "deploy/compose.tail-sampling.yaml")["services"]
    without = resolved("compose.yaml")["services"]
    assert {name for name in without if with_it[name] != without[name]} == {"collector", "tempo"}
    collector = with_it["collector"]
    files = [argument for argument in collector["command"] if argument.startswith("--config=/etc")]
    assert len(files) == 2
    assert collector["healthcheck"] == without["collector"]["healthcheck"]
    assert {volume["target"] for volume in collector["volumes"]} >= {
        f.removeprefix("--config=") for f in files
    }
    assert with_it["tempo"]["environment"]["AEL_TEMPO_GENERATES"] == "[service-graphs]"
    tempo = (ROOT / "tempo" / "tempo.yaml").read_text("utf-8")
    assert "processors: ${AEL_TEMPO_GENERATES:-[service-graphs, span-metrics]}" in tempo


def test_up_takes_the_overlay() -> None:
    """`stack.py up --tail-sampling` adds the file to compose.yaml, and a change to it restarts the Collector."""
    cli = deploy_module("cli")
    assert cli.parser().parse_args(["up", "--tail-sampling"]).tail_sampling
    assert (ROOT / cli.TAIL_SAMPLING).is_file()
    (pattern,) = deploy_module("services").CONFIGURATION["collector"]
    assert {file.name for file in ROOT.glob(pattern)} == {*FILES, "probe.yaml"}
