"""A process with the real engine and telemetry kept in memory, run by line: one JSON command in, one JSON answer out.

It does the same as `ael serve` and returns the telemetry that `ael serve` would send. Commands come on stdin:
`execute`, `execute_workflow`, `cancel`, `limit_code`, `many`, `together`, `sleep`, `register`, `unregister`, `hurry`,
`reload`, `upgrade`, `break_frame`, `break_store`, `mend`, `searched`, `running`, `stressed`, `collect` and `close`; see
`Host`.
"""

import asyncio
import io
import json
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support import stress


class Lines(io.TextIOBase):
    """A stream that stores the text written to it."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[str] = []
        self._lock = threading.Lock()

    def write(self, text: str, /) -> int:
        """Keep a piece of text."""
        with self._lock:
            self._kept.append(text)
        return len(text)

    def take(self) -> str:
        """Return the text written since the last call."""
        with self._lock:
            kept, self._kept = self._kept, []
        return "".join(kept)


class FileLines(Lines):
    """A stream that passes for a file, which nobody reads at once: lines reach it from the telemetry thread."""

    def fileno(self) -> int:
        """Return a descriptor that no file has."""
        return 1 << 30


class Host:
    """The engine, its telemetry, and the commands."""

    def __init__(self, app: Any, telemetry: "Telemetry") -> None:
        self.app = app
        self.telemetry = telemetry
        self._broken: list[tuple[Any, str, Any]] = []

    async def execute(self, workflow: str, inputs: dict[str, Any], timeout_s: float | None = None) -> Any:
        """Run by name, as REST and MCP do."""
        return await self.app.workflow_engine.execute(workflow, inputs, timeout_seconds=timeout_s)

    async def execute_workflow(self, workflow: str, inputs: dict[str, Any]) -> Any:
        """Run a definition, as an embedding application does."""
        definition = self.app.workflow_registry.get(workflow)
        return await self.app.workflow_engine.execute_workflow(definition, inputs)

    async def cancel(self, workflow: str, inputs: dict[str, Any]) -> Any:
        """Start a run and cancel its task while the tool `wait` works for it."""
        task = asyncio.create_task(self.execute(workflow, inputs))
        while not self.telemetry.waits():  # noqa: ASYNC110 - no event to await: the tool runs in another process
            await asyncio.sleep(0.01)
        task.cancel()
        return await task

    async def limit_code(self, seconds: int) -> Any:
        """Set how long code of a step may run from now on."""
        self.app.sandbox_factory._default_config.timeout = seconds
        return {}

    async def many(self, workflow: str, count: int) -> Any:
        """Run one workflow many times at once, each with its own number; returns each run's id and outputs."""
        results = await asyncio.gather(*(self.execute(workflow, {"number": n}) for n in range(count)))
        return {
            "runs": [
                {"execution_id": r.execution_id, "number": r.inputs["number"], "outputs": r.outputs}
                for r in results
            ]
        }

    async def together(self, runs: list[dict[str, Any]], apart_s: float = 0) -> Any:
        """Run several workflows at once, each begun `apart_s` seconds after the one before."""

        async def run(number: int, what: dict[str, Any]) -> Any:
            await asyncio.sleep(number * apart_s)  # wait: clients begin so far apart
            return await self.execute(**what)

        await asyncio.gather(*(run(number, what) for number, what in enumerate(runs)))
        return {}

    async def sleep(self, seconds: float) -> Any:
        """Let the process work on."""
        await asyncio.sleep(seconds)  # wait: a slow call
        return {}

    async def register(self, text: str) -> Any:
        """Register a workflow while the engine runs."""
        self.app.workflow_registry.register_from_yaml(text)
        return {}

    async def unregister(self, workflow: str) -> Any:
        """Remove a workflow."""
        return {"was": self.app.workflow_registry.unregister(workflow)}

    async def hurry(self, seconds: float) -> Any:
        """Let time pass for the rows of metrics."""
        from time import monotonic

        from ael_otel.core.metrics import shared_metrics

        for each in shared_metrics().all:
            each.clock = lambda: monotonic() + seconds
        return {}

    async def reload(self, path: str) -> Any:
        """Read a configuration file and read it again, as a host does whose file has changed."""
        from ploston_core.config.loader import ConfigLoader

        loader = ConfigLoader()
        loader.load(path)
        loader.reload()
        Path(path).write_text("not: [valid", "utf-8")  # noqa: ASYNC240 - nothing else runs
        loader.reload()

    async def upgrade(self, folder: str) -> Any:
        """Start with a store that was last used with other versions."""
        from ael_otel.config import Settings, Store
        from ael_otel.runtime.last_start import SUFFIX, note_start

        path = Path(folder) / "runs.db"
        Path(f"{path}{SUFFIX}").write_text(  # noqa: ASYNC240 - nothing else runs
            '{"ael_otel": "0.0.1", "engine": "1.0.0"}', "utf-8"
        )
        note_start(Settings(store=Store(path=str(path))))
        return {}

    async def break_frame(self, frame: str, method: str) -> Any:
        """Make a method of one of our own frames raise from now on, until `mend`."""
        from ael_otel import lifecycle

        def fail(*_: Any) -> None:
            raise RuntimeError("a fault of our own")

        kind = getattr(lifecycle, frame)
        self._broken.append((kind, method, vars(kind)[method]))
        setattr(kind, method, fail)
        return {}

    async def break_store(self) -> Any:
        """Let every call of the store fail from now on, until `mend`."""

        def fail(*_: Any) -> None:
            raise OSError("disk full")

        for method in ("start_execution", "step_changed", "tool_call_finished", "finish_execution"):
            self._broken.append((self.telemetry.store, method, getattr(self.telemetry.store, method)))
            setattr(self.telemetry.store, method, fail)
        return {}

    async def searched(self, workflow: str, inputs: dict[str, Any]) -> Any:
        """Run by name and return how many characters of texts of 64 kB and more were searched for secrets."""
        from ael_otel.privacy.scan import Scanner

        searched: list[int] = []
        spans = Scanner.spans

        def counting(scanner: Scanner, text: str, *budget: Any) -> Any:
            searched.append(len(text))
            return spans(scanner, text, *budget)

        Scanner.spans = counting  # type: ignore[method-assign]
        try:
            await self.execute(workflow, inputs)
        finally:
            Scanner.spans = spans  # type: ignore[method-assign]
        return {"searched": sum(size for size in searched if size >= 65_536)}

    async def mend(self) -> Any:
        """Undo the breakage, and let each fault be logged again."""
        from ael_otel.core.faults import forget_reported_faults

        for owner, name, original in self._broken:
            setattr(owner, name, original)
        self._broken.clear()
        forget_reported_faults()
        return {}

    async def running(self) -> Any:
        """Return the number of running runs, by store and gauge, and whether one waits in its tool `wait`."""
        store, metrics = self.telemetry.store, metric_values(self.telemetry.metrics.get_metrics_data())
        return {
            "store": sum(record.status == "running" for record in store.recent(10_000)),
            "gauge": metrics["ael.active_workflows"][""],
            "waits": self.telemetry.waits(),
        }

    async def stressed(self) -> Any:
        """Return how much stress the queues of notes have met, and how soon threads take turns."""
        return vars(stress.met) | {"switch_s": sys.getswitchinterval()}

    async def collect(self) -> Any:
        """Return the telemetry gathered since the last call, and the metrics' values."""
        return self.telemetry.take()

    async def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Execute one command; an exception of the engine is an answer too."""
        try:
            result = await getattr(self, command.pop("do"))(**command)
        except asyncio.CancelledError:
            return {"raised": "CancelledError"}
        except Exception as error:  # noqa: BLE001 - the answer names it
            return {"raised": type(error).__name__, "code": getattr(error, "code", None), "text": str(error)}
        if isinstance(result, dict):
            return result
        return {
            "execution_id": result.execution_id,
            "status": result.status.value,
            "error": getattr(result.error, "code", None),
            "outputs": result.outputs,
        }


class Sessions:
    """Events of sessions, stored here instead of in a run store's table."""

    def __init__(self) -> None:
        self._events: list[Any] = []
        self.dropped: dict[str, int] = {}

    def add(self, events: Sequence[Any]) -> None:
        """Keep events."""
        self._events += events

    def count(self, reason: str, count: int) -> None:
        """Count events that were dropped."""
        self.dropped[reason] = self.dropped.get(reason, 0) + count

    def take(self) -> list[Any]:
        """Return and forget the events."""
        from ael_otel.sessions.live import intake

        kept = intake()
        assert kept is not None
        assert kept.flush(20)
        taken, self._events = self._events, []
        return taken


