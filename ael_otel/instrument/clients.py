"""MCP clients of an engine: each connection is a session, from `initialize` to its end, with its tool calls.

A client over HTTP is recognised by the session id that it sends. If it sends none, the response to `initialize` assigns
one (`Mcp-Session-Id`, which clients repeat in each request by the MCP specification). Over stdio there is one client.
"""

import os
from collections import OrderedDict
from collections.abc import Mapping
from contextvars import ContextVar
from secrets import token_hex
from threading import Lock
from time import perf_counter_ns, time_ns
from typing import Any, Final, cast

from opentelemetry import propagate
from opentelemetry.context import attach, detach, get_current

from ael_otel.core.caller import Caller, RunIds
from ael_otel.core.faults import fault_barrier
from ael_otel.instrument.active import current
from ael_otel.sessions.callers import caller_of, clean_id, clean_name, named_in
from ael_otel.sessions.events import CallOutcome, SessionEvent, event_key
from ael_otel.sessions.live import report

MAX_CLIENTS: Final = 1_024
"""Maximum number of clients in memory; beyond it, the one idle longest is removed, and its next call adds it again."""

SESSION_HEADER: Final = "mcp-session-id"
_SESSION_HEADERS: Final = (SESSION_HEADER, "x-mcp-session-id")
_UNKNOWN: Final = "unknown"


class Request:
    """One HTTP request to the engine: the headers that identify its sender.

    `issued` is the session id to return in the response, None if the client has one.
    """

    __slots__ = ("_scope", "headers", "issued")

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self._scope = scope
        self.headers: dict[str, str] = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope.get("headers", ())
            if name in _READ
        }
        self.issued: str | None = None

    @property
    def session_id(self) -> str | None:
        """The session id that the client sends, or that of its bridge: the bridge's run, as the engine forms the id."""
        for name in _SESSION_HEADERS:
            if (found := clean_id(self.headers.get(name))) is not None:
                return found
        bridge, since = self.headers.get("x-bridge-id"), self.headers.get("x-bridge-session-start")
        return clean_id(f"{bridge}@{since}" if bridge and since else bridge)

    @property
    def product(self) -> str | None:
        """The product name at the start of `User-Agent`, without its version."""
        words = self.headers.get("user-agent", "").split("/", 1)[0].split()
        return clean_name(words[0]) if words else None

    @property
    def caller(self) -> Caller:
        """The sender: the name of its API key, else the product."""
        state = cast("Mapping[str, Any]", self._scope.get("state") or {})
        session_id = self.session_id
        client = None if session_id is None else clients.get(session_id)
        if client is not None:
            return client.caller
        name = clean_name(state.get("api_key_name")) or self.product
        return caller_of(name, session_id, name)


_READ: Final = frozenset(
    name.encode()
    for name in (*_SESSION_HEADERS, "x-bridge-id", "x-bridge-session-start", "user-agent", "baggage")
)

current_request: ContextVar["Request | None"] = ContextVar("ael_otel_http_request", default=None)
"""The HTTP request that is being handled."""

current_stdio: ContextVar["str | None"] = ContextVar("ael_otel_stdio_session", default=None)
"""The session of the one client that is connected over stdio."""


class Client:
    """One connection of an MCP client, which is a session.

    Args:
        session_id: its id, redacted.
        name: the client's name, redacted; it is the session's agent.
        version: its version.
        source: `http` or `stdio`.
    """

    __slots__ = ("_calls", "name", "session_id", "source", "version")

    def __init__(self, session_id: str, name: str, version: str | None, source: str) -> None:
        self.session_id = session_id
        self.name = name
        self.version = version
        self.source = source
        self._calls = 0

    @property
    def caller(self) -> Caller:
        """The client as the caller of a run."""
        caller = caller_of(self.name, self.session_id, self.name)
        caller.origin = "client"
        return caller

    def starts(self) -> None:
        """Report the start of the session."""
        self.report(
            "session.start", event_key("session.start"), agent_version=self.version, source=self.source
        )

    def ends(self, reason: str) -> None:
        """Report the end of the session."""
        at = _now_us()
        self.report("session.end", event_key("session.end", at), at_us=at, reason=reason)

    def report(self, kind: Any, key: str, *, at_us: int | None = None, **facts: Any) -> None:
        """Report one event of the session."""
        report(
            SessionEvent(
                session_id=self.session_id,
                agent=self.name,
                kind=kind,
                origin="client",
                at_us=_now_us() if at_us is None else at_us,
                key=key,
                **facts,
            )
        )

    def call(self, tool: object) -> "Call":
        """Report the start of a `tools/call`."""
        self._calls += 1
        return Call(self, clean_name(tool) or _UNKNOWN)


