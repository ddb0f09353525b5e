"""The result of `ael run`, the start lines of `ael serve`, and the hints of both about where to look."""

from dataclasses import dataclass, field
from textwrap import dedent
from typing import Any

import msgspec
import pytest
from rich.console import Console
from rich.text import Text

from ael_otel.cli.open_engine import Destination, host_and_port
from ael_otel.cli.render import run_result as answer
from ael_otel.cli.render import startup

NOWHERE = Destination("localhost:4317", enabled=True, reachable=False)


@dataclass
class Outcome:
    """A run's outcome as the engine room gives it."""

    execution_id: str = "exec-7f3a91c20001"
    workflow: str = "mixed"
    status: str = "completed"
    outputs: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    trace_id: str = "1" * 32
    duration_ms: float = 41.2


def shown(renderable, width=100):
    """Text as a console of that width prints it."""
    console = Console(width=width, force_terminal=False, markup=False, highlight=False)
    with console.capture() as capture:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def test_a_run_is_answered_with_tree_outputs_ids_and_where_to_look(mixed):
    """Text outputs as they are, others as JSON, several lines aligned, both ids in full."""
    outcome = Outcome(outputs={"report": "the sum is 7", "parts": [1, 2], "nothing": None})
    hint = answer.where_to_look(NOWHERE, what="this run")
    text = shown(answer.run(outcome, mixed, hint, width=80), 120)
    assert text.startswith("mixed  completed in 41.2 ms")
    tail = """
        report     the sum is 7
        parts      [
                     1,
                     2
                   ]
        nothing    null
        execution  exec-7f3a91c20001
        trace      11111111111111111111111111111111

        No Collector on localhost:4317: to see this run in Grafana, run it again after `make up`.
    """
    assert text.endswith(dedent(tail).rstrip())


def test_outputs_that_a_failed_run_could_not_compute_are_left_out(tool_fails):
    """The engine returns None for them, which carries no information."""
    outcome = Outcome(status="failed", outputs={"charged": None, "price": 12.5})
    text = shown(answer.run(outcome, tool_fails, answer.where_to_look(NOWHERE, what="it")))
    assert "charged" not in text
    assert "price      12.5" in text


def test_a_run_that_was_not_recorded_still_has_its_line():
    """Without a record the status, the time and the error come from the outcome."""
    outcome = Outcome(
        workflow="pay",
        status="failed",
        error={"code": "TOOL_FAILED", "message": "card\ndeclined"},
        trace_id="",
    )
    text = shown(answer.run(outcome, None, answer.where_to_look(NOWHERE, what="it")))
    assert text.splitlines()[:2] == ["pay  failed after 41.2 ms", "TOOL_FAILED: card declined"]
    assert "trace      none: telemetry is off" in text


def test_an_output_cannot_steer_the_terminal(mixed):
    """Escape sequences in an output are printed in escaped form; tabs and new lines stay."""
    outcome = Outcome(outputs={"x": "a\x1b[31mb\tc\nd"})
    text = answer.readable(outcome.outputs["x"])
    assert text == "a\N{REPLACEMENT CHARACTER}[31mb\tc\nd"


@pytest.mark.parametrize(
    ("destination", "text"),
    [
        (
            NOWHERE,
            "No Collector on localhost:4317: to see x in Grafana, run it again after `make up`.",
        ),
        (
            Destination("collector.example:4317", enabled=True, reachable=False),
            "Nothing answers at collector.example:4317: the telemetry of x was dropped.",
        ),
        (
            Destination("localhost:4317", enabled=True, reachable=True),
            "Sent to localhost:4317. Grafana: http://localhost:3000/d/ael-overview",
        ),
        (
            Destination(
                "localhost:4317",
                enabled=True,
                reachable=True,
                dropped={
                    ("metrics", "timeout"): 1,
                    ("traces", "unauthenticated"): 2000,
                    ("traces", "rejected"): 1,
                },
            ),
            (
                "Not all telemetry of x could be delivered to localhost:4317; dropped: 1 span (rejected), 2,000 spans"
                " (unauthenticated), 1 metric export (timeout). `ael run -v` logs what the receiver answered."
            ),
        ),
        (
            Destination("localhost:4317", enabled=False, reachable=False),
            "OTLP export is off: x is not sent anywhere.",
        ),
    ],
)
def test_hints_where_to_look_match_the_settings(destination, text):
    """A Collector that answers, one that does not, another endpoint that does not, one that refuses, no export."""
    assert shown(answer.where_to_look(destination, what="x"), width=300) == text


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://localhost:4317", "localhost:4317"),
        ("http://user:secret@collector.example", "collector.example:4317"),
        ("https://collector.example/v1", "collector.example:443"),
    ],
)
def test_endpoint_is_printed_without_login_and_query(url, address):
    """Host and port only, the port by scheme when there is none."""
    assert host_and_port(url) == address


def test_start_of_a_server_is_reported_in_a_few_lines():
    """Addresses, loaded workflows and tools, and faults: a tool server, the Collector."""
    text = shown(
        startup.summary(
            workflows=["a", "b"],
            tools=["x"],
            broken={"git": "Connection\nclosed"},
            base_url="http://127.0.0.1:8082",
            rest=True,
            metrics_url="http://127.0.0.1:9464/metrics",
            metrics_wanted=True,
            destination=NOWHERE,
        ),
        120,
    )
    expected = """
        serving  2 workflows, 1 tool   Ctrl-C stops
                 MCP server git is not connected: Connection closed
        MCP      http://127.0.0.1:8082/mcp
        REST     http://127.0.0.1:8082/api/v1/docs
        metrics  http://127.0.0.1:9464/metrics
        OTLP     localhost:4317 does not answer: `make up` starts a Collector; until then, all is dropped and counted
    """
    assert text == dedent(expected).strip()


def test_endpoint_that_is_not_served_is_not_announced():
    """No REST line without REST; metrics that are enabled but could not be served are reported as missing."""
    facts = {"workflows": [], "tools": [], "broken": {}, "base_url": "u", "rest": False, "metrics_url": None}
    quiet = shown(startup.summary(**facts, metrics_wanted=False, destination=NOWHERE))
    assert "REST" not in quiet
    assert "metrics" not in quiet
    loud = shown(startup.summary(**facts, metrics_wanted=True, destination=NOWHERE))
    assert "metrics  not served: the log says why" in loud


def test_timed_out_run_reports_its_limit_in_full(too_slow, tool_fails):
    """Proves that the error of the run is there whole, also where a step that was called off hides it in the tree."""
    long = "no route to the warehouse, " * 20
    for record, code in ((too_slow, "WORKFLOW_TIMEOUT"), (tool_fails, "TOOL_FAILED")):
        failed = msgspec.structs.replace(record, error=msgspec.structs.replace(record.error, message=long))
        text = shown(answer.run(Outcome(status="failed"), failed, Text("hint"), width=80), 80)
        assert f'{code} "' in text.split("error", 1)[1]
        assert " ".join(text.split()).count("no route to the warehouse,") >= 20
