"""The log contract: each record one line with the ids of its run and span, and the same record once by OTLP."""

import asyncio
import io
import json
import logging
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Tracer
from pythonjsonlogger.msgspec import MsgspecFormatter

from ael_otel.core.run_context import RunScope, current_run, log_origin
from ael_otel.core.telemetry_thread import TelemetryThread
from ael_otel.privacy.run_secrets import CallerInputs
from ael_otel.sdk.batch_processors import BoundedLogProcessor
from ael_otel.sdk.logs import (
    MAX_MESSAGE,
    MAX_READ,
    QUIET_SECONDS,
    LogContractFormatter,
    RunLogHandler,
    install,
    readable,
)
from tests.support.contract import LOG_FIELDS

RUN = RunScope("mixed", "exec-1", "greet", "echo")


class Kept:
    """Stores the batches of the export queue."""

    def __init__(self) -> None:
        self.records: list = []

    def deliver(self, batch: Sequence, settled: Callable[[int, None], None]) -> None:
        """Keep a batch."""
        self.records.extend(batch)
        settled(len(batch), None)

    def hurry(self) -> None:
        """Never pause."""

    def abort(self) -> None:
        """Have nothing to end."""


class Output(SimpleNamespace):
    """A logger with our handler alone, and its output on the stream and by OTLP."""

    logger: logging.Logger
    stream: io.StringIO
    provider: LoggerProvider
    drops: list[tuple[str, str, int]]
    queue: TelemetryThread
    processor: BoundedLogProcessor | None
    kept: Kept

    def text(self) -> str:
        """Return the text on the stream, once all waiting lines are written."""
        assert self.queue.flush(10)
        return self.stream.getvalue()

    def lines(self) -> list[dict[str, object]]:
        """Return the parsed lines of the stream; each must be one JSON object."""
        return [json.loads(line) for line in self.text().splitlines()]

    def line(self) -> dict[str, object]:
        """The only line."""
        (line,) = self.lines()
        return line

    def sent(self) -> list:
        """Return the records sent by OTLP."""
        assert self.queue.flush(10)
        if self.processor is None:
            return [item.log_record for item in self.provider.sent.get_finished_logs()]
        assert self.processor.force_flush()
        return [item.log_record for item in self.kept.records]

    def lost(self) -> dict[tuple[str, str], int]:
        """Return the counted drops, by signal and reason."""
        assert self.queue.flush(10)
        found: Counter[tuple[str, str]] = Counter()
        for signal, reason, count in self.drops:
            found[signal, reason] += count
        return dict(found)


type MakeOutput = Callable[..., Output]


@pytest.fixture(params=["at once", "noted"])
def output(request: pytest.FixtureRequest, log_provider: LoggerProvider) -> Iterator[MakeOutput]:
    """Make a logger of a name, with a handler made with the options: on this thread, and by the telemetry thread."""
    made: list[tuple[logging.Logger, logging.Handler]] = []
    noted = request.param == "noted"
    queue, kept = TelemetryThread(gather_s=0.001), Kept()
    processor = BoundedLogProcessor(kept, lambda *_drop: None) if noted else None
    if processor is not None:
        log_provider = LoggerProvider(Resource({}), shutdown_on_exit=False)
        log_provider.add_log_record_processor(processor)

    def make(name: str = "some.module", stream: io.StringIO | None = None, **options: object) -> Output:
        logger = logging.getLogger(name)
        stream = stream or io.StringIO()
        drops: list[tuple[str, str, int]] = []
        handler = RunLogHandler(
            **{
                "stream": stream,
                "provider": log_provider,
                "level": logging.DEBUG,
                "on_drop": lambda *drop: drops.append(drop),
                "synchronous": not noted,
                "queue": queue,
            }
            | options
        )
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        made.append((logger, handler))
        return Output(
            logger=logger,
            handler=handler,
            stream=stream,
            provider=log_provider,
            drops=drops,
            queue=queue,
            processor=processor,
            kept=kept,
        )

    yield make
    if processor is not None:
        processor.shutdown()
    for logger, handler in made:
        logger.removeHandler(handler)
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


