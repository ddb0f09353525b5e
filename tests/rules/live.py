"""A stack of the tests' own that can be hurt: Prometheus, Alertmanager, Loki, two Collectors, with the committed files.

Expressions, labels, routes and inhibitions are the committed ones, run faster (faster.py). A second Collector is short
of memory and a second Prometheus short of space, so that the first ones, on which all alerts rest, are not.
Prometheus and Alertmanager share this host's network, so that a receiver of the tests on the loopback is reached.
"""

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import requests
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.rules.faster import faster, faster_routes, faster_rules
from tests.rules.messages import Labels, labels, phases
from tests.rules.rules import PROMETHEUS, ROOT, RULES
from tests.stack.conftest import require_image
from tests.stack.otlp import bridge_address
from tests.support.otlp_sink import OtlpSink
from tests.support.ports import free_port

BASES: Final = {
    "AEL_GRAFANA_URL": "http://grafana.test",
    "AEL_RUNBOOK_URL": "https://runbook.test/RUNBOOK.md",
}
DISK_BYTES: Final = 48 * 2**20
QUEUE_BYTES: Final = 16 * 2**20
NARROW: Final = {"processors": {"memory_limiter": {"limit_mib": 100, "spike_limit_mib": 14}}}
"""Enough for a Collector that has little to do."""

USER: Final = f"{os.getuid()}:{os.getgid()}"
"""Files in a folder of the tests must belong to the tests."""

AMPLE: Final = "10GB"
"""The size limit of Prometheus that compose.yaml has."""


class Receiver(ThreadingHTTPServer):
    """A webhook that stores its requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.notifications: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def about(self, name: str, severity: str, status: str) -> list[dict[str, Any]]:
        """The notifications of one alert name, severity and state, in order."""
        group = {"alertname": name, "severity": severity}
        return [n for n in self.notifications if n["groupLabels"] == group and n["status"] == status]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Take a notification."""
        assert isinstance(self.server, Receiver)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.notifications.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        """Keep quiet."""


class Store:
    """A store in Tempo's place that can be away: it takes spans by OTLP, always at the same address."""

    def __init__(self) -> None:
        self._port = free_port()
        self._taking = OtlpSink(bridge_address(), self._port)

    @property
    def address(self) -> str:
        """Where a Collector reaches it."""
        return f"{bridge_address()}:{self._port}"

    @property
    def taken(self) -> set[bytes]:
        """The ids of the traces that it has got since it was last started."""
        return {
            span.trace_id
            for request in self._taking.requests(ExportTraceServiceRequest)
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        }

    def stop(self) -> None:
        """Go away."""
        self._taking.stop()

    def start(self) -> None:
        """Come back."""
        self._taking = OtlpSink(bridge_address(), self._port)


@dataclass
class Disk:
    """A small file system that is a container's volume."""

    container: str
    folder: str
    size: int

    def fill(self, share: float) -> None:
        """Make one file of that share of it, 0 to 1; the file before is gone."""
        with tempfile.NamedTemporaryFile(prefix="filler-") as file:
            file.truncate(round(share * self.size))
            docker("cp", file.name, f"{self.container}:{self.folder}/filler")


