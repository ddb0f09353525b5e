"""The live schema: telemetry the process emitted, reported to authorised clients at a limited rate."""

import http.client
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from ael_otel._generated import SCHEMA_URL, events, metrics, scopes, spans
from ael_otel._generated.emitters import emit_step_retry, start_mcp_request, start_step_code
from ael_otel.admin import AdminServer, LiveSchema
from ael_otel.admin.live_schema import BURST, PATH, TokenBucket
from ael_otel.core.metrics import AelMetrics
from ael_otel.emit import activity
from ael_otel.sdk.prometheus_reader import PrometheusReader
from ael_otel.sdk.unknown_names import UnknownNames

TOKEN = "correct horse battery staple ü"


class Clock:
    """A clock that a test moves forward."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class Served:
    """A live schema behind its server."""

    def __init__(self, token: str = "") -> None:
        pull = PrometheusReader()
        self.provider = MeterProvider([pull.reader], Resource({}), shutdown_on_exit=False)
        self.metrics = AelMetrics(self.provider)
        self.clock = Clock()
        self.schema = LiveSchema(self.metrics, pull, token=token, clock=self.clock)
        self.server = AdminServer(pull, port=0, live_schema=self.schema)
        address = urlsplit(self.server.url)
        self.address = (address.hostname or "", address.port or 0)

    def ask(self, method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send one request."""
        connection = http.client.HTTPConnection(*self.address, timeout=10)
        with closing(connection):
            connection.request(method, PATH, None, {k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def document(self, **headers: str) -> dict[str, Any]:
        """Return its answer."""
        status, _, body = self.ask(**headers)
        assert status == 200, body
        return json.loads(body)


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Start servers on free ports, with all counts at zero; they are closed afterwards."""
    started: list[Served] = []
    activity.reset()

    def start(**options: str) -> Served:
        started.append(Served(**options))
        return started[-1]

    yield start
    for each in started:
        each.server.close()
        each.provider.shutdown()
    activity.reset()


def bearer(token: str) -> str:
    """A header's value, as a client sends text beyond ASCII."""
    return f"Bearer {token}".encode().decode("latin-1")


class TestWhatItSays:
    """Content."""

    def test_every_signal_of_the_registry_is_there(self, serve: Callable[..., Served]) -> None:
        """The packaged registry unchanged, and facts for each of its metrics, spans and events."""
        document = serve().document()
        assert document["schema_url"] == SCHEMA_URL
        assert document["registry"]["schema_url"] == SCHEMA_URL
        signals = document["signals"]
        assert set(signals["metrics"]) == {spec.name for spec in metrics.ALL}
        assert set(signals["spans"]) == {spec.type for spec in spans.ALL}
        assert set(signals["events"]) == {spec.name for spec in events.ALL}
        assert all(facts["registered"] for kind in signals.values() for facts in kind.values())
        assert set(document["packages"]) >= {"ael-otel", "opentelemetry-api", "opentelemetry-sdk"}

    def test_emitted_telemetry_is_counted(self, serve: Callable[..., Served]) -> None:
        """Counts, series with their limit, times and losses are those of this process."""
        served = serve()
        tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
        for _ in range(3):
            start_mcp_request(tracer, tool_name="echo")
        emit_step_retry(
            logging.getLogger("test"),
            logging.ERROR,
            "again",
            component="step",
            execution_id="exec-1",
            workflow_id="shop",
            step_id="pay",
            attempt=2,
            error_type="TOOL_FAILED",
        )
        served.metrics.tool.bind(tool="echo", status="error").record(duration=0.5, invocations=1)
        served.metrics.telemetry.bind(signal="traces", reason="queue_full").add(dropped=7)
        document = served.document()
        signals = document["signals"]
        assert signals["spans"]["ael.mcp.request"]["emitted"] == 3
        assert signals["spans"]["ael.code.exec"]["emitted"] == 0
        assert signals["events"]["ael.step.retry"]["emitted"] == 1
        assert signals["events"]["ael.step.skip"]["last_emitted"] is None
        assert signals["events"]["ael.step.retry"]["last_emitted"] > 1.7e9
        invocations = signals["metrics"]["ael.tool.invocations"]
        last = invocations.pop("last_emitted")
        assert invocations == {
            "registered": True,
            "emitted": 1,
            "series": 1,
            "max_series": metrics.TOOL_INVOCATIONS.max_series,
            "dropped": {},
        }
        assert last > 1.7e9
        assert document["dropped"] == {"traces": {"queue_full": 7}}

    def test_metric_at_its_limit_is_reported(self, serve: Callable[..., Served]) -> None:
        """A metric at its limit has the number of updates that went into the overflow series."""
        served = serve()
        limit = metrics.TOOL_DURATION.max_series
        for number in range(limit + 2):
            served.metrics.tool.bind(tool=f"tool{number}", status="success").record(duration=0.1)
        facts = served.document()["signals"]["metrics"]["ael.tool.duration"]
        assert (facts["series"], facts["max_series"]) == (limit + 1, limit)
        assert facts["dropped"] == {"cardinality": 2}

    def test_undeclared_names_are_reported(self, serve: Callable[..., Served]) -> None:
        """Telemetry under our scope that is not in the registry is reported: metrics, spans, attributes and events."""
        served = serve()
        served.provider.get_meter(scopes.AEL).create_counter("ael.surprise").add(1)
        served.provider.get_meter("elsewhere").create_counter("other.surprise").add(1)
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(UnknownNames())
        ours, other = tracers.get_tracer(scopes.AEL), tracers.get_tracer("elsewhere")
        for tracer in (ours, other):
            tracer.start_span("Sneaky", attributes={"ael.sneaky": 1}).end()
        start_step_code(ours, step_name="s", step_index=3, step_type="code").end()
        activity.note_unknown("events", "ael.sneaky.start")
        assert served.document()["unknown"] == {
            "metrics": {"ael.surprise": 1},
            "spans": {"Sneaky": 1},
            "events": {"ael.sneaky.start": 1},
            "attributes": {"ael.sneaky": 1},
        }

    def test_unknown_names_are_bounded(self, serve: Callable[..., Served]) -> None:
        """A stream of made-up names fills neither memory nor the answer."""
        served = serve()
        for number in range(activity.MAX_UNKNOWN + 50):
            activity.note_unknown("spans", f"{number} " + "x" * 10_000)
        found = served.document()["unknown"]["spans"]
        assert len(found) == activity.MAX_UNKNOWN
        assert max(map(len, found)) == activity.MAX_NAME

    def test_answer_reveals_nothing_of_the_environment(
        self, serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No value of the environment, of the configuration or of a run, and not the token itself."""
        secret = "s3cret-value-of-this-test"  # hygiene: made up
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization={secret}")
        served = serve(token=TOKEN)
        served.metrics.workflow.bind(workflow=secret, status="success").record(duration=1, executions=1)
        _, headers, body = served.ask(Authorization=bearer(TOKEN))
        said = body.decode() + str(headers)
        assert secret not in said
        assert "horse" not in said
        assert all(value not in said for name, value in os.environ.items() if name in ("HOME", "PATH"))


class TestWhoIsAnswered:
    """Access."""

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer "},
            {"Authorization": bearer(TOKEN)[:-1]},
            {"Authorization": bearer(TOKEN) + "x"},
            {"Authorization": bearer(TOKEN).replace("Bearer", "Basic")},
            {"Authorization": TOKEN.encode().decode("latin-1")},
            {"Authorization": "Bearer " + "x" * 60_000},
            {"Authorization": "Bearer \xff\xfe"},
            {"X_Authorization": bearer(TOKEN)},
            {"Cookie": f"token={TOKEN}".encode().decode("latin-1")},
        ],
        ids=lambda headers: str(headers)[:40],
    )
    def test_wrong_token_is_refused(self, serve: Callable[..., Served], headers: dict[str, str]) -> None:
        """Without the right token the answer is 401 with a challenge and without one word of the schema."""
        status, answer, body = serve(token=TOKEN).ask(**headers)
        assert status == 401
        assert answer["WWW-Authenticate"].startswith("Bearer")
        assert json.loads(body) == {"error": "a bearer token is required"}

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
    def test_the_right_token_is_let_in(self, serve: Callable[..., Served], scheme: str) -> None:
        """The scheme's name is written as the client likes; text beyond ASCII is fine."""
        header = bearer(TOKEN).replace("Bearer", scheme)
        assert "signals" in serve(token=TOKEN).document(Authorization=header)

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]:9464", "LOCALHOST:1"])
    def test_this_machine_needs_no_token(self, serve: Callable[..., Served], host: str) -> None:
        """Without a token set, a client on this machine is answered under any of the machine's own names."""
        assert "signals" in serve().document(Host=host)

    @pytest.mark.parametrize(
        "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:9464", ""]
    )
    def test_a_web_page_cannot_ask_by_its_own_name(self, serve: Callable[..., Served], host: str) -> None:
        """A host name that somebody else's DNS points at this machine is refused."""
        assert serve().ask(Host=host)[0] == 403

    @pytest.mark.parametrize("peer", ["192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7", "", "nonsense"])
    def test_other_machines_need_a_token(self, serve: Callable[..., Served], peer: str) -> None:
        """An address opened to the network does not open the schema."""
        statuses: list[str] = []
        environ = {"REQUEST_METHOD": "GET", "REMOTE_ADDR": peer, "HTTP_HOST": "localhost"}
        list(serve().schema(environ, lambda status, headers: statuses.append(status)))
        list(
            serve(token="t").schema(
                environ | {"HTTP_AUTHORIZATION": "Bearer t"}, lambda status, _: statuses.append(status)
            )
        )
        assert statuses == ["403 Forbidden", "200 OK"]

    @pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
    def test_only_get(self, serve: Callable[..., Served], method: str) -> None:
        """Any method but GET is refused with the allowed one."""
        status, headers, _ = serve().ask(method)
        assert (status, headers["Allow"]) == (405, "GET")

    def test_it_is_off_unless_asked_for(self) -> None:
        """A server without a live schema does not know the path."""
        pull = PrometheusReader()
        server = AdminServer(pull, port=0)
        address = urlsplit(server.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
        with closing(connection):
            connection.request("GET", PATH)
            answer = connection.getresponse()
            assert answer.status == 404
            assert PATH not in answer.read().decode()
        server.close()


class TestHowOften:
    """Rate limit, caching and clients that misbehave."""

    def test_a_burst_is_answered_then_slowed_down(self, serve: Callable[..., Served]) -> None:
        """Beyond the burst the answer is 429 with the seconds to wait, after which one more is answered."""
        served = serve()
        assert [served.ask()[0] for _ in range(BURST)] == [200] * BURST
        status, headers, body = served.ask()
        assert (status, headers["Retry-After"]) == (429, "1")
        assert b"signals" not in body
        served.clock.now += 1
        assert [served.ask()[0] for _ in range(2)] == [200, 429]

    def test_guessing_is_slowed_down_and_hinders_no_other_client(self, serve: Callable[..., Served]) -> None:
        """Wrong tokens have a separate rate limit: the right one is always answered."""
        served = serve(token=TOKEN)
        guesses = [served.ask(Authorization=f"Bearer {number}")[0] for number in range(BURST + 5)]
        assert guesses == [401] * BURST + [429] * 5
        assert "signals" in served.document(Authorization=bearer(TOKEN))

    def test_bucket_never_exceeds_a_burst(self) -> None:
        """A long silence does not allow a larger burst, and a stopped clock allows no further requests."""
        clock = Clock()
        bucket = TokenBucket(burst=3, per_second=2, clock=clock)
        clock.now += 10_000
        assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.5]
        clock.now += 0.25
        assert bucket.take() == 0.25

    def test_the_same_content_is_sent_once(self, serve: Callable[..., Served]) -> None:
        """A client that has the answer gets 304 and no body until something has been emitted."""
        served = serve()
        _, headers, _ = served.ask()
        tag = headers["ETag"]
        for condition in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            status, again, body = served.ask(If_None_Match=condition)
            assert (status, again["ETag"], body) == (304, tag, b"")
        assert served.ask(If_None_Match='"other"')[0] == 200
        served.metrics.error.bind(type="timeout", component="tool").add(errors=1)
        status, headers, _ = served.ask(If_None_Match=tag)
        assert status == 200
        assert headers["ETag"] != tag

    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"GET "
            + PATH.encode()
            + b" HTTP/1.1\r\nHost: localhost\r\nAuthorization: "
            + b"x" * 200_000
            + b"\r\n\r\n",
            b"GET " + PATH.encode() + b" HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 5_000 + b"\r\n",
            b"GET " + PATH.encode() + b"?" + b"x" * 200_000 + b" HTTP/1.1\r\n\r\n",
            b"\x00\xff\x00\xff\r\n\r\n",
        ],
        ids=["huge header", "many headers", "huge path", "no HTTP"],
    )
    def test_malformed_request_does_no_harm(self, serve: Callable[..., Served], request_bytes: bytes) -> None:
        """An oversized or malformed request is refused, and the next client is answered."""
        served = serve()
        with closing(socket.create_connection(served.address, 10)) as client:
            client.settimeout(10)
            try:
                client.sendall(request_bytes)
                answer = client.recv(65_536)
            except (BrokenPipeError, ConnectionResetError):
                answer = b""
        assert b"signals" not in answer
        assert "signals" in served.document()
