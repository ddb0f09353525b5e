"""Model calls of a process that ends before the price table is loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ael_otel
from ael_otel.store.query import RunQuery
from ael_otel.store.sqlite import SqliteStore

STUCK = "from threading import Event\nEvent().wait()\n"

SCRIPT = """
import ael_otel

ael_otel.configure("ael-config.yaml")
answer = {"id": "r", "model": "gpt-4o", "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}}
for number in range(5):
    with ael_otel.execution("triage") as run, ael_otel.step("ask", tool="ask"):
        with ael_otel.tool_call("ask", server="crm") as call:
            call.returned(answer)
ael_otel.shutdown()
"""

CONFIG = """
telemetry:
  exporters: {otlp: {enabled: false}}
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a path list of POSIX")
def test_runs_of_a_short_process_are_stored_while_the_table_loads(tmp_path: Path) -> None:
    """Proves that runs are stored as they ended, with calls without a price, if the table is not there in time."""
    (tmp_path / "genai_prices.py").write_text(STUCK)
    (tmp_path / "ael-config.yaml").write_text(CONFIG)
    package = str(Path(ael_otel.__file__).parents[1])
    subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={"PATH": os.defpath, "HOME": str(tmp_path), "PYTHONPATH": f"{tmp_path}:{package}"},
        check=True,
        timeout=60,
    )
    store = SqliteStore(tmp_path / ".ael" / "telemetry.db", create=False)
    runs = list(store.iterate(RunQuery()))
    costs = [each.call.cost_source for each in store.model_calls(RunQuery()) if not each.copy]
    store.close()
    assert [run.status for run in runs] == ["completed"] * 5
    assert costs
    assert set(costs) == {"none"}
