"""An application that instruments the engine itself, with public arguments only; prints its telemetry as JSON."""

import asyncio
import io
import json
import sys
from typing import Any


async def run(configuration: str) -> Any:
    """Open the engine, run one workflow, close it."""
    from ploston_core.application import PlostApplication

    application = PlostApplication(config_path=configuration, log_output=io.StringIO())
    await application.initialize()
    try:
        return await application.workflow_engine.execute("success", {})
    finally:
        await application.shutdown()


def main() -> None:
    """Instrument with own providers and an own store, run, and print what each of them received."""
    import msgspec
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from ael_otel import AelInstrumentor
    from ael_otel.store import MemoryStore
    from tests.engine.lab.host import metric_values, span_facts

    exporter, reader, store = InMemorySpanExporter(), InMemoryMetricReader(), MemoryStore()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    AelInstrumentor().instrument(tracer_provider=tracers, meter_provider=MeterProvider([reader]), store=store)
    result = asyncio.run(run(sys.argv[1]))
    found = {
        "spans": [span_facts(span) for span in exporter.get_finished_spans()],
        "metrics": metric_values(reader.get_metrics_data()),
        "record": msgspec.to_builtins(store.get(result.execution_id)),
    }
    print(json.dumps(found, default=str))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
