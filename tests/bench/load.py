"""`make bench-load` and `make soak`: cost of telemetry for an engine under load, and over a long time.

Each figure is of a separate process (`program.py`), with telemetry and without it in turn, so that a busy machine
slows both alike. `load` measures the event loop's delay at 100 runs a second, the most runs a second, memory, and the
end of a process with nothing at the other end. `soak` runs at a steady rate and fails if memory grows, something is
dropped or a queue fills up.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

from rich.console import Console
from rich.table import Table
from tool_server import HOSTILE

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

LARGE = 51_200
"""Characters of a large result."""

HOSTILE_SIZE = 262_144
"""Characters of a result that takes long to redact."""

AS_FAST_AS_IT_GOES = 100_000.0

GROWTH_MB_AN_HOUR = 8.0
"""Most growth of memory in an hour beyond that of the engine alone, which runs beside and grows too."""

NOISE_MB = 1.0
"""Most growth in a short soak: in minutes, an allocator's blocks outweigh a slow leak."""

SETTLED, SETTLED_S = 0.25, 300.0
"""When the slope begins: after this share of a soak, and, in a short one, after so many seconds or half of it. Caches,
pools and the engine's own list of its last 1,000 runs have filled by then."""

FULL = 0.5

BLOCKS = "▁▂▃▄▅▆▇█"


