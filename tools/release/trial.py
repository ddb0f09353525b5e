"""Try a release as a new user would: install it into empty environments, and run it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from tools.release.notes import ReleaseError

__all__ = ["SUPPORTED", "check_licences", "install", "interpreters", "is_copyleft", "try_out"]

SUPPORTED: Final = ("3.12", "3.13", "3.14")
"""Versions of Python in which a release is tried, if they are installed; at least one must be."""

_READY_S: Final = 90
_STOP_S: Final = 20

_LICENCES: Final = """
import json
from importlib.metadata import distributions
found = {}
for each in distributions():
    data = each.metadata
    classified = [line for line in data.get_all("Classifier") or () if line.startswith("License ::")]
    text = data.get("License-Expression") or " ".join(classified) or data.get("License") or "not named"
    found[data["Name"]] = text.splitlines()[0]
print(json.dumps(found))
"""


def interpreters(root: Path) -> dict[str, str]:
    """Return the supported versions of Python on this machine, each with the path of its program.

    Searched on PATH, in uv's installations, and below pyenv's folder. Raises ReleaseError: there is none.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path(os.path.expanduser("~")) / ".pyenv")  # noqa: PTH111
    found: dict[str, str] = {}
    for version in SUPPORTED:
        places = [
            shutil.which(f"python{version}"),
            *map(str, sorted((pyenv / "versions").glob(f"{version}.*/bin/python"), reverse=True)),
        ]
        for place in filter(None, places):
            program = "import sys; print(f'{sys.version_info[0]}.{sys.version_info[1]}')"
            done = _run([place, "-c", program], root, check=False)
            if done.returncode == 0 and done.stdout.strip() == version:
                found[version] = place
                break
    if not found:
        raise ReleaseError(f"none of Python {', '.join(SUPPORTED)} was found; install one")
    return found


def install(folder: Path, python: str, distribution: Path, *, extras: str, by: str) -> Path:
    """Install a wheel or sdist with extras into a new environment, with `pip` or `uv`, and return its folder.

    Raises ReleaseError with the installer's last words.
    """
    requirement = f"{distribution}[{extras}]" if extras else str(distribution)
    if by == "pip":
        _run([python, "-m", "venv", str(folder)], folder.parent)
        _run(
            [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", requirement],
            folder,
        )
    else:
        uv = [sys.executable, "-m", "uv"]
        _run([*uv, "venv", "--quiet", "--python", python, str(folder)], folder.parent)
        _run(
            [*uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), requirement],
            folder,
        )
    return folder


def check_licences(environment: Path) -> dict[str, str]:
    """Return the licence of each package of an environment.

    Raises ReleaseError: one is under the GPL or the AGPL.
    """
    found: dict[str, str] = json.loads(
        _run([str(environment / "bin" / "python"), "-c", _LICENCES], environment).stdout
    )
    if bad := [name for name, licence in found.items() if is_copyleft(licence)]:
        raise ReleaseError(f"under the GPL or the AGPL: {', '.join(sorted(bad))}")
    return found


def is_copyleft(licence: str) -> bool:
    """Return whether a licence is the GPL or the AGPL, but not the LGPL, which a database driver has."""
    words = licence.replace("Lesser General Public License", "").replace("LGPL", "")
    return "GPL" in words or "General Public License" in words


def try_out(environment: Path, version: str) -> None:
    """Use an installed release: its version, the demo, a new project, and the server under the wrapper.

    Raises ReleaseError that names the command and what it printed.
    """
    home = environment.with_name(f"{environment.name}-home")
    home.mkdir()
    shown = _ael(environment, home, "--version").splitlines()[0]
    if shown != f"ael-otel {version}":
        raise ReleaseError(f"`ael --version` says {shown!r}, not {version}")
    _ael(environment, home, "demo", "--runs", "3")
    _ael(environment, home, "init", "project", "--yes")
    project = home / "project"
    _ael(environment, project, "run", "hello", "--json")
    if "hello" not in _ael(environment, project, "trace", "list"):
        raise ReleaseError("`ael trace list` does not show the run before it")
    _serve(environment, project)


def _serve(environment: Path, project: Path) -> None:
    port, metrics = _free_port(), _free_port()
    config = project / "ael-config.yaml"
    config.write_text(config.read_text("utf-8").replace("port: 9464", f"port: {metrics}"), "utf-8")
    log = project / "serve.log"
    command = ["opentelemetry-instrument", "ael", "serve", "-c", str(config), "--port", str(port)]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [str(environment / "bin" / command[0]), *command[1:]],
            cwd=project,
            env=_variables(environment, project),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        for url in (f"http://127.0.0.1:{port}/health", f"http://127.0.0.1:{metrics}/metrics"):
            if not _answers(url, server):
                raise ReleaseError(f"{url} did not answer: {log.read_text('utf-8')[-2000:]}")
        server.send_signal(signal.SIGTERM)
        if code := server.wait(timeout=_STOP_S):
            raise ReleaseError(f"`{' '.join(command)}` ended with {code}: {log.read_text('utf-8')[-2000:]}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.kill()
        server.wait()


def _answers(url: str, server: subprocess.Popen[bytes]) -> bool:
    """Return True when a URL answers, False when the server has ended or the time is over."""
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and server.poll() is None:
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError),
            urllib.request.urlopen(url, timeout=5),  # noqa: S310 - an address of ours
        ):
            return True
        time.sleep(0.2)
    return False


def _ael(environment: Path, folder: Path, *arguments: str) -> str:
    return _run(
        [str(environment / "bin" / "ael"), *arguments], folder, env=_variables(environment, folder)
    ).stdout


def _variables(environment: Path, home: Path) -> dict[str, str]:
    """Return the variables of a new user: an empty home, nothing of this checkout, no telemetry endpoint."""
    dropped = ("OTEL_", "AEL_", "PLOSTON_", "PYTHON", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    path = f"{environment / 'bin'}{os.pathsep}{kept['PATH']}"
    return kept | {"HOME": str(home), "PATH": path, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(
    command: list[str], folder: Path, *, env: dict[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        cwd=folder if folder.is_dir() else folder.parent,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if check and done.returncode:
        raise ReleaseError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done