class Call:
    """One `tools/call` of a client, from its start; `caller` must be the current caller until it ends."""

    __slots__ = ("_began_ns", "_call_id", "_client", "_run", "_tool")

    def __init__(self, client: Client, tool: str) -> None:
        self._client = client
        self._tool = tool
        self._call_id = token_hex(8)
        self._run: RunIds | None = None
        self._began_ns = perf_counter_ns()
        client.report("tool.execute.before", self._key("before"), tool=tool, call_id=self._call_id)

    def _key(self, end: str) -> str:
        return event_key(f"tool.execute.{end}", self._call_id)

    def on_run(self, run: RunIds) -> None:
        """Record the run that the call has caused; later runs are ignored."""
        if self._run is None:
            self._run = run

    def ends(self, outcome: CallOutcome, error_type: str | None = None) -> None:
        """Report the end of the call."""
        run = self._run
        self._client.report(
            "tool.execute.after",
            self._key("after"),
            tool=self._tool,
            call_id=self._call_id,
            outcome=outcome,
            error_type=error_type,
            duration_us=(perf_counter_ns() - self._began_ns) // 1_000,
            execution_id=None if run is None else run.execution_id or None,
            trace_id=None if run is None else run.trace_id or None,
            span_id=None if run is None else run.span_id or None,
        )


class Clients:
    """The clients of this process that are connected."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._clients: OrderedDict[str, Client] = OrderedDict()

    def get(self, session_id: str) -> Client | None:
        """Return the client of a session, None if there is none."""
        with self._lock:
            client = self._clients.get(session_id)
            if client is not None:
                self._clients.move_to_end(session_id)
            return client

    def open(self, session_id: str, info: Mapping[str, Any], source: str, product: str | None) -> Client:
        """Return the client of a session; a new one is created from `clientInfo`, and its start is reported."""
        client = self.get(session_id)
        if client is not None:
            return client
        name = clean_name(info.get("name")) or product or _UNKNOWN
        client = Client(session_id, name, clean_name(info.get("version")), source)
        with self._lock:
            self._clients[session_id] = client
            while len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)
        client.starts()
        return client

    def close(self, session_id: str, reason: str) -> None:
        """End the session of a client; has no effect if there is none."""
        with self._lock:
            client = self._clients.pop(session_id, None)
        if client is not None:
            client.ends(reason)

    def close_all(self, reason: str) -> None:
        """End the sessions of all clients."""
        with self._lock:
            open_ones = list(self._clients.values())
            self._clients.clear()
        for client in open_ones:
            client.ends(reason)

    def after_fork(self) -> None:
        """Remove the clients in a forked child: they belong to the parent."""
        self._lock = Lock()
        self._clients.clear()


clients: Final = Clients()
"""The clients of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=clients.after_fork)


def initialized(info: Mapping[str, Any]) -> None:
    """Record that a client has connected; one over HTTP without a session id gets one (`sessions.issue_ids`)."""
    request, session_id = current_request.get(), current_stdio.get()
    if request is None:
        if session_id is not None:
            clients.open(session_id, info, "stdio", None)
        return
    session_id = request.session_id
    if session_id is None:
        active = current()
        if active is None or not active.issues_session_ids:
            return
        session_id = request.issued = f"mcp-{token_hex(16)}"
    clients.open(session_id, info, "http", request.product)


def client_now() -> Client | None:
    """Return the client whose message is being handled, None if it has no session."""
    request, session_id = current_request.get(), current_stdio.get()
    if request is not None:
        session_id = request.session_id
        return None if session_id is None else clients.open(session_id, {}, "http", request.product)
    return None if session_id is None else clients.open(session_id, {}, "stdio", None)


def caller_of_call(meta: Mapping[str, Any], client: Client | None, call: Call | None) -> Caller | None:
    """Return the caller of the runs of a `tools/call`: the session in `_meta` takes precedence over the client's."""
    request = current_request.get()
    caller = client.caller if client is not None else None if request is None else request.caller
    session_id, agent = named_in(meta)
    if session_id is not None:
        name = None if caller is None else caller.name
        caller = caller_of(name or agent, session_id, agent or name)
    if caller is not None and call is not None:
        caller.on_run = call.on_run
    return caller


class ClientsMiddleware:
    """ASGI middleware that records the sender of each request, assigns session ids to new clients, and detects their
    end.

    Args:
        app: the engine's application.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request: Request | None = None
        carried = None
        with fault_barrier("clients.request"):
            request = Request(scope)
            if scope["method"] == "DELETE" and scope["path"].endswith("/mcp"):
                session_id = request.session_id
                if session_id is not None:
                    clients.close(session_id, "closed")
            if "baggage" in request.headers:
                carried = attach(propagate.extract({"baggage": request.headers["baggage"]}, get_current()))

        async def named(message: Any) -> None:
            issued = None if request is None else request.issued
            if issued is not None and message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (SESSION_HEADER.encode(), issued.encode())]
                message = {**message, "headers": headers}
            await send(message)

        token = current_request.set(request)
        try:
            await self._app(scope, receive, named)
        finally:
            current_request.reset(token)
            if carried is not None:
                detach(carried)


def _now_us() -> int:
    return time_ns() // 1_000
