"""Sessions of the engine's clients: real clients over HTTP and stdio, their sessions, and the runs that they cause."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from mcp.types import Implementation
from prometheus_client.parser import text_string_to_metric_families

from ael_otel.sessions.events import span_id_of, trace_id_of
from ael_otel.sessions.table import SessionTable
from ael_otel.store.sqlite import SqliteStore
from tests.engine.lab import view
from tests.engine.lab.client import Lab, Taken, clean_environment
from tests.engine.lab.files import write_configuration
from tests.engine.lab.serving import Served
from tests.support.contract import LOG_FIELDS
from tests.support.otlp_sink import OtlpSink
from tests.support.ports import free_port
from tests.support.waiting import until

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


def talk(
    lab: Lab,
    script: Callable[[Any], Coroutine[Any, Any, Any]],
    *,
    name: str = "test-agent",
    headers: Mapping[str, str] | None = None,
) -> Taken:
    """Have a FastMCP client do something over HTTP and return the telemetry of it."""
    lab.collect()

    async def go() -> None:
        transport = StreamableHttpTransport(f"http://127.0.0.1:{lab.port}/mcp", headers=dict(headers or {}))
        async with Client(transport, client_info=Implementation(name=name, version="3.2.1")) as client:
            await script(client)

    asyncio.run(go())
    return lab.collect()


async def one_run(client: Any) -> None:
    """Run one workflow."""
    await client.call_tool("success", {})


def kinds(taken: Taken) -> list[str]:
    """The kinds of the events, in their order."""
    return [event["kind"] for event in taken.sessions]


def test_connection_of_a_client_is_a_session_with_its_calls(lab: Lab) -> None:
    """Proves that connecting, each call and leaving are events of one session, and that a call names its run."""

    async def script(client: Any) -> None:
        await client.call_tool("success", {})
        await client.call_tool("echo", {"text": "hello"})
        await client.call_tool("tool_error", {}, raise_on_error=False)

    taken = talk(lab, script)
    calls = ["tool.execute.before", "tool.execute.after"]
    assert kinds(taken) == ["session.start", *calls, *calls, *calls, "session.end"]
    start, *_, end = taken.sessions
    assert (start["agent"], start["agent_version"], start["source"]) == ("test-agent", "3.2.1", "http")
    assert end["reason"] == "closed"
    assert {(event["session_id"], event["agent"], event["origin"]) for event in taken.sessions} == {
        (start["session_id"], "test-agent", "client")
    }
    assert start["session_id"].startswith("mcp-")
    before, after = taken.sessions[1:-1:2], taken.sessions[2:-1:2]
    assert [event["tool"] for event in before] == [event["tool"] for event in after]
    assert [event["call_id"] for event in before] == [event["call_id"] for event in after]
    assert [(event["tool"], event["outcome"]) for event in after] == [
        ("success", "success"),
        ("echo", "success"),
        ("tool_error", "error"),
    ]
    assert [(event["execution_id"], event["trace_id"], event["span_id"]) for event in after] == [
        (record["execution_id"], record["trace_id"], record["span_id"]) for record in taken.records
    ]
    assert all(event["duration_us"] > 0 for event in after)
    assert len({event["key"] for event in taken.sessions}) == len(taken.sessions)


def test_run_carries_its_clients_name_and_session_and_is_linked_to_it(lab: Lab) -> None:
    """Proves that record and span have the client's session, that the span is linked to that of the session, and that a
    direct call has the same.
    """

    async def script(client: Any) -> None:
        await client.call_tool("success", {})
        await client.call_tool("echo", {"text": "hello"})

    taken = talk(lab, script)
    session_id = taken.sessions[0]["session_id"]
    assert [(record["caller_id"], record["metadata"]["session_id"]) for record in taken.records] == [
        ("test-agent", session_id)
    ] * 2
    roots = view.roots_of(taken.spans)
    assert [root["attributes"]["session.id"] for root in roots] == [session_id] * 2
    link = [trace_id_of("test-agent", session_id), span_id_of("test-agent", session_id)]
    assert [root["linked"] for root in roots] == [[link]] * 2
    inner = [span for span in taken.spans if span not in roots]
    assert not [span for span in inner if "session.id" in span["attributes"] or span["links"]]


def test_clients_at_the_same_time_keep_their_sessions_apart(lab: Lab) -> None:
    """Proves that runs of clients that overlap belong each to its own client's session."""
    lab.collect()

    async def one(name: str) -> None:
        transport = StreamableHttpTransport(f"http://127.0.0.1:{lab.port}/mcp")
        async with Client(transport, client_info=Implementation(name=name, version="1")) as client:
            await asyncio.gather(*(client.call_tool("success", {}) for _ in range(3)))

    async def all_of_them() -> None:
        await asyncio.gather(*(one(f"agent-{number}") for number in range(4)))

    asyncio.run(all_of_them())
    taken = lab.collect()
    session_of = {event["agent"]: event["session_id"] for event in taken.sessions}
    assert len(set(session_of.values())) == 4
    found = [(record["caller_id"], record["metadata"]["session_id"]) for record in taken.records]
    assert sorted(found) == sorted(3 * list(session_of.items()))


