"""Send one OTLP request over gRPC or HTTP, and return the receiver's response as a drop reason.

The SDK's exporters report only success or failure: a partial success counts as success, and a rejected credential, a
full Collector and a missing one look alike. Their encoders are used, their transports are not. Which responses may be
retried follows https://opentelemetry.io/docs/specs/otlp/#failures and #failures-1.
"""

import gzip
import os
import zlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

import grpc
import requests
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.util.re import parse_env_headers

from ael_otel._generated.attributes import TelemetryDropReason
from ael_otel.version import __version__

type Signal = Literal["traces", "logs", "metrics"]
type Protocols = Literal["grpc", "http/protobuf"]
type Compression = Literal["none", "gzip", "deflate"]

_COMPRESSIONS: Final[Mapping[str, Compression]] = {"none": "none", "gzip": "gzip", "deflate": "deflate"}

ATTEMPT_SECONDS: Final = 10.0
"""Seconds that one attempt may wait for its response."""

_RECONNECT: Final[Any] = (
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # The response is small; the sender bounds the request.
    ("grpc.max_send_message_length", -1),
    ("grpc.primary_user_agent", f"ael-otel/{__version__}"),
)
"""gRPC's own pauses grow to two minutes, and an export during one fails although the Collector is back."""


class Answer(NamedTuple):
    """The outcome of one request.

    Attributes:
        reason: None if the receiver accepted it; otherwise the reason why not.
        again: whether the same request may be retried.
        after_s: seconds that the receiver asks to wait before a retry; None if it does not ask for it.
        rejected: items of an accepted request that the receiver rejected (partial success).
        message: text of the response, for the log; unbounded and not redacted.
    """

    reason: TelemetryDropReason | None = None
    again: bool = False
    after_s: float | None = None
    rejected: int = 0
    message: str = ""


class Transport(Protocol):
    """Sends encoded requests of one signal; used by one thread at a time."""

    @property
    def address(self) -> str:
        """The target of requests, for the log: host and port, without credentials."""
        ...

    def send(self, body: bytes, timeout_s: float) -> Answer:
        """Send one request and wait for its response, at most `timeout_s` seconds; never raises."""
        ...

    def close(self) -> None:
        """Close the connection; a `send` on another thread then ends soon."""
        ...


class Target(NamedTuple):
    """The target of one signal, from the `OTEL_EXPORTER_OTLP_*` variables; those of the signal take precedence."""

    signal: Signal
    protocol: Protocols
    endpoint: str
    headers: tuple[tuple[str, str], ...]
    compression: Compression
    secure: bool
    certificate: str | None
    client_key: str | None
    client_certificate: str | None
    credential_provider: str | None
    timeout_s: float | None

    @classmethod
    def of(cls, signal: Signal, environ: Mapping[str, str] = os.environ) -> "Target":
        """Return the target of a signal.

        Raises:
            ValueError: a variable has a value that cannot be used; the message names it.
        """

        def variable(name: str, *, base: str = "OTEL_EXPORTER_OTLP") -> str | None:
            for key in (f"{base}_{signal.upper()}_{name}", f"{base}_{name}"):
                if value := environ.get(key, "").strip():
                    return value
            return None

        protocol: Protocols = "http/protobuf" if variable("PROTOCOL") == "http/protobuf" else "grpc"
        own = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
        endpoint = own or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
        if protocol == "http/protobuf" and not own:
            endpoint = (endpoint or "http://localhost:4318").rstrip("/") + f"/v1/{signal}"
        endpoint = endpoint or "http://localhost:4317"
        stated = (variable("COMPRESSION") or "none").lower()
        compression = _COMPRESSIONS.get(stated)
        if compression is None:
            raise ValueError(f"OTEL_EXPORTER_OTLP_COMPRESSION: {stated!r} is not one of none, gzip, deflate")
        insecure = variable("INSECURE")
        scheme = endpoint.partition("://")[0].lower() if "://" in endpoint else ""
        secure = scheme == "https" or (scheme != "http" and (insecure or "").lower() != "true")
        kind = "HTTP" if protocol == "http/protobuf" else "GRPC"
        timeout = variable("TIMEOUT")
        return cls(
            signal=signal,
            protocol=protocol,
            endpoint=endpoint,
            headers=tuple(parse_env_headers(variable("HEADERS") or "", liberal=True).items()),
            compression=compression,
            secure=secure,
            certificate=variable("CERTIFICATE"),
            client_key=variable("CLIENT_KEY"),
            client_certificate=variable("CLIENT_CERTIFICATE"),
            credential_provider=environ.get(f"OTEL_PYTHON_EXPORTER_OTLP_{kind}_CREDENTIAL_PROVIDER")
            or environ.get(f"OTEL_PYTHON_EXPORTER_OTLP_{kind}_{signal.upper()}_CREDENTIAL_PROVIDER"),
            timeout_s=None if timeout is None else float(timeout),
        )

    @property
    def address(self) -> str:
        """Host and port, without credentials."""
        parts = urlsplit(self.endpoint if "://" in self.endpoint else f"//{self.endpoint}")
        return parts.netloc.rpartition("@")[2]

    def open(self) -> Transport:
        """Return a transport; nothing is connected before the first request.

        Raises:
            OSError: a certificate or key cannot be read.
            ValueError: the credential provider is not installed.
        """
        return GrpcTransport(self) if self.protocol == "grpc" else HttpTransport(self)


