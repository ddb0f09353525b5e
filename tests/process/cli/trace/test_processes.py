"""`ael trace` as a process: into a pipe that closes, on a full disk, in a tenth of a second."""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from ael_otel.store.sqlite import SqliteStore
from tests.unit.cli.trace.runs import NOON, make, mixed

AEL = [sys.executable, "-m", "ael_otel.cli"]
ENDLESS = 300
"""Seconds after which a process has hung, on whatever machine; a test waits for what happens, not for a time."""

HEAVY = (
    "opentelemetry",
    "ploston_core",
    "grpc",
    "google",
    "prometheus_client",
    "yaml",
    "requests",
    "asyncio",
)


def start(*arguments, cwd, **more):
    """Start `ael trace`."""
    return subprocess.Popen(
        [*AEL, "trace", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


GONE = [
    ["export", "--all", "-f", "jsonl"],
    ["export", "--all"],
    ["list", "-n", "5"],
    ["list", "-n", "400", "-o", "json"],
    ["list", "-n", "400", "-o", "csv"],
    ["show", "exec-398", "--spans"],
    ["diff", "exec-398", "exec-399", "-o", "json"],
    ["stats"],
    ["tail", "--last", "400", "--seconds", "1"],
    ["tail", "--last", "400", "--seconds", "1", "-o", "jsonl"],
]


@pytest.fixture
def large(place):
    """A store whose answers are longer than a pipe holds."""
    make(
        place / ".ael" / "telemetry.db",
        [mixed(f"exec-{n}", f"{n:032x}", NOON, 1.0, "x" * 500) for n in range(1, 400)],
    )
    return place


@pytest.mark.parametrize("arguments", [each for each in GONE if "400" in each or each[0] == "export"])
def test_reader_that_closes_early_is_not_a_failure(large, arguments):
    """Proves for `ael trace ... | head -1` that stderr is empty and the exit code 0, however much is unread."""
    with start(*arguments, cwd=large) as process:
        assert process.stdout.read(1)
        process.stdout.close()
        assert (process.stderr.read(), process.wait(ENDLESS)) == ("", 0)


@pytest.mark.parametrize("arguments", GONE)
def test_pipe_without_a_reader_is_not_a_failure(large, arguments):
    """Proves the same for a pipe without a reader from the start, where the first write fails, however short."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*AEL, "trace", *arguments],
        cwd=large,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=ENDLESS,
    )
    os.close(writing)
    assert (done.stderr, done.returncode) == ("", 0)


def test_failure_into_a_closed_pipe_keeps_its_exit_code(place):
    """Proves for `ael trace list --db none.db 2>&1 | true` that the exit code reports the failure."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*AEL, "trace", "list", "--db", "none.db"],
        cwd=place,
        stdout=writing,
        stderr=writing,
        check=False,
        timeout=ENDLESS,
    )
    os.close(writing)
    assert done.returncode != 0


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "arguments", [["list"], ["list", "-o", "json"], ["show", "a0f6"], ["export", "--all"]]
)
def test_full_disk_is_reported_in_a_line(place, arguments):
    """Stdout is a file on it: exit code 1, no traceback."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*AEL, "trace", *arguments],
            cwd=place,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (
        1,
        "ael: stdout: No space left on device; free space on the disk\n",
    )


def test_list_imports_neither_the_sdk_nor_the_engine(place):
    """The modules that it must not load, so that it is quick."""
    script = (
        "import sys\nfrom ael_otel.cli import cli\n"
        "cli(['trace', 'list'], prog_name='ael', standalone_mode=False)\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=place, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stderr.splitlines()}
    assert loaded & set(HEAVY) == set()
    assert "a0f63b41" in done.stdout


@pytest.mark.slow
def test_list_answers_quickly_with_many_runs(tmp_path, place):
    """20,000 runs: within twice of what Python and the command line's own imports take on this machine.

    A ratio, since wall time on a shared machine is unreliable; tests/bench has the milliseconds at 100,000 runs.
    """
    store = SqliteStore(tmp_path / "many.db")
    store.put(mixed(f"exec-{n:012x}", f"{n + 1:032x}", NOON, 1.0, "x") for n in range(20_000))
    store.close()

    # Compiled once, also where the machine's variables disable Python's bytecode cache.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(tmp_path / "compiled")

    def processor_time(*command):
        times = []
        for _ in range(6):
            process = subprocess.Popen(
                command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0
            times.append(used.ru_utime + used.ru_stime)
        return statistics.median(times[1:])

    least = processor_time(sys.executable, "-c", "import click, msgspec, sqlite3, rich.table, rich.console")
    listed = processor_time(*AEL, "trace", "list", "--db", "many.db")
    assert listed < 2 * least
