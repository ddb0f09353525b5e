"""Check where telemetry is sent: name, connection, TLS, protocol and credentials, each with its own cause.

An OTLP request without items is sent, which every receiver answers and none stores.
"""

import os
import socket
import ssl
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from certifi import where as trusted_roots
from urllib3.util.ssl_ import create_urllib3_context

from ael_otel.config import Settings
from ael_otel.config.settings import masked
from ael_otel.doctor.finding import Finding, failure, ok, warning
from ael_otel.sdk.otel_variables import otlp_signals, prepare
from ael_otel.sdk.otlp_transport import Answer, Signal, Target

AREA: Final = "export"

_SECONDS: Final = 3.0
_SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics", "logs")
_ENDPOINT: Final = "telemetry.exporters.otlp.endpoint or OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOL: Final = "telemetry.exporters.otlp.protocol or OTEL_EXPORTER_OTLP_PROTOCOL"
_HEADERS: Final = "telemetry.exporters.otlp.headers or OTEL_EXPORTER_OTLP_HEADERS"
_CERTIFICATE: Final = "OTEL_EXPORTER_OTLP_CERTIFICATE"

_NOTHING_LISTENS: Final = "nothing listens at"
_DEFAULTS: Final = ("http://localhost:4317", "http://localhost:4318")