@pytest.mark.parametrize(
    ("headers", "session_id"),
    [
        ({"X-MCP-Session-ID": "conversation-7"}, "conversation-7"),
        ({"X-Bridge-ID": "bridge-1", "X-Bridge-Session-Start": "10:00"}, "bridge-1@10:00"),
        ({"X-Bridge-ID": "bridge-2"}, "bridge-2"),
    ],
)  # fmt: skip
def test_session_that_a_client_or_its_bridge_names_counts(
    lab: Lab, headers: dict[str, str], session_id: str
) -> None:
    """Proves that no second id is made up for a client that names its session, and the answer names none."""
    taken = talk(lab, one_run, headers=headers)
    assert {event["session_id"] for event in taken.sessions} == {session_id}
    (record,) = taken.records
    assert (record["caller_id"], record["metadata"]["session_id"]) == ("test-agent", session_id)


@pytest.mark.parametrize(
    "meta",
    [
        {"session.id": "agent-session-9", "gen_ai.agent.name": "claude-code"},
        {"baggage": "session.id=agent-session-9,gen_ai.agent.name=claude-code"},
    ],
    ids=["meta", "baggage"],
)
def test_session_of_the_calling_agent_comes_before_that_of_the_connection(
    lab: Lab, meta: dict[str, str]
) -> None:
    """Proves that a run belongs to the session that its caller names in the call, and is linked to that one's trace."""

    async def script(client: Any) -> None:
        await client.session.call_tool("success", {}, meta=meta)

    taken = talk(lab, script)
    (record,) = taken.records
    assert (record["caller_id"], record["metadata"]["session_id"]) == ("test-agent", "agent-session-9")
    (root,) = view.roots_of(taken.spans)
    assert root["linked"] == [
        [trace_id_of("claude-code", "agent-session-9"), span_id_of("claude-code", "agent-session-9")]
    ]
    assert taken.sessions[0]["session_id"].startswith("mcp-")


def test_run_in_its_callers_trace_has_the_session_and_no_link(lab: Lab) -> None:
    """Proves that a `traceparent` joins the caller's trace, which needs no link."""

    async def script(client: Any) -> None:
        await client.session.call_tool("success", {}, meta={"traceparent": f"00-{TRACE}-{CALLER}-01"})

    taken = talk(lab, script)
    (root,) = view.roots_of(taken.spans)
    assert (root["trace_id"], root["linked"]) == (TRACE, [])
    assert root["attributes"]["session.id"] == taken.sessions[0]["session_id"]


def test_session_id_that_looks_like_a_secret_is_hashed(lab: Lab) -> None:
    """Proves that such an id is in no event, span or record, and that two of them stay two sessions."""
    ids = [f"ghp_{sha256(seed).hexdigest()[:36]}" for seed in (b"one", b"two")]
    taken = [talk(lab, one_run, headers={"X-MCP-Session-ID": each}) for each in ids]
    found = [each.records[0]["metadata"]["session_id"] for each in taken]
    assert len(set(found)) == 2
    assert all(each.startswith("session-") for each in found)
    assert not [each for each in ids if each in json.dumps([vars(one) for one in taken], default=str)]


@pytest.mark.parametrize("name", ["", "x" * 5_000, "two\nlines\u202e", None, 7, ["x"]])
def test_any_client_name_is_accepted_and_bounded(lab: Lab, name: object) -> None:
    """Proves that nonsense in `clientInfo` changes nothing for the client and is stored as a short printable name."""
    lab.collect()
    url = f"http://127.0.0.1:{lab.port}/mcp"
    info = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": name, "version": {}}}
    answer = httpx.post(
        url, json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": info}, timeout=60
    )
    assert answer.status_code == httpx.codes.OK
    assert answer.json()["result"]["serverInfo"]
    (start,) = lab.collect().sessions
    assert start["session_id"] == answer.headers["mcp-session-id"]
    assert 0 < len(start["agent"]) <= 256
    assert start["agent"].isprintable()


