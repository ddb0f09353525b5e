"""`make bench-peers`: cost of one run with this package and with others, each by its documented calls.

The same work for all: a run, a step in it, a tool call in that with its parameters and its result, to exporters in
memory. Peers live in a separate environment (`build/peers`), since a joint one has an older OpenTelemetry. Each
way is a separate process; they take turns, so that a busy machine slows all equally.

    python peers.py one NAME             measure one way in this process
    python peers.py INTERPRETER MLFLOW   measure all, peers by these interpreters: MLflow needs a newer OpenTelemetry
"""

import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import process_time_ns, thread_time_ns
from typing import Any

ROUNDS, BATCHES, RUNS = 3, 10, 100
INPUT = {"ticket": 7}
PARAMS = {"city": "Oslo", "days": 3, "note": "for the report of Monday", "order_id": "ord-2291"}
RESULT = {
    "content": [{"type": "text", "text": "Oslo: 7 degrees, wind from the north-west, rain later in the day"}]
}

type Way = tuple[Callable[[], None], Callable[[], object]]
"""One run, and a function that empties the exporter."""


def _in_memory() -> tuple[Any, Any]:
    """Return a provider of spans that exports to memory, and its exporter."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=16_384))
    return provider, exporter


def _emptied(provider: Any, exporter: Any) -> Callable[[], object]:
    def empty() -> None:
        provider.force_flush()
        assert exporter.get_finished_spans(), "nothing was exported"
        exporter.clear()

    return empty


def ael_otel() -> Way:
    """This package, redaction, metrics and the run store on."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider

    from ael_otel.core.metrics import AelMetrics
    from ael_otel.core.telemetry_thread import run_thread
    from ael_otel.lifecycle import Execution, Recorder, Step, ToolCall
    from ael_otel.sdk.batch_processors import BoundedSpanProcessor
    from ael_otel.store import MemoryStore

    kept: list[Any] = []

    class Delivery:
        """Accepts the batches of the export queue."""

        def deliver(self, batch: Any, settled: Callable[[int, None], None]) -> None:
            """Keep a batch."""
            kept.extend(batch)
            settled(len(batch), None)

        def hurry(self) -> None:
            """Never pause."""

        def abort(self) -> None:
            """Have nothing to end."""

    def lost(*drop: object) -> None:
        raise AssertionError(f"the bench lost telemetry: {drop}")

    provider = TracerProvider(shutdown_on_exit=False)
    processor = BoundedSpanProcessor(Delivery(), lost)
    provider.add_span_processor(processor)
    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    recorder = Recorder(
        tracer_provider=provider, metrics=AelMetrics(meters), store=MemoryStore(), genai=False
    )

    def run() -> None:
        with Execution(recorder, "shop", inputs=INPUT) as frame:
            with (
                Step(recorder, "pay", "tool_call", tool="charge"),
                ToolCall(recorder, "charge", server="demo") as call,
            ):
                call.called_with(PARAMS)
                call.returned(RESULT)
            frame.finished(RESULT)

    def finish() -> None:
        assert run_thread().flush(30)
        processor.force_flush()
        assert kept, "nothing was exported"
        kept.clear()

    return run, finish


def opentelemetry() -> Way:
    """Spans of the SDK by hand, content as JSON: the way without any of the others."""
    provider, exporter = _in_memory()
    tracer = provider.get_tracer("bench")

    def run() -> None:
        with tracer.start_as_current_span("run", attributes={"input": json.dumps(INPUT)}) as span:
            with (
                tracer.start_as_current_span("step", attributes={"step": "pay"}),
                tracer.start_as_current_span("call", attributes={"input": json.dumps(PARAMS)}) as call,
            ):
                call.set_attribute("output", json.dumps(RESULT))
            span.set_attribute("output", json.dumps(RESULT))

    return run, _emptied(provider, exporter)


def logfire() -> Way:
    """Pydantic's logfire."""
    import logfire as peer
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    peer.configure(
        send_to_logfire=False,
        console=False,
        additional_span_processors=[BatchSpanProcessor(exporter, max_queue_size=16_384)],
    )

    def run() -> None:
        with peer.span("run {workflow}", workflow="shop", input=INPUT) as span:
            with (
                peer.span("step {step}", step="pay"),
                peer.span("call {tool}", tool="charge", input=PARAMS) as call,
            ):
                call.set_attribute("output", RESULT)
            span.set_attribute("output", RESULT)

    def finish() -> None:
        peer.force_flush()
        assert exporter.get_finished_spans(), "nothing was exported"
        exporter.clear()

    return run, finish


def openinference() -> Way:
    """OpenInference's tracer."""
    from openinference.instrumentation import OITracer, TraceConfig

    provider, exporter = _in_memory()
    tracer = OITracer(provider.get_tracer("bench"), config=TraceConfig())

    def run() -> None:
        with tracer.start_as_current_span("run", openinference_span_kind="chain") as span:
            span.set_input(INPUT)
            with (
                tracer.start_as_current_span("step", openinference_span_kind="chain"),
                tracer.start_as_current_span("call", openinference_span_kind="tool") as call,
            ):
                call.set_input(PARAMS)
                call.set_output(RESULT)
            span.set_output(RESULT)

    return run, _emptied(provider, exporter)


