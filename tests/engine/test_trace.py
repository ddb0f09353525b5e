"""`ael trace` beside an engine that writes."""

import json
import signal
import subprocess
import sys

import pytest

from tests.support.needs import require
from tests.support.variables import clean_variables

AEL = [sys.executable, "-m", "ael_otel.cli"]
ENDLESS = 300
"""Seconds after which a process has hung, on whatever machine; a test waits for what happens, not for a time."""


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(4 * ENDLESS)
def test_every_verb_works_beside_an_engine_that_writes(tmp_path):
    """`ael demo` runs; a second process follows, lists, shows, exports, sums up and deletes what the first one stores.

    The engine writes before, while and after: it runs until it is stopped, however slow the machine is.
    """
    require("engine")
    environment = clean_variables(HOME=str(tmp_path))
    demo = subprocess.Popen(
        [*AEL, "demo", "--seconds", "3600"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def ael(*arguments):
        done = subprocess.run(
            [*AEL, "trace", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=ENDLESS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def follow(runs):
        out = ael("tail", "--last", "0", "--runs", str(runs), "--output", "jsonl")
        events = [json.loads(line)["event"] for line in out.splitlines()]
        assert events.count("ended") == runs
        assert demo.poll() is None, "the engine still writes"

    try:
        follow(5)
        listed = json.loads(ael("list", "--output", "json"))
        identifier = next(run["trace_id"] for run in listed if run["status"] == "completed")
        assert "completed in" in ael("show", identifier)
        assert json.loads(ael("export", identifier, "--format", "otlp"))["resourceSpans"]
        assert json.loads(ael("stats", "--output", "json"))["rows"]
        assert "Nothing to delete" in ael("prune", "--older-than", "1", "--dry-run")
        assert "Nothing to delete" in ael("prune", "--older-than", "1", "--yes")
        follow(1)
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(ENDLESS)
    assert demo.returncode == 130
    assert [path.name for path in sorted((tmp_path / ".ael").iterdir())] == [".gitignore", "telemetry.db"]
