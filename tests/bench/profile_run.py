"""`make bench-profile`: where the time of a step and of a run goes, by part (half a minute).

A step is profiled in processor time, sampled and unsampled; a profiler makes short calls look longer than they are. A
run over stdio is not profiled but timed without telemetry and with it in turn: the whole, its tool call, and the
processor time of the engine's thread, which shows whether telemetry takes time itself or makes the engine wait.
"""

import asyncio
import cProfile
import logging
import os
import pstats
import sys
import warnings
from collections import defaultdict
from statistics import median, quantiles
from time import perf_counter_ns, process_time_ns, thread_time_ns
from typing import Any

from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from parts import Stepping, step
from rich.console import Console
from rich.table import Table

STEPS = 3_000
RUNS, ROUNDS = 15, 16

PARTS = (
    ("context", ("opentelemetry/context", "contextvars", "ContextVar")),
    ("span", ("run_spans", "emit/spans", "emitters", "opentelemetry/trace", "id_generator", "getrandbits")),
    ("counter", ("metric", "emit/rows")),
    ("events of the store", ("/store/", "recorder.py")),
    ("export queue", ("batch_processors", "export_queue")),
    ("redaction of names", ("redaction",)),
    ("frame", ("lifecycle/", "run_context")),
    ("built-in functions", ("~",)),
)
"""Parts of a step, by what the name of a file or of a built-in function contains; the first that fits counts."""


def part_of(file: str, name: str) -> str:
    """Return the part that a function belongs to."""
    for part, words in PARTS:
        if any(word in file or word in name for word in words):
            return part
    return "the rest"


def profiled(sampled: bool) -> tuple[float, dict[str, float]]:
    """Profile steps and return the microseconds of one under the profiler and the shares of its parts."""
    stepping = Stepping(ALWAYS_ON if sampled else ALWAYS_OFF)
    batch = stepping.batch(step)
    batch(STEPS // 10)
    profile = cProfile.Profile(process_time_ns, 1e-9)
    profile.runcall(batch, STEPS)
    found: Any = pstats.Stats(profile)
    shares: dict[str, float] = defaultdict(float)
    for (file, _, name), (_, _, own_s, _, _) in found.stats.items():
        shares[part_of(file, name)] += own_s / found.total_tt
    return found.total_tt / STEPS * 1e6, shares


def of_steps(console: Console) -> None:
    """Profile and print."""
    (sampled_us, sampled), (unsampled_us, unsampled) = profiled(True), profiled(False)
    shown = Table(title=f"A step, shares of {STEPS:,} under cProfile", title_justify="left", expand=False)
    for heading in ("part", "sampled", "unsampled"):
        shown.add_column(heading, justify="left" if heading == "part" else "right")
    for part in sorted(sampled, key=lambda part: -sampled[part]):
        shown.add_row(part, f"{sampled[part]:.0%}", f"{unsampled.get(part, 0.0):.0%}")
    shown.add_row("microseconds, profiled", f"{sampled_us:.0f}", f"{unsampled_us:.0f}")
    console.print(shown, "")


async def timed_over_stdio() -> dict[str, tuple[list[float], list[float]]]:
    """Return microseconds of a run, batch by batch, by what was measured: without telemetry, and with it."""
    import runs  # the engine takes a second, and its modules must not be loaded while steps are profiled
    from ploston_core.mcp.connection import MCPConnection

    real = MCPConnection.call_tool
    in_call = 0

    async def call_tool(self: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal in_call
        began = perf_counter_ns()
        try:
            return await real(self, *arguments, **options)
        finally:
            in_call += perf_counter_ns() - began

    found: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    async with runs.engine() as application:
        MCPConnection.call_tool = call_tool
        try:
            telemetry = runs.Instrumentation(ALWAYS_ON)
            for turn in range(ROUNDS + 1):
                for side, instrumentation in enumerate((None, telemetry)):
                    in_call = 0
                    elapsed = await runs.batches(application, instrumentation)(RUNS)
                    within = in_call
                    cpu = await runs.batches(application, instrumentation, thread_time_ns)(RUNS)
                    if turn:
                        for what, taken in (
                            ("elapsed", elapsed),
                            ("of it within the tool call", within),
                            ("processor time of the engine's thread", cpu),
                        ):
                            found[what][side].append(taken / RUNS / 1e3)
        finally:
            MCPConnection.call_tool = real
    return found


def over_stdio(console: Console) -> None:
    """Measure and print."""
    shown = Table(
        title=f"A one-step run over stdio, {ROUNDS} batches of {RUNS}", title_justify="left", expand=False
    )
    for heading in ("what", "engine alone", "with telemetry", "adds", "ratio", "quartiles"):
        shown.add_column(heading, justify="left" if heading == "what" else "right")
    for what, (alone, ours) in asyncio.run(timed_over_stdio()).items():
        low, middle, high = quantiles([one / other for one, other in zip(ours, alone, strict=True)], n=4)
        shown.add_row(
            what,
            f"{median(alone):,.0f} us",
            f"{median(ours):,.0f} us",
            f"{median(ours) - median(alone):+,.0f} us",
            f"{middle:.2f}",
            f"{low:.2f} .. {high:.2f}",
        )
    console.print(shown)


def main() -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(f"load {os.getloadavg()[0]:.1f} at the beginning\n")
    of_steps(console)
    over_stdio(console)


if __name__ == "__main__":
    main()
