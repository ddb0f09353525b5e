"""A Prometheus, an Alertmanager and a Collector of the tests' own, with the stack's configuration and short intervals.

Only times are changed: intervals, `for`, how long Alertmanager waits, and one objective (the age of the last sign of
life). Expressions, labels, routes and inhibitions are the committed ones. Prometheus and Alertmanager share this host's
network, so that a receiver of the tests on the loopback is reached.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import requests
import yaml

from tests.rules.rules import PROMETHEUS, ROOT, RULES
from tests.stack.conftest import require_image
from tests.stack.otlp import bridge_address, free_port

SILENT_SECONDS: Final = 40
"""In place of two minutes. Not less: the age is looked up each half minute."""

BASES: Final = {
    "AEL_GRAFANA_URL": "http://grafana.test",
    "AEL_RUNBOOK_URL": "https://runbook.test/RUNBOOK.md",
}


class Receiver(ThreadingHTTPServer):
    """A webhook that keeps what it is sent, and an OTLP store that refuses everything for good under any other path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("", 0), _Handler)
        self.notifications: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def about(self, name: str, status: str) -> list[dict[str, Any]]:
        """The notifications of one alert name in one state, in order."""
        return [
            n for n in self.notifications if n["groupLabels"]["alertname"] == name and n["status"] == status
        ]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Take a notification, or refuse data."""
        assert isinstance(self.server, Receiver)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/alerts":
            self.server.notifications.append(json.loads(body))
        self.send_response(200 if self.path == "/alerts" else 400)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        """Keep quiet."""


@dataclass
class Alerting:
    """What runs, and where it answers."""

    prometheus: str
    alertmanager: str
    collector_port: int
    collector: str
    receiver: Receiver
    started: float = field(default_factory=time.time)

    def states(self) -> dict[tuple[str, str], str]:
        """(name, window or severity) of each alert that is pending or firing, and which of both."""
        found = requests.get(f"{self.prometheus}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
        return {
            (each["labels"]["alertname"], each["labels"].get("window", each["labels"]["severity"])): each[
                "state"
            ]
            for each in found
        }

    def ever(self, name: str) -> list[str]:
        """The states that an alert has been in since the start, in the order of their first appearance."""
        answer = requests.get(
            f"{self.prometheus}/api/v1/query_range",
            params={
                "query": f'ALERTS{{alertname="{name}"}}',
                "start": f"{self.started:.0f}",
                "end": f"{time.time():.0f}",
                "step": "1",
            },
            timeout=10,
        ).json()["data"]["result"]
        first = sorted((series["values"][0][0], series["metric"]["alertstate"]) for series in answer)
        return list(dict.fromkeys(state for _, state in first))

    def names(self) -> set[str]:
        """Every alert that has been pending or firing since the start."""
        found = requests.get(
            f"{self.prometheus}/api/v1/query",
            params={
                "query": f"count by (alertname) (max_over_time(ALERTS[{time.time() - self.started:.0f}s]))"
            },
            timeout=10,
        ).json()["data"]["result"]
        return {series["metric"]["alertname"] for series in found}


@dataclass
class Process:
    """A Python process with the real pipeline of `ael_otel`, which does what it is told line by line."""

    running: subprocess.Popen[str]

    def tell(self, code: str) -> None:
        """Run one line in it; returns when it is done."""
        assert self.running.stdin is not None
        assert self.running.stdout is not None
        self.running.stdin.write(code + "\n")
        self.running.stdin.flush()
        assert self.running.stdout.readline() == "done\n"

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        self.running.kill()
        self.running.wait()


_PROGRAM: Final = """
import logging, os, sys
from ael_otel.config import Settings, with_environment
from ael_otel.pipeline.start import start
pipeline = start(with_environment(Settings(), os.environ))
metrics = pipeline.metrics
metrics.expect_workflow("nightly")
metrics.expect_tool("charge@shop")
print("done", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
pipeline.shutdown()
"""


@contextmanager
def process(alerting: Alerting) -> Iterator[Process]:
    """A process that sends what it counts each second."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AEL_"))}
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{alerting.collector_port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "all",
        "PYTHONPATH": str(ROOT),
    }
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        env=kept | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == "done\n"
            yield Process(running)
        finally:
            running.kill()