class Foreign:
    """Processors of the SDK that keep spans and log records."""

    def __init__(self) -> None:
        from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._spans, self._logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
        self.spans, self.logs = SimpleSpanProcessor(self._spans), SimpleLogRecordProcessor(self._logs)

    def take(self) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return and forget spans and log records."""
        taken = self._spans.get_finished_spans(), self._logs.get_finished_logs()
        self._spans.clear()
        self._logs.clear()
        return taken


class Ours:
    """Processors of this package that keep spans and log records, and the stress in force on its threads."""

    def __init__(self) -> None:
        from ael_otel.sdk.batch_processors import BoundedLogProcessor, BoundedSpanProcessor

        self._spans: stress.Kept[Any] = stress.Kept()
        self._logs: stress.Kept[Any] = stress.Kept()
        self.spans = BoundedSpanProcessor(self._spans, self._drop)
        self.logs = BoundedLogProcessor(self._logs, self._drop)
        stress.begin(lossless=True)

    def _drop(self, *what: object) -> None:
        raise AssertionError(f"dropped: {what}")

    def take(self) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return and forget spans and log records, with those that are noted."""
        from ael_otel.core.telemetry_thread import telemetry_thread

        assert telemetry_thread().flush(20)
        assert self.spans.force_flush(20_000)
        assert self.logs.force_flush(20_000)
        return self._spans.take(), self._logs.take()


