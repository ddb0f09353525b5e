"""Where things are, and what the person has set in `.env` or the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ael_stack.errors import Exit, StackError

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
VERSIONS = DEPLOY / "versions.env"
PROJECT = "ael"


@dataclass(frozen=True)
class Port:
    """A port that the stack publishes on the host's loopback."""

    service: str
    variable: str
    default: int
    what: str


PORTS = (
    Port("grafana", "AEL_GRAFANA_PORT", 3000, "Grafana"),
    Port("prometheus", "AEL_PROMETHEUS_PORT", 9090, "Prometheus"),
    Port("collector", "AEL_OTLP_GRPC_PORT", 4317, "OTLP over gRPC"),
    Port("collector", "AEL_OTLP_HTTP_PORT", 4318, "OTLP over HTTP"),
    Port("collector", "AEL_COLLECTOR_METRICS_PORT", 8889, "metrics to scrape"),
)


def read_env_file(path: Path) -> dict[str, str]:
    """Read `NAME=value` lines; blank lines and lines that start with `#` are skipped.

    Raises:
        StackError: a line is neither.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, separator, value = text.removeprefix("export ").partition("=")
        if not separator or not name.strip().isidentifier():
            raise StackError(f"{path}:{number}: expected NAME=value, found {text!r}", Exit.USAGE)
        values[name.strip()] = value.strip().strip("\"'")
    return values


def load_environment(environment: Mapping[str, str] | None = None, root: Path = ROOT) -> dict[str, str]:
    """Return the settings in force: the environment wins over `.env`, as it does for Compose."""
    file = root / ".env"
    from_file = read_env_file(file) if file.is_file() else {}
    return {**from_file, **(os.environ if environment is None else environment)}


def port_number(port: Port, environment: Mapping[str, str]) -> int:
    """Return the host port in force.

    Raises:
        StackError: the variable is not a port number.
    """
    text = environment.get(port.variable) or str(port.default)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise StackError(f"{port.variable}={text!r} is not a port: set it to 1..65535", Exit.USAGE)
    return int(text)