@dataclass
class Limited:
    """A second Prometheus that stores `size` bytes of blocks, and whose size limit can be set."""

    folder: Path
    port: int
    size: int = 0
    _running: ExitStack = field(default_factory=ExitStack)

    def make_blocks(self) -> None:
        """Store the samples of an outage from a file: real blocks, made by promtool."""
        names = (f'backfilled{{part="{number:032x}"}} 1 1750000000\n' for number in range(20_000))
        (self.folder / "samples.txt").write_text("".join(names) + "# EOF\n", "utf-8")
        (self.folder / "prometheus.yml").write_text("{}", "utf-8")
        mount = [
            "--user",
            USER,
            "--tmpfs",
            "/tmp",
            "--volume",
            f"{self.folder}:/data",
            "--entrypoint",
            "/bin/promtool",
        ]
        made = ("tsdb", "create-blocks-from", "openmetrics", "/data/samples.txt", "/data/tsdb")
        docker("run", "--rm", "--network", "none", *mount, require_image("prometheus"), *made)
        self.size = sum(
            file.stat().st_size for file in (self.folder / "tsdb").glob("*/**/*") if file.is_file()
        )

    def limit(self, size: str) -> None:
        """Start it anew with this limit, in Prometheus's notation."""
        self._running.close()
        self._running.enter_context(
            container(
                require_image("prometheus"),
                ["--network", "host", "--user", USER, "--volume", f"{self.folder}:/data"],
                [
                    "--config.file=/data/prometheus.yml",
                    "--storage.tsdb.path=/data/tsdb",
                    f"--storage.tsdb.retention.size={size}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
            )
        )
        wait_for_answer(f"http://127.0.0.1:{self.port}/-/ready")

    def close(self) -> None:
        """Remove it."""
        self._running.close()


@dataclass
class Alerting:
    """The running services and processes: their addresses, and the faults that can be made."""

    prometheus: str
    alertmanager: str
    collector: str
    collector_port: int
    narrow_port: int
    narrow_metrics: str
    traces: Store
    narrow_traces: Store
    disk: Disk
    limited: Limited
    receiver: Receiver
    started: float = 0.0

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the current result of a PromQL query."""
        answer = requests.get(f"{self.prometheus}/api/v1/query", params={"query": expression}, timeout=30)
        assert answer.ok, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def active(self) -> dict[Labels, str]:
        """Every alert but the watchdog that is pending or firing, and which of both."""
        found = requests.get(f"{self.prometheus}/api/v1/alerts", timeout=30).json()["data"]["alerts"]
        return {
            labels(each["labels"]): each["state"]
            for each in found
            if each["labels"]["alertname"] != "Watchdog"
        }

    def phases(self) -> dict[Labels, list[str]]:
        """The states that each alert but the watchdog has been in since the start."""
        span = f"{(time.time() - self.started) * 1000:.0f}ms"
        return phases(self.query(f'ALERTS{{alertname!="Watchdog"}}[{span}]'))


@contextmanager
def alerting(folder: Path) -> Iterator[Alerting]:
    """Everything; removed at the end."""
    bridge = bridge_address()
    ports = {
        name: free_port()
        for name in ("prometheus", "alertmanager", "loki", "otlp", "own", "narrow", "narrow_own", "limited")
    }
    configuration, blocks = folder / "configuration", folder / "blocks"
    configuration.mkdir()
    blocks.mkdir()
    with ExitStack() as stack:
        receiver = Receiver()
        stack.callback(receiver.server_close)
        stack.callback(receiver.shutdown)
        _write_configuration(configuration, ports, receiver.server_port)
        here = ["--network", "host", "--user", "65534:65534", "--tmpfs", "/data:uid=65534"]
        here += ["--volume", f"{configuration}:/etc/ael:ro"]

        limited = Limited(blocks, ports["limited"])
        stack.callback(limited.close)
        limited.make_blocks()
        limited.limit(AMPLE)

        disk = _loki(stack, ports["loki"])
        stores = {
            "AEL_LOKI_ENDPOINT": f"http://{bridge}:{ports['loki']}/otlp",
            "AEL_PROMETHEUS_ENDPOINT": f"http://{bridge}:{ports['prometheus']}/api/v1/otlp/v1/metrics",
            "AEL_COLLECTOR_QUEUE_BYTES": str(QUEUE_BYTES),
        }
        traces, narrow_traces = Store(), Store()
        stack.callback(traces.stop)
        stack.callback(narrow_traces.stop)
        # Before Prometheus, which would otherwise miss them for a moment, and with these rules' short waits fire.
        collector = _collector(
            stack, {**stores, "AEL_TEMPO_ENDPOINT": traces.address}, ports["otlp"], ports["own"]
        )
        _collector(
            stack,
            {**stores, "AEL_TEMPO_ENDPOINT": narrow_traces.address, "GOMEMLIMIT": "80MiB"},
            ports["narrow"],
            ports["narrow_own"],
            configuration / "narrow.yaml",
        )
        for port in (ports["own"], ports["narrow_own"]):
            wait_for_answer(f"http://127.0.0.1:{port}/metrics")
        found = Alerting(
            f"http://{bridge}:{ports['prometheus']}",
            f"http://127.0.0.1:{ports['alertmanager']}",
            collector,
            ports["otlp"],
            ports["narrow"],
            f"http://127.0.0.1:{ports['narrow_own']}/metrics",
            traces,
            narrow_traces,
            disk,
            limited,
            receiver,
        )
        _prometheus(stack, here, configuration, found)
        stack.enter_context(
            container(
                require_image("alertmanager"),
                here,
                [
                    "--config.file=/etc/ael/alertmanager.yml",
                    "--storage.path=/data",
                    "--cluster.listen-address=",
                    f"--web.listen-address=127.0.0.1:{ports['alertmanager']}",
                ],
            )
        )
        wait_for_answer(f"{found.alertmanager}/-/ready")
        url = f"{found.alertmanager}/api/v2/alerts"
        wait_for(lambda: requests.get(url, timeout=10).json(), 60, url)
        # On a busy machine a service answers before its first scrape in time.
        wait_for(lambda: not found.query("up == 0") and not found.active(), 120, lambda: f"{found.active()}")
        found.started = time.time()
        yield found


def _loki(stack: ExitStack, port: int) -> Disk:
    volume = f"ael-test-disk-{port}"
    options = ("type=tmpfs", "device=tmpfs", f"o=size={DISK_BYTES},uid=10001,gid=10001")
    docker("volume", "create", "--driver", "local", *(f"--opt={option}" for option in options), volume)
    stack.callback(docker, "volume", "rm", "--force", volume)
    name = stack.enter_context(
        container(
            require_image("loki"),
            [
                *("--user", "10001:10001", "--volume", f"{volume}:/loki"),
                *("--publish", f"{bridge_address()}:{port}:3100"),
                *("--volume", f"{ROOT / 'loki' / 'loki.yaml'}:/etc/loki/loki.yaml:ro"),
            ],
            ["-config.file=/etc/loki/loki.yaml", "-config.expand-env=true", "-target=all"],
        )
    )
    wait_for_answer(f"http://{bridge_address()}:{port}/ready")
    return Disk(name, "/loki", DISK_BYTES)


def _collector(
    stack: ExitStack, variables: dict[str, str], otlp: int, own: int, more: Path | None = None
) -> str:
    files = [ROOT / "collector" / "config.yaml", *([more] if more else [])]
    return stack.enter_context(
        container(
            require_image("collector"),
            [
                *("--user", "65534:65534", "--tmpfs", "/var/lib/otelcol:uid=65534"),
                *("--publish", f"127.0.0.1:{otlp}:4317", "--publish", f"127.0.0.1:{own}:8888"),
                *(part for name, value in variables.items() for part in ("--env", f"{name}={value}")),
                *(part for file in files for part in ("--volume", f"{file}:/etc/otelcol/{file.name}:ro")),
            ],
            [f"--config=/etc/otelcol/{file.name}" for file in files],
        )
    )


def _prometheus(stack: ExitStack, here: list[str], configuration: Path, found: Alerting) -> None:
    variables = [part for name, value in BASES.items() for part in ("--env", f"{name}={value}")]
    name = stack.enter_context(
        container(
            require_image("prometheus"),
            [*here, *variables],
            [
                "--config.file=/etc/ael/prometheus.yml",
                "--storage.tsdb.path=/data",
                f"--storage.tsdb.retention.size={AMPLE}",
                "--web.enable-otlp-receiver",
                # How long the last value of a series counts, by default.
                f"--query.lookback-delta={faster('5m')}",
                # An alert that fired before Alertmanager was there is sent again after this time. Longer than by the
                # factor, since an alert that is not sent again in four times this time counts as over.
                "--rules.alert.resend-delay=5s",
                f"--web.listen-address={found.prometheus.removeprefix('http://')}",
            ],
        )
    )
    wait_for_answer(f"{found.prometheus}/-/ready")
    # Rules come after the first scrape of everything: until then a service counts as absent, and a
    # busy machine may take longer for it than these rules are patient.
    # Alertmanager, which sends the messages, comes last.
    wait_for(lambda: len(found.query("up == 1")) == 5, 60, lambda: found.query("up"))
    for file in RULES.glob("*.rules.yml"):
        _dump(configuration / file.name, faster_rules(yaml.safe_load(file.read_text("utf-8"))))
    docker("kill", "--signal", "HUP", name)
    wait_for(lambda: found.query('ALERTS{alertname="Watchdog"}'), 60, "no rules")
    assert found.active() == {}


def _write_configuration(folder: Path, ports: dict[str, int], webhook: int) -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    # Not as often as the factor would have it: a busy machine could not keep up.
    config["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = ["/etc/ael/*.rules.yml"]
    config["alerting"]["alertmanagers"] = [
        {"static_configs": [{"targets": [f"127.0.0.1:{ports['alertmanager']}"]}]}
    ]
    targets = {
        "collector": [f"127.0.0.1:{ports[name]}" for name in ("own", "narrow_own")],
        "prometheus": [f"{bridge_address()}:{ports['prometheus']}", f"127.0.0.1:{ports['limited']}"],
        "loki": [f"{bridge_address()}:{ports['loki']}"],
        "alertmanager": [f"127.0.0.1:{ports['alertmanager']}"],
    }
    config["scrape_configs"] = [
        {**job, "static_configs": [{"targets": targets[job["job_name"]]}]}
        for job in config["scrape_configs"]
        if job["job_name"] in targets
    ]
    _dump(folder / "prometheus.yml", config)
    _dump(folder / "narrow.yaml", NARROW)

    routes = yaml.safe_load((PROMETHEUS / "alertmanager.examples" / "webhook.yml").read_text("utf-8"))
    routes["route"] = faster_routes(routes["route"])
    routes["receivers"][1]["webhook_configs"][0]["url_file"] = "/etc/ael/webhook-url"
    _dump(folder / "alertmanager.yml", routes)
    (folder / "webhook-url").write_text(f"http://127.0.0.1:{webhook}/alerts", "utf-8")
    (folder / "webhook-url").chmod(0o644)
    folder.chmod(0o755)


def _dump(path: Path, document: object) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    path.chmod(0o644)


@contextmanager
def container(image: str, options: list[str], arguments: list[str]) -> Iterator[str]:
    """Run a container; removed at the end."""
    name = docker("run", "--detach", *options, image, *arguments).strip()
    try:
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)


def docker(*arguments: str) -> str:
    """Run a Docker command that must succeed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_for(check: Callable[[], object], seconds: float, what: Callable[[], object] | str) -> None:
    """Wait until a check holds; fails with the state at that time."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.3)


def wait_for_answer(address: str) -> None:
    """Wait until a GET of an address succeeds."""

    def answers() -> bool:
        try:
            return requests.get(address, timeout=2).ok
        except requests.RequestException:
            return False

    wait_for(answers, 90, f"{address} does not answer")