_HTTP_REQUEST: Final = (
    b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
_HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
_SETTINGS_FRAME: Final = 4

# Verification errors of OpenSSL (X509_V_ERR_*).
_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_SELF_SIGNED: Final = (18, 19)
_OTHER_HOST: Final = (62, 64)


def check(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Check the endpoint of each signal that is sent by OTLP; signals with the same result are one finding."""
    prepared = dict(environ)
    prepare(settings, prepared)
    sent = otlp_signals(prepared)
    if not settings.enabled or not sent:
        return [ok(AREA, "nothing is sent by OTLP: export is disabled in this configuration")]
    found: dict[Finding, list[str]] = {}
    stages: dict[Target, Finding | None] = {}
    for signal in _SIGNALS:
        if signal not in sent:
            continue
        try:
            result = probe(Target.of(signal, prepared), stages)
        except (OSError, ValueError) as error:
            result = failure(AREA, f"{{signals}} cannot be sent: {error}", "correct that variable")
        found.setdefault(unless_default(result, settings, environ), []).append(signal)
    return [
        Finding(AREA, each.level, each.cause.replace("{signals}", _list(names)), each.remedy)
        for each, names in found.items()
    ]


def unless_default(found: Finding, settings: Settings, environ: Mapping[str, str]) -> Finding:
    """Return a warning instead of the failure that nothing listens, if nobody has configured an endpoint.

    Without Docker, no Collector listens at the default endpoint; runs are stored anyway.
    """
    chosen = any(
        value.strip() and name.startswith("OTEL_EXPORTER_OTLP_") and name.endswith("ENDPOINT")
        for name, value in environ.items()
    )
    if chosen or settings.exporters.otlp.endpoint not in _DEFAULTS or _NOTHING_LISTENS not in found.cause:
        return found
    remedy = (
        "`make up` starts a Collector there; to send nothing, set telemetry.exporters.otlp.enabled to false"
    )
    return warning(AREA, f"{found.cause}; runs are stored without it", remedy)


def probe(target: Target, stages: dict[Target, Finding | None] | None = None) -> Finding:
    """Return the finding on one target; `{signals}` in its cause stands for the names of the signals.

    Args:
        target: the target.
        stages: findings on name, connection and TLS of targets that were probed before.
    """
    stages = {} if stages is None else stages
    place = target._replace(signal="traces", endpoint=_authority(target), headers=())
    if place not in stages:
        stages[place] = _connection(target)
    reached = stages[place]
    return reached if reached is not None else _answer(target)


def _authority(target: Target) -> str:
    host, port = _address(target)
    return f"{host}:{port}"


def _address(target: Target) -> tuple[str, int]:
    parts = urlsplit(target.endpoint if "://" in target.endpoint else f"//{target.endpoint}")
    default = (443 if target.secure else 80) if target.protocol == "http/protobuf" else 443
    return parts.hostname or "localhost", parts.port or default


def _connection(target: Target) -> Finding | None:
    """Return a failure of name lookup, connection or TLS; None if there is none."""
    host, port = _address(target)
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a host name"
        return failure(
            AREA,
            f"{{signals}} are not sent: the name {host} has no address ({why})",
            f"correct the host in {_ENDPOINT}",
        )
    try:
        socket.create_connection((host, port), _SECONDS).close()
    except ConnectionRefusedError:
        remedy = f"start the receiver (`make up` starts the stack's Collector), or correct {_ENDPOINT}"
        return failure(AREA, f"{{signals}} are not sent: {_NOTHING_LISTENS} {host}:{port}", remedy)
    except TimeoutError:
        cause = f"{{signals}} are not sent: {addresses[0][4][0]}:{port} accepts no connection within {_SECONDS:g} s"
        return failure(AREA, cause, "open the port in the firewalls between, or correct the endpoint")
    except OSError as error:
        cause = f"{{signals}} are not sent: {host}:{port} cannot be reached ({error.strerror or error})"
        return failure(AREA, cause, f"check the network, or correct {_ENDPOINT}")
    return _tls(target, host, port) if target.secure else None


def _tls(target: Target, host: str, port: int) -> Finding | None:
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    roots = (bundle if target.protocol != "grpc" else None) or trusted_roots()
    context = ssl.create_default_context(cafile=target.certificate or roots)
    # As strict as the exporters: gRPC accepts certificates of the form that Python 3.13 no longer does.
    strict = (
        create_urllib3_context().verify_flags if target.protocol != "grpc" else ssl.VERIFY_X509_TRUSTED_FIRST
    )
    context.verify_flags = strict
    if target.client_certificate is not None:
        context.load_cert_chain(target.client_certificate, target.client_key)
    context.set_alpn_protocols(["h2"] if target.protocol == "grpc" else ["http/1.1"])
    try:
        with (
            socket.create_connection((host, port), _SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return None
    except ssl.SSLCertVerificationError as error:
        return _certificate(error, f"{host}:{port}", host)
    except (ssl.SSLError, OSError) as error:
        if _speaks_http1(host, port) or _speaks_http2(host, port):
            return failure(
                AREA,
                f"{{signals}} are not sent: {host}:{port} does not use TLS, and this configuration does",
                f"write http:// instead of https:// in {_ENDPOINT}, or enable TLS at the receiver",
            )
        why = "no response" if isinstance(error, TimeoutError) else getattr(error, "reason", None) or error
        return failure(
            AREA,
            f"{{signals}} are not sent: the TLS handshake with {host}:{port} fails ({why})",
            "check protocol versions and client certificates of the receiver (OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE)",
        )


def _certificate(error: ssl.SSLCertVerificationError, place: str, host: str) -> Finding:
    code = error.verify_code
    if code == _EXPIRED:
        what, remedy = "has expired", "renew it at the receiver"
    elif code == _NOT_YET_VALID:
        what, remedy = (
            "is not valid yet",
            "correct the clock of this machine, or the certificate of the receiver",
        )
    elif code in _SELF_SIGNED:
        what, remedy = "is self-signed", f"name its PEM file in {_CERTIFICATE}"
    elif code in _OTHER_HOST:
        what, remedy = f"is not for {host}", f"use a host name of the certificate in {_ENDPOINT}"
    else:
        what = f"cannot be verified ({error.verify_message})"
        remedy = f"name the PEM file of its authority in {_CERTIFICATE}"
    return failure(AREA, f"{{signals}} are not sent: the certificate of {place} {what}", remedy)


def _answer(target: Target) -> Finding:
    transport = target.open()
    try:
        answer = transport.send(b"", _SECONDS)
    finally:
        transport.close()
    # Without the path of the signal, so that equal results of several signals are one finding.
    address = str(masked("endpoint", target.endpoint)).removesuffix(f"/v1/{target.signal}")
    shown = f"{address} ({target.protocol})"
    if answer.reason is None:
        return ok(AREA, f"{{signals}} are accepted at {shown}{', with TLS' if target.secure else ''}")
    return (_wrong_protocol(target, shown) if answer.reason != "unauthenticated" else None) or _refused(
        answer, shown
    )


def _wrong_protocol(target: Target, shown: str) -> Finding | None:
    """Return a failure for a receiver that speaks another protocol than the configuration, or None."""
    host, port = _address(target)
    cause = f"{{signals}} are not sent: {shown} "
    if not target.secure and _speaks_tls(host, port):
        return failure(AREA, f"{cause}expects TLS", f"write https:// instead of http:// in {_ENDPOINT}")
    if target.secure:
        return None
    if target.protocol == "grpc" and _speaks_http1(host, port):
        return failure(
            AREA,
            f"{cause}answers HTTP/1.1, and this configuration sends gRPC",
            f"set {_PROTOCOL} to http/protobuf, or use the port of gRPC (usually 4317)",
        )
    if target.protocol == "http/protobuf" and not _speaks_http1(host, port) and _speaks_http2(host, port):
        return failure(
            AREA,
            f"{cause}answers gRPC, and this configuration sends HTTP",
            f"set {_PROTOCOL} to grpc, or use the port of HTTP (usually 4318)",
        )
    return None


def _refused(answer: Answer, shown: str) -> Finding:
    what = f"{{signals}} are not sent: {shown}"
    said = answer.message[:200]
    if answer.reason == "unauthenticated":
        return failure(AREA, f"{what} refuses the credentials ({said})", f"set {_HEADERS}")
    if answer.message.startswith("HTTP 404"):
        remedy = "correct the path: an endpoint of one signal (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) needs /v1/traces"
        return failure(AREA, f"{what} is not an OTLP receiver of this signal ({said})", remedy)
    if answer.message.startswith("UNIMPLEMENTED"):
        remedy = "send this signal elsewhere, or set its exporter to none (such as OTEL_LOGS_EXPORTER=none)"
        return failure(AREA, f"{what} does not accept this signal ({said})", remedy)
    if answer.message.startswith("HTTP 3"):
        return failure(
            AREA,
            f"{what} redirects ({said}), which is not followed",
            f"write its final address in {_ENDPOINT}",
        )
    if answer.reason == "timeout":
        return failure(
            AREA, f"{what} does not answer within {_SECONDS:g} s", "look at the log of the receiver"
        )
    if answer.again:
        return warning(
            AREA, f"{what} refuses for now ({said})", "look at load, memory and queue of the receiver"
        )
    return failure(AREA, f"{what} refuses an OTLP request ({said})", "look at the log of the receiver")


def _first_bytes(host: str, port: int, request: bytes) -> bytes:
    """Return the first bytes that a server sends after a request; none if it sends nothing."""
    answer = b""
    try:
        with socket.create_connection((host, port), _SECONDS) as connection:
            connection.settimeout(_SECONDS)
            connection.sendall(request)
            while len(answer) < 9 and (chunk := connection.recv(64)):
                answer += chunk
    except OSError:
        return answer
    return answer


def _speaks_http1(host: str, port: int) -> bool:
    return _first_bytes(host, port, _HTTP_REQUEST).startswith(b"HTTP/1")


def _speaks_http2(host: str, port: int) -> bool:
    answer = _first_bytes(host, port, _HTTP2_PREFACE)
    return len(answer) >= 9 and answer[3] == _SETTINGS_FRAME


def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent
    try:
        with socket.create_connection((host, port), _SECONDS) as plain, context.wrap_socket(plain):
            return True
    except OSError:
        return False


def _list(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def secrets(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Return the credentials of the endpoint and of the store, which no output may contain."""
    from opentelemetry.util.re import parse_env_headers

    found = [*settings.exporters.otlp.headers.values(), settings.admin.token, settings.store.dsn]
    for name, value in environ.items():
        if name.startswith("OTEL_EXPORTER_OTLP_") and name.endswith("HEADERS"):
            found += [value, *parse_env_headers(value, liberal=True).values()]
    for url in (settings.store.dsn, settings.exporters.otlp.endpoint):
        found.append(url.rpartition("@")[0].rpartition(":")[2])
    # `Bearer abc` is also masked where only `abc` is quoted.
    return [part for each in found for part in (each, each.rpartition(" ")[2])]
