"""Log lines on the telemetry thread: values noted at once, values computed later, drops under overload."""

import io
import json
import logging
import logging.config
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import LoggerProvider, LogRecordLimits, LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Tracer

from ael_otel.config import Settings
from ael_otel.config.settings import CustomPattern
from ael_otel.core.redaction import ActiveRedaction, set_active_redaction
from ael_otel.core.run_context import RunScope, current_run
from ael_otel.core.telemetry_thread import TelemetryThread
from ael_otel.privacy.run_secrets import CallerInputs, RunSecrets
from ael_otel.sdk import logs
from ael_otel.sdk.batch_processors import BoundedLogProcessor
from ael_otel.sdk.log_notes import MAX_MESSAGE, MAX_READ, fields_of, note_of
from ael_otel.sdk.logs import PIPE_BYTES, RunLogHandler

SECRET = "correct horse battery"  # hygiene: made up


class Kept:
    """Stores the batches of an export queue."""

    def __init__(self) -> None:
        self.records: list[ReadableLogRecord] = []

    def deliver(self, batch: Sequence[ReadableLogRecord], settled: Callable[[int, None], None]) -> None:
        """Keep a batch."""
        self.records.extend(batch)
        settled(len(batch), None)

    def hurry(self) -> None:
        """Never pause."""

    def abort(self) -> None:
        """Have nothing to end."""


