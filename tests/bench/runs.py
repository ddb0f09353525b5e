"""(d) Cost of a whole run on the real engine: the same one-step workflow with and without this package."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter_ns, process_time_ns, thread_time_ns
from typing import Any

from measure import AsyncVariant, Clock, Group, run_async
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from parts import NOWHERE, NullDelivery, Unredacted, dropped, meters

from ael_otel.config import Settings
from ael_otel.core.metrics import AelMetrics
from ael_otel.core.redaction import ActiveRedaction, active_redaction, set_active_redaction
from ael_otel.core.telemetry_thread import run_thread
from ael_otel.demo.example import write_example
from ael_otel.instrument import instrumentation as engine_instrumentation
from ael_otel.instrument.active import Active, activate
from ael_otel.instrument.engine import open_application
from ael_otel.instrument.targets import TARGETS
from ael_otel.instrument.wrapping import Wrapping
from ael_otel.lifecycle import Recorder
from ael_otel.sdk.batch_processors import BoundedLogProcessor, BoundedSpanProcessor
from ael_otel.sdk.logs import RunLogHandler
from ael_otel.sdk.redacting_exporters import Resources, clean_log, clean_span
from ael_otel.store import MemoryStore

WORKFLOW = "hello"


class Instrumentation:
    """Everything that `ael serve` puts around the engine, on null exporters; switched on and off between batches."""

    def __init__(self, sampler: Sampler, redaction: ActiveRedaction | None = None) -> None:
        self._redaction = redaction if redaction is not None else ActiveRedaction(Settings())
        # As the exporters do it: a resource is cleaned once.
        of_spans, of_logs = Resources(), Resources()
        self._spans = BoundedSpanProcessor(
            NullDelivery(lambda span: clean_span(span, active_redaction(), of_spans)), dropped
        )
        self._logs = BoundedLogProcessor(
            NullDelivery(lambda record: clean_log(record, active_redaction(), of_logs)), dropped
        )
        tracers = TracerProvider(sampler, Resource({}), shutdown_on_exit=False)
        tracers.add_span_processor(self._spans)
        loggers = LoggerProvider(Resource({}), shutdown_on_exit=False)
        loggers.add_log_record_processor(self._logs)
        recorder = Recorder(
            tracer_provider=tracers, metrics=AelMetrics(meters()), store=MemoryStore(), genai=False
        )
        self._active = Active(recorder)
        self._handler = RunLogHandler(stream=NOWHERE, provider=loggers, on_drop=dropped)
        self._wrapping: Wrapping | None = None

    def on(self) -> None:
        """Wrap the engine and take over the log."""
        set_active_redaction(self._redaction)
        activate(self._active)
        self._wrapping = Wrapping(TARGETS)
        self._wrapping.apply()
        logging.getLogger().addHandler(self._handler)

    def off(self) -> None:
        """Put everything back, and empty the queues."""
        logging.getLogger().removeHandler(self._handler)
        if self._wrapping is not None:
            self._wrapping.undo()
        activate(None)
        self.finish()
        set_active_redaction(None)

    def finish(self) -> None:
        """Have everything done that is only noted or queued."""
        assert run_thread().flush(30)
        self._handler.flush()
        self._spans.force_flush()
        self._logs.force_flush()


class Disabled:
    """The state after `telemetry.enabled: false`: log filters, and no wrapped function."""

    def __init__(self) -> None:
        self._active = Active(Recorder(metrics=AelMetrics(meters()), store=None, genai=False))
        self._instrumentation = engine_instrumentation.Instrumentation()

    def on(self) -> None:
        """Start, disabled."""
        self._instrumentation = engine_instrumentation.Instrumentation()
        self._instrumentation.start(self._active, enabled=False)

    def off(self) -> None:
        """Stop."""
        self._instrumentation.stop()


@asynccontextmanager
async def engine() -> AsyncGenerator[Any]:
    """The real engine on the demo's workflows and tool server, its log going nowhere."""
    logging.getLogger().addHandler(logging.NullHandler())
    with TemporaryDirectory() as folder:
        quiet = Instrumentation(ALWAYS_ON)
        quiet.on()  # so that the engine does not set up its own exporters
        application = await open_application(write_example(Path(folder)), rest=False, log_output=NOWHERE)
        quiet.off()
        try:
            yield application
        finally:
            await application.shutdown()


