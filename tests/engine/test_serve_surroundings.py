"""`ael serve` in a faulty environment: no HOME, a uid without a name, nothing to write to, a full disk."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.lab.files import json_lines, write_configuration
from tests.engine.lab.serving import BIN, Served
from tests.support.needs import require
from tests.support.otlp_sink import OtlpSink
from tests.support.ports import free_port

AEL = str(BIN / "ael")
HOMELESS = ("env", "-u", "HOME", "-u", "USER")
NOBODY = ("unshare", "--user", "--map-user=54321", "--map-group=54321")
"""A uid that no file knows, with no right but that of the owner of a file."""

READ_ONLY = (
    *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c"),
    'mount --rbind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0" && exec "$@"',
)
"""The folder after this is mounted read-only, also for the superuser."""

SMALL_DISK = (
    *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c"),
    'mount -t tmpfs -o size=512k tmpfs "$0" && cd "$0" && head -c 524288 /dev/zero > fill 2> /dev/null; exec "$@"',
)
"""Then a folder, which is a full disk."""


def _works(*command: str) -> bool:
    return (
        shutil.which("unshare") is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


@pytest.fixture(scope="module")
def nobody() -> tuple[str, ...]:
    """The words before a command that take home and name from it."""
    words = (*HOMELESS, *NOBODY)
    require(_works(*words, "true"), "the kernel refuses user namespaces", ci=False)
    return words


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder to serve in, whose mode a test may change; the command's output is beside it."""
    folder = tmp_path / "place"
    folder.mkdir()
    yield folder
    folder.chmod(0o755)


def configure(tmp_path: Path, **telemetry: Any) -> Path:
    """Write a configuration that serves its metrics, and return its path."""
    return write_configuration(tmp_path / "ael", telemetry={"metrics": {"port": free_port()}, **telemetry})


def serve(
    before: tuple[str, ...], config: Path, tmp_path: Path, environment: Mapping[str, str] | None = None
) -> Served:
    """Start `ael serve` behind the words that make its surroundings."""
    words = [shutil.which(before[0]) or before[0], *before[1:]]
    words += [AEL, "serve", "-c", str(config), "--port", "{port}"]
    return Served(words, tmp_path, environment=environment)


def run(served: Served, workflow: str = "success") -> dict[str, Any]:
    """Run a workflow over REST, after the health of the engine was asked for."""
    address = f"http://127.0.0.1:{served.port}"
    assert httpx.get(f"{address}/health", timeout=30).status_code == 200
    answer = httpx.post(f"{address}/api/v1/workflows/{workflow}/execute", json={"inputs": {}}, timeout=60)
    return dict(answer.json())


