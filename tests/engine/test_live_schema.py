"""The live schema of a served engine: it and `ael schema live` report the telemetry of real runs."""

import json
import signal
import subprocess
from pathlib import Path

import httpx

from ael_otel.admin.live_schema import PATH
from tests.engine.lab.client import clean_environment
from tests.engine.lab.files import write_configuration
from tests.engine.lab.serving import BIN, Served
from tests.support.ports import free_port

TOKEN = "a-token-of-this-test"  # hygiene: made up
RUNS = ("success", "tool_error", "retry_succeeds")


def test_served_engine_reports_its_emitted_telemetry(tmp_path: Path) -> None:
    """Proves that after real runs the counts of metrics, spans and events are those of the runs, that a token is asked
    for, that nothing undeclared was seen, and that the command shows the same.
    """
    port = free_port()
    file = write_configuration(
        tmp_path / "ael",
        telemetry={"metrics": {"port": port}, "admin": {"live_schema": True, "token": TOKEN}},
    )
    address = f"http://127.0.0.1:{port}"
    with Served(["ael", "serve", "-c", str(file), "--port", "{port}"], tmp_path) as served:
        served.wait_ready()
        for name in RUNS:
            httpx.post(
                f"http://127.0.0.1:{served.port}/api/v1/workflows/{name}/execute",
                json={"inputs": {}},
                timeout=60,
            )
        assert httpx.get(address + PATH, timeout=10).status_code == 401
        answer = httpx.get(address + PATH, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)
        shown = subprocess.run(
            [str(BIN / "ael"), "schema", "live", "--url", address],
            env=clean_environment(AEL_ADMIN_TOKEN=TOKEN, COLUMNS="160"),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert httpx.get(f"{address}/metrics", timeout=10).status_code == 200
        code, _ = served.stop(signal.SIGTERM)
    assert code == 0
    assert TOKEN not in served.stdout + served.stderr + answer.text

    document = json.loads(answer.text)
    assert not any(document["unknown"].values()), document["unknown"]
    signals = document["signals"]
    assert all(facts["registered"] for kind in signals.values() for facts in kind.values())
    assert signals["metrics"]["ael.workflow.executions"]["emitted"] == len(RUNS)
    assert signals["spans"]["ael.workflow"]["emitted"] == len(RUNS)
    assert (
        signals["spans"]["ael.mcp.request"]["emitted"]
        == signals["metrics"]["ael.tool.invocations"]["emitted"]
    )
    assert signals["events"]["ael.execution.fail"]["emitted"] == 1
    assert signals["events"]["ael.step.retry"]["emitted"] >= 1
    assert "ploston-core" in document["packages"]

    assert shown.returncode == 0, shown.stderr
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert ["span", "ael.workflow", str(len(RUNS))] in [row[:3] for row in rows]
