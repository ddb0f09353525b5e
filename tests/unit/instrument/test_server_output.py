"""Log lines of a server have the ids of their run: one open call, several of one run, several of several runs."""

import contextvars
import logging
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import get_current_span

from ael_otel.core.metrics import AelMetrics
from ael_otel.core.run_context import RunScope, current_run, log_origin
from ael_otel.instrument import server_output
from ael_otel.instrument.active import Active, activate
from ael_otel.instrument.server_output import BURST_KIBIBYTES, MAX_DATA, ServerConnection
from ael_otel.lifecycle import CodeBlock, Execution, Frame, Recorder, Step, ToolCall


class Seen(logging.Handler):
    """Stores each record with the run and span that are current when it is handled."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        scope, span = current_run.get(), get_current_span().get_span_context()
        assert scope is not None
        self.got.append(
            {
                "logger": record.name,
                "level": record.levelname,
                "text": record.getMessage(),
                "component": record.ael_component,
                "execution": scope.execution_id,
                "workflow": scope.workflow_id,
                "step": scope.step_id,
                "tool": scope.tool_name,
                "server": scope.server,
                "span": span.span_id,
            }
        )


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """An active recorder whose telemetry is not read."""
    meters = MeterProvider([], Resource({}), shutdown_on_exit=False)
    made = Recorder(
        tracer_provider=TracerProvider(resource=Resource({}), shutdown_on_exit=False),
        metrics=AelMetrics(meters),
    )
    activate(Active(made))
    yield made
    activate(None)
    meters.shutdown()


@pytest.fixture
def seen() -> Iterator[Seen]:
    """The records of the two loggers of servers' output."""
    handler = Seen()
    loggers = (server_output.message_logger, server_output.stderr_logger)
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    yield handler
    for logger in loggers:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


class Calls:
    """Opens runs, each in its own context, as the engine's tasks are."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def open(self, run: str, inputs: dict[str, Any], tools: int = 1) -> list[ToolCall]:
        """Open a run with a step whose code calls a tool so many times at once."""

        def begin() -> list[ToolCall]:
            Execution(self.recorder, f"flow-{run}", execution_id=run, inputs=inputs).__enter__()
            Step(self.recorder, "step", "code", code="...").__enter__()
            CodeBlock(self.recorder, code="...").__enter__()
            around = contextvars.copy_context()
            return [around.copy().run(self._call, inputs) for _ in range(tools)]

        return contextvars.Context().run(begin)

    def _call(self, inputs: dict[str, Any]) -> ToolCall:
        call = ToolCall(self.recorder, "talk")
        call.__enter__()
        call.called_with(inputs)
        return call


@pytest.fixture
def calls(recorder: Recorder) -> Calls:
    """Runs with open calls."""
    return Calls(recorder)


def connected(*calls: Frame) -> ServerConnection:
    """A connection with open calls."""
    connection = ServerConnection("talker")
    connection.connecting = False
    for call in calls:
        connection.begin(call)
    return connection


def test_one_open_call_gives_its_ids(calls: Calls, seen: Seen) -> None:
    """Run, step, tool and span are the call's; the caller's inputs and secrets are gone from the text itself."""
    (call,) = calls.open("exec-1", {"name": "Ada Lovelace"})
    connection = connected(call)
    connection.message("warning", "db", {"msg": "hello Ada Lovelace password=hunter2x", "extra": None})
    assert call.span is not None
    assert seen.got == [
        {
            "logger": "fastmcp.client.from_server",
            "level": "WARNING",
            "text": "db: hello [REDACTED] password=[PASSWORD]",
            "component": "mcp.talker",
            "execution": "exec-1",
            "workflow": "flow-exec-1",
            "step": "step",
            "tool": "talk",
            "server": "talker",
            "span": call.span.get_span_context().span_id,
        }
    ]
    connection.end(call)
    connection.message("info", None, "later")
    assert [(each["text"], each["execution"], each["span"]) for each in seen.got[1:]] == [("later", "", 0)]


def test_several_calls_of_one_run_give_the_run_but_no_call(calls: Calls, seen: Seen) -> None:
    """Two calls from the same code share the code's span and the run, and no tool."""
    pair = calls.open("exec-1", {}, tools=2)
    connected(*pair).message("info", None, "about one of them")
    (got,) = seen.got
    assert (got["execution"], got["step"], got["tool"]) == ("exec-1", "step", "")
    assert pair[0].parent is not None
    assert pair[0].parent.span is not None
    assert got["span"] == pair[0].parent.span.get_span_context().span_id


