"""`ael ui` as a person and as other programs of the machine access it."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from msgspec.structs import replace

from ael_otel.store import ExecutionRecord
from ael_otel.store.sqlite import SqliteStore
from tests.process.ui.conftest import Serve, Served
from tests.support.pages import command_lines
from tests.support.ui_client import Markup
from tests.support.variables import clean_variables
from tests.support.waiting import until

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "ui.md"


@pytest.fixture
def db(tmp_path: Path, full: ExecutionRecord) -> Path:
    """The store of the working directory, with one run."""
    path = tmp_path / ".ael" / "telemetry.db"
    put(path, full)
    return path


def put(path: Path, *runs: ExecutionRecord) -> None:
    """Store runs."""
    store = SqliteStore(path)
    store.put(runs)
    store.close()


def test_browser_is_let_in_once_by_the_printed_address(serve: Serve, db: Path) -> None:
    """The token becomes a cookie, the page has the run, and requests without it get nothing."""
    served = serve()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", served.url)
    assert served.ask("/").status == 403
    assert served.ask("/?token=guess").status == 403
    served.open()
    answer = served.ask("/")
    assert answer.status == 200
    assert "order" in answer.text
    assert served.ask(served.opening, Cookie="x=1").status == 403
    assert "order" not in served.ask("/", Cookie="x=1").text


def test_foreign_hosts_origins_and_methods_are_refused(serve: Serve, db: Path) -> None:
    """With a valid cookie too: a page that rebinds its name, a script of another site, anything that would write."""
    served = serve().open()
    assert served.ask("/", Host="evil.example").status == 403
    assert served.ask("/", Host=served.host).status == 200
    assert served.ask("/", Origin="http://evil.example").status == 403
    assert served.ask("/", Origin=f"http://{served.host}").status == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        assert served.ask("/", method).status == 405
    head = served.ask("/", "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert "default-src 'none'" in head.headers["content-security-policy"]
    assert "server" not in head.headers


def test_request_that_is_not_http_does_no_harm(serve: Serve, db: Path) -> None:
    """Garbage, no Host, an endless header: refused, and the next request is answered."""
    served = serve().open()
    for sent in (
        b"\x16\x03\x01 garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000,
    ):
        with closing(socket.create_connection(served.address, timeout=30)) as connection:
            try:
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
                answered = connection.recv(65_536)
            except OSError:
                answered = b""  # closed while it was sent
        assert b" 200 " not in answered.partition(b"\r\n")[0]
    assert served.ask("/").status == 200


def events(served: Served, path: str) -> http.client.HTTPResponse:
    """Open a stream of events."""
    connection = served.connect()
    connection.request("GET", path, headers={"Cookie": served.cookie, "Accept": "text/event-stream"})
    return connection.getresponse()


def next_event(stream: http.client.HTTPResponse) -> dict[str, str]:
    """Return the fields of the next event with rows."""
    found: dict[str, str] = {}
    while True:
        line = stream.readline().decode().rstrip("\n")
        if line.startswith(("data: ", "id: ")):
            name, _, value = line.partition(": ")
            found[name] = found.get(name, "") + value
        elif not line and "data" in found:
            return found


def test_new_runs_arrive_by_themselves(serve: Serve, db: Path, full: ExecutionRecord) -> None:
    """A run that another process stores is sent to the open page, if it matches the filters."""
    served = serve().open()
    page = served.ask("/?status=failed")
    (address,) = re.findall(r'data-events="([^"]+)"', page.text)
    stream = events(served, address.replace("&amp;", "&"))
    assert stream.headers["content-type"].startswith("text/event-stream")
    other = replace(full, execution_id="exec-good", workflow_name="fine", status="completed")
    put(db, replace(full, execution_id="exec-new", workflow_name="<b>fresh</b>"), other)
    rows = next_event(stream)["data"]
    assert "&lt;b&gt;fresh&lt;/b&gt;" in rows
    assert "exec-good" not in rows
    stream.close()


def test_stop_does_not_wait_for_open_pages(serve: Serve, db: Path) -> None:
    """SIGTERM and Ctrl-C end the server in order while a stream is open."""
    for number in (signal.SIGTERM, signal.SIGINT):
        served = serve().open()
        stream = events(served, "/events?seen=x")
        next_event(stream)
        served.process.send_signal(number)
        assert served.process.wait(20) == 0
        assert served.process.stderr is not None
        assert "Traceback" not in served.process.stderr.read()
        stream.close()


def test_store_may_appear_later(serve: Serve, tmp_path: Path, full: ExecutionRecord) -> None:
    """Without a store the page is empty; the first run appears in the open page."""
    served = serve().open()
    page = served.ask("/")
    assert "No runs to show" in page.text
    (address,) = re.findall(r'data-events="([^"]+)"', page.text)
    stream = events(served, address.replace("&amp;", "&"))
    put(tmp_path / ".ael" / "telemetry.db", full)
    assert "exec-7f3a91c20001" in next_event(stream)["data"]
    stream.close()


def test_unreadable_store_is_reported_on_the_page(serve: Serve, db: Path) -> None:
    """The reason is on the page, and the page works again as soon as the store does."""
    content = db.read_bytes()
    db.write_bytes(b"nonsense" * 1000)
    served = serve().open()
    answer = served.ask("/")
    assert answer.status == 503
    assert "not a database" in answer.text
    db.write_bytes(content)
    assert served.ask("/").status == 200


def test_hostile_ids_and_expressions_are_answered_with_pages(serve: Serve, db: Path) -> None:
    """Whatever the address holds, it is a page of ours with a status below 500."""
    served = serve().open()
    for path in (
        "/run?id=%00",
        "/run?id=%ff%fe",
        "/run?id=../../../etc/passwd",
        "/run?id=%27%20OR%201=1--",
        "/run?id=<script>alert(1)</script>".replace("<", "%3C").replace(">", "%3E"),
        "/run?from=1",
        "/row?id=exec-7f3a91c20001&n=99999999999999",
        "/diff?run=%00&run=%27",
        "/?where=%28%28%28%28",
        "/?where=inputs.%27%3B%20DROP%20TABLE%20executions%3B--%20%3D%201",
        "/?where=%00",
        "/?cursor=AAAA",
        "/?text=%25%27",
        "/session?id=%25",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2fapplication.py",
        "/nothing",
    ):
        answer = served.ask(path)
        assert 200 <= answer.status < 500, path
        assert Markup(answer.text).faults() == []
    assert "order" in served.ask("/").text, "the tables are still there"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_address_beyond_this_machine_is_refused(tmp_path: Path, host: str) -> None:
    """The command ends with the code of a wrong configuration and says how to look from elsewhere."""
    done = run("--host", host, cwd=tmp_path)
    assert done.returncode == 2
    assert "loopback addresses only" in done.stderr
    assert "ssh -L" in done.stderr
    assert "reverse proxy" in done.stderr
    assert done.stdout == ""


def run(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `ael ui` where it ends at once."""
    environment = clean_variables(HOME=str(cwd), PYTHONPATH=str(Path(__file__).parents[3]), **variables)
    return subprocess.run(
        [sys.executable, "-m", "ael_otel.cli", "ui", "--no-open", *arguments],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_taken_port_is_reported(serve: Serve, db: Path, tmp_path: Path) -> None:
    """The message names the option."""
    served = serve()
    done = run("--port", str(served.address[1]), cwd=tmp_path)
    assert done.returncode == 1
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_libraries_are_named_with_the_command_that_installs_them(tmp_path: Path) -> None:
    """Without the engine the extra is needed, and the message says so."""
    program = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('starlette', 'uvicorn'): raise ModuleNotFoundError(name)\n"
        "import importlib.util as util\n"
        "real = util.find_spec\n"
        "util.find_spec = lambda name, package=None: None if name in ('starlette', 'uvicorn') else real(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "sys.argv = ['ael', 'ui']\n"
        "from ael_otel.cli import main\n"
        "main()\n"
    )
    environment = clean_variables(HOME=str(tmp_path), PYTHONPATH=str(Path(__file__).parents[3]))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "starlette, uvicorn" in done.stderr
    assert "extra `ui`" in done.stderr
    assert "pip install" in done.stderr


