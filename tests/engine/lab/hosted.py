"""A FastAPI application with the engine in it, as a person writes one; served by uvicorn, alone or with workers.

`HOST_CONFIG` is the instrumentor's argument (`-` for none), `HOST_OWN_PROVIDER` a file to which a tracer
provider of its own writes its spans; without either variable it knows nothing of telemetry. With
`HOST_PASS_PROVIDER` it passes that provider to the instrumentor instead of setting it.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI


def own_provider(file: str) -> Any:
    """Return a tracer provider that writes to a file, one JSON object a span."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    # Open as long as the process runs.
    out = open(file, "a", encoding="utf-8")  # noqa: SIM115, PTH123
    exporter = ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\n")
    provider = TracerProvider(resource=Resource.create({"service.name": "own"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


arguments: dict[str, Any] = {}
if file := os.environ.get("HOST_OWN_PROVIDER"):
    if os.environ.get("HOST_PASS_PROVIDER"):
        arguments["tracer_provider"] = own_provider(file)
    else:
        from opentelemetry import trace

        trace.set_tracer_provider(own_provider(file))
if config := os.environ.get("HOST_CONFIG"):
    from ael_otel import AelInstrumentor

    AelInstrumentor().instrument(**arguments | ({} if config == "-" else {"config": config}))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the engine with the application and close it with it."""
    from ploston_core.application import PlostApplication

    app.state.engine = PlostApplication(config_path=os.environ["HOST_ENGINE_CONFIG"])
    await app.state.engine.initialize()
    yield
    await app.state.engine.shutdown()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, int]:
    """Answer as soon as the engine is open."""
    return {"pid": os.getpid()}


@app.post("/run/{workflow}")
async def run(workflow: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """Run a workflow; a failed run is an answer too."""
    try:
        result = await app.state.engine.workflow_engine.execute(workflow, inputs)
    except Exception as error:  # noqa: BLE001 - the answer names it
        return {"pid": os.getpid(), "raised": type(error).__name__}
    return {"pid": os.getpid(), "execution_id": result.execution_id, "status": result.status.value}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))