@pytest.fixture
def run() -> Iterator[RunScope]:
    """Be inside a run, a step and a tool."""
    token = current_run.set(RUN)
    yield RUN
    current_run.reset(token)


@pytest.mark.usefixtures("run")
def test_a_line_inside_a_run(output: MakeOutput, tracer: Tracer) -> None:
    """The contract's fields in the contract's order, then further fields; ids are those of run and span."""
    out = output()
    before = datetime.now(UTC)
    with tracer.start_as_current_span("step") as span:
        out.logger.info("paid %s", "well")
    line = out.line()
    assert list(line) == [*LOG_FIELDS, "step_id", "tool_name"]
    when = line.pop("timestamp")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", when)
    assert before <= datetime.fromisoformat(when) <= datetime.now(UTC)
    assert line == {
        "level": "INFO",
        "component": "some.module",
        "workflow_id": "mixed",
        "execution_id": "exec-1",
        "message": "paid well",
        "trace_id": format(span.get_span_context().trace_id, "032x"),
        "span_id": format(span.get_span_context().span_id, "016x"),
        "step_id": "greet",
        "tool_name": "echo",
    }


def test_a_line_outside_any_run(output: MakeOutput) -> None:
    """Without a run and a span the ids are empty strings, never made up and never missing."""
    out = output()
    out.logger.warning("up")
    line = out.line()
    assert list(line) == [*LOG_FIELDS]
    line.pop("timestamp")
    assert line == {
        "level": "WARN",
        "component": "some.module",
        "workflow_id": "",
        "execution_id": "",
        "message": "up",
        "trace_id": "",
        "span_id": "",
    }


@pytest.mark.usefixtures("run")
def test_an_unsampled_span_has_ids_too(output: MakeOutput, unsampled: Tracer) -> None:
    """Sampling selects exported traces; logs are correlated in any case."""
    out = output()
    with unsampled.start_as_current_span("step") as span:
        out.logger.info("here")
    context = span.get_span_context()
    assert not context.trace_flags.sampled
    line = out.line()
    assert (line["trace_id"], line["span_id"]) == (
        format(context.trace_id, "032x"),
        format(context.span_id, "016x"),
    )
    (sent,) = out.sent()
    assert (sent.trace_id, sent.span_id) == (context.trace_id, context.span_id)


async def test_overlapping_runs_keep_their_ids(output: MakeOutput, tracer: Tracer) -> None:
    """Fifty runs at once on one loop: each line carries the ids of the run it was written in."""
    out = output()

    async def one(number: int) -> tuple[str, str]:
        token = current_run.set(RunScope(f"flow{number}", f"exec-{number}"))
        try:
            with tracer.start_as_current_span("run") as span:
                for _ in range(3):
                    await asyncio.sleep(0)
                    out.logger.info("run %d", number)
                return f"run {number}", format(span.get_span_context().trace_id, "032x")
        finally:
            current_run.reset(token)

    traces = dict(await asyncio.gather(*(one(number) for number in range(50))))
    lines = out.lines()
    assert len(lines) == 150
    for line in lines:
        number = line["message"].removeprefix("run ")
        assert (line["workflow_id"], line["execution_id"], line["trace_id"]) == (
            f"flow{number}",
            f"exec-{number}",
            traces[line["message"]],
        )


