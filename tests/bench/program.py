"""The engine with its telemetry in a separate process, at a rate: `python tests/bench/program.py '{"rate": 100}'`.

Does the same as `ael serve`, without HTTP, whose cost would hide the measured one; the tool is stubbed. Runs begin at
their times whether or not earlier ones have ended. Prints one JSON object a second, and a last one with `done`.
"""

import asyncio
import gc
import json
import os
import resource
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import msgspec
from tool_server import prose

from ael_otel.config import load_settings
from ael_otel.core.metrics import shared_metrics
from ael_otel.instrument.engine import open_application
from ael_otel.runtime import start
from tests.engine.lab.files import write_configuration

TICK = 0.005
"""Seconds between two checks of the event loop: the lateness of a check is the loop's delay."""

IN_FLIGHT = 500
"""Runs at the same time: further ones wait and are reported as `behind`."""

WORKFLOWS = {
    "one_step": """
name: one_step
version: 1.0.0
inputs:
  - size: {type: integer, default: 20}
  - kind: {type: string, default: ""}
steps:
  - {id: ask, tool: text, mcp: bench, params: {size: "{{ inputs.size }}", kind: "{{ inputs.kind }}"}}
outputs:
  - {name: answer, from: steps.ask.output}
"""
}


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The load that one process runs.

    Attributes:
        rate: runs a second.
        seconds: how long.
        size: characters of a result.
        kind: which value of `tool_server.HOSTILE` is the result; empty for prose.
        telemetry: the `telemetry` section besides defaults; None switches telemetry off.
        idle: seconds to wait before the first run and after the last one, for a look at memory.
    """

    rate: float
    seconds: float
    size: int = 20
    kind: str = ""
    telemetry: dict[str, Any] | None = {}
    idle: float = 0.0


def configuration(folder: Path, telemetry: dict[str, Any] | None) -> Path:
    """Write the configuration of the bench; None switches telemetry off."""
    section = {"enabled": False} if telemetry is None else telemetry
    section = {"store": {"path": str(folder / "runs.db")}} | section
    return write_configuration(
        folder / "ael",
        telemetry=section,
        servers={"bench": [Path(__file__).with_name("tool_server.py")]},
        texts=WORKFLOWS,
    )


def resident() -> float:
    """MiB of memory of this process; where /proc is absent, the most that it ever had."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        scale = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
    return pages * resource.getpagesize() / (1 << 20)


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` of all are; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Driver:
    """Starts runs and measures the process.

    Args:
        application: the engine's.
        plan: what to do.
        runtime: the telemetry of this process.
    """

    def __init__(self, application: Any, plan: Plan, runtime: Any) -> None:
        self._execute = application.workflow_engine.execute
        self._plan = plan
        self._runtime = runtime
        self._delays: list[float] = []
        self._all: list[float] = []
        self._warm = False
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self.begun = self.ended = self.failed = 0
        self.most: dict[str, float] = {}

    async def _run(self) -> None:
        try:
            result = await self._execute("one_step", {"size": self._plan.size, "kind": self._plan.kind})
            self.failed += result.status.value != "completed"
        finally:
            self.ended += 1
            self._slots.release()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)  # wait: the loop's own clock is measured
            late = (loop.time() - due) * 1e3
            self._delays.append(late)
            if self._warm:
                self._all.append(late)

    def levels(self) -> dict[str, float]:
        """How full each buffer is, from 0 to 1."""
        return {
            queue: max((buffer.level.fill for buffer in list(buffers)), default=0.0)
            for queue, buffers in list(shared_metrics()._buffers.items())
        }

    def dropped(self) -> int:
        """How many items of telemetry were dropped."""
        return int(sum(row.slots[0] for row in shared_metrics().telemetry.rows()))

    def report(self, began: float, due: float, **more: Any) -> dict[str, Any]:
        """Print and return the current figures."""
        levels = self.levels() if self._plan.telemetry is not None else {}
        for queue, fill in levels.items():
            self.most[queue] = max(fill, self.most.get(queue, 0.0))
        delays, self._delays = self._delays, []
        said = {
            "at": round(perf_counter() - began, 2),
            "runs": self.ended,
            "behind": max(0, int(due) - self.ended),
            "rss_mb": round(resident(), 2),
            "cpu_s": round(process_time(), 3),
            "delay_ms": [round(percentile(delays, share), 2) for share in (0.5, 0.99, 1.0)],
            "fill": {queue: round(fill, 4) for queue, fill in levels.items()},
            "dropped": self.dropped() if self._plan.telemetry is not None else 0,
            "failed": self.failed,
        } | more
        print(json.dumps(said), flush=True)
        return said

    async def drive(self) -> None:
        """Run the plan."""
        plan = self._plan
        watching = asyncio.create_task(self._watch())
        for _ in range(30):  # modules loaded and caches filled by the first runs
            await self._slots.acquire()
            await self._run()
        if plan.telemetry is not None:
            await asyncio.to_thread(self._runtime.flush, 60.0)  # what the first runs left is not measured
        self.begun = self.ended = 0
        gc.collect()
        if plan.idle:
            await asyncio.sleep(plan.idle)  # wait: idle memory is measured
        self._delays.clear()
        began, cpu = perf_counter(), process_time()
        self.report(began, 0, idle=True)
        tasks: set[asyncio.Task[None]] = set()
        tell = 1.0
        while (now := perf_counter() - began) < plan.seconds:
            due = min(now, plan.seconds) * plan.rate
            while self.begun < int(due) and not self._slots.locked():
                await self._slots.acquire()
                self.begun += 1
                task = asyncio.create_task(self._run())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            if now >= tell:
                self.report(began, due)
                tell = now + 1.0
                # The first second has an extra pause: garbage collection after the start.
                self._warm = True
            await asyncio.sleep(min(0.01, 1 / plan.rate))  # wait: until the next run is due
        took, cpu = perf_counter() - began, process_time() - cpu
        ended = self.ended
        delays = list(self._all)
        before = self.dropped() if plan.telemetry is not None else 0
        await asyncio.gather(*tasks)
        watching.cancel()
        began_to_drain = perf_counter()
        if plan.telemetry is not None:
            await asyncio.to_thread(self._runtime.flush, 30.0)
        drained = perf_counter() - began_to_drain
        gc.collect()
        if plan.idle:
            await asyncio.sleep(plan.idle)  # wait: idle memory is measured
        self.report(
            began,
            plan.seconds * plan.rate,
            done=True,
            rate=round(ended / took, 1),
            cpu_ms_a_run=round(cpu / max(1, ended) * 1e3, 3),
            all_ms=[round(percentile(delays, share), 2) for share in (0.5, 0.99, 1.0)],
            most={queue: round(fill, 4) for queue, fill in self.most.items()},
            dropped_while_running=before,
            drain_s=round(drained, 2),
        )


@asynccontextmanager
async def _stubbed(answer_size: int) -> AsyncGenerator[None]:
    """Make each call of the tool return at once."""
    from ploston_core.mcp.connection import MCPConnection

    real = MCPConnection.call_tool
    answers: dict[int, Any] = {}

    async def stub(self: Any, name: str, arguments: Any, *rest: Any, **options: Any) -> Any:
        if answer_size not in answers:
            answers[answer_size] = await real(self, name, arguments, *rest, **options)
        await asyncio.sleep(0)
        return answers[answer_size]

    MCPConnection.call_tool = stub
    try:
        yield
    finally:
        MCPConnection.call_tool = real


async def main(plan: Plan) -> None:
    """Start the engine, run the plan, and stop the engine."""
    prose(plan.size)
    with TemporaryDirectory() as folder, open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123, ASYNC230
        path = configuration(Path(folder), plan.telemetry)
        runtime = start(load_settings(path), log_stream=nowhere)
        application = await open_application(path, rest=False, log_output=nowhere)
        try:
            async with _stubbed(plan.size):
                await Driver(application, plan, runtime).drive()
        finally:
            began = perf_counter()
            await application.shutdown()
            engine = perf_counter() - began
            runtime.shutdown()
            print(json.dumps({"exit_s": round(perf_counter() - began - engine, 3)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Plan)))
