"""Cost of single parts: metric rows, a step, a log line, each beside its usual alternative."""

import logging
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import process_time_ns, thread_time_ns
from types import ModuleType
from typing import Any

import msgspec
from measure import Group, Variant, timed
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind, set_span_in_context

from ael_otel._generated import metrics as registry
from ael_otel.config import Settings
from ael_otel.core.metrics import AelMetrics
from ael_otel.core.redaction import ActiveRedaction, set_active_redaction
from ael_otel.core.telemetry_thread import run_thread
from ael_otel.cost import Prices
from ael_otel.cost.price_file import PriceFile
from ael_otel.emit.metric_sets import MetricSet, Row
from ael_otel.instrument.targets import Target
from ael_otel.instrument.wrapping import Wrapping
from ael_otel.lifecycle import Execution, Recorder, Step, ToolCall
from ael_otel.sdk.batch_processors import BoundedLogProcessor, BoundedSpanProcessor
from ael_otel.sdk.logs import RunLogHandler
from ael_otel.sdk.sampling import RecordingSampler
from ael_otel.sdk.tail_sampling import TailSampler
from ael_otel.store import MemoryStore
from ael_otel.store.model_calls import price_with
from ael_otel.store.records import ModelCallRecord
from tools.telemetry_schema.names import signal_constant
from tools.telemetry_schema.project import packaged_registry
from tools.telemetry_schema.render import render

NOWHERE = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - open for the whole run


class NullSpans(SpanExporter):
    """Accepts everything and stores nothing."""

    def export(self, spans):
        """Take a batch."""
        return SpanExportResult.SUCCESS


class NullDelivery:
    """Accepts batches of an export queue and sends them nowhere; redacts them first if `clean` is set."""

    def __init__(self, clean: Callable[[Any], Any] | None = None) -> None:
        self._clean = clean

    def deliver(self, batch: Sequence[Any], settled: Callable[[int, Any], None]) -> None:
        """Forget a batch."""
        if self._clean is not None:
            for item in batch:
                self._clean(item)
        settled(len(batch), None)

    def hurry(self) -> None:
        """Never pause."""

    def abort(self) -> None:
        """Have nothing to end."""


class NotedStore(MemoryStore):
    """A memory store that another thread writes to, as the queue in front of a database is."""

    takes_notes = True


def dropped(*_drop: object) -> None:
    """Take a drop count: there must be none, the queue is emptied after each batch."""
    raise AssertionError("the bench lost telemetry")


def meters() -> MeterProvider:
    """A meter provider with one reader."""
    return MeterProvider([InMemoryMetricReader()], Resource({}), shutdown_on_exit=False)


def wide_row() -> Row:
    """A bound row of three counters, as the generator writes it: the registry has no set of three yet."""
    registered = packaged_registry()
    one = next(metric for metric in registered.metrics if metric.name == registry.STEP_EXECUTIONS.name)
    words = ("steps", "calls", "errors")
    three = tuple(
        msgspec.structs.replace(one, name=f"{one.name.rpartition('.')[0]}.{word}") for word in words
    )
    source = render(msgspec.structs.replace(registered, metrics=three), "metric_sets.py")
    for metric in three:
        source = source.replace(f"metrics.{signal_constant(metric.name)}", "metrics.STEP_EXECUTIONS")
    rendered: dict[str, Any] = {}
    exec(source, rendered)  # noqa: S102 - the measured code
    specs = [replace(registry.STEP_EXECUTIONS, name=metric.name) for metric in three]
    return MetricSet(meters().get_meter("wide"), rendered["StepRow"], counters=specs).row(
        ("shop", "pay", "tool_call")
    )


