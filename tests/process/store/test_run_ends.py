"""Runs at the end of a process: complete records for each way of ending, and waiting runs after a fork."""

from pathlib import Path

import pytest

from ael_otel.store.sqlite import SqliteStore
from tests.support.interpreters import python

RUNS = 40

START = f"""
import os, signal, sys, threading, time
from pathlib import Path
import ael_otel
from ael_otel.core.telemetry_thread import run_thread
from ael_otel.lifecycle import Execution, Recorder, Step, ToolCall
from ael_otel.store.background_writer import QueuedStore
from ael_otel.store.sqlite import SqliteStore

store = QueuedStore(lambda: SqliteStore(Path(sys.argv[1])))
recorder = Recorder(store=store, synchronous=False)
assert recorder.notes.later

def work(first=0, count={RUNS}):
    for number in range(first, first + count):
        with Execution(recorder, "shop", execution_id=f"exec-{{number}}", inputs={{"password": "lower-case"}}) as run:
            with Step(recorder, "pay", "tool_call", tool="charge"), ToolCall(recorder, "charge") as call:
                call.called_with({{"text": "say lower-case"}})
                call.returned({{"said": "lower-case"}})
            run.finished({{"said": "lower-case"}})

"""

ORDERLY = {
    "normal": ("work()", 0),
    "sys.exit": ("work(); sys.exit(3)", 3),
    "exception": ("work(); raise ValueError('uncaught')", 1),
    "a thread that outlives the main one": (
        "threading.Thread(target=lambda: (time.sleep(0.2), work())).start()",
        0,
    ),
    "SIGTERM with a handler that exits": (
        (
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\nwork()\n"
            "os.kill(os.getpid(), signal.SIGTERM); time.sleep(10)"  # wait: the handler ends the process
        ),
        7,
    ),
    "flushed, then killed": ("work(); assert store.flush(10); os.kill(os.getpid(), 9)", -9),
    "a full queue": ("run_thread().limit(2, 3000); work()", 0),
    "the thread held up": (
        # As with a value that takes long: without room the caller does the work, and the end waits for no thread.
        (
            "run_thread().limit(3, 1 << 20)\n"
            "hold = threading.Thread(target=lambda: run_thread()._working.acquire() and"
            " time.sleep(0.5)"  # wait: how long the value takes
            " or run_thread()._working.release())\n"
            "hold.start(); time.sleep(0.1); work()"
        ),
        0,
    ),
    "forked child that exits": (
        # Parent and child each store their own runs; the child stores none that waits in the parent.
        ("work(0, 20)\npid = os.fork()\nif pid == 0:\n    work(20, 20); sys.exit()\nos.waitpid(pid, 0)"),
        0,
    ),
    "forked in the middle of a run": (
        (
            "work(1, 39); assert store.flush(10)\n"
            "with Execution(recorder, 'shop', execution_id='exec-0', inputs={'password': 'lower-case'}) as run:\n"
            "    with Step(recorder, 'pay', 'tool_call', tool='charge'), ToolCall(recorder, 'charge') as call:\n"
            "        call.called_with({'text': 'say lower-case'})\n"
            "        call.returned({'said': 'lower-case'})\n"
            "    pid = os.fork()\n"
            "    if pid == 0:\n"
            "        os._exit(0 if run._secrets.settle() and run._secrets.values else 1)\n"
            "    assert os.waitpid(pid, 0)[1] == 0\n"
            "    run.finished({'said': 'lower-case'})\n"
        ),
        0,
    ),
}


@pytest.mark.parametrize("name", ORDERLY)
def test_orderly_end_keeps_every_run_whole(name: str, tmp_path: Path) -> None:
    """Proves that a process which ends by this way keeps each run once, with its content, redacted."""
    end, code = ORDERLY[name]
    path = tmp_path / "runs.db"
    done = python(START + end, str(path))
    assert done.returncode == code, done.stderr
    store = SqliteStore(path)
    try:
        runs = {run.execution_id: run for run in store.recent(1000)}
    finally:
        store.close()
    assert sorted(runs) == sorted(f"exec-{number}" for number in range(RUNS))
    for run in runs.values():
        (step,) = run.steps
        (call,) = step.tool_calls
        kept = run.status, run.inputs, call.params, call.result, run.outputs
        masked = {"said": "[PASSWORD]"}
        assert kept == ("completed", {"password": "[PASSWORD]"}, {"text": "say [PASSWORD]"}, masked, masked)
        assert run.metadata["redactions"] == {"password": 1}


@pytest.mark.parametrize("end", ["os._exit(9)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_kill_loses_no_run_that_ended_half_a_second_before(end: str, tmp_path: Path) -> None:
    """Proves the documented bound of runs lost by a kill: those of the last moments, never older ones."""
    path = tmp_path / "runs.db"
    python(
        f"{START}work()\ntime.sleep(0.5)\nwork(100, 1)\n{end}", str(path)
    )  # wait: the bound is the subject
    store = SqliteStore(path)
    try:
        found = {run.execution_id for run in store.recent(1000) if run.status == "completed"}
    finally:
        store.close()
    assert found >= {f"exec-{number}" for number in range(RUNS)}