def test_client_without_a_session_is_named_by_its_product(lab: Lab) -> None:
    """Proves that a bare request has no session, and that REST and MCP runs name the product of `User-Agent`."""
    lab.collect()
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "success", "arguments": {}}}
    answer = httpx.post(f"http://127.0.0.1:{lab.port}/mcp", json=call, timeout=60)
    assert "mcp-session-id" not in answer.headers
    lab.rest("/workflows/success/execute", {"inputs": {}})
    lab.rest("/tools/echo/call", {"params": {"text": "hello"}})
    taken = lab.collect()
    assert taken.sessions == []
    assert [(record["caller_id"], record["metadata"].get("session_id")) for record in taken.records] == [
        ("python-httpx", None)
    ] * 3


def test_rest_caller_names_its_session_by_header_or_baggage(lab: Lab) -> None:
    """Proves both; REST has no connection that could be a session."""
    lab.collect()
    url = f"http://127.0.0.1:{lab.port}/api/v1/workflows/success/execute"
    for headers in ({"X-MCP-Session-ID": "rest-1"}, {"baggage": "session.id=rest-2"}):
        httpx.post(url, json={"inputs": {}}, headers=headers, timeout=60)
    taken = lab.collect()
    assert [record["metadata"]["session_id"] for record in taken.records] == ["rest-1", "rest-2"]
    assert taken.sessions == []