def test_calls_of_several_runs_give_no_ids_and_hide_the_inputs_of_all(calls: Calls, seen: Seen) -> None:
    """No run is guessed, and no value that a caller passed is printed."""
    first, second = calls.open("exec-1", {"a": "lovelace"}), calls.open("exec-2", {"a": "babbage"})
    connected(*first, *second).message("info", None, "both lovelace and babbage")
    (got,) = seen.got
    assert (got["execution"], got["workflow"], got["span"]) == ("", "", 0)
    assert got["text"] == "both [REDACTED] and [REDACTED]"


def test_text_that_repeats_inputs_of_one_call_has_its_ids(calls: Calls, seen: Seen) -> None:
    """A text that repeats a value which only one caller passed belongs to that call, line by line on stderr."""
    first, second = calls.open("exec-1", {"a": "lovelace"}), calls.open("exec-2", {"a": "babbage"})
    connection = connected(*first, *second)
    connection.message("info", None, "for babbage")
    connection.lines("for lovelace\nfor nobody\nfor babbage", (*first, *second))
    assert [(each["text"], each["execution"]) for each in seen.got] == [
        ("for [REDACTED]", "exec-2"),
        ("for [REDACTED]", "exec-1"),
        ("for nobody", ""),
        ("for [REDACTED]", "exec-2"),
    ]


def test_secret_of_one_run_is_redacted_in_lines_about_all_runs(calls: Calls, seen: Seen) -> None:
    """A secret of either run is masked while both have a call open, and an excluded file silences the server."""
    first, second = calls.open("exec-1", {}), calls.open("exec-2", {})
    for call, value in ((first[0], "correct-horse"), (second[0], "battery-staple")):
        assert call.scope is not None
        assert call.scope.secrets is not None
        call.scope.secrets.remember(value, "[PASSWORD]")
    connection = connected(*first, *second)
    connection.message("info", None, "correct-horse battery-staple")
    assert first[0].scope is not None
    first[0].scope.excluded = True
    connection.message("info", None, "contents of the file")
    assert [each["text"] for each in seen.got] == ["[PASSWORD] [PASSWORD]", "[EXCLUDED_PATH]"]


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", None),
        ("info", "INFO"),
        ("notice", "INFO"),
        ("warning", "WARNING"),
        ("ERROR", "ERROR"),
        ("alert", "CRITICAL"),
        ("emergency", "CRITICAL"),
        ("unheard-of", "INFO"),
    ],
)
def test_level_of_a_message_is_that_of_the_record(seen: Seen, level: str, shown: str | None) -> None:
    """The protocol's eight levels as Python's; the logger's own level counts."""
    connected().message(level, None, "text")
    assert [each["level"] for each in seen.got] == ([] if shown is None else [shown])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("plain", "plain"),
        ({"msg": "plain", "extra": {"password": "hunter2x"}}, 'plain {"password": "[PASSWORD]"}'),
        ({"password": "hunter2x", "n": 1}, '{"password": "[PASSWORD]", "n": 1}'),
        (["a", 1, None], '["a", 1, null]'),
        (None, "null"),
        (1.5, "1.5"),
    ],
)
def test_data_of_any_shape_is_text(seen: Seen, data: Any, text: str) -> None:
    """FastMCP's `msg` and `extra`, and any JSON of other servers."""
    connected().message("info", None, data)
    assert [each["text"] for each in seen.got] == [text]


def test_huge_message_is_cut_before_it_is_read(seen: Seen) -> None:
    """Megabytes in one message cost no more than a page."""
    connected().message("info", None, "word " * 1_000_000)
    (got,) = seen.got
    assert len(got["text"]) < MAX_DATA