def genai() -> Way:
    """OpenTelemetry's GenAI utilities: a workflow in a workflow, and a tool; metrics on."""
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY"
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.util.genai.handler import TelemetryHandler

    provider, exporter = _in_memory()
    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    handler = TelemetryHandler(tracer_provider=provider, meter_provider=meters)

    def run() -> None:
        with handler.workflow("shop"), handler.workflow("pay"), handler.tool("charge") as call:
            call.arguments = PARAMS
            call.tool_result = RESULT

    return run, _emptied(provider, exporter)


def traceloop() -> Way:
    """Traceloop's SDK, by its decorators."""
    os.environ["TRACELOOP_TELEMETRY"] = "false"
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from traceloop.sdk import Traceloop
    from traceloop.sdk.decorators import task, tool, workflow

    exporter = InMemorySpanExporter()
    processor = BatchSpanProcessor(exporter, max_queue_size=16_384)
    Traceloop.init("bench", processor=processor, telemetry_enabled=False, instruments=set())

    @tool(name="charge")
    def charge(**_params: Any) -> Any:
        return RESULT

    @task(name="pay")
    def pay() -> Any:
        return charge(**PARAMS)

    @workflow(name="shop")
    def run(**_inputs: Any) -> Any:
        return pay()

    return lambda: run(**INPUT), _emptied(processor, exporter)


def mlflow() -> Way:
    """MLflow's tracing, with the application's provider; what it sends by OTLP itself goes nowhere."""
    os.environ["MLFLOW_USE_DEFAULT_TRACER_PROVIDER"] = "false"
    # Without a tracking server and without an endpoint it makes no spans, and does not say so.
    os.environ["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"
    os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = "http://127.0.0.1:9/v1/traces"
    os.environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = "http/protobuf"
    import mlflow as peer
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import SpanExportResult

    OTLPSpanExporter.export = lambda *_: SpanExportResult.SUCCESS  # type: ignore[method-assign]
    provider, exporter = _in_memory()
    trace.set_tracer_provider(provider)

    def run() -> None:
        with peer.start_span("shop", span_type="CHAIN") as span:
            span.set_inputs(INPUT)
            with (
                peer.start_span("pay", span_type="CHAIN"),
                peer.start_span("charge", span_type="TOOL") as call,
            ):
                call.set_inputs(PARAMS)
                call.set_outputs(RESULT)
            span.set_outputs(RESULT)

    return run, _emptied(provider, exporter)


WAYS: dict[str, tuple[Callable[[], Way], str]] = {
    "ael_otel": (ael_otel, "ael-otel"),
    "spans by hand": (opentelemetry, "opentelemetry-sdk"),
    "OpenTelemetry's GenAI utilities": (genai, "opentelemetry-util-genai"),
    "OpenInference": (openinference, "openinference-instrumentation"),
    "Traceloop's SDK": (traceloop, "traceloop-sdk"),
    "logfire": (logfire, "logfire"),
    "MLflow": (mlflow, "mlflow-tracing"),
}


def measure(name: str) -> None:
    """Measure one way, and print microseconds of the caller's thread and of the process."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    make, distribution = WAYS[name]
    run, finish = make()
    thread: list[float] = []
    process: list[float] = []
    for turn in range(BATCHES + 1):
        began, began_in_all = thread_time_ns(), process_time_ns()
        for _ in range(RUNS):
            run()
        on_thread = thread_time_ns() - began
        finish()
        in_all = process_time_ns() - began_in_all
        if turn:
            thread.append(on_thread / RUNS / 1e3)
            process.append(in_all / RUNS / 1e3)
    versions = version(distribution), version("opentelemetry-sdk")
    print(json.dumps({"thread": median(thread), "process": median(process), "versions": versions}))


def main(interpreter: str, of_mlflow: str) -> None:
    """Measure all in turn and print a table."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in WAYS}
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AEL_"))}
    for _ in range(ROUNDS):
        for name, results in found.items():
            own = name == "ael_otel"
            done = subprocess.run(
                [
                    sys.executable if own else of_mlflow if name == "MLflow" else interpreter,
                    __file__,
                    "one",
                    name,
                ],
                capture_output=True,
                text=True,
                env=environ | ({"PYTHONPATH": str(Path(__file__).parents[2])} if own else {}),
                check=False,
            )
            if done.returncode:
                print(f"{name}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            else:
                results.append(json.loads(done.stdout.splitlines()[-1]))
    print("| way | version | SDK | caller's thread, us | process, us |\n| --- | --- | --- | --- | --- |")
    for name, results in found.items():
        if results:
            own, sdk = results[0]["versions"]
            figures = (median(each[what] for each in results) for what in ("thread", "process"))
            print(f"| {name} | {own} | {sdk} | " + " | ".join(f"{each:.0f}" for each in figures) + " |")


if __name__ == "__main__":
    if sys.argv[1] == "one":
        measure(sys.argv[2])
    else:
        main(sys.argv[1], sys.argv[2])
