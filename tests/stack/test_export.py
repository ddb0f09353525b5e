"""Send runs with `ael trace export` to the real Collector."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ael_otel.errors import ExportError
from ael_otel.export import push
from ael_otel.export.span_tree import spans_of
from tests.support.needs import images, require
from tests.support.otlp_sink import OtlpSink
from tests.unit.export.conftest import direct, full

__all__ = ["direct", "full"]

CONFIG = """
receivers: {otlp: {protocols: {http: {endpoint: "0.0.0.0:4318"}}}}
exporters: {otlp_grpc: {endpoint: "ENDPOINT", tls: {insecure: true}, sending_queue: {enabled: false}}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], exporters: [otlp_grpc]}}
"""


@pytest.mark.docker
@pytest.mark.slow
def test_the_real_collector_reads_our_json(full, direct, tmp_path: Path):
    """It accepts every span, and forwards the same ids, names, kinds, times, attributes and statuses."""
    require("docker")
    image = images()["collector"].partition(" ")[0]
    require(image, "no image of the Collector; run `make images`", ci=False)
    expected = {span.span_id: span for run in (full, direct) for span in spans_of(run)}
    with OtlpSink(host="0.0.0.0") as sink:
        config = tmp_path / "config.yaml"
        config.write_text(CONFIG.replace("ENDPOINT", f"host.docker.internal:{sink.port}"))
        name = f"ael-test-export-{sink.port}"
        docker(
            *("run", "-d", "--rm", "--name", name, "--add-host", "host.docker.internal:host-gateway"),
            *("-p", "127.0.0.1::4318", "-e", f"CONFIG={config.read_text()}", image, "--config=env:CONFIG"),
        )
        try:
            port = docker("port", name, "4318/tcp").split(":")[-1]
            sent = _when_ready(lambda: push.push([full, direct], f"http://127.0.0.1:{port}"))
            assert (sent.spans, sent.rejected) == (11, 0)
            assert sink.wait_until(lambda: len(sink.spans()) >= 11)
        finally:
            docker("rm", "-f", name)
    for found in sink.spans():
        span = expected.pop(found["span_id"])
        assert (found["trace_id"], found["parent_id"], found["name"]) == (
            span.trace_id,
            span.parent_id,
            span.name,
        )
        assert (found["start"], found["end"]) == (span.start_ns, span.end_ns)
        assert (found["kind"], found["status"]) == (span.kind.upper(), span.status.upper())
        assert found["attributes"] == span.attributes
        assert [event["attributes"] for event in found["events"]] == [
            event.attributes for event in span.events
        ]
        assert (found["scope"], found["resource"]["service.name"]) == ("ael", "ael")
    assert expected == {}


def docker(*arguments: str) -> str:
    """Run the command and return what it prints."""
    done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


def _when_ready(send: Callable[[], push.Sent]) -> push.Sent:
    """Send once the Collector listens."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return send()
        except ExportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
