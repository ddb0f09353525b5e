"""Each fault on the way of telemetry has its own cause and remedy; all are real sockets and servers."""

import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from certifi import where
from msgspec.structs import replace

from ael_otel.config import default_settings
from ael_otel.doctor.finding import Finding
from ael_otel.doctor.otlp_endpoint import check
from tests.process.doctor.servers import Table, certificate, serving, tls
from tests.support.findings import assert_found, assert_well
from tests.support.otlp_sink import OtlpSink
from tests.support.ports import free_port


def found(endpoint: str, protocol: str = "grpc", **more: str) -> list[Finding]:
    """Return the findings with that endpoint in the environment."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    return check(default_settings(), environ | more)


def test_receiver_that_accepts_is_well() -> None:
    """Over both protocols, by requests without an item."""
    with OtlpSink(http_port=0) as sink:
        assert_well(found(sink.endpoint))
        assert_well(found(sink.http_endpoint, "http/protobuf"))
        assert sum(sink.counts().values()) == 0
        assert len(sink.requests()) == 6


def test_disabled_export_is_well() -> None:
    """By the configuration, and by the variables of the signals."""
    settings = default_settings()
    otlp = replace(settings.exporters.otlp, enabled=False)
    assert_well(check(replace(settings, exporters=replace(settings.exporters, otlp=otlp)), {}))
    none = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
    assert "nothing is sent by OTLP" in check(settings, none)[0].cause


def test_name_without_an_address_is_a_failure() -> None:
    """`.invalid` never exists (RFC 2606)."""
    assert_found(
        found("http://collector.invalid:4317"),
        "failure",
        cause="the name collector.invalid has no address",
        remedy="correct the host",
    )


def test_port_where_nothing_listens_is_a_failure() -> None:
    """The command that starts the Collector is named."""
    port = free_port()
    assert_found(
        found(f"http://127.0.0.1:{port}"),
        "failure",
        cause=f"nothing listens at 127.0.0.1:{port}",
        remedy="make up",
    )


def test_server_that_never_answers_is_a_failure() -> None:
    """It accepts the connection and is silent; the check ends all the same."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = found(
            f"http://127.0.0.1:{silent.getsockname()[1]}",
            "http/protobuf",
            OTEL_METRICS_EXPORTER="none",
            OTEL_LOGS_EXPORTER="none",
        )
    assert_found(
        result, "failure", cause="does not answer within 3 s", remedy="look at the log of the receiver"
    )


def test_http_sent_to_the_port_of_grpc_is_a_failure() -> None:
    """The usual mistake: 4317 with http/protobuf."""
    with OtlpSink() as sink:
        result = found(sink.endpoint, "http/protobuf")
    assert_found(
        result,
        "failure",
        cause="answers gRPC, and this configuration sends HTTP",
        remedy="to grpc, or use the port of HTTP",
    )


def test_grpc_sent_to_the_port_of_http_is_a_failure() -> None:
    """The reverse: 4318 with grpc."""
    with OtlpSink(port=None, http_port=0) as sink:
        result = found(sink.http_endpoint)
    assert_found(
        result,
        "failure",
        cause="answers HTTP/1.1, and this configuration sends gRPC",
        remedy="to http/protobuf",
    )


@pytest.mark.parametrize(
    ("status", "level", "cause", "remedy"),
    [
        (401, "failure", "refuses the credentials (HTTP 401", "set telemetry.exporters.otlp.headers"),
        (403, "failure", "refuses the credentials (HTTP 403", "OTEL_EXPORTER_OTLP_HEADERS"),
        (404, "failure", "is not an OTLP receiver of this signal", "needs /v1/traces"),
        (302, "failure", "redirects (HTTP 302", "write its final address"),
        (429, "warning", "refuses for now (HTTP 429", "load, memory and queue"),
        (503, "warning", "refuses for now (HTTP 503", "load, memory and queue"),
        (500, "failure", "refuses an OTLP request (HTTP 500", "look at the log"),
    ],
)
def test_refusal_over_http_has_its_cause(status: int, level: str, cause: str, remedy: str) -> None:
    """Credentials, path, redirect, overload and fault of the receiver are told apart."""
    with serving(Table({}, (status, ""))) as port:
        result = found(f"http://127.0.0.1:{port}", "http/protobuf")
    assert_found(result, level, cause=cause, remedy=remedy)  # type: ignore[arg-type]