class Lab(SimpleNamespace):
    """A logger whose handler notes for a separate queue, which can be blocked."""

    logger: logging.Logger
    handler: RunLogHandler
    queue: TelemetryThread
    stream: io.StringIO
    provider: LoggerProvider
    processor: BoundedLogProcessor
    kept: Kept
    drops: list[tuple[str, str, int]]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hold the telemetry thread up."""
        with self.queue._working:
            yield

    def text(self) -> str:
        """All that is written, once it is."""
        assert self.queue.flush(10)
        return self.stream.getvalue()

    def sent(self) -> list[ReadableLogRecord]:
        """All that is sent."""
        assert self.queue.flush(10)
        assert self.processor.force_flush()
        return self.kept.records


@pytest.fixture
def make() -> Iterator[Callable[..., Lab]]:
    """Make labs; options are those of the handler, `max_notes` is of the queue."""
    made: list[Lab] = []

    def make(*, max_notes: int = 1000, otlp: bool = True, **options: Any) -> Lab:
        queue, kept, stream = TelemetryThread(max_notes=max_notes, gather_s=0.001), Kept(), io.StringIO()
        processor = BoundedLogProcessor(kept, lambda *_drop: None)
        provider = LoggerProvider(Resource({"service.name": "lab"}), shutdown_on_exit=False)
        provider.add_log_record_processor(processor)
        drops: list[tuple[str, str, int]] = []
        handler = RunLogHandler(
            **{
                "stream": stream,
                "provider": provider if otlp else None,
                "level": logging.DEBUG,
                "synchronous": False,
                "queue": queue,
                "on_drop": lambda *drop: drops.append(drop),
            }
            | options
        )
        logger = logging.getLogger("ael.lab")
        logger.handlers[:] = [handler]
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        made.append(
            Lab(
                logger=logger,
                handler=handler,
                queue=queue,
                stream=options.get("stream", stream),
                provider=provider,
                processor=processor,
                kept=kept,
                drops=drops,
            )
        )
        return made[-1]

    yield make
    for lab in made:
        lab.queue.close(5)
        lab.processor.shutdown()
        lab.logger.handlers.clear()
        lab.logger.propagate = True
        lab.logger.setLevel(logging.NOTSET)


@pytest.fixture
def lab(make: Callable[..., Lab]) -> Lab:
    """A lab with the defaults."""
    return make()


@contextmanager
def inside(scope: RunScope) -> Iterator[RunScope]:
    """Be inside a run."""
    token = current_run.set(scope)
    try:
        yield scope
    finally:
        current_run.reset(token)


# --- what is noted at once --------------------------------------------------------------------------------------------


def test_secret_that_a_run_shows_late_masks_the_lines_that_still_wait(lab: Lab) -> None:
    """Proves that a line logged before its secret was recognised is redacted on stdout and in OTLP."""
    secrets = RunSecrets()
    with inside(RunScope("w", "exec-1", secrets=secrets)), lab.paused():
        lab.logger.info("logged in with %s", SECRET)
        lab.logger.error("refused", exc_info=ValueError(f"no {SECRET}"))
        lab.logger.info("and so on")
        secrets.remember(SECRET, "[PASSWORD]")
    assert SECRET not in lab.text()
    assert lab.text().count("[PASSWORD]") == 2
    assert [item.log_record.body for item in lab.sent()] == [
        "logged in with [PASSWORD]",
        "refused",
        "and so on",
    ]
    assert SECRET not in repr([dict(item.log_record.attributes or {}) for item in lab.sent()])


def test_secret_of_one_run_does_not_mask_lines_of_another(lab: Lab) -> None:
    """Proves that each note is redacted with the secrets of its own run."""
    one, other = RunSecrets(), RunSecrets()
    with lab.paused():
        with inside(RunScope("w", "exec-1", secrets=one)):
            lab.logger.info("a common sentence")
        with inside(RunScope("w", "exec-2", secrets=other)):
            lab.logger.info("a common sentence")
        one.remember("a common sentence", "[TOKEN]")
    assert [item.log_record.body for item in lab.sent()] == ["[TOKEN]", "a common sentence"]


def test_line_has_the_ids_and_the_inputs_of_its_moment(lab: Lab, tracer: Tracer) -> None:
    """Proves that ids, span, inputs and arguments that change after the call do not change the line."""
    inputs = {"customer": "Ada Lovelace"}
    scope = RunScope("w", "", given=CallerInputs(inputs))
    values = ["one"]
    with inside(scope), lab.paused():
        with tracer.start_as_current_span("span") as span:
            lab.logger.warning("Ada Lovelace has %s", values)
        values.append("two")
        inputs["customer"] = "somebody else"
        scope.execution_id, scope.given, scope.excluded = "exec-late", None, True
    (sent,) = lab.sent()
    assert sent.log_record.body == "[REDACTED] has ['one']"
    assert sent.log_record.attributes is not None
    assert "execution_id" not in sent.log_record.attributes
    assert sent.log_record.span_id == span.get_span_context().span_id


def test_fields_that_may_change_are_read_at_once(lab: Lab) -> None:
    """Proves that a list and a mapping among the extras are redacted and made text when the line is logged."""
    items, fields = ["mail ada@example.com"], {"items": [], "count": 1}
    fields["items"] = items
    with lab.paused():
        lab.logger.info("so", extra={"ael_fields": fields})
        items.append("later")
        fields["count"] = 2
    (sent,) = lab.sent()
    assert sent.log_record.attributes is not None
    assert dict(sent.log_record.attributes) == {
        "component": "ael.lab",
        "items": "['mail [EMAIL]']",
        "count": 1,
    }


def test_line_is_redacted_as_configured_when_it_was_logged(lab: Lab) -> None:
    """Proves that waiting lines are redacted after the end of telemetry, which resets the configured redaction."""
    own = (CustomPattern(name="badge", regex="badge-[0-9]{6}"),)
    settings = replace(Settings(), privacy=replace(Settings().privacy, patterns=own))
    set_active_redaction(ActiveRedaction(settings))
    try:
        with lab.paused():
            lab.logger.info("saw badge-123456")
            set_active_redaction(None)
    finally:
        set_active_redaction(None)
    assert "badge-123456" not in lab.text()


def test_redactions_of_lines_are_not_counted_for_the_record_of_the_run(lab: Lab) -> None:
    """Proves that redactions in log lines are not counted in a run's record, which may be written earlier."""
    secrets = RunSecrets()
    with inside(RunScope("w", "exec-1", secrets=secrets)):
        lab.logger.info("mail ada@example.com")
    assert "[EMAIL]" in lab.text()
    assert secrets.counts == {}


class Big:
    """An object whose life is watched."""


