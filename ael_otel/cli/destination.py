"""Where the telemetry of a verb goes, in the few facts that are shown to a person."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_DEFAULTS: Final = ("localhost:4317", "localhost:4318")


@dataclass(frozen=True, slots=True)
class Destination:
    """The OTLP endpoint as host and port, whether anything is sent there, and whether something answers."""

    endpoint: str
    enabled: bool
    reachable: bool

    @property
    def is_default(self) -> bool:
        """Whether the endpoint is the one that the stack of `make up` listens on, by gRPC or HTTP."""
        return self.endpoint in _DEFAULTS


def host_and_port(url: str) -> str:
    """Return `host:port` of a URL, the port by scheme where it names none; a password in it is left out."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or (443 if parts.scheme == 'https' else 4317)}"