def _provided(target: Target) -> Any:
    """Return the credentials of the credential provider in the variables; None without one."""
    if not target.credential_provider:
        return None
    found = entry_points(group="opentelemetry_otlp_credential_provider", name=target.credential_provider)
    for entry in found:
        return entry.load()()
    raise ValueError(
        f"the OTLP credential provider {target.credential_provider!r} is not installed "
        "(entry point opentelemetry_otlp_credential_provider)"
    )


def _taken(response: Any) -> Answer:
    """Return the answer for a request that the receiver accepted, perhaps in part."""
    partial = response.partial_success
    rejected: int = next(
        (
            getattr(partial, field)
            for field in ("rejected_spans", "rejected_log_records", "rejected_data_points")
            if hasattr(partial, field)
        ),
        0,
    )
    return Answer(rejected=max(0, rejected), message=partial.error_message)


_RESPONSES: Final[Mapping[Signal, Any]] = {
    "traces": ExportTraceServiceResponse,
    "logs": ExportLogsServiceResponse,
    "metrics": ExportMetricsServiceResponse,
}

# --- gRPC -------------------------------------------------------------------------------------------------------------

_METHODS: Final[Mapping[Signal, str]] = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
_Code = grpc.StatusCode
_AGAIN: Final = frozenset(
    {
        _Code.CANCELLED,
        _Code.DEADLINE_EXCEEDED,
        _Code.ABORTED,
        _Code.OUT_OF_RANGE,
        _Code.UNAVAILABLE,
        _Code.DATA_LOSS,
    }
)
_CONNECT_AGAIN: Final = frozenset({_Code.UNAVAILABLE, _Code.DEADLINE_EXCEEDED})
_REASONS: Final[Mapping[grpc.StatusCode, TelemetryDropReason]] = {
    _Code.UNAVAILABLE: "unavailable",
    _Code.ABORTED: "unavailable",
    _Code.CANCELLED: "unavailable",
    _Code.DATA_LOSS: "unavailable",
    _Code.DEADLINE_EXCEEDED: "timeout",
    _Code.UNAUTHENTICATED: "unauthenticated",
    _Code.PERMISSION_DENIED: "unauthenticated",
    _Code.RESOURCE_EXHAUSTED: "too_large",
    _Code.INVALID_ARGUMENT: "invalid",
    _Code.FAILED_PRECONDITION: "invalid",
    _Code.NOT_FOUND: "invalid",
    _Code.UNIMPLEMENTED: "invalid",
}


class GrpcTransport:
    """OTLP over gRPC."""

    def __init__(self, target: Target) -> None:
        self.address = target.address
        self._headers = tuple((name.lower(), value) for name, value in target.headers)
        self._target = target
        self._credentials = _credentials(target) if target.secure else None
        self._closed = False
        self._connect()

    def _connect(self) -> None:
        compression = {
            "gzip": grpc.Compression.Gzip,
            "deflate": grpc.Compression.Deflate,
        }.get(self._target.compression, grpc.Compression.NoCompression)
        if self._credentials is not None:
            self._channel = grpc.secure_channel(
                self.address, self._credentials, options=_RECONNECT, compression=compression
            )
        else:
            self._channel = grpc.insecure_channel(self.address, options=_RECONNECT, compression=compression)
        self._call: Any = self._channel.unary_unary(
            _METHODS[self._target.signal], None, _RESPONSES[self._target.signal].FromString
        )

    def send(self, body: bytes, timeout_s: float) -> Answer:
        """Send one request."""
        try:
            return _taken(self._call(body, timeout=timeout_s, metadata=self._headers))
        except grpc.RpcError as error:
            if _code_of(error) in _CONNECT_AGAIN and not self._closed:
                # A receiver in a killed container leaves connections that no peer closes.
                self._channel.close()
                self._connect()
            return _refusal(error)
        except ValueError as error:  # the channel was closed
            return Answer("unavailable", message=str(error))
        except Exception as error:
            # A header that gRPC does not accept: retrying would not help.
            return Answer("invalid", message=str(error))

    def close(self) -> None:
        """Close the channel, which cancels a call on another thread."""
        self._closed = True
        self._channel.close()


def _code_of(error: Any) -> grpc.StatusCode:
    code: grpc.StatusCode = error.code()
    return code


def _credentials(target: Target) -> grpc.ChannelCredentials:
    provided = _provided(target)
    if provided is not None:
        assert isinstance(provided, grpc.ChannelCredentials)
        return provided
    if (target.client_key is None) != (target.client_certificate is None):
        # gRPC would abort the process for it.
        raise ValueError(
            "a client needs both or neither of OTEL_EXPORTER_OTLP_CLIENT_KEY and ..._CLIENT_CERTIFICATE"
        )
    root, key, chain = (
        None if name is None else Path(name).read_bytes()
        for name in (target.certificate, target.client_key, target.client_certificate)
    )
    return grpc.ssl_channel_credentials(root, key, chain)


