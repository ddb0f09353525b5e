"""A Prometheus and a Loki of the tests' own, from the stack's images, on ports of this host that Docker chooses."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.support.needs import require

ROOT = Path(__file__).resolve().parents[2]
USER = f"{os.getuid()}:{os.getgid()}"  # the folder that is mounted belongs to whoever runs the tests


@dataclass(frozen=True)
class Sample:
    """A value of a series at a time, in seconds."""

    series: str
    value: float
    at: float


@dataclass(frozen=True)
class Server:
    """Where a server of the tests answers."""

    address: str

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON that its API answers with; an error of the query fails the test with the server's words."""
        answer = requests.get(f"{self.address}{path}", params=parameters, timeout=30)
        assert answer.ok, f"{answer.status_code} {answer.text}"
        return answer.json()

    def instant(self, query: str, at: float) -> list[dict[str, Any]]:
        """Return the result of a PromQL query at one time."""
        found = self.get("/api/v1/query", query=query, time=at)["data"]["result"]
        return found if isinstance(found, list) else []

    def over_time(self, query: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return the result of a PromQL query over a range."""
        found = self.get("/api/v1/query_range", query=query, start=start, end=end, step=step)
        return list(found["data"]["result"])

    def lines(self, query: str) -> list[tuple[dict[str, str], str]]:
        """Fields and text of the lines of the last hour that a LogQL query finds, the newest first."""
        found = self.get("/loki/api/v1/query_range", query=query, limit=50, since="1h", direction="backward")
        lines = [
            (int(at), stream["stream"], text)
            for stream in found["data"]["result"]
            for at, text in stream["values"]
        ]
        return [(fields, text) for _, fields, text in sorted(lines, key=lambda line: -line[0])]

    def counts(self, query: str, *, once: bool) -> list[dict[str, str]]:
        """Labels of the series that a LogQL count over the last hour gives, at one moment or over time."""
        if once:
            found = self.get("/loki/api/v1/query", query=query)
        else:
            found = self.get("/loki/api/v1/query_range", query=query, since="1h", step="900")
        return [series["metric"] for series in found["data"]["result"]]


def image(service: str) -> str:
    """The image that a service of the stack would get here; skips (on CI: fails) where there is none."""
    from ael_stack.docker import Docker
    from ael_stack.services import choose

    require("docker")
    choice = choose(service, os.environ, Docker(os.environ))
    require(choice.present, f"no image of {service} on this machine; run `make images`")
    return choice.image


@contextmanager
def prometheus(folder: Path, samples: Sequence[Sample]) -> Iterator[Server]:
    """A Prometheus that knows these samples and gets no others."""
    name = image("prometheus")
    ordered = sorted(samples, key=lambda sample: sample.at)
    text = "".join(f"{it.series} {it.value!r} {it.at:.3f}\n" for it in ordered) + "# EOF\n"
    (folder / "samples.txt").write_text(text, "utf-8")
    (folder / "prometheus.yml").write_text("{}", "utf-8")
    mount = ["--user", USER, "--tmpfs", "/tmp", "--volume", f"{folder}:/data"]
    _docker(
        *("run", "--rm", "--network", "none", *mount, "--entrypoint", "/bin/promtool", name),
        *("tsdb", "create-blocks-from", "openmetrics", "/data/samples.txt", "/data/tsdb"),
    )
    arguments = ["--config.file=/data/prometheus.yml", "--storage.tsdb.path=/data/tsdb"]
    with _running(name, 9090, mount, arguments, ready="/-/ready") as server:
        yield server


@contextmanager
def loki() -> Iterator[Server]:
    """A Loki with the stack's own configuration and nothing in it."""
    mount = [
        *("--volume", f"{ROOT / 'loki/loki.yaml'}:/etc/loki/loki.yaml:ro"),
        *("--user", "10001:10001", "--tmpfs", "/loki:uid=10001,gid=10001"),
    ]
    arguments = ["-config.file=/etc/loki/loki.yaml", "-config.expand-env=true", "-target=all"]
    with _running(image("loki"), 3100, mount, arguments, ready="/ready") as server:
        yield server


def push_logs(server: Server, service: str, records: Sequence[Mapping[str, str]]) -> None:
    """Send log records by OTLP, each with a `message`, a `trace_id` and attributes."""
    now = time.time_ns()
    attributes = [
        {key: value for key, value in each.items() if key not in {"message", "trace_id"}} for each in records
    ]
    body = {
        "resourceLogs": [
            {
                "resource": {"attributes": _pairs({"service.name": service, "service.instance.id": "one"})},
                "scopeLogs": [
                    {
                        "logRecords": [
                            {
                                "timeUnixNano": str(now - (len(records) - index) * 1_000_000_000),
                                "severityText": "ERROR",
                                "body": {"stringValue": record["message"]},
                                "traceId": record["trace_id"],
                                "attributes": _pairs(attributes[index]),
                            }
                            for index, record in enumerate(records)
                        ]
                    }
                ],
            }
        ]
    }
    answer = requests.post(f"{server.address}/otlp/v1/logs", json=body, timeout=10)
    assert answer.ok, answer.text


def _pairs(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


@contextmanager
def _running(
    name: str, port: int, mount: Sequence[str], arguments: Sequence[str], *, ready: str
) -> Iterator[Server]:
    container = _docker("run", "--detach", "--publish", f"127.0.0.1::{port}", *mount, name, *arguments)
    try:
        host = _docker("port", container, str(port)).splitlines()[0]
        server = Server(f"http://{host}")
        deadline = time.monotonic() + 60
        while not _answers(f"{server.address}{ready}"):
            assert time.monotonic() < deadline, subprocess.run(
                ["docker", "logs", container], capture_output=True, text=True, check=False
            ).stderr
            time.sleep(0.2)
        yield server
    finally:
        _docker("rm", "--force", "--volumes", container)


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=2).ok
    except requests.RequestException:
        return False