def test_signals_with_different_results_are_two_findings() -> None:
    """A backend for traces alone accepts these, and the others are named."""
    with serving(Table({"/v1/traces": (200, "")})) as port:
        result = found(f"http://127.0.0.1:{port}", "http/protobuf")
    assert [each.level for each in result] == ["ok", "failure"]
    assert result[0].cause.startswith("traces are accepted")
    assert any(each.cause.startswith("metrics") for each in result[1:])


@pytest.mark.parametrize(
    ("code", "cause", "remedy"),
    [
        (
            grpc.StatusCode.UNAUTHENTICATED,
            "refuses the credentials (UNAUTHENTICATED",
            "set telemetry.exporters.otlp.headers",
        ),
        (
            grpc.StatusCode.PERMISSION_DENIED,
            "refuses the credentials (PERMISSION_DENIED",
            "OTEL_EXPORTER_OTLP_HEADERS",
        ),
        (
            grpc.StatusCode.UNIMPLEMENTED,
            "does not accept this signal (UNIMPLEMENTED",
            "OTEL_LOGS_EXPORTER=none",
        ),
        (grpc.StatusCode.INTERNAL, "refuses an OTLP request (INTERNAL", "look at the log"),
    ],
)
def test_refusal_over_grpc_has_its_cause(code: grpc.StatusCode, cause: str, remedy: str) -> None:
    """Credentials, a missing service and a fault of the receiver are told apart."""

    class Refusing(grpc.GenericRpcHandler):
        def service(self, _details: grpc.HandlerCallDetails) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda _request, context: context.abort(code, "no"))

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Refusing()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        result = found(f"http://127.0.0.1:{port}")
    finally:
        server.stop(0)
    assert_found(result, "failure", cause=cause, remedy=remedy)


@pytest.mark.parametrize(
    ("days", "host", "trusted", "cause", "remedy"),
    [
        ((-1, 1), "127.0.0.1", False, "is self-signed", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        ((-9, -2), "127.0.0.1", True, "has expired", "renew it at the receiver"),
        ((2, 9), "127.0.0.1", True, "is not valid yet", "correct the clock"),
        ((-1, 1), "other.example", True, "is not for 127.0.0.1", "use a host name of the certificate"),
    ],
)
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_certificate_that_is_not_accepted_has_its_cause(
    tmp_path: Path, days: tuple[int, int], host: str, trusted: bool, cause: str, remedy: str, protocol: str
) -> None:
    """Unknown, expired, not valid yet, and of another host; the same for both protocols."""
    files = certificate(tmp_path, days=days, host=host)
    more = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(files[0])} if trusted else {}
    with serving(Table({}, (200, "")), tls(files)) as port:
        result = found(f"https://127.0.0.1:{port}", protocol, **more)
    assert_found(result, "failure", cause=cause, remedy=remedy)


def test_certificate_that_is_named_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the file of the authority, TLS works, whatever other authorities the machine trusts."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", where())
    files = certificate(tmp_path)
    with serving(Table({}, (200, "")), tls(files)) as port:
        result = found(
            f"https://127.0.0.1:{port}", "http/protobuf", OTEL_EXPORTER_OTLP_CERTIFICATE=str(files[0])
        )
    assert_well(result)
    assert "with TLS" in result[0].cause


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_tls_sent_to_a_receiver_without_it_is_a_failure(protocol: str) -> None:
    """The scheme is to be changed."""
    with OtlpSink(http_port=0) as sink:
        port = sink.port if protocol == "grpc" else sink.http_port
        result = found(f"https://127.0.0.1:{port}", protocol)
    assert_found(result, "failure", cause="does not use TLS", remedy="write http:// instead of https://")


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_plain_text_sent_to_a_receiver_with_tls_is_a_failure(tmp_path: Path, protocol: str) -> None:
    """The reverse."""
    with serving(Table({}, (200, "")), tls(certificate(tmp_path))) as port:
        result = found(f"http://127.0.0.1:{port}", protocol)
    assert_found(result, "failure", cause="expects TLS", remedy="write https:// instead of http://")


@pytest.mark.parametrize(
    "more",
    [{"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20horse-battery"}, {}],
)
def test_credentials_are_sent_and_not_quoted(more: Mapping[str, str]) -> None:
    """The receiver gets the header; no finding has it, nor a password in the address."""
    table = Table({}, (401, ""))
    with serving(table) as port:
        address = f"http://ada:horse-battery@127.0.0.1:{port}"  # hygiene: made up
        result = found(address, "http/protobuf", **more)
    assert "horse" not in repr(result)
    sent = [headers.get("authorization") for _, _, headers in table.requests]
    assert (
        not more or "Bearer horse-battery" in sent or any(each and each.startswith("Basic") for each in sent)
    )
