"""The page of a run in a browser."""

import os
import subprocess
from pathlib import Path

import pytest

from ael_otel.export.page import page
from tests.support.needs import require


@pytest.mark.browser
@pytest.mark.slow
def test_a_browser_shows_it_without_a_network(full, tmp_path: Path):
    """Chromium draws it from the file with every name unresolvable; its own view of the page has all rows."""
    require("chromium")
    from tests.support.needs import NEEDS

    (tmp_path / "run.html").write_text(page(full), "utf-8")
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
            *("--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path}/profile"),
            *("--window-size=1200,800", f"--screenshot={tmp_path}/shot.png", "--dump-dom"),
            (tmp_path / "run.html").as_uri(),
        ],
        # Its crash reports go to the home folder for every profile.
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.count("<details") == 10
    assert "Content Security Policy" not in done.stderr
    shot = (tmp_path / "shot.png").read_bytes()
    assert shot.startswith(b"\x89PNG")
    assert len(shot) > 20_000, "it is not an empty page"
