"""Of secrets in inputs, results, errors, the environment and files, nothing comes out or lies on disk."""

import asyncio
import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.engine.lab.client import clean_environment, mcp_session
from tests.engine.lab.files import SOURCES
from tests.engine.lab.serving import BIN, Served
from tests.engine.outcomes import OUTCOMES
from tests.privacy.canaries import found, in_place, made_up
from tests.support.needs import require
from tests.support.otlp_sink import OtlpSink
from tests.support.ports import free_port
from tests.support.stress import stress_kind

pytestmark = pytest.mark.timeout(900)

HERE = Path(__file__).parent
LAB = HERE.parent / "engine" / "lab" / "tools.py"
FORMATS = ("json", "jsonl", "csv", "otlp", "zipkin", "jaeger")

# Each takes the canaries in and lets them go through everything that a run is made of.
WORKFLOWS = {
    "canary_repeat": """
name: canary_repeat
version: 1.0.0
inputs:
  - all: {type: object, required: true}
  - password: {type: string, required: true}
steps:
  - {id: repeat, tool: repeat, mcp: leaky, params: {what: "{{ inputs.all }}", password: "{{ inputs.password }}"}}
  - {id: plainly, tool: repeat, mcp: leaky, params: {what: "{{ inputs.password }}"}}
  - id: print
    code: |
      print(context.inputs["all"], "the word is", context.inputs["password"])
      result = {"again": context.inputs["all"], "word": context.inputs["password"]}
outputs:
  - {name: repeated, from: steps.repeat.output}
  - {name: plainly, from: steps.plainly.output}
  - {name: printed, from: steps.print.output}
""",
    "canary_complain": """
name: canary_complain
version: 1.0.0
inputs:
  - text: {type: string, required: true}
steps:
  - {id: tolerated, tool: complain, mcp: leaky, on_error: skip, params: {what: "{{ inputs.text }}"}}
  - id: again
    tool: complain
    mcp: leaky
    params: {what: "{{ inputs.text }}"}
    retry: {max_attempts: 2, backoff: fixed, delay_seconds: 0.02}
""",
    "canary_raise": """
name: canary_raise
version: 1.0.0
inputs:
  - text: {type: string, required: true}
steps:
  - id: raise
    code: |
      raise ValueError("cannot work with " + context.inputs["text"])
""",
    "canary_file": """
name: canary_file
version: 1.0.0
inputs:
  - path: {type: string, required: true}
steps:
  - {id: read, tool: read_file, mcp: leaky, params: {path: "{{ inputs.path }}"}}
  - {id: hand_on, tool: repeat, mcp: leaky, params: {what: "{{ steps.read.output }}"}}
outputs:
  - {name: read, from: steps.read.output}
""",
    "canary_list": """
name: canary_list
version: 1.0.0
inputs:
  - path: {type: string, required: true}
steps:
  - {id: list, tool: list_files, mcp: leaky, params: {path: "{{ inputs.path }}"}}
  - {id: hand_on, tool: repeat, mcp: leaky, params: {what: "{{ steps.list.output }}"}}
outputs:
  - {name: listed, from: steps.list.output}
""",
    "canary_environment": """
name: canary_environment
version: 1.0.0
steps:
  - {id: ask, tool: environment, mcp: leaky, params: {name: CANARY_SECRET}}
outputs:
  - {name: told, from: steps.ask.output}
""",
}


@dataclass(frozen=True)
class Result:
    """The outputs of a run of everything."""

    canaries: Mapping[str, str]
    places: Mapping[str, bytes]
    spans: int
    stats: str


def _configuration(folder: Path, endpoint: str, metrics_port: int) -> Path:
    workflows = folder / "workflows"
    workflows.mkdir(parents=True)
    for name, text in (SOURCES | WORKFLOWS).items():
        (workflows / f"{name}.yaml").write_text(text, "utf-8")
    file = folder / "ael.yaml"
    servers = {"lab": LAB, "leaky": HERE / "tools.py"}
    file.write_text(
        yaml.safe_dump(
            {
                "tools": {
                    "mcp_servers": {
                        name: {
                            "command": shlex.join([sys.executable, str(script)]),
                            "env": {"CANARY_SECRET": "${CANARY_SECRET}", "HOME": str(folder)},
                        }
                        for name, script in servers.items()
                    }
                },
                "workflows": {"directory": str(workflows)},
                "python_exec": {"timeout": 5},
                "logging": {"level": "INFO", "format": "json"},
                "telemetry": {
                    "service_name": "canary",
                    "exporters": {"otlp": {"endpoint": endpoint}},
                    "metrics": {"port": metrics_port},
                    "store": {"json_mirror": True},
                    "admin": {"live_schema": True},
                    "privacy": {"excluded_paths": [str(folder / "private" / "*")]},
                },
            }
        ),
        "utf-8",
    )
    return file