def test_ipv6_loopback(serve: Serve, db: Path) -> None:
    """The address is written in brackets."""
    if not socket.has_ipv6 or not _has_ipv6_loopback():
        pytest.skip("beyond CI: this machine has no IPv6 loopback")
    served = serve("--host", "::1")
    assert served.url.startswith("http://[::1]:")
    assert served.open().ask("/").status == 200


def _has_ipv6_loopback() -> bool:
    try:
        with closing(socket.socket(socket.AF_INET6, socket.SOCK_STREAM)) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_log_lines_and_grafana_of_this_machine_are_linked(
    serve: Serve, db: Path, full: ExecutionRecord
) -> None:
    """A Grafana that answers on the stack's port gets a link; lines of Loki are on the page of logs."""
    asked: list[str] = []
    at = str(int(datetime.now(UTC).timestamp() * 1e9))

    def answers(environ: dict[str, str], start_response: object) -> list[bytes]:
        asked.append(environ["PATH_INFO"])
        body: object = {"database": "ok"}
        if "loki" in environ["PATH_INFO"]:
            stream = {"stream": {"level": "ERROR"}, "values": [[at, "<b>declined</b>"]]}
            body = {"data": {"result": [stream]}}
        start_response("200 OK", [("Content-Type", "application/json")])  # type: ignore[operator]
        return [json.dumps(body).encode()]

    class Quiet(WSGIRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Log nothing."""

    with make_server("127.0.0.1", 0, answers, handler_class=Quiet) as other:  # type: ignore[arg-type]
        Thread(target=other.serve_forever, daemon=True).start()
        port = other.server_port
        served = serve(AEL_GRAFANA_PORT=str(port), AEL_LOKI_URL=f"http://127.0.0.1:{port}").open()
        page = served.ask(f"/run?id={full.execution_id}")
        assert f"http://localhost:{port}/d/ael-traces?" in page.text
        logs = served.ask(f"/logs?id={full.execution_id}")
        assert "&lt;b&gt;declined&lt;/b&gt;" in logs.text
        other.shutdown()
    assert asked.count("/api/health") == 1
    gone = served.ask(f"/logs?id={full.execution_id}")
    assert gone.status == 200
    assert "127.0.0.1" in gone.text


def test_commands_of_the_page_serve(serve: Serve, db: Path) -> None:
    """Each command line of the documentation that starts the page does."""
    lines = [line.split(" #")[0].split() for line in command_lines(PAGE)]
    assert len(lines) >= 2
    for words in lines:
        assert words[:2] == ["ael", "ui"]
        rest = [word for word in words[2:] if word != "--no-open"]
        if "--port" in rest:  # a free one, instead of the one in the example
            at = rest.index("--port")
            rest[at : at + 2] = []
        assert serve(*rest).open().ask("/").status == 200


def test_reads_do_not_write(serve: Serve, db: Path, full: ExecutionRecord) -> None:
    """Every page leaves the stored runs as they are."""

    def stored() -> object:
        store = SqliteStore(db)
        try:
            return [
                store.read(f"SELECT * FROM {table} ORDER BY 1, 2")  # noqa: S608
                for table in ("executions", "bodies", "tool_calls", "errors")
            ]
        finally:
            store.close()

    before = stored()
    served = serve().open()
    for path in (
        "/",
        f"/run?id={full.execution_id}",
        "/sessions",
        "/insights",
        "/cost",
        "/logs?id=exec-7f3a",
    ):
        assert served.ask(path).status == 200
    served.process.terminate()
    until(lambda: served.process.poll() is not None)
    assert stored() == before
