"""Values that a caller passes are in no output: nothing that any writer writes or sends contains them."""

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from tests.engine.lab import embedding
from tests.engine.lab.client import mcp_session
from tests.engine.lab.files import write_configuration
from tests.engine.lab.serving import Served
from tests.support.otlp_sink import OtlpSink

SECRET = "xyzzy-4711-plugh"  # hygiene: made up
CODE = f"result = await context.tools.call('echo', {{'text': '{SECRET}'}})"

# Each call as (tool or workflow, arguments): well-formed, of a wrong type, unknown, missing, nested, in code.
CALLS = (
    ("echo", {"text": SECRET}),
    ("add", {"a": SECRET, "b": 1}),
    ("echo", {"text": "hello", "unknown": SECRET}),
    ("wait", {"seconds": [SECRET, {"deep": SECRET}]}),
    ("nobody", {"text": SECRET}),
    ("python_exec", {"code": CODE}),
    ("secrets", {"text": SECRET}),
    ("success", {"unknown": SECRET}),
    ("workflow_run", {"name": "secrets", "inputs": {"text": SECRET}}),
    ("workflow_call_tool", {"mcp": "lab", "tool": "add", "params": {"a": SECRET, "b": 1}}),
)


async def _call_everything(port: int) -> None:
    async with mcp_session(port) as mcp:
        for name, arguments in CALLS:
            await mcp.call_tool(name, arguments)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=60) as rest:
        for name, arguments in CALLS:
            await rest.post(f"/tools/{name}/call", json={"params": arguments})
            await rest.post(f"/workflows/{name}/execute", json={"inputs": arguments})
        await rest.post("/tools/echo/call", content=f'{{"params": {{"text": "{SECRET}"')


SERVER = ("ael", "serve", "-c", "{file}", "--port", "{port}")
APPLICATION = ("opentelemetry-instrument", "python", embedding.__file__, "{file}", "{port}")


@pytest.mark.parametrize("command", [SERVER, APPLICATION], ids=["with our log handler", "without it"])
def test_no_argument_is_written_or_sent(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Proves that of a secret in arguments, over MCP and REST, no byte reaches stdout, stderr or the Collector."""
    with OtlpSink() as sink:
        endpoint = {"exporters": {"otlp": {"endpoint": sink.endpoint}}}
        file = write_configuration(tmp_path / "ael", telemetry=endpoint if command is SERVER else None)
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "OTEL_EXPORTER_OTLP_INSECURE": "true"}
        words = [word.replace("{file}", str(file)) for word in command]
        with Served(words, tmp_path, environment=environment) as served:
            served.wait_ready()
            asyncio.run(_call_everything(served.port))
            served.stop(signal.SIGINT)
        assert "[TOOL_STEP]" in served.stdout + served.stderr, "the engine's log was captured"
        assert sink.counts()["spans"] > 20
        assert sink.counts()["logs"] > 50
        outputs = {
            "stdout": served.stdout,
            "stderr": served.stderr,
            "OTLP": sink.raw().decode("utf-8", "replace"),
        }
        leaks = [f"{where}: {_around(text)}" for where, text in outputs.items() if SECRET in text]
        assert not leaks


def _around(text: str) -> list[str]:
    return [text[max(0, at - 300) : at + 20] for at in _places(text)][:6]


def _places(text: str) -> list[int]:
    found, at = [], text.find(SECRET)
    while at >= 0:
        found.append(at)
        at = text.find(SECRET, at + 1)
    return found