def test_threads_write_whole_lines(output: MakeOutput) -> None:
    """Lines of several threads never mix on the stream."""
    out = output()
    threads = [
        threading.Thread(target=lambda: [out.logger.info("x" * 200) for _ in range(100)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [line["message"] for line in out.lines()] == ["x" * 200] * 400


@pytest.mark.parametrize(
    ("level", "name", "number"),
    [
        (5, "DEBUG", SeverityNumber.DEBUG),
        (logging.DEBUG, "DEBUG", SeverityNumber.DEBUG),
        (logging.INFO, "INFO", SeverityNumber.INFO),
        (25, "INFO", SeverityNumber.INFO),
        (logging.WARNING, "WARN", SeverityNumber.WARN),
        (logging.ERROR, "ERROR", SeverityNumber.ERROR),
        (logging.CRITICAL, "FATAL", SeverityNumber.FATAL),
        (99, "FATAL", SeverityNumber.FATAL),
    ],
)
def test_levels_are_otels(output: MakeOutput, level: int, name: str, number: SeverityNumber) -> None:
    """The stream and OTLP use the same name of a level, also for one without a name in Python."""
    out = output(level=logging.NOTSET)
    out.logger.setLevel(1)
    out.logger.log(level, "so")
    (sent,) = out.sent()
    assert (out.line()["level"], sent.severity_text, sent.severity_number) == (name, name, number)


def failure() -> BaseException:
    """An exception that was raised, with a traceback."""
    try:
        raise ValueError("card declined")
    except ValueError as error:
        return error


def fails(logger: logging.Logger) -> None:
    """Log an exception as stdlib users do."""
    logger.error("charge failed", exc_info=failure())


def counts(logger: logging.Logger) -> None:
    """Log a failure as the lifecycle does."""
    logger.error(
        "workflow failed",
        exc_info=failure(),
        extra={
            "ael_component": "workflow_engine",
            "ael_error_type": "TOOL_FAILED",
            "ael_error_message": "declined",
        },
    )


def shows(logger: logging.Logger) -> None:
    """Log fields as the engine's logger does."""
    fields = {"attempt": 2, "duration_ms": 1.5, "server": "demo", "status": "ok", "event": True}
    logger.info("called", extra={"ael_component": "tool", "ael_fields": fields})


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("write", [lambda logger: logger.info("plain"), fails, counts, shows])
def test_the_collector_gets_the_same_record_once(
    output: MakeOutput, tracer: Tracer, write: Callable[[logging.Logger], None]
) -> None:
    """Stream and OTLP carry one record each, with the same fields, time, level and ids."""
    out = output()
    with tracer.start_as_current_span("step"):
        write(out.logger)
    line = out.line()
    (sent,) = out.sent()
    seconds = datetime.fromisoformat(line.pop("timestamp")).timestamp()
    assert abs(sent.timestamp / 1e9 - seconds) < 1e-5
    assert sent.observed_timestamp >= sent.timestamp
    assert line.pop("level") == sent.severity_text
    assert line.pop("message") == sent.body
    assert line.pop("trace_id") == format(sent.trace_id, "032x")
    assert line.pop("span_id") == format(sent.span_id, "016x")
    assert line == dict(sent.attributes)


def test_an_exception_becomes_fields(output: MakeOutput) -> None:
    """Type, message and stack trace are separate fields with OTel's names."""
    out = output()
    fails(out.logger)
    line = out.line()
    assert list(line) == [*LOG_FIELDS, "exception.type", "exception.message", "exception.stacktrace"]
    assert (line["exception.type"], line["exception.message"]) == ("ValueError", "card declined")
    assert line["exception.stacktrace"].startswith("Traceback (most recent call last):")
    assert line["exception.stacktrace"].endswith("ValueError: card declined\n")


def test_failure_of_a_run_keeps_its_message(output: MakeOutput) -> None:
    """The lifecycle's component, type and message win over the logger's name and the exception's own text."""
    out = output()
    counts(out.logger)
    line = out.line()
    assert (line["component"], line["error_type"], line["exception.message"], line["exception.type"]) == (
        "workflow_engine",
        "TOOL_FAILED",
        "declined",
        "ValueError",
    )


def test_foreign_exception_types_are_qualified(output: MakeOutput) -> None:
    """A type outside builtins is named with its module."""
    out = output()
    out.logger.error("no", exc_info=json.JSONDecodeError("bad", "doc", 0))
    assert out.line()["exception.type"] == "json.decoder.JSONDecodeError"


def test_long_texts_are_cut(output: MakeOutput) -> None:
    """A message keeps its beginning, a stack trace its end; both are marked as cut."""
    out = output()
    try:
        raise ValueError("e" * (MAX_MESSAGE * 2))
    except ValueError:
        out.logger.exception("m" * (MAX_MESSAGE + 1))
    line = out.line()
    assert line["message"] == "m" * MAX_MESSAGE + "…"
    assert line["exception.message"] == "e" * MAX_MESSAGE
    assert len(line["exception.stacktrace"]) == MAX_MESSAGE + 1
    assert line["exception.stacktrace"].startswith("…")
    assert line["exception.stacktrace"].endswith("e\n")


def test_only_our_own_extras_are_logged(output: MakeOutput) -> None:
    """Other extras of a record may hold arguments or results, so they are not logged."""
    out = output()
    out.logger.info("called", extra={"arguments": {"card": "4111"}, "secret": "hunter2"})
    assert list(out.line()) == [*LOG_FIELDS]
    assert "hunter2" not in out.text()
    assert dict(out.sent()[0].attributes) == {"component": "some.module"}


class Unprintable:
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class SilentError(Exception):
    """Has no text either."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        b"\xff",
        Path("x"),
        2**70,
        float("nan"),
        {1: "a"},
        [[{"a": {1}}]],
        "\udc80",
        Unprintable(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_json_does_not_know_loses_no_line(output: MakeOutput, value: object) -> None:
    """For any value of a field, the record is written and sent, and nothing is raised or dropped."""
    out = output()
    out.logger.info("odd", extra={"ael_fields": {"value": value}})
    line = out.line()
    (sent,) = out.sent()
    assert line["message"] == sent.body == "odd"
    assert line["value"] == sent.attributes["value"]
    assert out.lost() == {}


def test_text_that_is_not_unicode_drops_no_batch(output: MakeOutput) -> None:
    """A lone surrogate (a cut emoji, a file name) is replaced: protobuf refuses the whole batch for it."""
    out = output()
    out.logger.info("cut \ud83d here")
    (sent,) = out.sent()
    assert out.line()["message"] == sent.body == "cut ? here"


@pytest.mark.parametrize(
    ("message", "arguments", "text"),
    [
        ("%d calls", ("many",), "%d calls"),
        ("%s and %s", ("one",), "%s and %s"),
        ("%s", (Unprintable(),), "%s"),
    ],
)
def test_a_message_that_cannot_be_built_is_written_as_it_stands(
    output: MakeOutput, message: str, arguments: tuple[object, ...], text: str
) -> None:
    """A wrong format string is somebody's bug; the line still shows, without the arguments."""
    out = output()
    out.logger.info(message, *arguments)
    (sent,) = out.sent()
    assert out.line()["message"] == sent.body == text


def test_an_exception_without_text_is_written(output: MakeOutput) -> None:
    """An exception whose text raises is named by its type."""
    out = output()
    out.logger.error("no", exc_info=SilentError())
    assert out.line()["exception.message"] == "SilentError"
    assert len(out.sent()) == 1


class Broken(io.StringIO):
    """A stream that takes nothing any more."""

    def write(self, text: str) -> int:
        """Fail."""
        raise BrokenPipeError


def closed() -> io.StringIO:
    """A stream that was closed."""
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [Broken(), closed()], ids=["broken", "closed"])
def test_a_broken_stream_is_counted_and_otherwise_silent(
    output: MakeOutput, stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """The application's call returns, nothing is printed, the loss is counted, the Collector gets the record."""
    out = output(stream=stream)
    out.logger.info("one")
    out.logger.info("two")
    assert out.lost() == {("logs", "internal"): 2}
    assert [record.body for record in out.sent()] == ["one", "two"]
    assert capsys.readouterr() == ("", "")


def test_a_handler_without_ends_takes_records(output: MakeOutput) -> None:
    """With neither stream nor provider a record is discarded."""
    out = output(stream=io.StringIO(), provider=None)
    out.logger.info("here")
    assert len(out.lines()) == 1
    silent = RunLogHandler()
    silent.handle(logging.makeLogRecord({"name": "some.module", "msg": "nobody", "levelno": logging.INFO}))


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("opentelemetry.exporter.otlp", 0),
        ("opentelemetry", 0),
        ("ael_otel", 0),
        ("ael_otel.pipeline", 0),
        ("ael.lifecycle", 1),
        ("ploston", 1),
    ],
)
def test_telemetry_does_not_report_itself_by_otlp(output: MakeOutput, name: str, sent: int) -> None:
    """A failing exporter's own log line would feed the queue that it cannot empty; on the stream it shows."""
    out = output(name)
    out.logger.error("failed")
    assert [line["component"] for line in out.lines()] == [name]
    assert len(out.sent()) == sent


def test_the_sdk_repeats_itself_once_a_minute(output: MakeOutput) -> None:
    """With the Collector away the SDK logs it every second: the same line is written again after a minute only."""
    out = output("opentelemetry.exporter")
    record = logging.makeLogRecord(
        {"name": "opentelemetry.exporter", "msg": "away", "lineno": 7, "levelno": 40}
    )
    for after in (0, 1, QUIET_SECONDS - 1, QUIET_SECONDS + 1):
        again = logging.makeLogRecord(vars(record) | {"created": record.created + after})
        out.logger.handle(again)
    out.logger.handle(logging.makeLogRecord(vars(record) | {"lineno": 8, "msg": "other"}))
    assert [line["message"] for line in out.lines()] == ["away", "away", "other"]


def test_nothing_is_sent_after_the_end(output: MakeOutput) -> None:
    """Once telemetry shuts down, lines go to the stream only."""
    out = output()
    out.handler.stop_sending()
    out.logger.info("late")
    assert out.line()["message"] == "late"
    assert out.sent() == []


@pytest.mark.usefixtures("run")
def test_text_for_people(output: MakeOutput) -> None:
    """The text format is one readable line: time, level, component, run, message, error."""
    out = output(as_json=False)
    out.logger.info("paid")
    counts(out.logger)
    assert [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in out.text().splitlines()] == [
        "INFO  some.module [exec-1] paid",
        "ERROR workflow_engine [exec-1] workflow failed declined",
    ]
    assert [record.body for record in out.sent()] == ["paid", "workflow failed"]


@settings(max_examples=60)
@given(
    # Hypothesis draws on constants of the source too, such as the paths that are excluded by default.
    message=st.text(st.characters()).filter(lambda text: ".ssh" not in text and ".aws" not in text),
    component=st.text(st.characters(), min_size=1),
)
def test_a_record_is_always_one_line(message: str, component: str) -> None:
    """A message with any characters (line breaks, control characters, lone surrogates) is one line that parses back."""
    stream = io.StringIO()
    handler = RunLogHandler(stream=stream)
    record = logging.makeLogRecord(
        {"name": "some.module", "msg": "%s", "args": (message,), "levelno": logging.INFO}
    )
    record.ael_component = component
    handler.handle(record)
    text = stream.getvalue()
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert json.loads(text)["message"] == message.encode("utf-8", "replace").decode("utf-8")


class Own(logging.StreamHandler):
    """A handler of somebody's own class that writes to the console."""


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The root logger, put back afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers.clear()
    monkeypatch.setattr(logging.Logger, "callHandlers", logging.Logger.callHandlers)
    yield root
    root.handlers[:] = before
    root.setLevel(level)


def test_one_handler_owns_the_console(root: logging.Logger, tmp_path: Path) -> None:
    """Console handlers and OTel's own go, since each would write the record again; everybody else's stay."""
    file = logging.FileHandler(tmp_path / "app.log", delay=True)
    own = Own(sys.stderr)
    memory = logging.StreamHandler(io.StringIO())
    console = [logging.StreamHandler(sys.stdout), logging.StreamHandler(sys.stderr)]
    foreign = type("LoggingHandler", (logging.Handler,), {"__module__": "opentelemetry.sdk._logs"})()
    root.handlers[:] = [console[0], file, foreign, own, memory, console[1]]
    root.setLevel(logging.WARNING)
    stream = io.StringIO()
    handler = RunLogHandler(stream=stream)

    undo = install(handler, logging.INFO)

    assert root.handlers == [file, memory, handler]
    assert root.level == logging.INFO
    logging.getLogger("some.module").info("once")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["once"]
    assert memory.stream.getvalue() == "once\n"
    undo()
    assert root.handlers == [file, memory, console[0], foreign, own, console[1]]
    file.close()


@pytest.mark.parametrize(
    ("before", "asked", "after"),
    [
        (logging.WARNING, logging.INFO, logging.INFO),
        (logging.DEBUG, logging.INFO, logging.DEBUG),
        (logging.NOTSET, logging.INFO, logging.INFO),
    ],
)
def test_the_root_level_is_only_lowered(root: logging.Logger, before: int, asked: int, after: int) -> None:
    """Records of our level pass, and a more verbose logger keeps its level."""
    root.setLevel(before)
    handler = RunLogHandler(level=asked)
    install(handler, asked)
    assert root.level == after


def test_json_line_is_formatted_by_the_library_in_the_order_of_the_fields() -> None:
    """The formatter is python-json-logger's: it keeps order and values, and adds no field."""
    formatter = LogContractFormatter()
    assert isinstance(formatter, MsgspecFormatter)
    fields = {"message": "m", "exc_info": "theirs", "a": 1.5, "level": "INFO", "odd": Path("x")}
    line = formatter.format_fields(fields)
    assert line == '{"message":"m","exc_info":"theirs","a":1.5,"level":"INFO","odd":"x"}'
    assert list(fields) == ["message", "exc_info", "a", "level", "odd"]


def test_long_message_is_redacted_in_its_readable_part(output: MakeOutput) -> None:
    """Only the beginning of a huge text is looked at, cut at a blank: no half of a secret is left at its end."""
    out = output()
    secret = "password=" + "x" * 200
    out.logger.warning("%s", "a " * ((MAX_READ - 40) // 2) + secret + " b" * 1_000_000)
    assert len(out.line()["message"]) == MAX_MESSAGE + 1
    assert readable("a" * 100) == "a" * 100
    assert readable("a " * (MAX_READ // 2 - 10) + secret) == ("a " * (MAX_READ // 2 - 10))[:-1]
    assert len(readable("a" * (2 * MAX_READ))) == MAX_MESSAGE


class Origin:
    """Work for several runs: a filter that assigns a record to one."""

    def __init__(self, scope: RunScope) -> None:
        self.scope = scope
        self.found = True

    def decides(self) -> bool:
        """Return whether it knows."""
        return self.found

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Make its run the current one."""
        token = current_run.set(self.scope)
        yield
        current_run.reset(token)


def test_origin_decides_the_run_of_a_record(output: MakeOutput) -> None:
    """In a task that outlives its run, the origin's ids and server replace the stale ones of the context variable."""
    out = output()
    given = CallerInputs({"name": "Ada Lovelace"})
    origin = Origin(RunScope("w2", "exec-2", "s2", "t2", server="talker", given=given))
    stale = current_run.set(RUN)
    token = log_origin.set(origin)
    out.logger.info("hello Ada Lovelace")
    origin.found = False
    out.logger.info("hello Ada Lovelace")
    log_origin.reset(token)
    current_run.reset(stale)
    first, second = out.lines()
    assert [first[name] for name in ("workflow_id", "execution_id", "step_id", "tool_name", "server")] == [
        "w2",
        "exec-2",
        "s2",
        "t2",
        "talker",
    ]
    assert (first["message"], second["message"]) == ("hello [REDACTED]", "hello Ada Lovelace")
    assert (second["execution_id"], "server" in second) == ("exec-1", False)


def test_length_of_messages_and_stack_traces_is_configurable(output: MakeOutput) -> None:
    """`limits.log_chars` bounds both, on the stream and by OTLP."""
    out = output(max_chars=300)
    try:
        raise ValueError("e" * 1_000)
    except ValueError:
        out.logger.exception("m" * 1_000)
    line = out.line()
    assert line["message"] == "m" * 300 + "…"
    assert len(line["exception.stacktrace"]) == 301
    assert len(line["exception.message"]) == 300
