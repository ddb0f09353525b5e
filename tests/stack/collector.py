"""Run one Collector alone: the repository's configuration, with a sink in place of the stores."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import requests
import yaml

from tests.stack.conftest import ROOT, eventually, require_image
from tests.stack.otlp import Sender, Sink, bridge_address
from tests.support.ports import free_port

type Config = dict[str, Any]


def merged(*names: str) -> Config:
    """Return the configuration that the Collector merges from files in collector/: maps are merged, lists replaced."""
    result: Config = {}
    for name in names:
        _merge(result, yaml.safe_load((ROOT / "collector" / name).read_text("utf-8")))
    return result


def _merge(into: Config, other: Config) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


@dataclass
class Alone:
    """A running Collector without stores."""

    name: str
    sink: Sink
    port: int
    own_port: int

    def sender(self) -> Sender:
        """Return a new connection to it."""
        return Sender(self.port)

    def own_metrics(self) -> str:
        """Return the page with the Collector's own metrics."""
        return requests.get(f"http://127.0.0.1:{self.own_port}/metrics", timeout=5).text

    def processor_seconds(self) -> float:
        """Return the CPU time that it has used, in seconds."""
        stat = subprocess.run(
            ["docker", "inspect", "--format", "{{.State.Pid}}", self.name],
            capture_output=True,
            text=True,
            check=True,
        )
        fields = Path(f"/proc/{stat.stdout.strip()}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def to_sink(config: Config, sink: Sink) -> Config:
    """Send everything to the sink at once, from memory; the rest of the configuration is unchanged."""
    endpoint = {"endpoint": f"{bridge_address()}:{sink.port}", "tls": {"insecure": True}}
    config["exporters"] = {"otlp_grpc/sink": {**endpoint, "sending_queue": {"enabled": False}}}
    for name, pipeline in config["service"]["pipelines"].items():
        connectors = config.get("connectors", {})
        stores = [each for each in pipeline["exporters"] if each not in connectors]
        pipeline["exporters"] = [each for each in pipeline["exporters"] if each in connectors]
        if stores or not pipeline["exporters"]:
            pipeline["exporters"].append("otlp_grpc/sink")
        assert pipeline["exporters"], name
    config["service"]["extensions"] = []
    config["extensions"] = {}
    return config


@contextmanager
def alone(
    folder: Path, config: Config, change: Callable[[Config], object] = lambda _: None
) -> Iterator[Alone]:
    """Start a Collector with this configuration after `change`, and a sink for its output; both end with the block."""
    image = require_image("collector")
    sink = Sink()
    change(config)
    file = folder / "collector.yaml"
    file.write_text(yaml.safe_dump(to_sink(config, sink)), "utf-8")
    folder.chmod(0o755)
    file.chmod(0o644)
    running = Alone(f"ael-test-collector-{os.getpid()}-{free_port()}", sink, free_port(), free_port())
    command = [
        "docker",
        "run",
        "--detach",
        "--rm",
        "--name",
        running.name,
        "--read-only",
        "--cap-drop",
        "ALL",
    ]
    ports = ["--publish", f"127.0.0.1:{running.port}:4317", "--publish", f"127.0.0.1:{running.own_port}:8888"]
    mount = ["--volume", f"{file}:/etc/otelcol/config.yaml:ro"]
    try:
        subprocess.run(
            [*command, *ports, *mount, image, "--config=/etc/otelcol/config.yaml"],
            check=True,
            capture_output=True,
            timeout=60,
        )
        eventually(lambda: _answers(running.port))
        yield running
    finally:
        subprocess.run(
            ["docker", "rm", "--force", running.name], capture_output=True, timeout=60, check=False
        )
        sink.stop()


def _answers(port: int) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=1)
        except grpc.FutureTimeoutError:
            return False
    return True
