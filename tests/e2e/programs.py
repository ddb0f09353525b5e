"""The programs under test as a person starts them, and clients that use them."""

import asyncio
import json
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.expected import CASES, OVERTIME, Case
from tests.e2e.waiting import wait_until_nothing_is_missing
from tests.support.needs import require
from tests.support.ports import free_port
from tests.support.processes import end
from tests.support.variables import clean_variables

SANDBOX_SECONDS: Final = 3
"""More than the sandbox's first start takes on a busy machine, so that only `overtime` exceeds it."""

SHUTDOWN_SECONDS: Final = 10
"""Above the default of one: how long an exit takes is not the subject, and one core may be held up that long."""

type Way = Literal["tool", "workflow_run"]


def program(name: str) -> str:
    """The path of a console script of this Python's environment."""
    path = Path(sys.executable).parent / name
    require(path.is_file(), f"no {name} beside {sys.executable}; run `make setup`")
    return str(path)


def environment(home: Path, service: str, endpoint: str, **more: str) -> dict[str, str]:
    """The environment of a new user for one of the programs, with a separate home and nothing of this test run.

    Args:
        home: its HOME.
        service: the service's name, which identifies its telemetry in the stores.
        endpoint: where it sends OTLP.
        more: further variables.
    """
    return clean_variables(endpoint, HOME=str(home), OTEL_SERVICE_NAME=service) | more


