"""Run tests in a random order and in an unusual environment: `make test-hostile`.

The home folder contains a configuration and a store with runs, which no test may read or change; the time zone is 45
minutes off every hour, the terminal has 40 columns, and the locale is ASCII only.
"""

import hashlib
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ael_otel.store import ExecutionRecord
from ael_otel.store.sqlite import SqliteStore

ROOT = Path(__file__).parents[1]
SUITES = ("tests",)
"""The tests to run unless the command line names others; the tests of a module may require their order."""

CONFIGURATION = """\
telemetry:
  service_name: of-the-person
  store: {path: ~/.ael/telemetry.db}
  metrics: {port: 9}
"""


def make_home(home: Path) -> None:
    """Fill a home folder: a configuration in both places where the engine looks, and a store with five runs."""
    for folder in (".ael", ".ploston"):
        (home / folder).mkdir(parents=True)
        (home / folder / "config.yaml").write_text(CONFIGURATION, "utf-8")
    store = SqliteStore(home / ".ael" / "telemetry.db")
    start = datetime.now(UTC) - timedelta(hours=1)
    for number in range(5):
        store.start_execution(
            ExecutionRecord(
                f"exec-home{number}",
                "workflow",
                "completed",
                start,
                workflow_name="of-the-person",
                duration_ms=1.0,
            )
        )
    store.close()


def variables(home: Path) -> dict[str, str]:
    """Return the environment of the run; a package manager's files in the real home folder are still used."""
    real = Path.home()
    return os.environ | {
        "HOME": str(home),
        "TZ": "Asia/Kathmandu",
        "COLUMNS": "40",
        "LC_ALL": "C",
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(real / ".cache" / "uv")),
        "DOCKER_CONFIG": os.environ.get("DOCKER_CONFIG", str(real / ".docker")),
    }


def contents(home: Path) -> dict[str, str]:
    """Return each file below the home folder that a test could have created or changed, with a digest of its bytes.

    Caches are left out: programs may write them.
    """
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.rglob("*"))
        if path.is_file() and ".cache" not in path.parts
    }


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return what was added, changed or removed, as lines of text."""
    return [
        f"{'added' if name not in before else 'removed' if name not in after else 'changed'}: ~/{name}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def main(arguments: Sequence[str]) -> int:
    """Run pytest with these arguments; return its exit code, or 1 if a test changed the home folder."""
    seed = os.environ.get("SEED") or str(random.SystemRandom().randrange(1_000_000))
    named = [word for word in arguments if word.startswith("tests")]
    command = [
        *(sys.executable, "-m", "pytest", "--random-order", f"--random-order-seed={seed}"),
        *arguments,
        *(() if named else SUITES),
    ]
    with tempfile.TemporaryDirectory(prefix="ael-hostile-") as folder:
        home = Path(folder)
        make_home(home)
        before = contents(home)
        print(f"hostile: order {seed} (SEED={seed} repeats it), home {home}", flush=True)
        status = subprocess.run(command, cwd=ROOT, env=variables(home), check=False).returncode
        touched = difference(before, contents(home))
    for line in touched:
        print(f"hostile: a test {line}")
    return status or bool(touched)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