def ael(*words: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ael_otel.cli", *words],
        cwd=folder,
        env=clean_environment(HOME=str(folder), **variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


@pytest.mark.slow
def test_client_over_stdio_has_a_session_that_its_runs_are_listed_by(tmp_path: Path) -> None:
    """Proves that each process that a client starts is one session, by which and by whose name its runs are listed."""
    file = write_configuration(tmp_path, telemetry={"store": {"path": str(tmp_path / "runs.db")}})

    async def go() -> None:
        transport = StdioTransport(
            sys.executable,
            ["-m", "ael_otel.cli", "serve", "-c", str(file), "--transport", "stdio"],
            env=clean_environment(HOME=str(tmp_path)),
            cwd=str(tmp_path),
            keep_alive=False,
        )
        async with Client(transport, client_info=Implementation(name="desk-agent", version="1")) as client:
            await client.call_tool("success", {})
            await client.call_tool("echo", {"text": "hello"})

    asyncio.run(go())
    listed = json.loads(
        ael("trace", "list", "-c", str(file), "--caller", "desk-agent", "-o", "json", folder=tmp_path).stdout
    )
    sessions = {run["session_id"] for run in listed}
    assert (len(listed), len(sessions)) == (2, 1)
    (session_id,) = sessions
    (kept,) = SessionTable(SqliteStore(tmp_path / "runs.db")).find(session_id)
    assert (kept.agent, kept.agent_version, kept.status, kept.reason) == (
        "desk-agent",
        "1",
        "ended",
        "closed",
    )
    assert (kept.tool_calls, kept.failed_calls) == (2, 0)
    again = ael("trace", "list", "-c", str(file), "--session", session_id, "-o", "json", folder=tmp_path)
    assert json.loads(again.stdout) == listed


@pytest.mark.slow
def test_silent_client_of_a_living_engine_is_idle_and_its_session_is_exported(tmp_path: Path) -> None:
    """Proves that `enforcement.idle` is stored while the client is connected and silent, and that the session is one
    trace at the receiver, to which the run that it caused is linked.
    """
    runs = tmp_path / "runs.db"
    file = write_configuration(
        tmp_path,
        telemetry={
            "metrics": {"prometheus_enabled": False},
            "store": {"path": str(runs)},
            "sessions": {"idle_seconds": 1},
        },
    )

    def reported() -> bool:
        if not runs.exists():
            return False
        table = SessionTable(store := SqliteStore(runs))
        try:
            kinds = [event.kind for record in table.select() for event in table.events(record)]
        finally:
            store.close()
        return kinds[-1:] == ["enforcement.idle"] and "session.end" not in kinds

    async def go(endpoint: str) -> None:
        exporting = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        transport = StdioTransport(
            sys.executable,
            ["-m", "ael_otel.cli", "serve", "-c", str(file), "--transport", "stdio"],
            env=clean_environment(HOME=str(tmp_path), **exporting),
            cwd=str(tmp_path),
            keep_alive=False,
        )
        async with Client(transport, client_info=Implementation(name="desk-agent", version="1")) as client:
            await client.call_tool("success", {})
            await asyncio.to_thread(until, reported)

    with OtlpSink() as sink:
        asyncio.run(go(sink.endpoint))
        assert sink.wait_until(lambda: any(span["name"] == "session" for span in sink.spans()), 30)
        spans = sink.spans()
    (root,) = [span for span in spans if span["name"] == "session"]
    inside = [span for span in spans if span["trace_id"] == root["trace_id"] and span is not root]
    assert sorted(span["name"] for span in inside) == ["enforcement.idle", "tool.execute"]
    assert {span["parent_id"] for span in inside} == {root["span_id"]}
    (run,) = [span for span in spans if span["name"] == "Workflow Execution"]
    (call,) = [span for span in inside if span["name"] == "tool.execute"]
    assert run["trace_id"] != root["trace_id"]
    assert call["attributes"]["ael.workflow.id"] == run["attributes"]["ael.workflow.id"]
    assert run["attributes"]["session.id"] == root["attributes"]["session.id"]


@pytest.mark.slow
def test_session_of_a_killed_engine_is_shown_with_its_unknowns(tmp_path: Path) -> None:
    """Proves that a kill loses no event that was stored, and that the session without an end stays readable."""
    runs = tmp_path / "runs.db"
    file = write_configuration(tmp_path, telemetry={"store": {"path": str(runs)}})
    info = {
        "protocolVersion": "2024-11-05",
        "capabilities": {},
        "clientInfo": {"name": "desk-agent", "version": "1"},
    }
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": info},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "success", "arguments": {}}},
    ]

    def ended() -> bool:
        if not runs.exists():
            return False
        table = SessionTable(store := SqliteStore(runs))
        try:
            return any(
                event.kind == "tool.execute.after"
                for record in table.select()
                for event in table.events(record)
            )
        finally:
            store.close()

    with subprocess.Popen(
        [sys.executable, "-m", "ael_otel.cli", "serve", "-c", str(file), "--transport", "stdio"],
        cwd=tmp_path,
        env=clean_environment(HOME=str(tmp_path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as engine:
        assert engine.stdin is not None
        try:
            engine.stdin.writelines(json.dumps(each).encode() + b"\n" for each in messages)
            engine.stdin.flush()
            until(ended, seconds=120)
        finally:
            engine.kill()
    shown = ael("session", "show", "-c", str(file), folder=tmp_path).stdout
    assert "desk-agent 1  running" in shown
    assert "success  success" in shown
    document = json.loads(ael("session", "show", "-c", str(file), "-o", "json", folder=tmp_path).stdout)
    assert (document["tool_calls"], document["ended_us"]) == (1, None)
    assert document["entries"][0]["execution_id"] == document["runs"][0]


@pytest.mark.slow
def test_command_joins_the_session_and_the_trace_that_its_environment_names(tmp_path: Path) -> None:
    """Proves that `ael run` is the caller of its run, in the trace of TRACEPARENT and the session of AEL_SESSION_ID or
    of the baggage; without them it has no session.
    """
    file = write_configuration(tmp_path, telemetry={"store": {"path": str(tmp_path / "runs.db")}})
    named = {"AEL_SESSION_ID": "s-1", "AEL_SESSION_AGENT": "claude-code"}
    carried = {"TRACEPARENT": f"00-{TRACE}-{CALLER}-01", "BAGGAGE": "session.id=s-2"}
    for variables in ({}, named, carried):
        ael("run", "success", "-c", str(file), folder=tmp_path, **variables)
    runs = json.loads(ael("trace", "list", "-c", str(file), "-o", "json", folder=tmp_path).stdout)
    runs.sort(key=lambda run: run["started_at"])
    assert [run["session_id"] for run in runs] == [None, "s-1", "s-2"]
    assert {run["caller_id"] for run in runs} == {"ael run"}
    assert [run["trace_id"] == TRACE for run in runs] == [False, False, True]


@pytest.mark.slow
def test_sessions_of_clients_are_counted_and_logged_by_the_engine_alone(tmp_path: Path) -> None:
    """Proves that a client's session is on `/metrics`, at the receiver and on stdout once, also where the worker of
    `ael-hook` works on the same store, which counts and logs what hooks reported and nothing else.
    """
    runs, page = tmp_path / "runs.db", free_port()
    with OtlpSink() as sink:
        telemetry = {
            "metrics": {"port": page},
            "exporters": {"otlp": {"endpoint": sink.endpoint}},
            "store": {"path": str(runs)},
        }
        file = write_configuration(tmp_path / "ael", telemetry=telemetry)
        with Served(["ael", "serve", "-c", str(file), "--port", "{port}"], tmp_path) as served:
            served.wait_ready()
            asyncio.run(_two_calls(served.port))

            def counted() -> dict[str, float]:
                return _of_sessions(httpx.get(f"http://127.0.0.1:{page}/metrics", timeout=10).text)

            until(lambda: counted().get("ael_sessions_total client unknown") == 1, counted)
            scraped = counted()
            _hook_and_worker(tmp_path / "user", runs, sink.endpoint)
            assert counted() == scraped
            code, _seconds = served.stop(signal.SIGTERM)
        events, metrics = sink.logs(), sink.metrics()
        printed = [json.loads(line) for line in served.stdout.splitlines()]
    assert code == 0
    assert scraped == {
        "ael_sessions_total client unknown": 1,
        "ael_session_tool_calls_total client success": 1,
        "ael_session_tool_calls_total client error": 1,
    }
    sent = {
        f"{name} {row}": value
        for name in ("ael.sessions", "ael.session.tool_calls")
        for row, value in metrics[name].items()
        if value
    }
    assert sent == {
        "ael.sessions agent=desk-agent,origin=client,outcome=unknown": 1,
        "ael.sessions agent=claude-code,origin=hooks,outcome=unknown": 1,
        "ael.session.tool_calls agent=desk-agent,origin=client,outcome=success": 1,
        "ael.session.tool_calls agent=desk-agent,origin=client,outcome=error": 1,
    }
    lines = [line for line in printed if line["component"] == "session"]
    assert [line["event_name"] for line in lines] == ["ael.session.start", "ael.session.end"]
    assert {tuple(line)[: len(LOG_FIELDS)] for line in lines} == {LOG_FIELDS}
    store = SqliteStore(runs)
    records = {record.agent: record for record in SessionTable(store).select()}
    store.close()
    ours = records["desk-agent"]
    assert {(line["trace_id"], line["span_id"]) for line in lines} == {(ours.trace_id, ours.span_id)}
    found = sorted(
        (event["trace_id"], event["event"])
        for event in events
        if event["attributes"].get("ael.session.agent")
    )
    assert found == sorted(
        (record.trace_id, event)
        for record in records.values()
        for event in ("ael.session.start", "ael.session.end")
    )


async def _two_calls(port: int) -> None:
    transport = StreamableHttpTransport(f"http://127.0.0.1:{port}/mcp")
    async with Client(transport, client_info=Implementation(name="desk-agent", version="1")) as client:
        await client.call_tool("success", {})
        await client.call_tool("tool_error", {}, raise_on_error=False)


def _of_sessions(page: str) -> dict[str, float]:
    """Return the counters of sessions and calls above zero, by name, origin and outcome."""
    return {
        f"{sample.name} {sample.labels['origin']} {sample.labels['outcome']}": sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name in ("ael_sessions_total", "ael_session_tool_calls_total") and sample.value
    }


def _hook_and_worker(home: Path, runs: Path, endpoint: str) -> None:
    """Report a session of an agent by the hook, and let one worker deal with it until it leaves."""
    home.mkdir()
    variables = clean_environment(
        HOME=str(home),
        AEL_HOME=str(home),
        AEL_TELEMETRY_DB=str(runs),
        AEL_HOOK_NO_WORKER="1",
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
    )
    mine = {"session_id": "s-1", "transcript_path": "/home/user/.claude/x.jsonl", "cwd": str(home)}
    for event in (
        {"hook_event_name": "SessionStart", "source": "startup"},
        {"hook_event_name": "SessionEnd"},
    ):
        subprocess.run(
            [sys.executable, "-m", "ael_hook", "auto"],
            env=variables,
            input=json.dumps({**mine, **event}).encode(),
            timeout=60,
            check=True,
        )
    worker = "from ael_otel.runtime import session_worker as w; w.Worker.run.__defaults__ = (0.1,); w.main()"
    subprocess.run([sys.executable, "-P", "-c", worker], env=variables, timeout=120, check=True)