class Telemetry:
    """All of this process's telemetry in memory: spans, log lines, log records, metrics, run records."""

    def __init__(self, configuration: Path) -> None:
        from opentelemetry import trace
        from opentelemetry._logs import get_logger_provider
        from opentelemetry.metrics import get_meter_provider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader

        from ael_otel.config import load_settings
        from ael_otel.runtime import start
        from ael_otel.sessions.live import Intake, set_intake
        from ael_otel.store import MemoryStore

        stressed = stress.stress_kind() != ""
        self.lines = FileLines() if stressed else Lines()
        self.store = MemoryStore()
        self.runtime = start(load_settings(configuration), log_stream=self.lines, store=self.store)
        # A foreign processor has spans made by the SDK, and lines on the thread that logs.
        self.signals = Ours() if stressed else Foreign()
        self.metrics = InMemoryMetricReader()
        trace.get_tracer_provider().add_span_processor(self.signals.spans)  # type: ignore[attr-defined]
        get_logger_provider().add_log_record_processor(self.signals.logs)  # type: ignore[attr-defined]
        get_meter_provider().add_metric_reader(self.metrics)  # type: ignore[attr-defined]
        self._reported: set[str] = set()
        self.sessions = Sessions()
        set_intake(Intake(self.sessions, self.sessions.count))

    def waits(self) -> bool:
        """Return whether a running run has a running call of `wait`."""
        return any(
            call.tool_name == "wait" and call.status == "running"
            for run in self.store.recent()
            if run.status == "running"
            for step in run.steps
            for call in step.tool_calls
        )

    def take(self) -> dict[str, Any]:
        """Return and forget everything but the metrics, which keep counting."""
        import msgspec

        from ael_otel.store.derive import derive
        from ael_otel.store.span_processor import facts_of

        finished, logged = self.signals.take()
        spans = [span_facts(span) for span in finished]
        # A request that the HTTP server answers without any run of ours is a trace of another agent.
        derived = [run for run in derive(map(facts_of, finished)) if run.metadata.get("source") != "spans"]
        logs = [log_facts(data) for data in logged]
        records = [
            record
            for record in reversed(self.store.recent(10_000))
            if record.execution_id not in self._reported and record.status != "running"
        ]
        self._reported.update(record.execution_id for record in records)
        return {
            "spans": spans,
            "lines": self.lines.take(),
            "logs": logs,
            "metrics": metric_values(self.metrics.get_metrics_data()),
            "sessions": msgspec.to_builtins(self.sessions.take()),
            "records": msgspec.to_builtins(records, str_keys=True),
            "derived": msgspec.to_builtins(derived, str_keys=True),
        }