@contextmanager
def receiver() -> Iterator[str]:
    """Run a receiver of OTLP beside, and yield its endpoint."""
    process = subprocess.Popen([sys.executable, str(HERE / "receiver.py")], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def telemetry(endpoint: str) -> dict[str, Any]:
    """Everything on, as by default, with this endpoint."""
    return {"exporters": {"otlp": {"enabled": True, "endpoint": endpoint}}, "logs": {"output": "both"}}


def drive(
    each: Callable[[dict[str, Any]], None] = lambda report: None, *, longest_s: float, **plan: Any
) -> list[dict[str, Any]]:
    """Run the program on a plan and return its reports; `each` is called with every one as it comes."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "program.py"), json.dumps(plan)],
        cwd=HERE,
        env={name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AEL_"))}
        | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    reports: list[dict[str, Any]] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                reports.append(json.loads(line))
                each(reports[-1])
        if process.wait(timeout=longest_s):
            raise SystemExit(f"program.py ended with {process.returncode} on {plan}")
    finally:
        process.kill()
        process.wait()
    return reports


def done(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the last report of a plan that was done, with how long the process then took to end."""
    (last,) = (report for report in reports if report.get("done"))
    return last | reports[-1]


def load(console: Console, seconds: float) -> None:
    """Measure and print the table."""
    shown = Table(
        title="Under load: the engine alone, and with telemetry", title_justify="left", expand=False
    )
    for heading in ("what", "engine alone", "with telemetry", "difference", "aim"):
        shown.add_column(heading, justify="left" if heading in ("what", "aim") else "right")

    def both(label: str, turns: int = 1, **plan: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        alone, ours = [], []
        for _ in range(turns):
            with console.status(label):
                alone.append(done(drive(longest_s=120, telemetry=None, **plan)))
                ours.append(done(drive(longest_s=120, telemetry=telemetry(endpoint), **plan)))
        return alone, ours

    with receiver() as endpoint:
        alone, ours = both("event loop at 100 runs/s", turns=3, rate=100, seconds=seconds, idle=2.0)
        delays = [median(each["all_ms"][1] for each in side) for side in (alone, ours)]
        shown.add_row(
            "delay of the event loop at 100 runs/s, p99",
            *(f"{delay:.1f} ms" for delay in delays),
            f"{delays[1] - delays[0]:+.1f} ms",
            "<= +5 ms",
        )
        cpu = [median(each["cpu_ms_a_run"] for each in side) for side in (alone, ours)]
        shown.add_row(
            "CPU of the process for a run, at 100 runs/s",
            *(f"{each:.2f} ms" for each in cpu),
            f"{cpu[1] - cpu[0]:+.2f} ms",
            "<= +0.9 ms",
        )
        memory = [median(each["rss_mb"] for each in side) for side in (alone, ours)]
        shown.add_row(
            "memory after it, idle",
            *(f"{each:.0f} MiB" for each in memory),
            f"{memory[1] - memory[0]:+.0f} MiB",
            "<= +25 MiB",
        )
        for label, size, aim in (("short results", 20, ""), ("results of 50 kB", LARGE, ">= 0.50")):
            alone, ours = both(
                f"most runs a second, {label}", rate=AS_FAST_AS_IT_GOES, seconds=seconds, size=size
            )
            rates = alone[0]["rate"], ours[0]["rate"]
            dropped = ours[0]["dropped_while_running"]
            shown.add_row(
                f"most runs a second, {label}",
                *(f"{rate:.0f}" for rate in rates),
                f"{rates[1] / rates[0]:.2f}, {dropped:,} items dropped",
                aim,
            )
        for kind in HOSTILE:
            alone, ours = both(
                f"event loop beside {kind}", rate=2, seconds=seconds, size=HOSTILE_SIZE, kind=kind
            )
            p99, most = ([side[0]["all_ms"][at] for side in (alone, ours)] for at in (1, 2))
            shown.add_row(
                f"delay of the event loop beside 256 kB of {kind}, p99 (slowest)",
                *(f"{one:.0f} ({two:.0f}) ms" for one, two in zip(p99, most, strict=True)),
                f"{p99[1] - p99[0]:+.0f} ({most[1] - most[0]:+.0f}) ms",
                "<= +50 (250) ms",
            )
        kept_up = 0
        for rate in range(100, 501, 50):
            with console.status(f"{rate} runs/s without a drop"):
                last = done(drive(longest_s=120, telemetry=telemetry(endpoint), rate=rate, seconds=seconds))
            if last["dropped"] or last["behind"] > rate or max(last["most"].values(), default=0) > FULL:
                break
            kept_up = rate
        shown.add_row("runs a second without a drop, queues below half", "", f"{kept_up}", "", ">= 250")
    with console.status("nothing at the other end"):
        reports = drive(
            longest_s=120, telemetry=telemetry("http://127.0.0.1:9"), rate=2500, seconds=seconds, idle=0.5
        )
    last = done(reports)
    most = max(report.get("rss_mb", 0) for report in reports)
    first = next(report["rss_mb"] for report in reports if "rss_mb" in report)
    shown.add_row(
        "most memory at 2,500 runs/s with no Collector",
        "",
        f"{most:.0f} MiB",
        f"{most - first:+.0f} MiB, {last['dropped']:,} items dropped",
        "bounded (docs/reference/limits.md)",
    )
    shown.add_row("end of that process", "", f"{last['exit_s']:.2f} s", "", "<= 1.5 s")
    console.print(shown)
    console.print(
        f"load {os.getloadavg()[0]:.1f}; {seconds:g} s each; tool stubbed, JSON lines to a file, OTLP over gRPC"
    )


def soak(console: Console, minutes: float, rate: float) -> int:
    """Run at a steady rate and print how it went; return 1 if memory grew, something was dropped or a queue filled."""
    reports: list[dict[str, Any]] = []

    def each(report: dict[str, Any]) -> None:
        reports.append(report)
        if "rss_mb" in report and len(reports) % 30 == 0:
            fill = max(report["fill"].values(), default=0.0)
            console.print(
                f"{report['at'] / 60:6.1f} min  {report['runs']:>9,} runs  {report['rss_mb']:6.1f} MiB  "
                f"queues {fill:4.0%}  behind {report['behind']}  dropped {report['dropped']}"
            )

    plan = {"rate": rate, "seconds": minutes * 60}
    with receiver() as endpoint, ThreadPoolExecutor(1) as beside:
        alone = beside.submit(lambda: drive(longest_s=120, telemetry=None, **plan))
        drive(each, longest_s=120, telemetry=telemetry(endpoint) | {"retention": {"days": 1}}, **plan)
    timed = [report for report in reports if "rss_mb" in report and not report.get("done")]
    begin = max(minutes * 60 * SETTLED, min(SETTLED_S, minutes * 60 / 2))
    late = [report for report in timed if report["at"] >= begin]
    of_the_engine = _growth([each for each in alone.result() if "rss_mb" in each and each["at"] >= begin])
    slope = _growth(late) - of_the_engine
    allowed = max(GROWTH_MB_AN_HOUR, NOISE_MB * 3600 / (minutes * 60 - begin))
    last = done(reports)
    fullest = max(last["most"].values(), default=0.0)
    half = len(late) // 2
    lag = [median(report["delay_ms"][1] for report in part) for part in (late[:half], late[half:])]
    console.print(f"\nmemory  {_drawn([report['rss_mb'] for report in timed])}")
    console.print(f"delay   {_drawn([report['delay_ms'][1] for report in timed])}")
    faults = [
        text
        for wrong, text in (
            (
                slope > allowed,
                f"memory grows by {slope:.1f} MiB an hour more than the engine's own",
            ),
            (last["dropped"] > 0, f"{last['dropped']:,} items were dropped"),
            (last["failed"] > 0, f"{last['failed']:,} runs failed"),
            (
                last["behind"] > rate,
                f"{last['behind']:,} runs behind: this machine is too slow for {rate:g} a second",
            ),
            (fullest > FULL, f"a queue was {fullest:.0%} full"),
            (lag[1] > 2 * lag[0] + 1, f"the loop's delay (p99) grew from {lag[0]:.1f} to {lag[1]:.1f} ms"),
        )
        if wrong
    ]
    console.print(
        f"{last['runs']:,} runs in {minutes:g} minutes: memory {slope:+.1f} MiB an hour besides the engine's own "
        f"{of_the_engine:+.1f}, queues at most {fullest:.0%}, {last['dropped']} items dropped, "
        f"delay p99 {lag[0]:.1f} then {lag[1]:.1f} ms, load {os.getloadavg()[0]:.1f}"
    )
    for fault in faults:
        console.print(f"soak: {fault}", style="red")
    return 1 if faults else 0


def _growth(reports: list[dict[str, Any]]) -> float:
    """Return how much memory grows, in MiB an hour."""
    return linear_regression(
        [each["at"] / 3600 for each in reports], [each["rss_mb"] for each in reports]
    ).slope


def _drawn(values: list[float], width: int = 72) -> str:
    """Return values as a line of blocks, from the smallest to the largest."""
    step = max(1, len(values) // width)
    points = [median(values[at : at + step]) for at in range(0, len(values), step)]
    low, high = min(points), max(points)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((point - low) * scale)] for point in points) + f"  {low:.1f} to {high:.1f}"


def main() -> int:
    """Measure, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("load", "soak"))
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement of `load`")
    parser.add_argument("--minutes", type=float, default=60.0, help="of the soak")
    parser.add_argument("--rate", type=float, default=100.0, help="runs a second of the soak")
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 140)
    if arguments.what == "soak":
        return soak(console, arguments.minutes, arguments.rate)
    load(console, arguments.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
