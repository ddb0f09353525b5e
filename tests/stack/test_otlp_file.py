"""Compare real runs as the engine sent them with the same runs as the Collector reads them from an exported file."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.stack.conftest import require_image
from tests.stack.otlp import bridge_address
from tests.support.needs import require
from tests.support.otlp_sink import OtlpSink
from tests.support.variables import clean_variables

AEL = [sys.executable, "-m", "ael_otel.cli"]

CONFIG = """
receivers:
  otlpjsonfile: { include: [/data/*.jsonl], start_at: beginning, include_file_name: false }
exporters:
  otlp: { endpoint: host.docker.internal:PORT, tls: { insecure: true }, sending_queue: { enabled: false } }
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    traces: { receivers: [otlpjsonfile], exporters: [otlp] }
"""

CLOCKS_NS = 100_000_000
KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
STATUSES = ("UNSET", "OK", "ERROR")


def ael(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `ael` in a folder; fail the test if it fails."""
    done = subprocess.run(
        [*AEL, *arguments],
        cwd=folder,
        env=clean_variables(HOME=str(folder)) | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@contextmanager
def reading(image: str, folder: Path, port: int) -> Generator[str]:
    """Start a Collector that reads the files of a folder and sends the content to a port of this host."""
    name = f"ael-otlp-file-{uuid.uuid4().hex[:8]}"
    folder.chmod(0o755)
    (folder / "config.yaml").write_text(CONFIG.replace("PORT", str(port)), "utf-8")
    options = ["--add-host", "host.docker.internal:host-gateway", "--volume", f"{folder}:/data:ro"]
    user = ["--user", f"{os.getuid()}:{os.getgid()}"]  # the files belong to the user who runs the tests
    command = ["docker", "run", "--detach", "--name", name, *options, *user, image]
    subprocess.run([*command, "--config=/data/config.yaml"], check=True, capture_output=True, timeout=60)
    try:
        yield name
    finally:
        subprocess.run(["docker", "rm", "--force", name], check=False, capture_output=True, timeout=60)


def plain(value: dict[str, Any]) -> Any:
    """Return a value of OTLP/JSON, where 64-bit integers are text."""
    ((kind, held),) = value.items()
    match kind:
        case "intValue":
            return int(held)
        case "arrayValue":
            return [plain(each) for each in held.get("values", [])]
        case _:
            return held


def in_file(path: Path) -> list[dict[str, Any]]:
    """Return the spans of a file of OTLP/JSON lines, in the sink's form."""
    return [
        {
            "name": span["name"],
            "kind": KINDS[span["kind"]],
            "scope": scope["scope"]["name"],
            "trace_id": span["traceId"],
            "span_id": span["spanId"],
            "parent_id": span.get("parentSpanId", ""),
            "start": int(span["startTimeUnixNano"]),
            "end": int(span["endTimeUnixNano"]),
            "status": STATUSES[span["status"].get("code", 0)],
            "description": span["status"].get("message"),
            "attributes": {each["key"]: plain(each["value"]) for each in span["attributes"]},
            "events": [
                {
                    "name": event["name"],
                    "attributes": {each["key"]: plain(each["value"]) for each in event["attributes"]},
                }
                for event in span.get("events", [])
            ],
            "links": 0,
            "resource": {each["key"]: plain(each["value"]) for each in group["resource"]["attributes"]},
        }
        for line in path.read_text("utf-8").splitlines()
        for group in json.loads(line)["resourceSpans"]
        for scope in group["scopeSpans"]
        for span in scope["spans"]
    ]


def by_id(spans: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return spans by id; each id must be unique."""
    found = {span["span_id"]: span for span in spans}
    assert len(found) == len(spans)
    return found


@pytest.mark.docker
@pytest.mark.engine
@pytest.mark.slow
def test_the_collector_reads_exported_runs_as_they_were_sent(tmp_path: Path) -> None:
    """Proves with the real engine and the real Collector that an OTLP file of stored runs is opened by the
    `otlpjsonfile` receiver, that every span in it arrives once and exactly as written, and that these are the very
    spans that the engine had sent while it ran: ids, names, kinds, parents, status, attributes, events, times to 0.1 s.
    """
    image = require_image("collector")
    require("engine")
    components = subprocess.run(
        ["docker", "run", "--rm", image, "components"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    require("otlpjsonfile" in components, f"{image} was built before it had otlpjsonfile; run `make images`")
    with OtlpSink() as engine:
        ael(tmp_path, "demo", "--runs", "12", OTEL_EXPORTER_OTLP_ENDPOINT=engine.endpoint)
        sent = by_id(engine.spans())
    data = tmp_path / "data"
    data.mkdir()
    file = data / "runs.otlp.jsonl"
    export = ("trace", "export", "--all", "--format", "otlp", "--output", str(file))
    ael(tmp_path, *export, OTEL_SERVICE_NAME="ael-demo")
    written = by_id(in_file(file))
    assert len({span["trace_id"] for span in written.values()}) == 12

    with OtlpSink(bridge_address()) as sink, reading(image, data, sink.port) as collector:
        came = sink.wait_until(lambda: len(sink.spans()) >= len(written), 60)
        logs = subprocess.run(["docker", "logs", collector], capture_output=True, text=True, check=False)
        assert came, f"{len(sink.spans())} of {len(written)} spans arrived\n{logs.stderr[-4000:]}"
        read = by_id(sink.spans())
        assert read.keys() == written.keys()
        for each, span in written.items():
            assert read[each] == span

    outside = {span["name"] for each, span in sent.items() if each not in written}
    assert outside <= {"tools/list"}, (
        "spans outside runs belong to the engine's connection to its tool server"
    )
    for each, span in written.items():
        live = sent[each]
        same = set(span) - {"start", "end", "resource"}
        assert {fact: span[fact] for fact in same} == {fact: live[fact] for fact in same}
        assert span["resource"]["service.name"] == live["resource"]["service.name"]
        # Span and record read the clock one after the other, with an unknown delay in between.
        assert abs(span["start"] - live["start"]) < CLOCKS_NS
        assert abs(span["end"] - live["end"]) < CLOCKS_NS
