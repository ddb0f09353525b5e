"""Check the ports at which an engine serves, and which program has them now."""

import errno
import socket
from typing import Final

from ael_otel.config import Settings
from ael_otel.doctor.bounded_http import UnreachableError, get, mapping
from ael_otel.doctor.finding import Finding, failure, ok, warning

AREA: Final = "ports"

_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


def check(settings: Settings) -> list[Finding]:
    """Check the port of the metrics; binding it for a moment shows whether it is free."""
    metrics = settings.metrics
    if not (settings.enabled and metrics.enabled and metrics.prometheus_enabled):
        return [ok(AREA, "/metrics is not served by this configuration")]
    place = f"{metrics.host}:{metrics.port}"
    fault = _fault(metrics.host, metrics.port)
    if fault is None:
        return [ok(AREA, f"{place} is free; an engine will serve {metrics.endpoint} there")]
    if fault == errno.EADDRINUSE:
        host = _ANY.get(metrics.host, metrics.host)
        return [
            _held(f"http://{f'[{host}]' if ':' in host else host}:{metrics.port}", place, metrics.endpoint)
        ]
    if fault in (errno.EACCES, errno.EPERM):
        return [
            failure(
                AREA, f"this user may not listen on {place}", "set telemetry.metrics.port to one above 1023"
            )
        ]
    return [
        failure(
            AREA,
            f"{place} is not an address of this machine",
            "set telemetry.metrics.host (or OTEL_EXPORTER_PROMETHEUS_HOST) to 127.0.0.1 or another address of it",
        )
    ]


def _fault(host: str, port: int) -> int | None:
    """Return the error number of binding a port; None if it is free."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.errno or errno.EADDRNOTAVAIL
    return None


def _held(url: str, place: str, endpoint: str) -> Finding:
    try:
        alive = mapping(get(f"{url}/livez", seconds=2.0).json()).get("status") == "alive"
        page = get(f"{url}{endpoint}", seconds=3.0) if alive else None
    except UnreachableError:
        alive, page = False, None
    if alive and page is not None and page.status == 200 and b"ael_" in page.body:
        return ok(AREA, f"an instrumented engine serves {url}{endpoint}")
    if alive:
        return warning(
            AREA,
            f"an engine has {place}, but {url}{endpoint} has no metrics of AEL",
            "compare telemetry.metrics.endpoint with the configuration of the running engine, or restart it",
        )
    return warning(
        AREA,
        f"another program has {place}: a new engine cannot serve its metrics",
        "stop that program, or set telemetry.metrics.port to a free port",
    )