def counters() -> Group:
    """(a) The three counters of a step: executions, invocations, errors; and one duration."""
    meter = meters().get_meter("plain")
    plain = [meter.create_counter(name) for name in ("steps", "calls", "errors")]
    attributes = [
        {"workflow": "shop", "step": "pay", "type": "tool_call"},
        {"tool": "charge", "status": "success"},
        {"type": "TOOL_FAILED", "component": "tool"},
    ]
    histogram = meter.create_histogram("time")
    ours = AelMetrics(meters())

    def sdk_counters() -> None:
        for counter, labels in zip(plain, attributes, strict=True):
            counter.add(1, labels)

    def our_counters() -> None:
        ours.step.bind(workflow="shop", step="pay", type="tool_call").add(executions=1)
        ours.tool.bind(tool="charge", status="success").add(invocations=1)
        ours.error.bind(type="TOOL_FAILED", component="tool").add(errors=1)

    rows = (
        ours.step.bind(workflow="shop", step="pay", type="tool_call"),
        ours.tool.bind(tool="charge", status="success"),
        ours.error.bind(type="TOOL_FAILED", component="tool"),
    )

    def bound_counters() -> None:
        rows[0].add(executions=1)
        rows[1].add(invocations=1)
        rows[2].add(errors=1)

    wide = wide_row()

    def one_row(n: int) -> int:
        # Without a function around it, which would be a seventh of the measured time.
        repeat = range(n)
        start = process_time_ns()
        for _ in repeat:
            wide.add(steps=1, calls=1, errors=1)
        return process_time_ns() - start

    def sdk_pair() -> None:
        plain[1].add(1, attributes[1])
        histogram.record(0.02, attributes[1])

    base, pair = "three SDK counters", "an SDK counter and histogram"
    return Group(
        "Metrics: what one step records",
        [
            Variant(base, timed(sdk_counters), note="Counter.add with 2 to 3 attributes"),
            Variant("three counter rows", timed(our_counters), base, "found by their values, then counted"),
            Variant("three counter rows, bound", timed(bound_counters), base, "counted only"),
            Variant(
                "one row of three counters, bound",
                one_row,
                base,
                "one call, one lock; budget 0.3 us",
            ),
            Variant(pair, timed(sdk_pair), note="one tool call"),
            Variant(
                "one row with both",
                timed(
                    lambda: ours.tool.bind(tool="charge", status="success").record(
                        duration=0.02, invocations=1
                    )
                ),
                pair,
                "found, counted, added up",
            ),
        ],
        n=2_000,
        rounds=25,
    )


def histograms() -> Group:
    """(a) One duration, in a sampled span, by the SDK's histogram and by ours with the same buckets."""
    theirs = (
        meters()
        .get_meter("plain")
        .create_histogram("time", explicit_bucket_boundaries_advisory=registry.TOOL_DURATION.buckets)
    )
    ours = AelMetrics(meters())
    row = ours.tool.bind(tool="charge", status="success")
    (point,) = row.points
    (points,) = ours.tool.histograms
    context = set_span_in_context(
        TracerProvider(shutdown_on_exit=False).get_tracer("plain").start_span("call")
    )
    attributes = {"tool": "charge"}
    point.record(0.02, context)
    assert points.histogram.aggregations() is not None, "the bench measures the SDK's histogram twice"

    def handed_over() -> None:
        point.record(0.02, context)
        points.histogram.hand_over()

    base, plain = "SDK histogram, in a span", "SDK histogram, in no span"
    return Group(
        "A duration",
        [
            Variant(base, timed(lambda: theirs.record(0.02, attributes, context)), note="with an exemplar"),
            Variant(
                "our histogram, bound", timed(lambda: point.record(0.02, context)), base, "with an exemplar"
            ),
            Variant(
                "the same, collected after each value",
                timed(handed_over),
                base,
                "what a series costs the reader's thread in each export, on top",
            ),
            Variant(plain, timed(lambda: theirs.record(0.02, attributes)), base),
            Variant("our histogram, bound, in no span", timed(lambda: point.record(0.02, None)), plain),
        ],
        n=2_000,
        rounds=25,
    )


