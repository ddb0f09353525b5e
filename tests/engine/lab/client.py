"""The test's end of the host process: commands, and the engine's entry points as an external client uses them."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.engine.lab.files import write_configuration
from tests.support.ports import free_port
from tests.support.variables import EXPORT_NOTHING, clean_variables

ROOT = Path(__file__).resolve().parents[3]
START_S = 60


def clean_environment(**more: str) -> dict[str, str]:
    """Variables for a program of the laboratory, whose configuration names the endpoint of telemetry."""
    return clean_variables(endpoint=None, PYTHONPATH=str(ROOT)) | more


@dataclass(frozen=True)
class Taken:
    """Telemetry gathered between two collections.

    `derived` are the records of our own runs that follow from the finished spans, to hold against `records`, the stored
    ones. `metrics` are the changes, rows that did not change left out; `rows` are the values.
    """

    spans: list[dict[str, Any]]
    lines: list[dict[str, Any]]
    logs: list[dict[str, Any]]
    records: list[dict[str, Any]]
    derived: list[dict[str, Any]]
    metrics: dict[str, dict[str, float]]
    rows: dict[str, dict[str, float]]
    sessions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


class Lab:
    """The host process, as a context manager.

    Args:
        folder: for its configuration, its working directory and what it prints on stderr.
        telemetry: the `telemetry` section of its configuration.
        environment: variables besides the clean ones.
        python: the interpreter to run with, for another environment than this one.
        files: further arguments of `write_configuration`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        telemetry: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        python: str = sys.executable,
        **files: Any,
    ) -> None:
        configuration = write_configuration(folder, telemetry=telemetry, python=python, **files)
        self.port = free_port()
        self.folder = folder
        self.stderr = folder / "stderr.txt"
        self._before: dict[str, dict[str, float]] = {}
        with self.stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                [python, "-m", "tests.engine.lab.host", str(configuration), str(self.port)],
                cwd=folder,
                env=clean_environment(
                    AEL_OTEL_RAISE_FAULTS="1",
                    HOME=str(folder),
                )
                | EXPORT_NOTHING
                | dict(environment or {}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def __enter__(self) -> Self:
        assert self._answer(START_S).get("ready"), self.stderr.read_text()
        self.first = self.collect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        if self._process.poll() is None:
            self._process.stdin.write('{"do": "close"}\n')
            self._process.stdin.flush()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def ask(self, do: str, *, patience_s: float = 60, **arguments: Any) -> dict[str, Any]:
        """Give one command and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._answer(patience_s)

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        stuck = threading.Timer(timeout_s, self._process.kill)
        stuck.start()
        try:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
        finally:
            stuck.cancel()
        if not line:
            raise AssertionError(f"the host process ended or hung:\n{self.stderr.read_text()[-4_000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def collect(self) -> Taken:
        """Return the telemetry gathered since the last call."""
        taken = self.ask("collect")
        before, self._before = self._before, taken["metrics"]
        changes = {
            name: changed
            for name, rows in taken["metrics"].items()
            if (
                changed := {
                    row: value - before.get(name, {}).get(row, 0)
                    for row, value in rows.items()
                    if value != before.get(name, {}).get(row, 0)
                }
            )
        }
        lines = [json.loads(line) for line in taken["lines"].splitlines()]
        return Taken(
            taken["spans"],
            lines,
            taken["logs"],
            taken["records"],
            taken["derived"],
            changes,
            taken["metrics"],
            taken["sessions"],
        )

    # --- the entries --------------------------------------------------------------------------------------------------

    def rest(self, path: str, body: Any) -> httpx.Response:
        """POST to the REST API."""
        return httpx.post(f"http://127.0.0.1:{self.port}/api/v1{path}", json=body, timeout=60)

    def mcp(self, tool: str, arguments: dict[str, Any], *, meta: dict[str, Any] | None = None) -> Any:
        """Call a tool, or a workflow as a tool, with the official MCP client over HTTP."""

        async def call() -> Any:
            async with mcp_session(self.port) as session:
                return await session.call_tool(tool, arguments, meta=meta)

        return asyncio.run(call())


@asynccontextmanager
async def mcp_session(port: int) -> AsyncIterator[Any]:
    """Open a session with the official MCP client over HTTP."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async with (
        streamable_http_client(f"http://127.0.0.1:{port}/mcp") as (reader, writer, _),
        ClientSession(reader, writer) as session,
    ):
        await session.initialize()
        yield session