def test_noted_exception_does_not_keep_frames_alive(lab: Lab) -> None:
    """Proves that the locals of a failed function are freed with the exception, although the line waits."""
    watched: list[weakref.ref[Big]] = []

    def fail() -> None:
        big = Big()
        watched.append(weakref.ref(big))
        raise ValueError("no")

    with lab.paused():
        try:
            fail()
        except ValueError:
            # Straight to the handler, since pytest stores each record that a logger handles.
            lab.handler.handle(logging.LogRecord("app", logging.ERROR, "f", 1, "no", (), sys.exc_info()))
        assert watched[0]() is None
    assert "raise ValueError" in lab.text()


def chained() -> BaseException:
    """An exception with a cause, a context, a group and notes."""
    try:
        try:
            try:
                {}["missing"]
            except KeyError as error:
                raise OSError("cannot read") from error
        except OSError:
            raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])  # noqa: B904 - the context
    except ExceptionGroup as error:
        error.add_note("while at it")
        return error


def deep() -> BaseException:
    """An exception of a deep recursion."""

    def down(left: int) -> None:
        if left:
            down(left - 1)
        raise ValueError("deep")

    try:
        down(200)
    except ValueError as error:
        return error
    raise AssertionError


def misspelt() -> BaseException:
    """An exception for which Python makes a suggestion from the frame's variables."""
    try:
        value = 1
        return valeu  # type: ignore[name-defined]
    except NameError as error:
        assert value
        return error


@pytest.mark.parametrize("make_error", [chained, deep, misspelt])
def test_stack_trace_is_that_of_python(lab: Lab, make_error: Callable[[], BaseException]) -> None:
    """Proves that a stack trace which is formatted later is, letter by letter, the one of the moment."""
    error = make_error()
    expected = "".join(traceback.format_exception(error))
    with lab.paused():
        lab.logger.error("failed", exc_info=error)
    (sent,) = lab.sent()
    assert sent.log_record.attributes is not None
    found = sent.log_record.attributes["exception.stacktrace"]
    assert found == (expected if len(expected) <= MAX_MESSAGE else "…" + expected[-MAX_MESSAGE:])


def test_exception_of_megabytes_is_noted_by_its_end() -> None:
    """Proves that a huge text is bounded before it is queued, and that no half of a secret is left at the cut."""
    try:
        raise ValueError("x " * 2_000_000 + f"password={SECRET.replace(' ', '')}")
    except ValueError:
        record = logging.LogRecord("app", logging.ERROR, "f", 1, "no", (), sys.exc_info())
    note = note_of(record)
    assert isinstance(note.stack, str)
    assert len(note.stack) <= MAX_READ
    assert note.size < 8 * MAX_READ
    before = current_run.get()
    fields = fields_of(note)
    current_run.set(before)
    assert len(fields["exception.stacktrace"]) == MAX_MESSAGE + 1
    assert SECRET.replace(" ", "") not in fields["exception.stacktrace"]


# --- who does the work ------------------------------------------------------------------------------------------------


class Foreign(LogRecordProcessor):
    """A processor of the application, which notes who calls it."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.bodies: list[object] = []

    def on_emit(self, log_record: Any) -> None:
        """Note a record and the thread."""
        self.threads.append(threading.get_ident())
        self.bodies.append(log_record.log_record.body)

    def shutdown(self) -> None:
        """Have nothing to end."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Have nothing to flush."""
        return True


