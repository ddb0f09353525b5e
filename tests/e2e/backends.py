"""A stack for this suite, beside any that a developer runs: another project, other ports, other volumes."""

import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import requests

from tests.e2e.expected import RESOURCE_LABELS, row
from tests.e2e.spans import Tempo, Traces, TraceSink
from tests.e2e.waiting import wait_until_nothing_is_missing
from tests.stack.conftest import Running, stack
from tests.support.ports import free_port

NEEDED: Final = ("collector", "prometheus", "loki")
OVERRIDE: Final = "deploy/compose.e2e.yaml"

PORTS: Final = (
    "AEL_OTLP_GRPC_PORT",
    "AEL_OTLP_HTTP_PORT",
    "AEL_COLLECTOR_METRICS_PORT",
    "AEL_PROMETHEUS_PORT",
    "AEL_LOKI_PORT",
    "AEL_TEMPO_PORT",
    "AEL_ALERTMANAGER_PORT",
    "AEL_GRAFANA_PORT",
)


def images_here() -> dict[str, str]:
    """The services whose image is on this machine, with it; asks no registry."""
    said = stack("resolve", "--json")
    choices = json.loads(said.stdout) if said.returncode == 0 else []
    return {choice["service"]: choice["image"] for choice in choices if choice["present"]}


@dataclass(frozen=True)
class LogLine:
    """One line as Loki gives it back: nanoseconds, stream labels and structured metadata together, text."""

    timestamp: int
    labels: Mapping[str, str]
    text: str


@dataclass
class Backends(Running):
    """The stack, and queries to its stores."""

    services: tuple[str, ...] = NEEDED
    traces: Traces = field(init=False)

    def __post_init__(self) -> None:
        """Return where the traces are."""
        assert isinstance(self.sink, TraceSink)
        self.traces = (
            Tempo(f"http://127.0.0.1:{self.ports['AEL_TEMPO_PORT']}")
            if "tempo" in self.services
            else self.sink
        )

    @property
    def environment(self) -> dict[str, str]:
        """The variables that keep it apart, and where the Collector sends spans."""
        ports = {variable: str(port) for variable, port in self.ports.items()}
        tempo = "tempo:4317" if "tempo" in self.services else f"host.docker.internal:{self.sink.port}"
        return {**ports, "AEL_TEMPO_ENDPOINT": tempo}

    @property
    def otlp(self) -> str:
        """Where a program sends OTLP over gRPC."""
        return f"http://127.0.0.1:{self.ports['AEL_OTLP_GRPC_PORT']}"

    @property
    def otlp_http(self) -> str:
        """Where a program sends OTLP over HTTP."""
        return f"http://127.0.0.1:{self.ports['AEL_OTLP_HTTP_PORT']}"

    # --- queries to the stores -------------------------------------------------------------------------------------

    def series(self, service: str, *, pattern: str = ".+") -> list[tuple[str, dict[str, str], float]]:
        """Name, labels and last value of every series of a service whose name matches."""
        # An instant query omits samples older than five minutes.
        query = f'last_over_time({{__name__=~"{pattern}",job="{service}"}}[1h])'
        return [
            (found["metric"].pop("__name__"), found["metric"], float(found["value"][1]))
            for found in self.prometheus("query", query=query)["result"]
        ]

    def rows(self, service: str) -> dict[str, float]:
        """The last values of the contract's series of a service as rows; buckets and sums left out."""
        rows: dict[str, float] = {}
        for name, labels, value in self.series(service, pattern="ael_.+"):
            if not name.endswith(("_bucket", "_sum")):
                own = {key: text for key, text in labels.items() if key not in RESOURCE_LABELS}
                key = row(name, **own)
                assert key not in rows, f"two series are one to a person: {key}"
                rows[key] = value
        return rows

    def lines(self, service: str, matching: str = "") -> list[LogLine]:
        """Every log line of a service that a LogQL filter lets through, oldest first."""
        limit = 5000
        found = self.loki(
            "query_range", query=f'{{service_name="{service}"}}{matching}', limit=str(limit), since="1h"
        )
        lines = [
            LogLine(int(value[0]), stream["stream"], value[1])
            for stream in found["result"]
            for value in stream["values"]
        ]
        assert len(lines) < limit, "Loki has more lines than one answer holds"
        return sorted(lines, key=lambda line: line.timestamp)

    def exemplars(self, service: str) -> list[tuple[str, dict[str, str]]]:
        """Every exemplar of a service: the series' name and the exemplar's labels."""
        now = time.time()
        found = self.prometheus(
            "query_exemplars",
            query=f'{{__name__=~"ael_.+",job="{service}"}}',
            start=f"{now - 3600:.0f}",
            end=f"{now + 60:.0f}",
        )
        return [
            (series["seriesLabels"]["__name__"], exemplar["labels"])
            for series in found
            for exemplar in series["exemplars"]
        ]

    def span_metrics(self, service: str) -> list[Any]:
        """Return the span counts of Tempo's generator for a service."""
        found = self.prometheus("query", query=f'traces_spanmetrics_calls_total{{service="{service}"}}')
        return list(found["result"])

    def scraped(self) -> str:
        """The Collector's page of the applications' metrics."""
        port = self.ports["AEL_COLLECTOR_METRICS_PORT"]
        answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10)
        answer.raise_for_status()
        return answer.text

    def last_words(self, service: str, *, lines: int = 25) -> str:
        """The last lines that a service's container wrote."""
        said = subprocess.run(
            ["docker", "logs", "--tail", str(lines), self.container(service)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return said.stdout + said.stderr

    # --- outages ----------------------------------------------------------------------------------------------------

    def kill(self, service: str) -> None:
        """End a service at once, by SIGKILL; its memory is lost."""
        self.docker("kill", "--signal", "KILL", self.container(service))

    def stop(self, service: str) -> None:
        """Ask a service to stop, as `docker stop` does."""
        self.docker("stop", self.container(service))

    def start(self, service: str) -> None:
        """Start a service again."""
        self.docker("start", self.container(service))

    def wait_for(self, service: str, *, seconds: float = 60) -> None:
        """Wait until Docker calls a service healthy."""

        def missing() -> str:
            said = subprocess.run(
                ["docker", "inspect", "--format", "{{.State.Health.Status}}", self.container(service)],
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
            )
            return "" if said.stdout.strip() == "healthy" else f"{service} is {said.stdout.strip() or 'gone'}"

        wait_until_nothing_is_missing(missing, seconds=seconds)


@contextmanager
def started(name: str = "e2e") -> Iterator[Backends]:
    """Start the services whose images are here, and remove them and their data at the end in any case."""
    here = images_here()
    # Grafana waits for Tempo in compose.yaml.
    left_out = {"grafana"} if "tempo" not in here else set()
    services = tuple(service for service in here if service not in left_out)
    sink = TraceSink()
    backends = Backends(
        project=f"ael-{name}-{os.getpid()}",
        sink=sink,
        ports={name: free_port() for name in PORTS},
        services=services,
    )
    try:
        backends.run("up", *services)
        yield backends
    finally:
        try:
            # Nothing here is worth an orderly end, and Tempo 3.0 takes a minute for one once it has been queried.
            _docker_kill(backends.container(service) for service in services)
            stack(
                "--project",
                backends.project,
                "--override",
                OVERRIDE,
                "clean-data",
                "--yes",
                environment=backends.environment,
            )
        finally:
            sink.stop()


def _docker_kill(containers: Iterable[str]) -> None:
    subprocess.run(["docker", "kill", *containers], capture_output=True, check=False, timeout=60)
