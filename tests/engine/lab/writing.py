"""An engine whose runs write files, and another writer between them.

`python -m tests.engine.lab.writing CONFIG ROOT` prints a JSON object: the execution id of each run by its name, and the
threads and modules of the process.
"""

import asyncio
import json
import sys
import threading
from pathlib import Path
from typing import Any

import ael_otel
import ael_snapshot
from ael_otel.cli.open_engine import engine, read_configuration, telemetry
from ael_otel.instrument.active import current
from ael_otel.sessions.callers import called_by_command


async def begun(*files: Path) -> None:
    """Wait until tools have made files."""
    while not all(file.exists() for file in files):  # noqa: ASYNC110 - another process makes them
        await asyncio.sleep(0.01)


async def play(app: Any, root: Path) -> dict[str, str]:
    """Run workflows, one after another and at once."""
    runs: dict[str, str] = {}
    flows, desk = app.workflow_engine, root.parent

    async def run(name: str, workflow: str, **inputs: Any) -> None:
        done = await flows.execute(workflow, inputs)
        runs[name] = done.execution_id

    def slow(name: str, until: Path = root, answer: Path = root) -> dict[str, str]:
        paths = {"target": root / f"{name}.py", "sign": desk / name, "until": until, "answer": answer}
        return {"line": f"line_of_{name} = 1", **{key: str(path) for key, path in paths.items()}}

    async def let_go() -> None:
        for moment in ("begun", "done"):
            await begun(*(desk / f"{name}.{moment}" for name in ("left", "right")))
            (desk / moment).touch()

    with called_by_command("ael run", {}):
        await run("report", "report", folder=str(root))
    (root / "a.py").write_text((root / "a.py").read_text() + "line_of_somebody = 3\n")
    with ael_otel.session("otter", session_id="s-otter"):
        await run("computed", "computed", folder=str(root))
    at_once = [run(name, "slow", **slow(name, desk / "begun", desk / "done")) for name in ("left", "right")]
    await asyncio.gather(let_go(), *at_once)
    await run("outside", "report", folder=str(desk / "elsewhere"))
    stuck = asyncio.create_task(flows.execute("slow", slow("stuck", answer=desk / "never")))
    await begun(desk / "stuck.done")
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)
    await run("last", "slow", **slow("last"))
    return runs


async def main(config: Path, root: Path) -> None:
    """Play, with a deadline for snapshots that suits a busy machine."""
    ael_snapshot.DEADLINE_S = 60.0
    settings = read_configuration(config).settings
    with telemetry(settings, log_stream=sys.stderr):
        async with engine(config) as app:
            runs = await play(app, root)
            active = current()
            assert active is not None
            watch: Any = active.recorder.watch
            if watch is not None:
                watch.snapshots.flush(60.0)
            names = sorted(thread.name for thread in threading.enumerate())
            modules = sorted(name for name in sys.modules if name.startswith("ael_otel.attribution"))
    sys.stdout.write(json.dumps({"runs": runs, "threads": names, "modules": modules}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