def test_processor_of_the_application_is_called_by_the_thread_that_logs(lab: Lab) -> None:
    """Proves that one which is added later too sees redacted records on the caller's thread, at once and in order."""
    lab.logger.info("before")
    assert lab.queue.flush(10)
    foreign = Foreign()
    lab.provider.add_log_record_processor(foreign)
    lab.logger.info("mail ada@example.com")
    assert foreign.bodies == ["mail [EMAIL]"]
    assert foreign.threads == [threading.get_ident()]
    assert [item.log_record.body for item in lab.sent()] == ["before", "mail [EMAIL]"]


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def test_who_waits_for_its_line(
    make: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Proves that lines on a terminal, in memory and under pytest are written at once, and all others are noted."""

    def noted(stream: Any) -> bool:
        lab = make(stream=stream, otlp=False, synchronous=None)
        with lab.paused():
            lab.logger.info("line")
            return lab.queue.accepted == 1

    with (tmp_path / "log").open("w") as file:
        assert not noted(file)
        assert (tmp_path / "log").read_text() != ""
        monkeypatch.delenv("PYTEST_CURRENT_TEST")
        assert noted(file)
        memory, terminal = io.StringIO(), Terminal()
        assert not noted(memory)
        assert not noted(terminal)
        assert "line" in memory.getvalue()
        assert "line" in terminal.getvalue()


def test_line_after_write_through_is_written_when_its_call_returns(lab: Lab) -> None:
    """Proves that waiting lines are written first, and that each later line is written at once."""
    with lab.paused():
        lab.logger.info("first")
    assert lab.handler.write_through(10)
    assert "first" in lab.stream.getvalue()
    lab.logger.info("second")
    assert "second" in lab.stream.getvalue()
    lab.handler.close()
    lab.logger.info("third")
    assert [word in lab.stream.getvalue() for word in ("first", "second", "third")] == [True] * 3


def test_line_after_logging_is_configured_anew_is_written_by_the_telemetry_thread(
    make: Callable[..., Lab],
) -> None:
    """Proves that `dictConfig`, which closes all handlers and which uvicorn calls, leaves callers only their note.

    A handler that stays in use would otherwise redact each later line of `ael serve` on the event loop's thread.
    """
    writers: set[int] = set()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            writers.add(threading.get_ident())
            return super().write(text)

    stream = Stream()
    lab = make(stream=stream)
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    for number in range(20):
        lab.logger.info("line %d", number)
    assert lab.queue.flush(10)
    assert stream.getvalue().count("line") >= 20
    assert threading.get_ident() not in writers


def test_records_that_cannot_be_sent_in_time_are_counted_and_written(lab: Lab) -> None:
    """Proves that the end of sending counts the records of lines that wait, which are on the stream all the same."""
    release, held = threading.Event(), threading.Event()

    def hold() -> None:
        with lab.paused():
            held.set()
            release.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    lab.logger.info("one")
    lab.logger.info("two")
    lab.handler.stop_sending(0.01)
    release.set()
    holder.join()
    lab.logger.info("late")
    assert [word in lab.text() for word in ("one", "two", "late")] == [True] * 3
    assert lab.sent() == []
    assert sum(count for *kind, count in lab.drops if kind == ["logs", "shutdown_timeout"]) == 2
    assert len(lab.drops) <= 2


class Echoing(io.StringIO):
    """A stream that logs each text written to it."""

    logger: logging.Logger | None = None
    depth = 0

    def write(self, text: str) -> int:
        """Write, and log it."""
        assert self.logger is not None
        self.depth += 1
        assert self.depth < 50
        self.logger.info("echo of %d characters", len(text))
        return super().write(text)


@pytest.mark.parametrize("synchronous", [False, True])
def test_work_that_logs_does_not_feed_itself(make: Callable[..., Lab], synchronous: bool) -> None:
    """Proves that a line logged while a note is processed is written, and one logged while processing that is not."""
    stream = Echoing()
    lab = make(stream=stream, otlp=False, synchronous=synchronous)
    stream.logger = lab.logger
    lab.logger.info("line")
    assert lab.queue.flush(10)
    found = [json.loads(line)["message"].split(" ")[0] for line in lab.text().splitlines()]
    assert sorted(found) == ["echo", "line"]
    assert lab.drops == [("logs", "internal", 1)]


# --- overload ---------------------------------------------------------------------------------------------------------


def test_overload_is_counted_and_reported_and_never_blocks(make: Callable[..., Lab]) -> None:
    """Proves that with the thread paused lines beyond the bound are dropped by reason, and that the report is not."""
    lab = make(max_notes=10)
    drops: list[tuple[str, str, int]] = []

    def on_drop(signal: str, reason: str, count: int) -> None:
        drops.append((signal, reason, count))
        if len(drops) == 1:
            logging.getLogger("ael.telemetry").warning("telemetry lost")

    lab.handler._on_drop = on_drop  # type: ignore[assignment]
    reports = logging.getLogger("ael.telemetry")
    reports.addHandler(lab.handler)
    reports.propagate = False
    try:
        with lab.paused():
            for number in range(200):
                lab.logger.info("line %d", number)
            assert lab.queue.level.fill == 1.0
            assert drops == [("logs", "queue_full", 1)] * 190
    finally:
        reports.removeHandler(lab.handler)
        reports.propagate = True
    assert [item.log_record.body for item in lab.sent()] == [
        *(f"line {number}" for number in range(10)),
        "telemetry lost",
    ]
    queue = lab.queue
    assert (queue.accepted, queue.delivered, queue.dropped) == (201, 11, 190)


@given(
    st.lists(st.one_of(st.text(max_size=30), st.sampled_from(["pause", "go on", "flush"])), max_size=40),
    st.integers(1, 8),
)
def test_each_line_is_written_or_counted(actions: list[str], bound: int) -> None:
    """Proves that lines logged = lines written + lines dropped at any bound, in the order of the calls."""
    queue, stream = TelemetryThread(max_notes=bound, gather_s=0.0005), io.StringIO()
    drops: list[int] = []
    handler = RunLogHandler(
        stream=stream, queue=queue, synchronous=False, on_drop=lambda *drop: drops.append(drop[2])
    )
    held = False
    logged: list[str] = []
    try:
        for number, action in enumerate(actions):
            if action == "pause" and not held:
                held = queue._working.acquire()
            elif action == "go on" and held:
                queue._working.release()
                held = False
            elif action == "flush" and not held:
                assert queue.flush(10)
            elif action not in {"pause", "go on", "flush"}:
                logged.append(f"{number}-")
                handler.handle(logging.LogRecord("app", logging.INFO, "f", 1, f"{number}-{action}", (), None))
    finally:
        if held:
            queue._working.release()
    assert queue.close(10)
    lines = stream.getvalue().split("\n")[:-1]
    assert len(lines) + sum(drops) == len(logged)
    found = [json.loads(line)["message"].split("-")[0] + "-" for line in lines]
    places = [logged.index(each) for each in found]
    assert places == sorted(places)


# --- written runs --------------------------------------------------------------------------------------------------


class Blocks(io.StringIO):
    """A stream that stores the text of each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        """Keep a write."""
        self.writes.append(text)
        return super().write(text)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=3000), max_size=30))