def test_server_output_over_the_limit_is_dropped_and_counted(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The allowance is by line and KiB and refills with time; output over it is counted as dropped."""
    now = [100.0]
    monkeypatch.setattr(server_output, "monotonic", lambda: now[0])
    lost: list[tuple[str, str, int]] = []
    monkeypatch.setattr(
        server_output,
        "shared_metrics",
        lambda: SimpleNamespace(lost=lambda *what: lost.append(what)),
    )
    connection = connected()
    for _ in range(2 * BURST_KIBIBYTES):
        connection.message("info", None, "x")
    assert BURST_KIBIBYTES - 10 < len(seen.got) <= BURST_KIBIBYTES
    assert lost == [("logs", "rate_limit", 1)] * (2 * BURST_KIBIBYTES - len(seen.got))
    assert not connection.allows(1)
    now[0] += 1
    assert connection.allows(1)


def test_tasks_of_the_connection_find_the_run_at_each_record(calls: Calls) -> None:
    """The receive loop was started in one run and serves others; a run begun inside it decides for itself."""
    (call,) = calls.open("exec-1", {})
    starter = RunScope("flow", "exec-0")

    def inside() -> None:
        current_run.set(starter)
        connection = ServerConnection("talker")
        assert not connection.decides(), "while connecting, its caller's run is right"
        with connection.entered():
            scope = current_run.get()
            assert scope is not None
            assert (scope.execution_id, scope.server) == ("exec-0", "talker")
        connection.connecting = False
        connection.begin(call)
        assert connection.decides()
        with connection.entered():
            scope = current_run.get()
            assert scope is not None
            assert (scope.execution_id, scope.server) == ("exec-1", "talker")
        assert current_run.get() is starter
        current_run.set(RunScope("flow", "exec-9"))
        assert not connection.decides()

    contextvars.Context().run(inside)


async def test_wrappers_note_connection_and_call(recorder: Recorder, calls: Calls) -> None:
    """While connecting, the server's name comes from the start; during a call, it is the called server's."""
    holder = type("Connection", (), {"name": "talker"})()
    found: list[Any] = []

    async def connects() -> str:
        found.append(log_origin.get())
        return "connected"

    assert await server_output.connect(connects, holder, (), {}) == "connected"
    (connection,) = found
    assert (connection.server, connection.connecting, log_origin.get()) == ("talker", False, None)

    async def fails() -> None:
        assert connection._calls == (call,)
        raise ValueError("no")

    (call,) = calls.open("exec-1", {})
    token = server_output.current_frame.set(call)
    try:
        with pytest.raises(ValueError, match="no"):
            await server_output.server_call(fails, holder, (), {})
    finally:
        server_output.current_frame.reset(token)
    assert connection._calls == ()


async def test_without_instrumentation_nothing_changes(seen: Seen) -> None:
    """The client's own handler gets the message, and no connection is noted."""
    got: list[Any] = []

    async def own(message: Any) -> None:
        got.append(message)

    message = SimpleNamespace(level="info", logger=None, data="x")
    await server_output.server_message(own, None, (message,), {})
    assert (got, seen.got) == ([message], [])


@pytest.mark.skipif(os.name != "posix", reason="stderr of servers is read from pipes")
async def test_stderr_is_captured_if_our_log_is_on_and_nobody_else_reads_it(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that the engine has for it stays, and where another log is in charge the server prints as before."""
    holder = type("Connection", (), {"name": "talker"})()

    async def transports() -> tuple[Any, Any, Any, Any]:
        def make(log_file: object = None, env: dict[str, str] | None = None) -> Any:
            return SimpleNamespace(log_file=log_file, env=env)

        monkeypatch.setattr(server_output, "log_is_owned", lambda: False)
        foreign = server_output.stdio_transport(make, holder, (), {})
        monkeypatch.setattr(server_output, "log_is_owned", lambda: True)
        return (
            foreign,
            server_output.stdio_transport(make, holder, ("a file",), {}),
            server_output.stdio_transport(make, holder, (), {}),
            server_output.stdio_transport(
                make, holder, (), {"env": {"FASTMCP_ENABLE_RICH_LOGGING": "true", "A": "1"}}
            ),
        )

    foreign, filed, ours, chosen = await server_output.connect(transports, holder, (), {})
    assert (foreign.log_file, filed.log_file) == (None, "a file")
    assert (foreign.env, filed.env) == (None, None)
    assert ours.log_file.fileno() > 2
    assert ours.env == {"FASTMCP_ENABLE_RICH_LOGGING": "false"}
    assert chosen.env == {"FASTMCP_ENABLE_RICH_LOGGING": "true", "A": "1"}
    reader = server_output._connections[holder].reader
    assert reader is not None
    del ours, chosen
    reader.thread.join(10)
    assert not reader.thread.is_alive()