class Stepping:
    """Steps in a run, on separate providers."""

    def __init__(self, sampler: Sampler, *, keep: bool = False) -> None:
        self._processor = BoundedSpanProcessor(NullDelivery(), dropped)
        provider = TracerProvider(sampler, Resource({}), shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        if keep:
            provider.add_span_processor(TailSampler(self._processor.on_end, ("errors",), 30.0, dropped))
        self._recorder = Recorder(
            tracer_provider=provider, metrics=AelMetrics(meters()), store=MemoryStore(10), genai=False
        )

    def batch(self, work: Callable[[Recorder, int], None]) -> Callable[[int], int]:
        """A batch of `work` inside one run."""

        def run(n: int) -> int:
            with Execution(self._recorder, "shop", execution_id="exec-1"):
                start = process_time_ns()
                for _ in range(n):
                    work(self._recorder, 0)
                taken = process_time_ns() - start
            self._processor.force_flush()
            return taken

        return run


def step(recorder: Recorder, index: int) -> None:
    """One step of ours: span, metrics, record."""
    with Step(recorder, "pay", "tool_call", index=index, tool="charge") as frame:
        frame.attempt()


def step_with_call(recorder: Recorder, index: int) -> None:
    """A step with its tool call."""
    with Step(recorder, "pay", "tool_call", index=index, tool="charge") as frame:
        frame.attempt()
        with ToolCall(recorder, "charge", server="demo"):
            pass


PARAMS = {
    "city": "Oslo",
    "days": 3,
    "note": "for the report of Monday",
    "order_id": "ord-2291",
    "token": "abc",
}
RESULT = {
    "content": [{"type": "text", "text": "Oslo: 7 degrees, wind from the north-west, rain later in the day"}]
}


def _as_it_is(_self: object, value: Any, **_options: Any) -> Any:
    return value


class Unredacted(ActiveRedaction):
    """Takes nothing out, and looks at nothing."""

    text = content = name = attributes = _as_it_is

    def excludes(self, params: Any) -> bool:
        """Exclude nothing."""
        return False


def redaction() -> Group:
    """(d) A step whose parameters and result are stored, redacted and not."""
    stepping = Stepping(ALWAYS_ON)
    counter = iter(range(1 << 60))

    def with_content(recorder: Recorder, index: int) -> None:
        with Step(recorder, "pay", "tool_call", index=index, tool="charge") as frame:
            frame.attempt()
            with ToolCall(recorder, "charge", server="demo") as call:
                # All calls differ, as in practice, so that no cache helps.
                number = next(counter)
                call.called_with({**PARAMS, "number": f"n-{number}"})
                call.returned({**RESULT, "number": f"r-{number}"})

    def under(redaction: ActiveRedaction) -> Callable[[int], int]:
        batch = stepping.batch(with_content)

        def run(n: int) -> int:
            set_active_redaction(redaction)
            try:
                return batch(n)
            finally:
                set_active_redaction(None)

        return run

    base = "step, call and content, not redacted"
    return Group(
        "Redaction of a step",
        [
            Variant(base, under(Unredacted(Settings()))),
            Variant(
                "the same, redacted",
                under(ActiveRedaction(Settings())),
                base,
                "what it adds: aim <= 10 % of the engine's step below",
            ),
        ],
        n=500,
        rounds=25,
    )


ATTRIBUTES = {
    "ael.workflow.name": "shop",
    "ael.step.name": "pay",
    "ael.step.index": 1,
    "ael.step.type": "tool_call",
    "ael.tool.name": "charge",
}


class Raw:
    """Plain OTel spans through the SDK's own batch processor."""

    def __init__(self, sampler: Sampler) -> None:
        self._processor = BatchSpanProcessor(NullSpans(), max_queue_size=16_384)
        provider = TracerProvider(sampler, Resource({}), shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        self.tracer = provider.get_tracer("raw")
        meter = meters().get_meter("raw")
        self._counters = [meter.create_counter(name) for name in ("steps", "calls")]
        self._histograms = [meter.create_histogram(name) for name in ("step.time", "call.time")]

    def batch(self, work: Callable[[], None]) -> Callable[[int], int]:
        """A batch of `work` inside one span."""

        def run(n: int) -> int:
            with self.tracer.start_as_current_span("run"):
                taken = timed(work)(n)
            self._processor.force_flush()
            return taken

        return run

    def span(self) -> None:
        """One span with five attributes."""
        with self.tracer.start_as_current_span("Step 1: tool_call", attributes=ATTRIBUTES):
            pass

    def naive(self) -> None:
        """The usual instrumentation of a step and its call: two spans, attributes one by one, four measurements."""
        with self.tracer.start_as_current_span("Step 1: tool_call") as span:
            for key, value in ATTRIBUTES.items():
                span.set_attribute(key, value)
            with self.tracer.start_as_current_span("MCP Request", kind=SpanKind.CLIENT) as call:
                call.set_attribute("ael.tool.name", "charge")
                call.set_attribute("ael.mcp.server", "demo")
            self._counters[1].add(1, {"tool": "charge", "status": "success"})
            self._histograms[1].record(0.02, {"tool": "charge"})
        self._counters[0].add(1, {"workflow": "shop", "step": "pay", "type": "tool_call"})
        self._histograms[0].record(0.02, {"workflow": "shop"})


def disabled_call() -> Callable[[], object]:
    """A function that was wrapped like one of the engine's, and left alone again since telemetry is disabled."""

    def call() -> None:
        """Do nothing."""

    def wrapper(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    module: Any = ModuleType("bench_engine")
    module.call = call
    sys.modules[module.__name__] = module
    wrapping = Wrapping([Target(module.__name__, "call", wrapper, "nothing")])
    wrapping.apply()
    assert module.call is not call
    wrapping.undo()
    assert module.call is call
    return call


def steps() -> Group:
    """(b) A step beside a raw span."""
    raw, unsampled = Raw(ALWAYS_ON), Raw(ALWAYS_OFF)
    ours, ours_unsampled = Stepping(ALWAYS_ON), Stepping(ALWAYS_OFF)
    keeping = Stepping(RecordingSampler(ALWAYS_OFF), keep=True)
    base = "raw span, 5 attributes"
    return Group(
        "A step: span, count, record",
        [
            Variant(
                base, raw.batch(raw.span), note="start_as_current_span, BatchSpanProcessor, null exporter"
            ),
            Variant("our step", ours.batch(step), base, "span + counter row + record; aim <= 1.8"),
            Variant("raw span, unsampled", unsampled.batch(unsampled.span), base),
            Variant(
                "our step, unsampled", ours_unsampled.batch(step), base, "counter row + record; aim <= 0.6"
            ),
            Variant(
                "our step, unsampled, keep: errors",
                keeping.batch(step),
                base,
                "recorded until its run has ended, then forgotten",
            ),
            Variant(
                "a call that would be wrapped, telemetry disabled",
                timed(disabled_call()),
                base,
                "the function is its own; aim <= 0.02, the call itself included",
            ),
            Variant(
                "naive step and call", raw.batch(raw.naive), base, "2 spans, 7 set_attribute, 4 SDK metrics"
            ),
            Variant(
                "our step and call",
                ours.batch(step_with_call),
                "naive step and call",
                "the same spans and metrics, and two records",
            ),
        ],
        n=500,
        rounds=25,
    )


def log_lines() -> Group:
    """(c) A log line of a run: CPU of the thread that logs it."""
    return _log_lines("A log line inside a run, to /dev/null: CPU of the thread that logs", whole=False)


def whole_log_lines() -> Group:
    """(c) The same until it is written and handed over for sending: CPU of all threads."""
    return _log_lines("A log line inside a run, to /dev/null: CPU of the process", whole=True)


def _log_lines(title: str, *, whole: bool) -> Group:
    tracer = TracerProvider(ALWAYS_ON, Resource({}), shutdown_on_exit=False).get_tracer("log")
    text = logging.StreamHandler(NOWHERE)
    text.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))

    def provider() -> tuple[LoggerProvider, BoundedLogProcessor]:
        made = LoggerProvider(Resource({}), shutdown_on_exit=False)
        processor = BoundedLogProcessor(NullDelivery(), dropped)
        made.add_log_record_processor(processor)
        return made, processor

    def lines(
        name: str, *handlers: logging.Handler, processor: BoundedLogProcessor | None = None
    ) -> Callable[[int], int]:
        logger = logging.getLogger(f"bench.{name}")
        logger.propagate = False
        logger.setLevel(logging.INFO)
        logger.handlers[:] = handlers
        recorder = Recorder(metrics=AelMetrics(meters()), store=None, genai=False)

        def finish() -> None:
            for handler in handlers:
                handler.flush()
            if processor is not None:
                processor.force_flush()

        batch = timed(
            lambda: logger.info("step %s completed in %d ms", "pay", 12),
            process_time_ns if whole else thread_time_ns,
            finish if whole else lambda: None,
        )

        def run(n: int) -> int:
            with tracer.start_as_current_span("run"), Execution(recorder, "shop", execution_id="exec-1"):
                taken = batch(n)
            finish()
            return taken

        return run

    def ours(name: str, note: str, *, otlp: bool, synchronous: bool = False) -> Variant:
        loggers, processor = provider() if otlp else (None, None)
        handler = RunLogHandler(stream=NOWHERE, provider=loggers, on_drop=dropped, synchronous=synchronous)
        return Variant(name, lines(name, handler, processor=processor), base, note)

    base = "stdlib text line"
    variants = [
        Variant(base, lines("text", text), note="StreamHandler, Formatter; no ids"),
        Variant("no line at all", lines("none", logging.NullHandler()), base, "making the record"),
        ours("our JSON line", "contract fields and ids; aim <= 1.0 for this thread", otlp=False),
        ours("our JSON line + OTLP", "the same record queued for the Collector", otlp=True),
        ours("our JSON line + OTLP, synchronous", "as on a terminal", otlp=True, synchronous=True),
    ]
    try:
        from opentelemetry.instrumentation.logging.handler import LoggingHandler
    except ImportError:
        pass
    else:
        loggers, processor = provider()
        variants.append(
            Variant(
                "stdlib text line + OTel's handler",
                lines("stock", text, LoggingHandler(logger_provider=loggers), processor=processor),
                base,
                "what `opentelemetry-instrument` does by itself",
            )
        )
    return Group(title, variants, n=400, rounds=25)


def model_calls() -> Group:
    """(f) A run whose tool returns a provider's response of 4 kB, beside one without a `usage` object."""
    answer = {
        "id": "",
        "model": "house-model-7b",
        "choices": [{"message": {"role": "assistant", "content": "word " * 800}}],
    }
    usage = {
        "prompt_tokens": 1_200,
        "completion_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 200},
        "total_tokens": 1_230,
    }
    recorder = Recorder(
        tracer_provider=TracerProvider(ALWAYS_OFF, shutdown_on_exit=False),
        metrics=AelMetrics(meters()),
        store=NotedStore(),
        genai=False,
        synchronous=False,
    )
    numbers = iter(range(10**9))

    def one(**more: Any) -> None:
        number = next(numbers)
        result = answer | more | {"id": f"chatcmpl-{number:020d}"}
        with (
            Execution(recorder, "shop", execution_id=f"exec-{number:012x}"),
            ToolCall(recorder, "llm") as call,
        ):
            call.returned(result)

    def flush() -> None:
        assert run_thread().flush(30)

    def without() -> None:
        one(note=usage)

    def counted() -> None:
        one(usage=usage)

    def batch(
        work: Callable[[], None], pricer: Callable[[ModelCallRecord], None] | None
    ) -> Callable[[int], int]:
        measured = timed(work, after=flush)

        def priced_batch(n: int) -> int:
            price_with(pricer)
            return measured(n)

        return priced_batch

    def on_thread(work: Callable[[], None]) -> Callable[[int], int]:
        measured = timed(work, thread_time_ns)

        def flushed(n: int) -> int:
            try:
                return measured(n)
            finally:
                flush()

        return flushed

    folder = Path(tempfile.mkdtemp(prefix="ael-bench-"))
    (folder / "prices.yaml").write_text("prices: [{model: 'house-*', input: 0.1, output: 0.4}]\n", "utf-8")
    prices = Prices(PriceFile(folder / "prices.yaml"))
    base, thread = "a result without usage, all threads", "the same, on the engine's thread"
    return Group(
        "Model calls: a run with one tool call that returns a provider's response",
        [
            Variant(base, batch(without, None), note="4 kB, redacted and stored in memory"),
            Variant("with usage, no price", batch(counted, None), base, "recognised, counted in metrics"),
            Variant("with usage, price file", batch(counted, prices.price), base),
            Variant(thread, on_thread(without), note="notes the result for the thread of runs"),
            Variant("with usage, on the engine's thread", on_thread(counted), thread, "aim: 1"),
        ],
        n=200,
        rounds=15,
    )
