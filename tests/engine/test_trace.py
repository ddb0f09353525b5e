"""`ael trace` beside an engine that writes."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from ael_otel.store.codec import encode
from tests.store.making import run
from tests.support.needs import require
from tests.support.variables import clean_variables

AEL = [sys.executable, "-m", "ael_otel.cli"]
ENDLESS = 300
"""Seconds after which a process has hung, on whatever machine; a test waits for what happens, not for a time."""


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(4 * ENDLESS)
def test_every_verb_works_beside_an_engine_that_writes(tmp_path):
    """`ael demo` runs; a second process follows, lists, prints, exports, sums up and deletes the first one's runs.

    The engine writes before, during and after: it runs until it is stopped, on any machine.
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

    old = tmp_path / "old.jsonl"
    at = datetime.now(UTC) - timedelta(days=3)
    runs = [run(number, started_at=at, outputs=f"Marigold {number}") for number in range(3)]
    old.write_bytes(b"".join(encode(each) + b"\n" for each in runs))

    def beside(text):
        files = [path for path in (tmp_path / ".ael").rglob("*") if path.is_file()]
        return [path.name for path in files if text.encode() in path.read_bytes()]

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
        # The engine has no run of more than a day ago: those that are pruned come from a file.
        ael("import", str(old))
        assert len(beside("Marigold")) > 0
        assert "Would delete 3 runs" in ael("prune", "--older-than", "1", "--dry-run")
        assert "Deleted 3 runs" in ael("prune", "--older-than", "1", "--yes")
        assert beside("Marigold") == []
        assert identifier in ael("delete", identifier, "--yes")
        follow(1)
        assert beside(identifier) == []
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(ENDLESS)
    assert demo.returncode == 130
    assert [path.name for path in sorted((tmp_path / ".ael").iterdir())] == [
        ".gitignore",
        "telemetry.db",
        "telemetry.db.started.json",
    ]
