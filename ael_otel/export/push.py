"""Send stored runs to a server: OTLP over HTTP (a Collector, Tempo, Jaeger, any backend), or Zipkin."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal
from urllib.parse import urlsplit, urlunsplit

import msgspec

from ael_otel.errors import ExportError
from ael_otel.export import otlp, zipkin
from ael_otel.export.http import request
from ael_otel.export.span_tree import SERVICE, Span, spans_of
from ael_otel.store import ExecutionRecord

type Protocol = Literal["otlp", "zipkin"]

SPANS_A_REQUEST: Final = 1_000

_PATHS: Final[dict[Protocol, str]] = {"otlp": "/v1/traces", "zipkin": "/api/v2/spans"}
_GRPC_PORT: Final = 4317


class Sent(msgspec.Struct, frozen=True):
    """The result of a push: numbers of runs, spans and requests, and of spans that the server rejected."""

    runs: int
    spans: int
    requests: int
    rejected: int


def push(
    runs: Iterable[ExecutionRecord],
    endpoint: str,
    protocol: Protocol = "otlp",
    *,
    service: str = SERVICE,
    headers: Mapping[str, str] | None = None,
    on_sent: Callable[[int], None] = lambda _runs: None,
) -> Sent:
    """Send the spans of runs in several requests; the spans of one run are never split.

    Args:
        runs: the runs.
        endpoint: the server; a URL without a path gets the default path of the protocol.
        protocol: `otlp` or `zipkin`.
        service: service name of the spans.
        headers: headers of every request, for authentication.
        on_sent: called with the number of runs sent so far.

    Raises ExportError if the server cannot be reached or rejects a request; earlier requests are not undone.
    """
    url = address(endpoint, protocol)
    totals = [0, 0, 0, 0]
    for count, spans in _portions(runs, service):
        answer = request("POST", url, body=_body(spans, protocol), headers=headers)
        rejected = _rejected(answer) if protocol == "otlp" else 0
        for position, number in enumerate((count, len(spans), 1, rejected)):
            totals[position] += number
        on_sent(totals[0])
    return Sent(*totals)


def address(endpoint: str, protocol: Protocol) -> str:
    """Return the URL to send to. Raises ExportError for an unusable one."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError as error:
        raise ExportError(f"the endpoint is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ExportError("the endpoint must be a URL such as http://localhost:4318")
    if protocol == "otlp" and port == _GRPC_PORT:
        raise ExportError(
            f"port {_GRPC_PORT} is that of OTLP over gRPC; runs are sent over HTTP, mostly on port 4318"
        )
    path = parts.path if parts.path not in ("", "/") else _PATHS[protocol]
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def _portions(runs: Iterable[ExecutionRecord], service: str) -> Iterator[tuple[int, list[Span]]]:
    count, spans = 0, list[Span]()
    for run in runs:
        of_run = spans_of(run, service)
        if spans and len(spans) + len(of_run) > SPANS_A_REQUEST:
            yield count, spans
            count, spans = 0, []
        count += 1
        spans += of_run
    if count:
        yield count, spans


def _body(spans: list[Span], protocol: Protocol) -> bytes:
    if protocol == "zipkin":
        return msgspec.json.encode([zipkin.as_zipkin(span) for span in spans])
    return otlp.encode(spans)


class _Partial(msgspec.Struct):
    rejected: int | str = msgspec.field(name="rejectedSpans", default=0)


class _Answer(msgspec.Struct):
    partial: _Partial | None = msgspec.field(name="partialSuccess", default=None)


def _rejected(answer: bytes) -> int:
    """Return how many spans the server rejected; 0 if the response has another form."""
    try:
        partial = msgspec.json.decode(answer, type=_Answer).partial if answer.strip() else None
        return int(partial.rejected) if partial is not None else 0
    except (msgspec.MsgspecError, ValueError):
        return 0
