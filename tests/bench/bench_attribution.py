"""`python tests/bench/bench_attribution.py`: what attribution of lines costs.

Snapshots around a call with their comparison (processor time of this process and of Git), `ael blame` of a large
file (elapsed), and runs of the real engine with and without attribution, in turn in one process (elapsed).
"""

import argparse
import asyncio
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

import yaml

import ael_snapshot
from ael_otel.attribution.blame import blame
from ael_otel.attribution.ledger import Ledger
from ael_otel.attribution.observations import seen_workspaces
from ael_otel.attribution.windows import Attributor
from ael_otel.store.owner import now_us
from ael_otel.store.sqlite import SqliteStore

HERE = Path(__file__).parent
SERVER = HERE.parent / "engine" / "lab" / "writing_tools.py"
GIT = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "b@b.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def git(folder: Path, *words: str) -> None:
    """Run Git."""
    subprocess.run(["git", *words], cwd=folder, env=GIT, check=True, stdout=subprocess.DEVNULL)


def repository(folder: Path, files: int) -> Path:
    """Make a repository with that many committed files of twenty lines."""
    for number in range(files):
        path = folder / f"package{number % 97}" / f"module{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"value_{number}_{line} = compute({line})\n" for line in range(20)))
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "start")
    return folder


def processor() -> float:
    """Milliseconds of processor time of this process and of those that it has waited for."""
    now = os.times()
    return 1e3 * (now.user + now.system + now.children_user + now.children_system)


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Return processor and elapsed time of something, in milliseconds."""
    cpu, began = processor(), time.perf_counter()
    work()
    return processor() - cpu, 1e3 * (time.perf_counter() - began)


def looks(folder: Path, files: int, rounds: int) -> None:
    """Two snapshots and their comparison, with one file written in between."""
    root = repository(folder / "work", files)
    home = folder / "home"
    home.mkdir()
    store = SqliteStore(folder / "telemetry.db")
    attributor = Attributor(Ledger(store))
    found: dict[str, list[tuple[float, float]]] = {"before": [], "after": [], "work": []}
    ends = {"lines": 0, "unaccounted": 0}
    for turn in range(rounds + 1):
        record = {"agent": "codex", "session": "s", "cwd": str(root), "tool": "shell", "call": f"call-{turn}"}

        def look(phase: str, event: str, record: dict[str, Any] = record) -> tuple[float, float]:
            given = {**record, "event": event}
            return measured(
                lambda: ael_snapshot.take(str(home), given, phase, "all", lambda _path: False, time.time_ns())
            )

        costs = {"before": look("before", "PreToolUse")}
        with (root / "package1" / "module1.py").open("a") as file:
            file.write(f"line_of_call_{turn} = {turn}\n")
        costs["after"] = look("after", "PostToolUse")
        (seen,) = seen_workspaces(home)
        changes: list[Any] = []
        costs["work"] = measured(
            lambda seen=seen, changes=changes: changes.extend(attributor.work(seen, now_us()))
        )
        for change in changes:
            ends["unaccounted" if change.unaccounted else "lines"] += 1
        if turn:  # the first one warms up
            for name, cost in costs.items():
                found[name].append(cost)
        (seen.folder / "large").unlink(missing_ok=True)
    store.close()
    cpu = [sum(found[name][turn][0] for name in found) for turn in range(rounds)]
    wall = [median(each[1] for each in found[name]) for name in found]
    print(
        f"{files:,} files: two looks and the work on them {median(cpu):.0f} ms of processor time; elapsed "
        f"{wall[0]:.0f} + {wall[1]:.0f} + {wall[2]:.0f} ms; of {rounds + 1} calls {ends['lines']} attributed, "
        f"{ends['unaccounted']} unaccounted"
    )


def blames(folder: Path, lines: int, rounds: int) -> None:
    """`blame` of a large file that a call has written a tenth of, over thirty commits."""
    root = repository(folder / "work", 20)
    home, large = folder / "home", root / "large.py"
    home.mkdir()
    store = SqliteStore(folder / "telemetry.db")
    ledger = Ledger(store)
    attributor = Attributor(ledger)
    content = [f"value_{line} = compute_something({line}, {line * 7})" for line in range(lines)]
    large.write_text("\n".join(content) + "\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "large")
    for turn in range(30):
        record = {
            "agent": "codex",
            "session": "s",
            "cwd": str(root),
            "paths": [str(large)],
            "call": f"c{turn}",
        }

        def look(phase: str, event: str, record: dict[str, Any] = record) -> None:
            given = {**record, "event": event}
            ael_snapshot.take(str(home), given, phase, "files", lambda _path: False, time.time_ns())

        look("before", "PreToolUse")
        for line in range(turn, lines, 300):
            content[line] = f"changed_{line}_{turn} = by_a_call({turn}, {line})"
        large.write_text("\n".join(content) + "\n")
        look("after", "PostToolUse")
        for seen in seen_workspaces(home):
            attributor.work(seen, now_us())
        git(root, "commit", "-q", "-a", "-m", f"change {turn}")
    costs = [measured(lambda: blame([ledger], large)) for _ in range(rounds)]
    found = blame([ledger], large)
    store.close()
    ai = sum(line.contributor == "ai" for line in found)
    print(
        f"blame of {lines:,} lines, {ai} of them by calls: elapsed {median(cost[1] for cost in costs):.0f} ms, "
        f"processor time {median(cost[0] for cost in costs):.0f} ms (Git's included)"
    )


def config_in(folder: Path, root: Path) -> Path:
    """Write a configuration whose workflows write files in three steps."""
    flows = folder / "workflows"
    flows.mkdir(parents=True)

    def flow(name: str, steps: list[dict[str, Any]]) -> None:
        for before, step in pairwise(steps):
            step["depends_on"] = [before["id"]]
        document = {"name": name, "version": "1.0.0", "steps": steps}
        (flows / f"{name}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))

    def tool(number: int, name: str, **params: str) -> dict[str, Any]:
        return {"id": f"s{number}", "tool": name, "mcp": "files", "params": params}

    path = str(root / "package1" / "written.py")
    flow("named", [tool(n, "write_file", path=path, content=f"line_{n} = {n}\n") for n in range(3)])
    flow("any", [tool(n, "build", target=path, line=f"line_{n} = {n}") for n in range(3)])
    flow("reads", [tool(n, "read_file", path=path) for n in range(3)])
    config = folder / "ael-config.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "tools": {"mcp_servers": {"files": {"command": f"{sys.executable} {SERVER}"}}},
                "workflows": {"directory": str(flows)},
                "telemetry": {
                    "metrics": {"prometheus_enabled": False},
                    "store": {"path": str(folder / "telemetry.db")},
                    "attribution": {"roots": [str(root)]},
                },
            }
        )
    )
    return config


async def runs(folder: Path, files: int, rounds: int) -> None:
    """Runs with and without attribution, in turn."""
    from ael_otel.cli.open_engine import engine, read_configuration, telemetry
    from ael_otel.instrument.active import current

    root = repository(folder / "work", files)
    config = config_in(folder / "engine", root)
    with telemetry(read_configuration(config).settings, log_stream=None):
        async with engine(config) as app:
            active = current()
            assert active is not None
            watch: Any = active.recorder.watch
            assert watch is not None
            for name in ("reads", "named", "any"):
                taken: dict[str, list[tuple[float, float]]] = {"off": [], "on": [], "off again": []}
                arms = list(taken)
                (root / "package1" / "written.py").write_text("start = 0\n")
                for turn in range(rounds + 3):
                    for arm in arms[turn % 3 :] + arms[: turn % 3]:
                        active.recorder.watch = watch if arm == "on" else None
                        cpu, began = processor(), time.perf_counter()
                        done = await app.workflow_engine.execute(name, {})
                        elapsed = 1e3 * (time.perf_counter() - began)
                        assert done.status.value == "completed", done.error
                        if turn >= 3:
                            taken[arm].append((elapsed, processor() - cpu))
                    if turn % 10 == 0:
                        watch.snapshots.flush(30.0)
                        (root / "package1" / "written.py").write_text("start = 0\n")
                wall = {arm: median(each[0] for each in costs) for arm, costs in taken.items()}
                cpus = {arm: fmean(each[1] for each in costs) for arm, costs in taken.items()}
                off = wall["off"]
                print(
                    f"run of three steps ({name}), {files:,} files: {off:.1f} ms off, {wall['on']:.1f} ms on: "
                    f"x{wall['on'] / off:.2f} (off again: x{wall['off again'] / off:.2f}); processor time "
                    f"{cpus['off']:.1f}, {cpus['on']:.1f} and {cpus['off again']:.1f} ms"
                )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("parts", nargs="*", default=["looks", "blame", "runs"])
    options = parser.parse_args()
    one, five, fifteen = os.getloadavg()
    print(
        f"Python {platform.python_version()}, {subprocess.check_output(['git', '--version'], text=True).strip()}, "
        f"{os.cpu_count()} processors, load {one:.1f} {five:.1f} {fifteen:.1f}"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AEL_HOME"] = f"{folder}/ael"
        os.environ["OTEL_SDK_DISABLED"] = "false"
        for exporter in ("TRACES", "METRICS", "LOGS"):
            os.environ[f"OTEL_{exporter}_EXPORTER"] = "none"
        for part in options.parts:
            place = Path(folder) / part
            if part == "looks":
                for files in (5_000, 50_000):
                    looks(place / str(files), files, options.rounds)
            elif part == "blame":
                place.mkdir()
                blames(place, 5_000, options.rounds)
            else:
                asyncio.run(runs(place, 500, 4 * options.rounds))


if __name__ == "__main__":
    main()
