"""`ael ui` as a process, and a browser's view of it."""

import http.client
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.processes import end
from tests.support.ui_client import Answer
from tests.support.variables import clean_variables
from tests.unit.export.conftest import direct, full

__all__ = ["direct", "full"]


class Served:
    """One server.

    Args:
        arguments: those of `ael ui`.
        cwd: its working directory.
        variables: its whole environment.
    """

    def __init__(self, arguments: list[str], cwd: Path, variables: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ael_otel.cli", "ui", "--no-open", *arguments],
            cwd=cwd,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        parts = urlsplit(self.url)
        self.address = (parts.hostname or "", parts.port or 0)
        self.host = parts.netloc
        self.opening = f"{parts.path}?{parts.query}"
        self.cookie = ""

    def connect(self) -> http.client.HTTPConnection:
        """Return a new connection."""
        return http.client.HTTPConnection(*self.address, timeout=30)

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Send one request, with the cookie once there is one."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie and "Cookie" not in sent:
            sent["Cookie"] = self.cookie
        with closing(self.connect()) as connection:
            connection.request(method, path, headers=sent)
            found = connection.getresponse()
            return Answer(
                found.status, {name.lower(): value for name, value in found.getheaders()}, found.read()
            )

    def open(self) -> "Served":
        """Use the token, as the first browser does."""
        answer = self.ask(self.opening)
        assert answer.status == 303, answer.text
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return self


type Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start servers on free ports; they end with the test."""
    started: list[Served] = []

    def start(*arguments: str, **variables: str) -> Served:
        (tmp_path / "home").mkdir(exist_ok=True)
        more = {
            "HOME": str(tmp_path / "home"),
            "AEL_GRAFANA_PORT": "9",
            "PYTHONPATH": str(Path(__file__).parents[3]),
        }
        environment = clean_variables(**(more | variables))
        started.append(Served([*arguments, "--port", "0", "--timeout", "120"], tmp_path, environment))
        return started[-1]

    yield start
    for each in started:
        end(each.process)
        for stream in (each.process.stdout, each.process.stderr):
            if stream is not None:
                stream.close()
