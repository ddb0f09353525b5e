"""The store under the real engine: a process that is killed in the middle of a run."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from ael_otel.config import Settings
from ael_otel.store import ExecutionRecord, RunQuery, StoreNotFoundError, open_reader
from tests.support.needs import require
from tests.support.variables import EXPORT_NOTHING, clean_variables


def _running(folder: Path) -> ExecutionRecord | None:
    """Return the running run, once its tool call runs."""
    try:
        store = open_reader(Settings(), environ={}, start=folder)
    except StoreNotFoundError:
        return None
    try:
        found = store.query(RunQuery(status="running")).runs
        record = store.get(found[0].execution_id) if found else None
    finally:
        store.close()
    return record if record is not None and record.steps else None


def test_an_engine_killed_in_the_middle_of_a_run_leaves_a_marked_run(tmp_path: Path) -> None:
    """Proves with the real engine that another process sees a run while it runs, and after kill -9 the whole one
    before it and the killed one as interrupted, with the step it was in.
    """
    require("engine")
    root = str(Path(__file__).parents[2])
    with (tmp_path / "log").open("wb") as log:
        engine = subprocess.Popen(
            [sys.executable, "-m", "tests.store.program_engine", str(tmp_path)],
            cwd=tmp_path,
            env=clean_variables(PYTHONPATH=root, HOME=str(tmp_path)) | EXPORT_NOTHING,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 60
        while (record := _running(tmp_path)) is None:
            assert engine.poll() is None, (tmp_path / "log").read_text("utf-8", "replace")
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(engine.pid, signal.SIGKILL)
        engine.wait()
    assert (record.status, record.workflow_name, record.steps[0].status) == ("running", "too_slow", "running")
    store = open_reader(Settings(), environ={}, start=tmp_path)
    runs = store.query(RunQuery()).runs
    assert [(each.workflow_name, each.status, each.error_code) for each in runs] == [
        ("too_slow", "failed", "interrupted"),
        ("hello", "completed", None),
    ]
    marked = store.get(record.execution_id)
    assert marked is not None
    assert [(step.step_id, step.status) for step in marked.steps] == [("dawdle", "failed")]
    assert marked.inputs is not None
    store.close()