def test_lines_are_written_in_blocks_that_a_pipe_does_not_tear(messages: list[str]) -> None:
    """Proves that each write is of whole lines, and of one line where it is longer than a pipe takes at once."""
    stream = Blocks()
    handler = RunLogHandler(stream=stream, synchronous=True)
    handler.take(
        [note_of(logging.LogRecord("app", logging.INFO, "f", 1, "%s", (text,), None)) for text in messages]
    )
    for block in stream.writes:
        assert block.endswith("\n")
        assert len(block.encode()) <= PIPE_BYTES or block.count("\n") == 1
    assert "".join(stream.writes).count("\n") == len(messages)


def test_character_that_a_stream_cannot_write_costs_one_line(make: Callable[..., Lab]) -> None:
    """Proves that lines which share a write with one that cannot be encoded are written once."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", newline="")
    lab = make(stream=stream, otlp=False)
    with lab.paused():
        for text in ("one", "zwei ü", "three"):
            lab.logger.info(text)
    assert lab.queue.flush(10)
    found = [json.loads(line)["message"] for line in raw.getvalue().decode().splitlines()]
    assert found == ["one", "three"]
    assert lab.drops == [("logs", "internal", 1)]


# --- the same on the wire ---------------------------------------------------------------------------------------------


def on_the_wire(write: Callable[[logging.Logger], None], **limits: Any) -> tuple[bytes, bytes]:
    """Return the OTLP of the same lines sent by the SDK and by us."""
    requests: list[bytes] = []
    for direct in (False, True):
        queue, kept = TelemetryThread(gather_s=0.001), Kept()
        processor = BoundedLogProcessor(kept, lambda *_drop: None)
        provider = LoggerProvider(Resource({"service.name": "lab"}), shutdown_on_exit=False, **limits)
        provider.add_log_record_processor(processor)
        handler = RunLogHandler(provider=provider, synchronous=False, queue=queue, level=1)
        sender = handler._sender
        assert sender is not None
        assert not sender.foreign
        if not direct:
            sender._queue = None  # as where the provider has no processor of ours alone
        logger = logging.getLogger("ael.wire")
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(1)
        write(logger)
        assert queue.close(10)
        assert processor.force_flush()
        processor.shutdown()
        logger.handlers.clear()
        assert kept.records
        requests.append(encode_logs(kept.records).SerializeToString(deterministic=True))
    return requests[0], requests[1]


FIELD = st.one_of(
    st.text(max_size=40),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.binary(max_size=5),
    st.lists(st.integers(0, 9), max_size=3),
)


@given(
    message=st.text(max_size=80),
    level=st.sampled_from([5, 10, 20, 25, 30, 40, 50]),
    fields=st.dictionaries(st.text(min_size=1, max_size=10), FIELD, max_size=6),
    most=st.sampled_from([None, 0, 1, 3, 128]),
    longest=st.sampled_from([None, 0, 4, 1000]),
    event=st.sampled_from(["", "ael.telemetry.drop", "of.somebody"]),
)
def test_our_path_to_the_queue_sends_the_same_as_the_provider(
    message: str, level: int, fields: dict[str, Any], most: int | None, longest: int | None, event: str
) -> None:
    """Proves that the bytes are the same as with the SDK's own `Logger.emit`, under all limits of attributes."""
    record = logging.LogRecord("ael.wire", level, "f", 1, "%s", (message,), None)
    record.ael_fields, record.ael_event = fields, event
    unset = LogRecordLimits.UNSET
    limits = LogRecordLimits(
        max_log_record_attributes=unset if most is None else most,
        max_log_record_attribute_length=unset if longest is None else longest,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "time_ns", lambda: 7)
        sdk, ours = on_the_wire(lambda logger: logger.handle(record), log_record_limits=limits)
    assert ours == sdk