def span_facts(span: Any) -> dict[str, Any]:
    """Return a finished span as JSON values."""
    return {
        "name": span.name,
        "kind": span.kind.name,
        "scope": span.instrumentation_scope.name,
        "trace_id": format(span.context.trace_id, "032x"),
        "span_id": format(span.context.span_id, "016x"),
        "parent_id": format(span.parent.span_id, "016x") if span.parent else "",
        "remote_parent": bool(span.parent and span.parent.is_remote),
        "start": span.start_time,
        "end": span.end_time,
        "status": span.status.status_code.name,
        "description": span.status.description,
        "attributes": dict(span.attributes),
        "events": [{"name": each.name, "attributes": dict(each.attributes)} for each in span.events],
        "links": len(span.links),
        "linked": [
            [format(link.context.trace_id, "032x"), format(link.context.span_id, "016x")]
            for link in span.links
        ],
    }


def log_facts(data: Any) -> dict[str, Any]:
    """Return a log record as JSON values."""
    record = data.log_record
    return {
        "body": record.body,
        "severity": record.severity_text,
        "trace_id": format(record.trace_id or 0, "032x"),
        "span_id": format(record.span_id or 0, "016x"),
        "event": record.event_name or "",
        "attributes": dict(record.attributes or {}),
    }


def metric_values(data: Any) -> dict[str, dict[str, float]]:
    """Return each metric's rows: `label=value,...` (sorted by label) to value; a histogram has its count."""
    found: dict[str, dict[str, float]] = {}
    if data is None:
        return found
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                rows = found.setdefault(metric.name, {})
                for point in metric.data.data_points:
                    row = ",".join(f"{key}={value}" for key, value in sorted(point.attributes.items()))
                    rows[row] = point.count if hasattr(point, "count") else point.value
                    if hasattr(point, "sum"):
                        rows[f"{row} sum"] = point.sum
    return found


async def serve(configuration: Path, port: int, control: int) -> None:
    """Open the engine, serve MCP and REST on `port`, and answer commands until `close` or the end of stdin."""
    from ael_otel.cli import garbage
    from ael_otel.instrument.engine import open_application

    garbage.postpone()
    telemetry = Telemetry(configuration)
    app = await open_application(configuration, port=port, log_output=sys.stderr)
    garbage.resume()
    host = Host(app, telemetry)
    server = asyncio.create_task(app.start())
    with os.fdopen(control, "w", encoding="utf-8") as answers:

        def say(answer: dict[str, Any]) -> None:
            answers.write(json.dumps(answer, default=str) + "\n")
            answers.flush()

        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.02)
        say({"ready": True})
        while line := await asyncio.to_thread(sys.stdin.readline):
            command = json.loads(line)
            if command["do"] == "close":
                break
            say(await host.answer(command))
    server.cancel()
    await asyncio.gather(server, return_exceptions=True)
    await app.shutdown()
    telemetry.runtime.shutdown()


def main() -> None:
    """Run with a configuration and a port."""
    # Answers go to the original stdout; prints of the engine or a library go to stderr.
    control = os.dup(1)
    os.dup2(2, 1)
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), control))


if __name__ == "__main__":
    main()
