"""`GET /api/v1/telemetry/live-schema`: what this process may emit, and what it has emitted.

The response is the packaged registry, with counts of this process beside it. It contains names, counts and versions of
packages, never a value of the configuration, of the environment or of a run. The endpoint is off by default. Without a
token it answers only clients on this machine that use a loopback host name, so that a web page cannot reach it by DNS
rebinding.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from ipaddress import IPv6Address, ip_address
from math import ceil
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from ael_otel import _generated
from ael_otel._generated import SCHEMA_URL, SCHEMA_VERSION, events, metrics, scopes, spans
from ael_otel.admin.answers import answer, send
from ael_otel.core.metrics import AelMetrics
from ael_otel.emit.activity import Kind, Unknown, activities, note_unknown, unknown
from ael_otel.sdk.prometheus_reader import PrometheusReader
from ael_otel.sdk.resource import ENGINE_DISTRIBUTION

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

PATH: Final = "/api/v1/telemetry/live-schema"
FILE_FORMAT: Final = "live-schema/1"
BURST: Final = 10
PER_SECOND: Final = 1.0
"""Requests that are answered without a limit, and how many more are allowed per second after that."""

PACKAGES: Final = ("ael-otel", "opentelemetry-api", "opentelemetry-sdk", ENGINE_DISTRIBUTION)

_METRICS: Final = frozenset(spec.name for spec in metrics.ALL)
_OUR_SCOPES: Final = frozenset({scopes.AEL, scopes.AEL_LOG})


class TokenBucket:
    """Rate limiter: allows `burst` requests at once and `per_second` more each second.

    Args:
        burst: requests allowed at once.
        per_second: requests a second in the long run.
        clock: returns monotonic seconds.
    """

    def __init__(
        self, burst: int = BURST, per_second: float = PER_SECOND, clock: Callable[[], float] = monotonic
    ) -> None:
        self._burst = burst
        self._rate = per_second
        self._clock = clock
        self._left = float(burst)
        self._at = clock()
        self._lock = Lock()

    def take(self) -> float:
        """Take one request; return 0 if it is allowed, else the seconds until the next one is."""
        with self._lock:
            now = self._clock()
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
            self._at = now
            if self._left >= 1:
                self._left -= 1
                return 0.0
            return (1 - self._left) / self._rate


class LiveSchema:
    """WSGI application that answers requests for the live schema.

    Args:
        sets: the metric sets that this process emits.
        pull: lists the metrics of the SDK, including those of other instrumentations.
        token: bearer token that a request must carry; if it is empty, only clients on this machine are answered.
        clock: returns monotonic seconds, for the rate limit.
    """

    def __init__(
        self,
        sets: AelMetrics,
        pull: PrometheusReader,
        *,
        token: str = "",
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._sets = sets
        self._pull = pull
        self._token = token.encode()
        self._registry = json.loads(files(_generated).joinpath("registry.json").read_bytes())
        self._packages = {name: found for name in PACKAGES if (found := _version(name))}
        self._answered = TokenBucket(clock=clock)
        self._refused = TokenBucket(clock=clock)
        """Rate limit of requests with a wrong token: a client that guesses tokens must not block the others."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request: 200 or 304, else 401, 403, 405 or 429 with an error as JSON."""
        if environ["REQUEST_METHOD"] != "GET":
            return answer(start_response, "405 Method Not Allowed", {"error": "only GET"}, ("Allow", "GET"))
        problem = self._refusal(environ)
        wait = (self._refused if problem else self._answered).take()
        if wait:
            again = ("Retry-After", str(ceil(wait)))
            return answer(start_response, "429 Too Many Requests", {"error": "too many requests"}, again)
        if problem:
            status, text = problem
            challenge = [("WWW-Authenticate", 'Bearer realm="ael"')] if status.startswith("401") else []
            return answer(start_response, status, {"error": text}, *challenge)
        content = json.dumps(self.document(), sort_keys=True).encode() + b"\n"
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        if _matches(environ.get("HTTP_IF_NONE_MATCH", ""), tag):
            start_response("304 Not Modified", [("ETag", tag), ("Cache-Control", "no-cache")])
            return []
        return send(start_response, "200 OK", content, ("ETag", tag), ("Cache-Control", "no-cache"))

    def _refusal(self, environ: "WSGIEnvironment") -> tuple[str, str] | None:
        """Return the status and the error text for a client that must not be answered, or None."""
        if self._token:
            scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
            # WSGI passes headers as Latin-1. The comparison takes the same time however long the common prefix is.
            same = hmac.compare_digest(given.strip().encode("latin-1", "replace"), self._token)
            if scheme.lower() == "bearer" and same:
                return None
            return "401 Unauthorized", "a bearer token is required"
        if _is_loopback(environ.get("REMOTE_ADDR", "")) and _is_own_name(environ.get("HTTP_HOST", "")):
            return None
        return (
            "403 Forbidden",
            "telemetry.admin.token is not set, so only clients on this machine are answered",
        )

    def document(self) -> dict[str, Any]:
        """Return the response: the registry, and for each signal how often it was emitted or dropped."""
        for scope, name in self._pull.names():
            if scope in _OUR_SCOPES and name not in _METRICS:
                note_unknown("metrics", name)
        return {
            "file_format": FILE_FORMAT,
            "schema_url": SCHEMA_URL,
            "version": SCHEMA_VERSION,
            "packages": self._packages,
            "registry": self._registry,
            "signals": {
                "metrics": self._metrics(),
                "spans": _emitted("spans", (spec.type for spec in spans.ALL)),
                "events": _emitted("events", (spec.name for spec in events.ALL)),
            },
            "dropped": self._dropped(),
            "unknown": {kind: _seen(kind) for kind in ("metrics", "spans", "events", "attributes")},
        }

    def _dropped(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for row in self._sets.telemetry.rows():
            signal, reason = (str(row.attributes.get(label)) for label in metrics.TELEMETRY_DROPPED.labels)
            found.setdefault(signal, {})[reason] = row.dropped
        return found

    def _metrics(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        limits = {spec.name: spec.max_series for spec in metrics.ALL}
        for group in self._sets.all:
            lost = group.dropped | {points.spec.name: points.dropped for points in group.histograms}
            for name, (emitted, series, last) in group.state().items():
                found[name] = {
                    "registered": True,
                    "emitted": emitted,
                    "last_emitted": _time(last),
                    "series": series,
                    "max_series": limits[name],
                    "dropped": {"cardinality": lost[name]} if lost.get(name) else {},
                }
        return found


def _emitted(kind: Kind, names: Iterable[str]) -> dict[str, Any]:
    """Return how often each signal of one kind was emitted; drops are counted for the whole kind (`dropped`)."""
    known = activities(kind)
    return {
        name: {
            "registered": name in known,
            "emitted": known[name].emitted if name in known else 0,
            "last_emitted": _time(known[name].last) if name in known else None,
        }
        for name in names
    }


def _time(seconds: float) -> float | None:
    return round(seconds, 3) or None


def _seen(kind: Unknown) -> dict[str, int]:
    return {name: found.emitted for name, found in unknown(kind).items()}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    inner = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (inner or found).is_loopback


def _is_own_name(host: str) -> bool:
    """Return whether the client used a name of this machine that cannot point elsewhere."""
    name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    return name.lower() == "localhost" or _is_loopback(name)


def _matches(header: str, tag: str) -> bool:
    return any(each.strip().removeprefix("W/") in ("*", tag) for each in header.split(","))
