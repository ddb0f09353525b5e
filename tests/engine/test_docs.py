"""The commands of the tutorial and of the how-to pages, run in their order on the project that the tutorial makes.

A line that serves is started in the background and asked by the lines after it, until the next one that serves. Ports
and addresses are replaced by free ones on the loopback interface; all else is as it stands in the page.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.support.needs import require
from tests.support.otlp_sink import OtlpSink
from tests.support.pages import blocks, command_lines
from tests.support.ports import free_port
from tests.support.processes import end
from tests.support.variables import NOWHERE, clean_variables
from tests.support.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = DOCS / "tutorial" / "first-run.md"
HOSTING = DOCS / "how-to" / "hosting.md"
TESTED_ELSEWHERE = {"trace": "tests/unit/cli/trace/test_examples.py", "ui": "tests/process/ui/test_ui.py"}
"""Pages whose examples need runs with the ids that they name, or serve until they are stopped."""

PAGES = [
    page
    for page in (
        *sorted((DOCS / "how-to").glob("*.md")),
        *sorted((DOCS / "tutorial").glob("*.md")),
        DOCS / "reference" / "store.md",
    )
    if page != TUTORIAL and page.stem not in TESTED_ELSEWHERE and command_lines(page)
]
_SERVES = re.compile(r"\b(ael serve|uvicorn|python app\.py)\b")
_MAIN = """
if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, port={port})
"""


class Shell:
    """Runs the commands of one page in a folder, as a reader with one shell and one terminal for the server.

    Args:
        folder: the working directory.
        home: its home directory, where the output of servers is kept too.
        endpoint: where telemetry is sent, also by lines that name another host.
    """

    def __init__(self, folder: Path, home: Path, endpoint: str = NOWHERE) -> None:
        self.folder, self.home = folder, home
        self.endpoint = endpoint
        self.port, self.metrics = free_port(), free_port()
        self.variables = clean_variables(
            endpoint,
            HOME=str(home),
            PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            COLUMNS="100",
            OTEL_EXPORTER_PROMETHEUS_PORT=str(self.metrics),
            OTEL_PYTHON_AEL_CONFIG="ael-config.yaml",
            OTLP_TOKEN="made-up",  # hygiene: made up
        )
        self._server: subprocess.Popen[bytes] | None = None
        self._called = ""

    def run(self, line: str) -> None:
        """Run one line; it has to end well, and a server has to answer.

        A line that sets variables sets them for those after it.
        """
        line = self._here(line)
        if line.startswith("export "):
            done = self.output(f"{line}; env -0")
            self.variables = dict(each.split("=", 1) for each in done.split("\0") if "=" in each)
        elif _SERVES.search(line):
            self._serve(line)
        elif "ael trace tail" in line:
            self._tail(line)
        else:
            if "curl -X POST" in line:
                self._called = line
            assert self.output(line), line

    def close(self) -> None:
        """End the server, if one runs."""
        if self._server is not None:
            end(self._server)
            self._server = None

    def _here(self, line: str) -> str:
        """Return a line with the addresses of this test in place of those in the page."""
        line = line.replace("localhost:9464", f"127.0.0.1:{self.metrics}")
        line = re.sub(r"localhost:(8082|8000)\b", f"127.0.0.1:{self.port}", line)
        line = re.sub(r"https://otlp\.example\.com:4318\b", self.endpoint, line)
        line = line.replace(" --port 8000", "")
        line = re.sub(r"\buvicorn app:app", rf"\g<0> --port {self.port}", line)
        return re.sub(r"\bael serve -c \S+", rf"\g<0> --port {self.port}", line)

    def output(self, line: str) -> str:
        """Run a command that must end with exit code 0; return its stdout."""
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, "" if "curl" in line else done.stderr) == (0, ""), (line, done.stderr)
        return done.stdout

    def _start(self, line: str, name: str) -> tuple["subprocess.Popen[bytes]", Path]:
        output = self.home / f"{name}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["sh", "-c", f"exec {line}"],
                cwd=self.folder,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        return process, output

    def _serve(self, line: str) -> None:
        self.close()
        self._server, output = process, _ = self._start(line, "server")

        def answers() -> bool:
            assert process.poll() is None, output.read_text("utf-8")
            with suppress(httpx.TransportError):
                return httpx.get(f"http://127.0.0.1:{self.port}/", timeout=5).status_code < 500
            return False

        until(answers, lambda: (line, output.read_text("utf-8")), seconds=60)

    def _tail(self, line: str) -> None:
        """Follow the runs until one is printed, then interrupt as a reader does."""
        process, output = self._start(line, "tail")
        try:

            def printed() -> str:
                self.output(self._called)
                return output.read_text("utf-8")

            until(printed, line)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) in {130, -signal.SIGINT}, output.read_text("utf-8")
            assert "hello" in output.read_text("utf-8")
        finally:
            end(process)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the tutorial's commands leave, after each of them has ended well."""
    require("engine")
    home = tmp_path_factory.mktemp("home")
    first, *rest = command_lines(TUTORIAL)
    assert first == "ael init my-project --yes"
    Shell(home, home).run(first)
    shell = Shell(home / "my-project", home)
    for line in rest:
        shell.run(line)
    shell.run("ael demo --runs 3")  # runs that call tools
    return shell.folder


@pytest.fixture
def sink() -> Iterator[OtlpSink]:
    """The receiver of a page's telemetry."""
    with OtlpSink(http_port=0) as sink:
        yield sink


@pytest.fixture
def shell(project: Path, tmp_path: Path, sink: OtlpSink) -> Iterator[Shell]:
    """A shell in a copy of the project."""
    folder = tmp_path / project.name
    shutil.copytree(project, folder)
    shell = Shell(folder, tmp_path, sink.http_endpoint)
    shell.variables["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf"
    yield shell
    shell.close()


def test_tutorial_shows_a_failed_run(project: Path) -> None:
    """Its last commands find the run that it made fail."""
    assert "WORKFLOW_TIMEOUT" in Shell(project, project.parent).output("ael trace stats --by error")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_a_page_work(page: Path, shell: Shell, sink: OtlpSink) -> None:
    """In their order, in the folder of the project; commands that serve send their telemetry."""
    program = next(block.text for block in blocks(HOSTING) if block.language == "python")
    served = False
    for block in blocks(page):
        if block.language != "sh" or block.reason:
            continue
        # The application of the page; where the wrapper starts it, "the same without the two lines".
        wrapped = block.text.startswith("opentelemetry-instrument")
        text = re.sub(r".*(?:ael_otel|AelInstrumentor).*\n", "", program) if wrapped else program
        (shell.folder / "app.py").write_text(text + _MAIN.format(port=shell.port), "utf-8")
        for line in block.lines:
            shell.run(line)
            served = served or bool(_SERVES.search(line))
    shell.close()
    if served:
        assert sink.requests(), "nothing was sent"
