"""The command starts and ends quickly."""

import subprocess
import sys
from pathlib import Path

from ael_otel.demo.example import write_example
from tests.support.variables import clean_variables

ROOT = Path(__file__).parents[3]


def test_the_command_starts_without_the_heavy_packages() -> None:
    """`ael --help` must be instant: the SDK, the engine, rich and gRPC are loaded by the verb that needs them."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import ael_otel.cli"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {
        line.rpartition("|")[2].strip()
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert "ael_otel.cli" in loaded
    heavy = ("opentelemetry.sdk", "ploston_core", "rich", "grpc", "fastapi")
    assert (
        sorted(name for name in loaded if name.startswith(tuple(f"{top}." for top in heavy)) or name in heavy)
        == []
    )


def test_garbage_collection_is_rare_at_start_and_usual_with_an_open_engine() -> None:
    """Proves that garbage is rarely collected at the start, as usual with an open engine, and not at the end."""
    program = """
import asyncio, atexit, gc
from pathlib import Path
from types import SimpleNamespace

usual = gc.get_threshold()
atexit.register(lambda: print(gc.get_freeze_count() > 10_000))  # the last of these functions to run
from ael_otel.cli import garbage
garbage.postpone()
from ael_otel.cli import open_engine

async def closed() -> None: pass

async def opened(*_, **__):
    print(gc.get_threshold()[0] > 10 * usual[0])
    return SimpleNamespace(shutdown=closed)

async def use() -> None:
    async with open_engine.engine(Path("ael-config.yaml")):
        print(gc.get_threshold() == usual)

open_engine.open_application = opened
asyncio.run(use())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=clean_variables()
    )
    assert (done.stdout.split(), done.stderr) == (["True"] * 3, "")


def test_commands_without_the_engine_leave_no_store_behind(tmp_path: Path) -> None:
    """One line names the command that installs it, with exit code 1; no empty store is created."""
    program = (
        "import importlib.util, sys\n"
        "import ael_otel.instrument.engine as ours\n"
        "ours.find_spec = lambda name: None\n"
        "from ael_otel.cli import main\n"
        "main()"
    )
    folder = tmp_path / "demo"
    write_example(folder)
    for words in (["demo"], ["run", "hello"], ["serve"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            cwd=folder,
            env=clean_variables(HOME=str(tmp_path), PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines()[-1].startswith("ael: the engine is not installed: `pip install '")
        assert not list(tmp_path.rglob(".ael"))