def run(
    *command: str, cwd: Path, env: Mapping[str, str], seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run one of the programs to its end."""
    return subprocess.run(
        [program(command[0]), *command[1:]],
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def export_demo(folder: Path, env: Mapping[str, str]) -> Path:
    """Have `ael demo --export` write the demo, add the workflow that runs out of time, return the configuration."""
    done = run("ael", "demo", "--export", str(folder), cwd=folder.parent, env=env)
    assert done.returncode == 0, done.stderr
    (folder / "workflows" / "overtime.yaml").write_text(OVERTIME, "utf-8")
    config = folder / "ael-config.yaml"
    text = config.read_text("utf-8")
    assert "python_exec" not in text
    # Calls of these tests take as long as the engine allows, not the demo's ten seconds.
    assert "timeout: 10\n" in text
    text = text.replace("timeout: 10\n", "timeout: 30\n")
    config.write_text(f"{text}\npython_exec: {{timeout: {SANDBOX_SECONDS}}}\n", "utf-8")
    return config


# --- a server ---------------------------------------------------------------------------------------------------------


@dataclass
class Served:
    """`opentelemetry-instrument ael serve` in a separate process."""

    process: subprocess.Popen[bytes]
    service: str
    port: int
    admin_port: int
    stdout: Path
    stderr: Path
    exit_seconds: float = 0.0

    def wait_until_ready(self, *, seconds: float = 60) -> None:
        """Wait until its port for metrics reports ready."""

        def missing() -> str:
            assert self.process.poll() is None, f"it ended:\n{self.stderr.read_text()[-2000:]}"
            try:
                answer = requests.get(f"http://127.0.0.1:{self.admin_port}/readyz", timeout=2)
                health = requests.get(f"http://127.0.0.1:{self.port}/health", timeout=2)
            except requests.RequestException as error:
                return f"ael serve does not answer: {type(error).__name__}"
            codes = (answer.status_code, health.status_code)
            return "" if codes == (200, 200) else f"/readyz and /health answer {codes}"

        wait_until_nothing_is_missing(missing, seconds=seconds)

    def dropped(self) -> dict[str, float]:
        """Return the drops on its own /metrics, by signal."""
        answer = requests.get(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=10)
        answer.raise_for_status()
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                if sample.name == "ael_telemetry_dropped_total":
                    signal_name = sample.labels["signal"]
                    found[signal_name] = found.get(signal_name, 0) + sample.value
        return found

    def stop(self, *, seconds: float = 30) -> int:
        """Ask it to stop and return its exit code; store the seconds it took."""
        if self.process.poll() is None:
            began = time.monotonic()
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            finally:
                self.exit_seconds = time.monotonic() - began
        return self.process.returncode

    def lines(self) -> list[dict[str, Any]]:
        """Return its stdout: one JSON object per line, or the test fails."""
        return [json.loads(line) for line in self.stdout.read_text("utf-8").splitlines()]

    def losses(self) -> list[dict[str, Any]]:
        """Return the lines in which it reports dropped telemetry."""
        return [
            line
            for line in self.lines()
            if line.get("event_name") == "ael.telemetry.drop" or "were not delivered" in line["message"]
        ]


@contextmanager
def serving(
    folder: Path,
    service: str,
    endpoint: str,
    *,
    workflows: Mapping[str, str] | None = None,
    shutdown_seconds: float | None = SHUTDOWN_SECONDS,
    **more: str,
) -> Iterator[Served]:
    """Run `opentelemetry-instrument ael serve` on the exported demo until the block ends.

    Args:
        folder: for its configuration, its home and what it prints.
        service: the service's name.
        endpoint: where it sends OTLP.
        workflows: files of further workflows, by name.
        shutdown_seconds: the time its end may take for its queue; None leaves the default.
        more: further variables.
    """
    require("engine")
    port, admin_port = free_port(), free_port()
    env = environment(folder, service, endpoint, OTEL_EXPORTER_PROMETHEUS_PORT=str(admin_port), **more)
    config = export_demo(folder / "demo", env)
    if shutdown_seconds is not None:
        text = config.read_text("utf-8")
        assert "\ntelemetry:\n" in text
        limits = f"\ntelemetry:\n  limits: {{shutdown_seconds: {shutdown_seconds:g}}}\n"
        config.write_text(text.replace("\ntelemetry:\n", limits), "utf-8")
    for name, text in (workflows or {}).items():
        (folder / "demo" / "workflows" / f"{name}.yaml").write_text(text, "utf-8")
    stdout, stderr = folder / "stdout.txt", folder / "stderr.txt"
    command = [
        program("opentelemetry-instrument"),
        program("ael"),
        "serve",
        "-c",
        str(config),
        "--port",
        str(port),
    ]
    with stdout.open("wb") as out, stderr.open("wb") as err:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
    served = Served(process, service, port, admin_port, stdout, stderr)
    try:
        served.wait_until_ready()
        yield served
    finally:
        end(process)


# --- its clients ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ask:
    """One call of a client: the case, the tool, and whether it sends its own trace."""

    case: Case
    way: Way = "tool"
    traced: bool = False


@dataclass(frozen=True)
class Answer:
    """The client's view of one call afterwards; ids are empty where the client gets none."""

    ask: Ask
    succeeded: bool
    trace_id: str
    parent_id: str
    execution_id: str
    at: float


def asks(names: str, way: Way = "tool", *, traced: bool = False) -> list[Ask]:
    """Calls from a text such as `hello x3 skips`: names of cases, each with how often."""
    found: list[Ask] = []
    for word in names.split():
        if word[0] == "x" and word[1:].isdecimal():
            found += [found[-1]] * (int(word[1:]) - 1)
        else:
            found.append(Ask(CASES[word], way, traced))
    return found


@dataclass
class Clients:
    """Several sessions of the official MCP client at once.

    Args:
        port: the server's.
        pause_s: what each client waits between two calls.
    """

    port: int
    pause_s: float = 0.0
    answers: list[Answer] = field(default_factory=list)
    _awaited: list[tuple[int, asyncio.Event]] = field(default_factory=list)

    def drive(
        self, plans: Sequence[Iterable[Ask]], meanwhile: Callable[[], Awaitable[None]] | None = None
    ) -> list[Answer]:
        """Make each plan's calls in a separate session, all plans at once, and `meanwhile` something else."""

        async def everything() -> None:
            async with asyncio.TaskGroup() as tasks:
                for plan in plans:
                    tasks.create_task(self._session(plan))
                if meanwhile is not None:
                    tasks.create_task(self._do(meanwhile))

        asyncio.run(everything())
        return self.answers

    async def until(self, count: int) -> None:
        """Wait until that many calls are answered."""
        if len(self.answers) < count:
            reached = asyncio.Event()
            self._awaited.append((count, reached))
            await reached.wait()

    def _keep(self, answer: Answer) -> None:
        self.answers.append(answer)
        for count, reached in self._awaited:
            if len(self.answers) >= count:
                reached.set()

    @staticmethod
    async def _do(meanwhile: Callable[[], Awaitable[None]]) -> None:
        await meanwhile()

    async def _session(self, plan: Iterable[Ask]) -> None:
        from mcp import ClientSession
        from mcp.client.streamable_http import streamable_http_client

        async with (
            streamable_http_client(f"http://127.0.0.1:{self.port}/mcp") as (reader, writer, _),
            ClientSession(reader, writer) as session,
        ):
            await session.initialize()
            for ask in plan:
                self._keep(await _call(session, ask))
                await asyncio.sleep(self.pause_s)  # wait: clients pause between two calls


async def _call(session: Any, ask: Ask) -> Answer:
    # Of all ids those that begin with a zero are the hardest: Tempo's search leaves leading zeros out.
    trace_id = f"0{secrets.token_hex(16)[1:]}" if ask.traced else ""
    parent_id = secrets.token_hex(8) if ask.traced else ""
    meta = {"traceparent": f"00-{trace_id}-{parent_id}-01"} if ask.traced else None
    case, execution_id = ask.case, ""
    if ask.way == "tool":
        result = await session.call_tool(case.called, dict(case.inputs), meta=meta)
        succeeded = not result.isError
    else:
        arguments = {"name": case.workflow, "inputs": dict(case.inputs)}
        result = await session.call_tool("workflow_run", arguments, meta=meta)
        report = json.loads(result.content[0].text)
        succeeded, execution_id = report["status"] == "completed", report["execution_id"]
    return Answer(ask, succeeded, trace_id, parent_id, execution_id, time.monotonic())
