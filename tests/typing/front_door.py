"""A small program of a user that takes every name of the front door; both checkers accept it whole."""

from pathlib import Path

import ael_otel
from ael_otel import (
    AelInstrumentor,
    AelOtelError,
    ExecutionRecord,
    RunQuery,
    Settings,
    TelemetryStore,
    __version__,
    code_block,
    configure,
    execution,
    flush,
    load_settings,
    on,
    open_reader,
    open_store,
    redact,
    session,
    shutdown,
    step,
    tool_call,
)


def host(config: Path) -> None:
    """Instrument an engine of one's own."""
    instrumentor = AelInstrumentor()
    instrumentor.instrument(config=config, serve_metrics=False, mcp_spans="both")
    instrumentor.uninstrument()


def record(settings: Settings, store: TelemetryStore) -> str:
    """Record a run that is not the engine's."""
    configure(settings, store=store, logs=False)
    with execution("triage", inputs={"ticket": 7}, version="1") as run:
        with step("look-up", tool="search", max_attempts=2) as looking:
            looking.attempt()
            with tool_call("search", server="crm", params={"query": "printer"}) as call:
                call.returned({"hits": 2})
        with step("rank", code="sorted(hits)"), code_block("sorted(hits)") as block:
            block.printed("", "", [1, 2])
        run.finished({"answer": "turn it off and on"})
    flushed: bool = flush(timeout_s=1.0)
    shutdown(timeout_s=1.0)
    return f"{flushed} {__version__} {redact({'user': 'ada'})}"


def watch() -> None:
    """Have functions called for an agent of one's own."""
    hooks = [
        on("tool.execute.after", lambda event: (event.tool, event.outcome)),
        on("session.end", later),
    ]
    with session("bot", session_id="s-1", version="1", model="m", workspace="/srv") as chat, chat.turn():
        chat.decided("permission", "allow")
        chat.message("go on")
    for hook in hooks:
        hook.remove()


async def later(event: object) -> None:
    """Take an event."""


def look(config: str) -> list[str]:
    """Query a store."""
    try:
        settings: Settings = load_settings(config)
        reader: TelemetryStore = open_reader(settings)
    except AelOtelError as error:
        return [str(error)]
    query = RunQuery(workflow="triage", status="failed", limit=10)
    names: list[str] = [summary.execution_id for summary in reader.query(query).runs]
    found: ExecutionRecord | None = reader.get(names[0]) if names else None
    if found is not None:
        names += [each.step_id for each in found.steps]
    writer: TelemetryStore = open_store(settings)
    writer.close()
    return names


def misuse(settings: Settings) -> None:
    """What a checker refuses."""
    configure(7)  # error
    execution(inputs={})  # error
    step("rank", kind="code")  # error
    tool_call("search", parameters={})  # error
    flush(timeout_s="1")  # error
    AelInstrumentor().instrument(config=3)  # error
    AelInstrumentor().instrument(mcp_spans="neither")  # error
    RunQuery(status="done")  # error
    settings.metrics.port = 1  # error
    _ = ael_otel.absent  # error
