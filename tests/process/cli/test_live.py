"""`ael schema live`: the table of a running engine, and one line with a remedy when there is none."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from click.testing import CliRunner, Result
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource

from ael_otel.admin import AdminServer, LiveSchema
from ael_otel.admin.live_schema import PATH
from ael_otel.cli import cli, live, schema
from ael_otel.core.metrics import AelMetrics
from ael_otel.emit import activity
from ael_otel.sdk.prometheus_reader import PrometheusReader


@pytest.fixture
def engine() -> Iterator[AdminServer]:
    """The admin server of a process that has emitted something, with the token `abc`."""
    activity.reset()
    pull = PrometheusReader()
    provider = MeterProvider([pull.reader], Resource({}), shutdown_on_exit=False)
    metrics = AelMetrics(provider)
    metrics.tool.bind(tool="echo", status="error").record(duration=0.5, invocations=1)
    metrics.telemetry.bind(signal="traces", reason="queue_full").add(dropped=7)
    activity.note_unknown("spans", "Sneaky \x1b[31m\nspan")
    server = AdminServer(pull, port=0, live_schema=LiveSchema(metrics, pull, token="abc"))
    yield server
    server.close()
    provider.shutdown()
    activity.reset()


@pytest.fixture
def answering() -> Iterator[Callable[[int, bytes], str]]:
    """Start a server that gives everybody the same answer; returns its address."""
    servers: list[HTTPServer] = []

    def start(status: int, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Answer."""
                self.send_response(status)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Log nothing."""

        servers.append(HTTPServer(("127.0.0.1", 0), Handler))
        Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(*arguments: str, env: dict[str, str] | None = None) -> Result:
    """Run `ael schema live`."""
    return CliRunner().invoke(cli, ["schema", "live", *arguments], env={"COLUMNS": "160"} | (env or {}))


@pytest.mark.parametrize("verb", schema.MOVED)
def test_verb_that_moved_names_the_new_command(verb: str) -> None:
    """A verb of the toolchain is wrong usage with any arguments, and the message names the command in the checkout."""
    result = CliRunner().invoke(cli, ["schema", verb, "--root", "x"])
    assert result.exit_code == 2
    assert f"`ael schema {verb}` is now `python -m tools.telemetry_schema {verb}`" in result.output
    assert "checkout" in result.output


def test_schema_help_lists_the_verb_of_the_product_only() -> None:
    """The help shows `live` and none of the verbs that moved."""
    result = CliRunner().invoke(cli, ["schema", "-h"])
    assert result.exit_code == 0
    verbs = [line.split()[0] for line in result.output.partition("Commands:")[2].splitlines() if line.strip()]
    assert verbs == ["live"]


def base(engine: AdminServer) -> str:
    """The address without a path."""
    return engine.url.removesuffix("/metrics")


def test_the_table(engine: AdminServer) -> None:
    """Each signal has its row; losses, unknown names and versions follow, without control characters."""
    result = ask("--url", base(engine), "--token", "abc")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    row = next(line for line in lines if line.startswith("metric ael.tool.invocations"))
    assert row.startswith("metric ael.tool.invocations 1 1/1000 ")
    assert row.endswith(" ago")
    assert "span ael.workflow 0 - never" in lines
    assert "traces queue_full 7" in lines
    assert any(line.startswith("span Sneaky") and line.endswith(" 1") for line in lines)
    assert any(line.startswith("opentelemetry-sdk ") for line in lines)
    assert "\x1b" not in result.output


def test_the_token_comes_from_the_environment_too(engine: AdminServer) -> None:
    """A token need not stand on the command line, where other users would see it."""
    result = ask("--url", engine.url, "--json", env={"AEL_ADMIN_TOKEN": "abc"})
    assert json.loads(result.output)["signals"]["metrics"]["ael.tool.invocations"]["emitted"] == 1


def test_wrong_token_is_reported_with_a_remedy(engine: AdminServer) -> None:
    """The line names the option and the variable, and not the token."""
    result = ask("--url", base(engine), "--token", "guess")
    assert result.exit_code == 1
    assert result.output == (
        f"ael: {base(engine)} answers 401: it requires a token: pass --token, or set AEL_ADMIN_TOKEN\n"
    )


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (404, b"{}", "the live schema is disabled: set telemetry.admin.live_schema to true and restart"),
        (403, b"{}", "only clients on its own machine"),
        (429, b"{}", "wait some seconds"),
        (302, b"", "answers 302: it is not an engine"),
        (500, b"{}", "answers 500"),
        (200, b"<html>", "not JSON"),
        (200, b"[]", "not a live schema"),
        (200, b"{}", "not a live schema"),
        (200, b"\xff\xfe\x00", "not JSON"),
    ],
)
def test_another_answer_is_one_line(
    answering: Callable[[int, bytes], str], status: int, body: bytes, says: str
) -> None:
    """For any other server: one line that names the fault, no traceback, and no redirect followed with the token."""
    result = ask("--url", answering(status, body), "--token", "abc")
    assert result.exit_code == 1
    assert result.output.startswith("ael: ")
    assert says in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://localhost",
        "http://",
        "http://localhost:port",
        "http://user:word@localhost",  # hygiene: made up
        "file:///etc",
    ],  # hygiene: made up
)
def test_unusable_address_is_reported(url: str) -> None:
    """A mistyped address is named; a file is not read and no password is sent."""
    result = ask("--url", url)
    assert result.exit_code == 1
    assert "is not " in result.output
    assert "URL" in result.output


def test_no_engine_is_reported() -> None:
    """Without an engine the line names how to start one."""
    result = ask("--url", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "start `ael serve` with telemetry.admin.live_schema: true" in result.output


def test_unexpected_content_is_printed_nevertheless(answering: Callable[[int, bytes], str]) -> None:
    """A later version's answer, with parts that are missing or of another shape, still gives a table."""
    document = {"signals": {"metrics": {"ael.x": {"emitted": 3}, "ael.y": None}, "spans": []}, "unknown": 7}
    result = ask("--url", answering(200, json.dumps(document).encode()))
    assert result.exit_code == 0, result.output
    assert "ael.x" in result.output


def test_the_path_is_the_servers() -> None:
    """The command and the server use the same path; the command has its own constant, to start without the SDK."""
    assert live.PATH == PATH