def _inputs(canaries: Mapping[str, str], private: Path) -> list[tuple[str, dict[str, Any]]]:
    texts = in_place(canaries)
    plain = {kind: text for kind, text in texts.items() if kind not in ("keyed", "contents", "environment")}
    calls: list[tuple[str, dict[str, Any]]] = [
        (
            "canary_repeat",
            {"all": {k: v for k, v in plain.items() if k != "plain"}, "password": texts["keyed"]},
        ),
        ("canary_file", {"path": str(private)}),
        ("canary_list", {"path": str(private.parent)}),
        ("canary_environment", {}),
    ]
    for text in plain.values():
        calls += [("canary_complain", {"text": text}), ("canary_raise", {"text": text})]
    everything = " ; ".join(text for kind, text in plain.items() if kind != "plain")
    for outcome in OUTCOMES:
        # An undeclared input counts as an input.
        calls.append((outcome.workflow, {**outcome.inputs, "extra": everything, "password": texts["keyed"]}))
    return calls


async def _call_everything(port: int, calls: list[tuple[str, dict[str, Any]]]) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=60) as rest:
        for workflow, inputs in calls:
            await rest.post(f"/workflows/{workflow}/execute", json={"inputs": inputs})
    async with mcp_session(port) as mcp:
        for workflow, inputs in calls:
            if workflow.startswith("canary"):
                await mcp.call_tool(workflow, inputs)
                # Without the name of its field `keyed` cannot be recognised as secret.
                for value in (each for field, each in inputs.items() if field != "password"):
                    await mcp.call_tool("complain", {"what": value})
                    await mcp.call_tool("add", {"a": value, "b": 1})
                    code = f"raise ValueError({str(value)!r})"
                    await mcp.call_tool("python_exec", {"code": code})


def _run(folder: Path, canaries: Mapping[str, str], **more: str) -> Result:
    """Serve, call everything, stop, and gather every byte that came out."""
    private = folder / "home" / "private" / f"{canaries['contents'].split()[0]}.txt"
    texts = in_place(canaries)
    variables = {
        "CANARIES": json.dumps(texts),
        "CANARY_SECRET": canaries["environment"],
        # hygiene: made up
        "OTEL_RESOURCE_ATTRIBUTES": f"app.api_key={canaries['github']},app.contact={canaries['email']}",
        **more,
    }
    with OtlpSink() as sink:
        port = free_port()
        file = _configuration(folder / "home", sink.endpoint, port)
        private.parent.mkdir()
        private.write_text(f"{canaries['contents']}\n", "utf-8")
        words = ("python", "-m", "tests.privacy.program", "serve", "-c", str(file), "--port", "{port}")
        (folder / "work").mkdir()
        with Served(words, folder / "work", environment=variables) as served:
            served.wait_ready()
            asyncio.run(_call_everything(served.port, _inputs(canaries, private)))
            page = httpx.get(
                f"http://127.0.0.1:{port}/metrics", headers={"Accept": "application/openmetrics-text"}
            )
            schema = httpx.get(f"http://127.0.0.1:{port}/api/v1/telemetry/live-schema")
            assert (page.status_code, schema.status_code) == (200, 200)
            # Pages not yet in the database are in files that its last user deletes.
            running = _files(folder / "work" / ".ael", "while it runs: ")
            assert running.get("while it runs: telemetry.db-wal"), "the log of the database was there"
            served.stop(signal.SIGINT)
        places = {"stdout": served.stdout.encode(), "stderr": served.stderr.encode()}
        places |= {"/metrics": page.content, "live schema": schema.content, "OTLP": sink.raw()}
        spans = len(sink.spans())
    kept = folder / "work" / ".ael"
    assert (kept / "telemetry.db").exists()
    places |= running | _files(kept)
    for form in FORMATS:
        exported = _ael(
            folder / "work", "trace", "export", "--all", "--format", form, "--db", str(kept / "telemetry.db")
        )
        places[f"export {form}"] = exported
    one_of_each = {
        record["workflow_name"]: record["execution_id"]
        for record in map(json.loads, places["export jsonl"].splitlines())
        if str(record["workflow_name"]).startswith("canary")
    }
    for workflow, execution in one_of_each.items():
        words = ("trace", "export", execution, "--format", "html", "--db", str(kept / "telemetry.db"))
        places[f"export html of {workflow}"] = _ael(folder / "work", *words)
        words = ("trace", "show", execution, "--db", str(kept / "telemetry.db"))
        places[f"trace show of {workflow}"] = _ael(folder / "work", *words)
    stats = _ael(folder / "work", "trace", "stats", "--db", str(kept / "telemetry.db"))
    places["trace stats"] = stats
    places["trace list"] = _ael(folder / "work", "trace", "list", "--db", str(kept / "telemetry.db"))
    return Result({**canaries, "listed": private.stem}, places, spans, stats.decode())


