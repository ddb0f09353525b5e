"""Links to the trace of a run in Grafana, if one is configured or the stack on this machine answers."""

import http.client
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from threading import Lock
from typing import Final
from urllib.parse import urlsplit

from ael_otel.errors import ConfigError
from ael_otel.store import ExecutionRecord

VARIABLE: Final = "AEL_GRAFANA_URL"
PORT_VARIABLE: Final = "AEL_GRAFANA_PORT"
BOARD: Final = "/d/ael-traces"
_TIMEOUT_S: Final = 0.3
_KEPT_S: Final = 30.0
_AROUND: Final = timedelta(minutes=5)
_MAX_ANSWER: Final = 4_096


class Grafana:
    """Where Grafana is.

    Args:
        environ: `AEL_GRAFANA_URL` names it; else the stack's port on this machine is asked whether it is up.

    Raises:
        ConfigError: the variable is not a URL.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._configured = environ.get(VARIABLE, "").rstrip("/")
        if self._configured and (
            urlsplit(self._configured).scheme not in ("http", "https")
            or not urlsplit(self._configured).hostname
        ):
            raise ConfigError(f"{VARIABLE} is not a URL such as http://localhost:3000", key=VARIABLE)
        port = environ.get(PORT_VARIABLE, "") or "3000"
        self._port = int(port) if port.isascii() and port.isdecimal() and int(port) < 65536 else 3000
        self._lock = Lock()
        self._up = False
        self._asked = -_KEPT_S

    def url(self) -> str | None:
        """Return the base of its addresses; None if none is configured and the stack does not answer in 0.3 s."""
        if self._configured:
            return self._configured
        with self._lock:
            if time.monotonic() - self._asked >= _KEPT_S:
                self._up = _answers(self._port)
                self._asked = time.monotonic()
            return f"http://localhost:{self._port}" if self._up else None

    def trace(self, run: ExecutionRecord) -> str | None:
        """Return the address of the trace of a run on the board of traces; None without Grafana or without a trace."""
        base = self.url() if run.trace_id.isalnum() and run.trace_id.isascii() else None
        if base is None:
            return None
        begin, end = run.started_at - _AROUND, (run.completed_at or run.started_at) + _AROUND
        times = [round(each.timestamp() * 1e3) for each in (begin, end)]
        return f"{base}{BOARD}?from={times[0]}&to={times[1]}&var-trace={run.trace_id}"


def _answers(port: int) -> bool:
    """Return whether a Grafana of this machine answers; anything else may listen there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/api/health", headers={"Accept": "application/json"})
        response = connection.getresponse()
        body = json.loads(response.read(_MAX_ANSWER)) if response.status == 200 else None
        return isinstance(body, dict) and "database" in body
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        with suppress(OSError):
            connection.close()
