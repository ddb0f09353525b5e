"""Run by the tests as a separate process: the demo on the real engine, its spans and its records side by side."""

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

import msgspec
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ael_otel.config import load_settings
from ael_otel.demo.example import write_example
from ael_otel.demo.runner import run_scenarios
from ael_otel.demo.scenarios import RUNS_PER_ROUND, Scenario
from ael_otel.instrument.engine import open_application, run_workflow
from ael_otel.runtime import start
from ael_otel.store import RunQuery, open_store
from ael_otel.store.derive import derive
from ael_otel.store.span_processor import facts_of


async def main(folder: Path) -> None:
    """Run each scenario of the demo once; write the stored records, and those derived from spans, to `records.json`."""
    logging.disable(logging.CRITICAL)
    config = write_example(folder / "demo")
    settings = load_settings(config)
    store = open_store(settings, environ={"AEL_TELEMETRY_DB": str(folder / "telemetry.db")})
    runtime = start(settings, store=store)
    exporter = InMemorySpanExporter()
    provider: Any = trace.get_tracer_provider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = await open_application(config, log_output=sys.stderr)

    async def run(scenario: Scenario) -> Any:
        return await run_workflow(app, scenario.workflow, dict(scenario.inputs), scenario.timeout_s)

    await run_scenarios(run, runs=RUNS_PER_ROUND, seconds=None, on_done=lambda _: None)
    await app.shutdown()
    stored = list(store.iterate(RunQuery(limit=None)))
    derived = derive(facts_of(span) for span in exporter.get_finished_spans())
    runtime.shutdown(0.1)
    store.close()
    (folder / "records.json").write_bytes(msgspec.json.encode({"stored": stored, "derived": derived}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