def listed(place: Path) -> int:
    """How many runs the store in a folder has."""
    command = [AEL, "trace", "list", "--db", str(place / ".ael" / "telemetry.db"), "-o", "csv"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return len(done.stdout.splitlines()) - 1


def start_and_wait(before: tuple[str, ...], config: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Start it where it cannot serve, and wait for its end."""
    return subprocess.run(
        [*before, AEL, "serve", "-c", str(config), "--port", str(free_port())],
        cwd=cwd, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def refused(before: tuple[str, ...], config: Path, cwd: Path) -> str:
    """Start it where it cannot keep runs; returns the one line that it ends with."""
    done = start_and_wait(before, config, cwd)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    return line


def test_user_without_a_name_needs_only_a_home(nobody: tuple[str, ...], place: Path, tmp_path: Path) -> None:
    """Proves for a container's arbitrary uid that without HOME one line says what to set, and that with it the engine
    is healthy and keeps its runs, with nothing on stderr.
    """
    config = configure(tmp_path)
    done = start_and_wait(nobody, config, place)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, line[:5]) == (2, "ael: ")
    assert "set HOME to a writable folder" in line
    assert not (place / ".ael").exists() or listed(place) == 0
    before = (*nobody, "env", f"HOME={place}", "sh", "-c", 'cd "$0" && exec "$@"', str(place))
    with serve(before, config, tmp_path) as served:
        served.wait_ready()
        assert run(served)["status"] == "completed"
        code, _ = served.stop(signal.SIGTERM)
        assert (code, served.stderr) == (0, "")
        assert json_lines(served.stdout)
    assert listed(place) == 1


def test_folder_that_cannot_be_written_is_refused_with_the_key_to_set(
    nobody: tuple[str, ...], place: Path, tmp_path: Path
) -> None:
    """Proves exit code 2 and one line that names the key, the folder, and each way out."""
    place.chmod(0o555)
    line = refused(nobody, configure(tmp_path), place)
    assert line.startswith(f"ael: telemetry.store.path: the folder {place} cannot be written by this user: ")
    for way in ("AEL_TELEMETRY_DB", "telemetry.store.backend to memory"):
        assert way in line


@pytest.fixture(scope="module")
def read_only(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The words before a folder and a command that make the folder's file system read-only."""
    folder = str(tmp_path_factory.mktemp("probe"))
    require(_works(*READ_ONLY, folder, "true"), "the kernel refuses mounts in a namespace", ci=False)
    require(not _works(*READ_ONLY, folder, "touch", "x"), "the mount stays writable", ci=False)
    return READ_ONLY


def test_read_only_file_system_is_refused_or_served_without_a_store(
    read_only: tuple[str, ...], nobody: tuple[str, ...], place: Path, tmp_path: Path
) -> None:
    """Proves that on a read-only file system the default store is refused in a line that says so, and that the engine
    serves with the memory store, as the line says, for a user without a name whose home is there too.
    """
    before = (*read_only, str(place), *nobody, "env", f"HOME={place}")
    line = refused(before, configure(tmp_path), place)
    assert line.startswith(f"ael: telemetry.store.path: the folder {place} is on a read-only file system: ")
    assert "telemetry.store.backend to memory" in line
    config = configure(tmp_path / "memory", store={"backend": "memory"})
    with serve(before, config, tmp_path) as served:
        served.wait_ready()
        assert run(served)["status"] == "completed"
        code, _ = served.stop(signal.SIGTERM)
        assert (code, served.stderr) == (0, "")
    assert list(place.iterdir()) == []


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def scraped(port: int) -> dict[str, float]:
    """Return the values of `/metrics`, by series."""
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text.splitlines()
    return {
        line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")
    }


def kept(inside: Path, copy: Path) -> int:
    """How many runs the store of another mount namespace has: SQLite would follow the link to its root."""
    (copy / ".ael").mkdir(parents=True)
    for name in ("telemetry.db", "telemetry.db-wal"):
        shutil.copy(inside / ".ael" / name, copy / ".ael" / name)
    return listed(copy)


@pytest.mark.slow  # the store is tried again every ten seconds
def test_full_disk_leaves_health_ok_and_runs_are_stored_or_counted(place: Path, tmp_path: Path) -> None:
    """Proves that an engine which starts on a full disk answers, keeps the run that waited once there is room, and
    counts the one that still waits when it ends on a disk that is full again.
    """
    require(_works(*SMALL_DISK, str(place), "true"), "the kernel refuses mounts in a namespace", ci=False)
    port = free_port()
    with OtlpSink() as sink:
        config = configure(tmp_path, metrics={"port": port}, exporters={"otlp": {"endpoint": sink.endpoint}})
        with serve((*SMALL_DISK, str(place)), config, tmp_path) as served:
            served.wait_ready()
            inside = Path(f"/proc/{served.process.pid}/root{place}")
            assert run(served)["status"] == "completed"
            until(lambda: "runs wait to be stored" in served.stdout)
            (inside / "fill").unlink()
            until(lambda: "runs are stored again" in served.stdout)
            assert kept(inside, tmp_path / "room") == 1
            assert not [name for name in scraped(port) if name.startswith("ael_telemetry_dropped")]
            with pytest.raises(OSError, match="No space"):
                (inside / "fill").write_bytes(bytes(600_000))
            assert run(served)["status"] == "completed"
            until(lambda: served.stdout.count("runs wait to be stored") == 2)
            assert kept(inside, tmp_path / "full") == 1
            code, _ = served.stop(signal.SIGTERM)
            assert code == 0
        dropped = sink.metrics()["ael.telemetry.dropped"]
    assert {row: count for row, count in dropped.items() if count} == {
        "reason=shutdown_timeout,signal=store": 1
    }
    assert "Traceback" not in served.stdout + served.stderr