def _refusal(error: Any) -> Answer:
    code = _code_of(error)
    after_s = None
    for name, value in error.trailing_metadata() or ():
        if name == "google.rpc.retryinfo-bin":
            delay = RetryInfo.FromString(value).retry_delay
            after_s = delay.seconds + delay.nanos / 1e9
    message = f"{code.name}: {error.details()}"
    # "Exhausted" with a time to wait is a full receiver; without one, the request exceeds the receiver's limit.
    if code is _Code.RESOURCE_EXHAUSTED and after_s is not None:
        return Answer("unavailable", again=True, after_s=after_s, message=message)
    return Answer(_REASONS.get(code, "rejected"), again=code in _AGAIN, after_s=after_s, message=message)


# --- HTTP -------------------------------------------------------------------------------------------------------------

_HTTP_AGAIN: Final = frozenset({429, 502, 503, 504})
_HTTP_REASONS: Final[Mapping[int, TelemetryDropReason]] = {
    401: "unauthenticated",
    403: "unauthenticated",
    407: "unauthenticated",
    413: "too_large",
}
_LARGEST_ANSWER: Final = 65_536


class HttpTransport:
    """OTLP over HTTP with protobuf."""

    def __init__(self, target: Target) -> None:
        self.address = target.address
        self._target = target
        self._response = _RESPONSES[target.signal]
        session = _provided(target)
        self._session: requests.Session = requests.Session() if session is None else session
        self._session.headers.update(
            {"Content-Type": "application/x-protobuf", "User-Agent": f"ael-otel/{__version__}"}
            | dict(target.headers)
        )
        if target.compression != "none":
            self._session.headers["Content-Encoding"] = target.compression
        if target.client_certificate is not None:
            key = target.client_key
            self._session.cert = (
                target.client_certificate if key is None else (target.client_certificate, key)
            )

    def send(self, body: bytes, timeout_s: float) -> Answer:
        """Send one request."""
        if self._target.compression == "gzip":
            body = gzip.compress(body, 1)
        elif self._target.compression == "deflate":
            body = zlib.compress(body, 1)
        try:
            # Not redirected: a POST would lose its body, and its headers would go to the host that is named.
            # The certificate is passed here: REQUESTS_CA_BUNDLE would take precedence over the session's.
            with self._session.post(
                self._target.endpoint,
                body,
                timeout=timeout_s,
                allow_redirects=False,
                stream=True,
                verify=self._target.certificate,
            ) as response:
                return self._judge(response)
        except requests.exceptions.ReadTimeout as error:
            return Answer("timeout", again=True, message=str(error))
        except requests.exceptions.InvalidHeader as error:  # it is an OSError too
            return Answer("invalid", message=str(error))
        except requests.exceptions.ConnectionError as error:
            # The receiver may have accepted a request after which it closed the connection.
            reason: TelemetryDropReason = "timeout" if _was_sent(error) else "unavailable"
            return Answer(reason, again=True, message=str(error))
        except OSError as error:
            return Answer("unavailable", again=True, message=str(error))
        except Exception as error:
            # An address or a header that cannot be sent: nothing that waiting would change.
            return Answer("invalid", message=str(error))

    def _judge(self, response: requests.Response) -> Answer:
        status = response.status_code
        if 200 <= status < 300:
            try:
                content = _beginning(response)
            except requests.exceptions.RequestException as error:
                # Accepted; the missing rest of the answer would have counted the rejected items.
                return Answer("timeout", again=True, message=str(error))
            try:
                return _taken(self._response.FromString(content))
            except Exception:
                return Answer()  # a receiver that answers otherwise has accepted it all the same
        message = f"HTTP {status} {response.reason}"
        if status in _HTTP_AGAIN:
            return Answer("unavailable", again=True, after_s=_wait(response), message=message)
        reason: TelemetryDropReason = "invalid" if status < 500 else "rejected"
        return Answer(_HTTP_REASONS.get(status, reason), message=message)

    def close(self) -> None:
        """Close idle connections; one that waits for an answer ends with its time-out."""
        self._session.close()


def _was_sent(error: requests.exceptions.ConnectionError) -> bool:
    """Return whether a connection broke after there was one, so that the request may have arrived."""
    cause = error.args[0] if error.args else None
    # An error of urllib3, which requests brings along.
    return any(kind.__name__ == "ProtocolError" for kind in type(cause).__mro__)


def _beginning(response: requests.Response) -> bytes:
    """Return what is of interest of an answer; raises RequestException where it is cut off."""
    content = b""
    for chunk in response.iter_content(_LARGEST_ANSWER):
        content += chunk
        if len(content) >= _LARGEST_ANSWER:
            break
    return content


def _wait(response: requests.Response) -> float | None:
    """Return the seconds of `Retry-After`; a date counts as none."""
    try:
        return max(0.0, float(response.headers.get("Retry-After", "")))
    except ValueError:
        return None