@contextmanager
def alerting(folder: Path) -> Iterator[Alerting]:
    """All three programs; removed at the end."""
    receiver = Receiver()
    bridge = bridge_address()
    ports = {name: free_port() for name in ("prometheus", "alertmanager", "otlp", "own")}
    _write_configuration(folder, ports, receiver.server_port)
    data = ["--user", "65534:65534"]
    here = ["--network", "host", *data, "--tmpfs", "/data:uid=65534", "--volume", f"{folder}:/etc/ael:ro"]
    with ExitStack() as stack:
        stack.callback(receiver.server_close)
        stack.callback(receiver.shutdown)
        # Before Prometheus, which would otherwise miss it for a moment, and with these rules' short patience say so.
        collector = stack.enter_context(
            _container(
                require_image("collector"),
                [
                    *data,
                    *("--tmpfs", "/var/lib/otelcol:uid=65534"),
                    *(
                        "--publish",
                        f"127.0.0.1:{ports['otlp']}:4317",
                        "--publish",
                        f"127.0.0.1:{ports['own']}:8888",
                    ),
                    *("--env", f"AEL_LOKI_ENDPOINT=http://{bridge}:{receiver.server_port}/otlp"),
                    *(
                        "--env",
                        f"AEL_PROMETHEUS_ENDPOINT=http://{bridge}:{ports['prometheus']}/api/v1/otlp/v1/metrics",
                    ),
                    *("--volume", f"{ROOT / 'collector' / 'config.yaml'}:/etc/otelcol/config.yaml:ro"),
                ],
                ["--config=/etc/otelcol/config.yaml"],
            )
        )
        own = f"http://127.0.0.1:{ports['own']}/metrics"
        wait_for(lambda: _answers(own), 60, own)
        variables = [part for name, value in BASES.items() for part in ("--env", f"{name}={value}")]
        stack.enter_context(
            _container(
                require_image("prometheus"),
                [*here, *variables],
                [
                    "--config.file=/etc/ael/prometheus.yml",
                    "--storage.tsdb.path=/data",
                    "--web.enable-otlp-receiver",
                    # What fired before Alertmanager was there is told again after this time, by default a minute.
                    "--rules.alert.resend-delay=3s",
                ],
                f"--web.listen-address={bridge}:{ports['prometheus']}",
            )
        )
        found = Alerting(
            f"http://{bridge}:{ports['prometheus']}",
            f"http://127.0.0.1:{ports['alertmanager']}",
            ports["otlp"],
            collector,
            receiver,
        )
        wait_for(lambda: _answers(f"{found.prometheus}/-/ready"), 60, found.prometheus)
        # Until the first scrape the Collector is not known to be there; a busy machine may take longer for it than
        # these rules are patient. So who tells people comes last.
        wait_for(lambda: {name for name, _ in found.states()} == {"Watchdog"}, 60, found.states)
        stack.enter_context(
            _container(
                require_image("alertmanager"),
                here,
                [
                    "--config.file=/etc/ael/alertmanager.yml",
                    "--storage.path=/data",
                    "--cluster.listen-address=",
                ],
                f"--web.listen-address=127.0.0.1:{ports['alertmanager']}",
            )
        )
        wait_for(lambda: _answers(f"{found.alertmanager}/-/ready"), 60, found.alertmanager)
        told = f"{found.alertmanager}/api/v2/alerts"
        wait_for(lambda: requests.get(told, timeout=10).json(), 30, told)
        found.started = time.time()
        yield found


def _write_configuration(folder: Path, ports: Mapping[str, int], webhook: int) -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    config["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = ["/etc/ael/*.rules.yml"]
    config["alerting"]["alertmanagers"] = [
        {"static_configs": [{"targets": [f"127.0.0.1:{ports['alertmanager']}"]}]}
    ]
    targets = {"collector": ports["own"], "alertmanager": ports["alertmanager"]}
    config["scrape_configs"] = [
        {**job, "static_configs": [{"targets": [f"127.0.0.1:{targets[job['job_name']]}"]}]}
        for job in config["scrape_configs"]
        if job["job_name"] in targets
    ]
    _dump(folder / "prometheus.yml", config)

    for file in RULES.glob("*.rules.yml"):
        document = yaml.safe_load(file.read_text("utf-8"))
        for group in document["groups"]:
            group.pop("interval", None)
            for rule in group["rules"]:
                if "for" in rule:
                    rule["for"] = "3s"
                if rule.get("record") == "ael:objective:heartbeat_age_seconds":
                    rule["expr"] = f"vector({SILENT_SECONDS})"
        _dump(folder / file.name, document)

    routes = yaml.safe_load((PROMETHEUS / "alertmanager.examples" / "webhook.yml").read_text("utf-8"))
    routes["route"] |= {"group_wait": "2s", "group_interval": "3s"}
    routes["receivers"][1]["webhook_configs"][0]["url_file"] = "/etc/ael/webhook-url"
    _dump(folder / "alertmanager.yml", routes)
    (folder / "webhook-url").write_text(f"http://127.0.0.1:{webhook}/alerts", "utf-8")
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)


def _dump(path: Path, document: object) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")


@contextmanager
def _container(image: str, options: list[str], arguments: list[str], *more: str) -> Iterator[str]:
    command = ["docker", "run", "--detach", *options, image, *arguments, *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    name = done.stdout.strip()
    try:
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)


def docker(*arguments: str) -> str:
    """Run a Docker command that must succeed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_for(check: Callable[[], object], seconds: float, what: Callable[[], object] | str) -> None:
    """Wait until a check holds; fails with what is to be seen then."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.3)


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=2).ok
    except requests.RequestException:
        return False
