"""The pages in a real browser."""

import os
import subprocess
from pathlib import Path

import pytest

from ael_otel.store import ExecutionRecord
from ael_otel.store.sqlite import SqliteStore
from tests.process.ui.conftest import Serve
from tests.support.needs import NEEDS, require

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("width", [1280, 390])
def test_browser_is_let_in_and_runs_the_script(
    serve: Serve, tmp_path: Path, full: ExecutionRecord, width: int
) -> None:
    """Chromium exchanges the token for the cookie, and runs the script of the page without a word on the policy."""
    require("chromium")
    store = SqliteStore(tmp_path / ".ael" / "telemetry.db")
    store.put([full])
    store.close()
    served = serve()
    shot = tmp_path / "shot.png"
    done = subprocess.run(
        [
            NEEDS["chromium"].found(),
            *(
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
            ),
            *(
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                f"--user-data-dir={tmp_path}/profile",
            ),
            *(f"--window-size={width},800", f"--screenshot={shot}", "--dump-dom", "--enable-logging=stderr"),
            *("--timeout=5000", served.url),
        ],
        # Its crash reports go to the home folder for every profile.
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert f"/run?id={full.execution_id}" in done.stdout
    assert '<button type="button" data-pause="">Pause</button>' in done.stdout, "the script has run"
    assert "Content Security Policy" not in done.stderr
    assert "CONSOLE" not in done.stderr, done.stderr
    assert shot.read_bytes().startswith(b"\x89PNG")
    assert served.ask(served.opening).status == 403, "the token is used up"