def _files(folder: Path, before: str = "") -> dict[str, bytes]:
    return {
        f"{before}{path.relative_to(folder)}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _ael(folder: Path, *words: str) -> bytes:
    done = subprocess.run(
        [str(BIN / "ael"), *words], cwd=folder, env=clean_environment(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout + done.stderr


@pytest.fixture(autouse=True, scope="module")
def _engine() -> None:
    require("engine")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Result]:
    """Everything with the redactor on and off, side by side, since most of either is waiting for workflows."""
    with ThreadPoolExecutor(2) as pool:
        clean = pool.submit(_run, tmp_path_factory.mktemp("clean"), made_up())
        leaking = pool.submit(_run, tmp_path_factory.mktemp("leaking"), made_up(), CANARY_REDACTOR="off")
        return clean.result(), leaking.result()


@pytest.fixture(scope="module")
def clean(both: tuple[Result, Result]) -> Result:
    """Everything once, as people run it."""
    return both[0]


@pytest.fixture(scope="module")
def leaking(both: tuple[Result, Result]) -> Result:
    """Everything once, with the redactor off."""
    return both[1]


def _described(hits: Iterable[tuple[str, str, str]]) -> list[str]:
    return sorted({f"{kind} ({form}) in {place}" for kind, form, place in hits})


STORED = ("telemetry.db", "traces/", "export ", "while it runs: ")
"""Outputs of the run store, which may hold a plain input, since the store has inputs."""


def test_no_secret_comes_out_or_lies_on_disk(clean: Result) -> None:
    """Proves for each canary, through all workflows and errors: it is in no byte sent, printed, stored or exported."""
    secrets = {
        kind: canary for kind, canary in clean.canaries.items() if kind not in ("plain", "environment")
    }
    assert _described(found(secrets, clean.places)) == []
    assert clean.spans > 100, "the spans were sent"
    if stress_kind() == "limits":
        lost = re.search(
            r'ael_telemetry_dropped_total\{[^}]*"queue_full"[^}]*\} (\S+)', clean.places["/metrics"].decode()
        )
        assert lost, "the queue of lines was never full"
        assert float(lost[1]) > 100


def test_inputs_of_a_caller_are_in_no_log_span_or_metric(clean: Result) -> None:
    """Proves that an input which is not a secret is in the run store only, also if an error repeats it."""
    elsewhere = {
        place: content for place, content in clean.places.items() if not place.startswith((*STORED, "trace "))
    }
    plain = {kind: clean.canaries[kind] for kind in ("plain",)}
    assert _described(found(plain, elsewhere)) == []
    assert any(clean.canaries["plain"].encode() in content for content in clean.places.values()), (
        "it was kept"
    )


def test_the_environment_is_in_no_log_span_or_metric(clean: Result) -> None:
    """Proves that a variable of the environment shows nowhere, also where a tool prints it as `NAME=value`."""
    assert _described(found({"environment": clean.canaries["environment"]}, clean.places)) == []


def test_with_the_redactor_off_the_search_finds_each_secret(leaking: Result) -> None:
    """Proves that the search works and that the canaries go everywhere: each is found, in the store and outside."""
    hits = {(kind, place.partition(":")[0]) for kind, _, place in found(leaking.canaries, leaking.places)}
    assert {kind for kind, _ in hits} == set(leaking.canaries)
    for place in (
        *("OTLP", "stdout", "/metrics", "telemetry.db", "while it runs"),
        *(f"export {each}" for each in FORMATS[:3]),
    ):
        assert [kind for kind, where in hits if where == place], f"nothing was found in {place}"


def test_stats_report_redactions(clean: Result) -> None:
    """Proves that `ael trace stats` reports the redactions of stored runs by kind, /metrics those of the process."""
    for kind in ("email", "ssn", "credit_card", "token", "password", "private_key", "url_credentials"):
        assert f'ael_redaction_total{{kind="{kind}"}}' in clean.places["/metrics"].decode(), kind
        assert kind in clean.stats, kind