def batches(
    application: Any, instrumentation: Instrumentation | Disabled | None, clock: Clock = perf_counter_ns
) -> Callable[[int], Awaitable[int]]:
    """A batch of runs, with this instrumentation or with none; CPU of the process is that of the threads behind too."""

    async def batch(n: int) -> int:
        if instrumentation is not None:
            instrumentation.on()
        execute = application.workflow_engine.execute
        start = clock()
        for _ in range(n):
            result = await execute(WORKFLOW, {})
        if clock is process_time_ns and isinstance(instrumentation, Instrumentation):
            instrumentation.finish()
        taken = clock() - start
        if instrumentation is not None:
            instrumentation.off()
        assert result.status.value == "completed"
        return taken

    return batch


def variants(application: Any) -> list[AsyncVariant]:
    """The ways of running a workflow."""
    base = "engine alone"

    def make(
        name: str, instrumentation: Instrumentation | Disabled | None, note: str, against: str = base
    ) -> AsyncVariant:
        return AsyncVariant(
            name,
            lambda n: n,
            None if instrumentation is None else against,
            note,
            async_batch=batches(application, instrumentation),
        )

    plain = "with ael_otel, not redacted"
    return [
        make(base, None, "its own metrics and flat spans, log to /dev/null"),
        make("with ael_otel", Instrumentation(ALWAYS_ON), "3 spans, 5 metrics, 6 lines JSON + OTLP, record"),
        make(plain, Instrumentation(ALWAYS_ON, Unredacted(Settings())), "the same with redaction off"),
        make("redaction", Instrumentation(ALWAYS_ON), "aim <= 1.10", plain),
        make("with ael_otel, unsampled", Instrumentation(ALWAYS_OFF), "the same without spans"),
        make("with ael_otel, disabled", Disabled(), "no function of the engine is wrapped"),
    ]


def in_cpu(application: Any, title: str, clock: Clock) -> Group:
    """Return the CPU cost of a run, by this clock."""
    base = "engine alone"
    made = [
        (base, None, None, ""),
        ("with ael_otel", Instrumentation(ALWAYS_ON), base, "everything on"),
        ("with ael_otel, unsampled", Instrumentation(ALWAYS_OFF), base, "the same without spans"),
    ]
    return Group(
        title,
        [
            AsyncVariant(
                name, lambda n: n, against, note, async_batch=batches(application, instrumentation, clock)
            )
            for name, instrumentation, against, note in made
        ],
        n=40,
        rounds=20,
    )


async def measure_runs() -> list[Group]:
    """Measure runs with a stubbed tool and with the real tool server over stdio."""
    from ploston_core.mcp.connection import MCPConnection

    async with engine() as application:
        over_stdio = Group(
            "A one-step run, real MCP tool server over stdio", variants(application), n=15, rounds=20
        )
        await run_async(over_stdio)
        real = MCPConnection.call_tool
        answer = await application.mcp_manager.call_tool("demo", "echo", {"text": "hello, world"})

        async def stub(self: Any, *arguments: Any, **options: Any) -> Any:
            return answer

        MCPConnection.call_tool = stub
        try:
            stubbed = Group("A one-step run, tool stubbed", variants(application), n=40, rounds=20)
            await run_async(stubbed)
            title = "A one-step run, tool stubbed: CPU of the "
            on_loop = in_cpu(application, f"{title}engine's thread", thread_time_ns)
            whole = in_cpu(application, f"{title}process", process_time_ns)
            await run_async(on_loop)
            await run_async(whole)
        finally:
            MCPConnection.call_tool = real
    return [stubbed, on_loop, whole, over_stdio]


def groups() -> list[Group]:
    """The groups, measured."""
    return asyncio.run(measure_runs())