def test_our_way_sends_exceptions_and_spans_as_the_provider_does(tracer: Tracer) -> None:
    """Proves the same for a record with a stack trace inside a span of a run."""
    record = logging.LogRecord("ael.wire", logging.ERROR, "f", 1, "no", (), None)
    error = chained()
    record.exc_info = (type(error), error, error.__traceback__)

    def write(logger: logging.Logger) -> None:
        with inside(RunScope("w", "exec-1", "pay", "charge", server="bank")):
            logger.handle(record)

    with pytest.MonkeyPatch.context() as patch, tracer.start_as_current_span("step"):
        patch.setattr(logs, "time_ns", lambda: 7)
        sdk, ours = on_the_wire(write)
    assert ours == sdk


def test_sdk_that_counts_its_records_gets_them(
    monkeypatch: pytest.MonkeyPatch, make: Callable[..., Lab]
) -> None:
    """Proves that with the SDK's internal metrics on, records go by the provider, which counts them."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    lab = make()
    emitted: list[object] = []
    sender = lab.handler._sender
    assert sender is not None
    real = sender._logger.emit
    monkeypatch.setattr(sender._logger, "emit", lambda record: (emitted.append(record), real(record)))
    lab.logger.info("counted")
    assert len(lab.sent()) == len(emitted) == 1


def test_line_without_a_record_is_the_line_of_one(lab: Lab) -> None:
    """Proves that a line that is noted without a record goes out as that of a record does, under the same limits."""
    inputs = {"customer": "Ada Lovelace"}
    fields = {"status": "ok", "mail": "ada@example.com", "items": ["x"]}
    scope = RunScope("w", "exec-1", "step", "tool", given=CallerInputs(inputs))
    handler = lab.logger.handlers[0]
    for level in (logging.INFO, logging.WARNING):
        for text in ("mail ada@example.com", "Ada Lovelace said no", "x" * 70_000, "100 %s"):
            with inside(scope), lab.paused():
                extra = {"ael_component": "step", "ael_event": "", "ael_fields": fields}
                lab.logger.log(level, "%s", text, extra=extra)
                handler.note_line(lab.logger.name, level, text, "step", fields)  # type: ignore[attr-defined]
    sent = lab.sent()
    assert len(sent) == 16
    for one, other in zip(sent[::2], sent[1::2], strict=True):
        both = one.log_record, other.log_record
        first, second = (
            (each.body, each.attributes, each.severity_text, each.span_id, each.trace_id) for each in both
        )
        assert first == second
