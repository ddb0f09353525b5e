"""Series exist before the first event, so that the first failure is an increase."""

import json
from pathlib import Path

import httpx

from ael_otel._generated.attributes import WORKFLOW_STATUS_VALUES
from ael_otel.emit.metric_sets import GONE_SECONDS
from tests.engine.lab.client import Lab
from tests.engine.lab.files import SOURCES, TOOLS

LATER = (
    "name: {name}\nversion: 1.0.0\nsteps:\n  - {{id: greet, tool: echo, mcp: lab, params: {{text: hello}}}}\n"
)


def test_every_workflow_and_tool_is_zero_from_the_start(lab: Lab) -> None:
    """Proves that exactly the loaded workflows and listed tools are exposed at 0 for every status."""
    rows = lab.first.rows
    assert rows["ael.workflow.executions"] == {
        f"status={status},workflow={name}": 0 for name in SOURCES for status in WORKFLOW_STATUS_VALUES
    }
    assert rows["ael.tool.invocations"] == {
        f"status={status},tool={tool}": 0 for tool in TOOLS for status in WORKFLOW_STATUS_VALUES
    }
    assert rows["ael.active_workflows"] == {"": 0}


def test_a_workflow_that_comes_later_is_zero_at_once(lab: Lab) -> None:
    """Proves the same for workflows registered while the engine runs: in process, by REST and by an agent over MCP."""
    lab.ask("register", text=LATER.format(name="by_call"))
    answer = httpx.post(
        f"http://127.0.0.1:{lab.port}/api/v1/workflows",
        content=json.dumps(LATER.format(name="by_rest")),
        headers={"content-type": "application/json"},
        timeout=60,
    )
    assert answer.status_code < 300, answer.text
    created = lab.mcp("workflow_create", {"yaml_content": LATER.format(name="by_agent")})
    assert not created.isError, created.content[0].text
    rows = lab.collect().rows["ael.workflow.executions"]
    for name in ("by_call", "by_rest", "by_agent"):
        assert [rows[f"status={status},workflow={name}"] for status in WORKFLOW_STATUS_VALUES] == [0, 0, 0, 0]


def test_series_of_a_removed_workflow_end_and_others_stay(lab: Lab) -> None:
    """Proves that the engine's removal of a workflow reaches the metrics: its rows end after the grace, others stay."""
    lab.ask("register", text=LATER.format(name="short_lived"))
    assert "status=success,workflow=short_lived" in lab.collect().rows["ael.workflow.executions"]
    assert lab.ask("unregister", workflow="short_lived") == {"was": True}
    lab.ask("hurry", seconds=GONE_SECONDS)
    rows = lab.collect().rows["ael.workflow.executions"]
    assert "status=success,workflow=short_lived" not in rows
    assert "status=success,workflow=success" in rows


def test_reload_of_the_configuration_is_an_event_also_when_it_fails(lab: Lab, tmp_path: Path) -> None:
    """Proves that a log event reports that the engine read its configuration again, or why it could not."""
    lab.collect()
    file = tmp_path / "again.yaml"
    file.write_text("logging: {level: INFO}\n", "utf-8")
    assert lab.ask("reload", path=str(file))["raised"]
    events = [each for each in lab.collect().logs if each["event"] == "ael.config.reload"]
    assert [each["attributes"]["status"] for each in events] == ["success", "error"]
    assert events[1]["attributes"]["error_type"] == "CONFIG_INVALID"
    assert [each["attributes"]["ael.config.trigger"] for each in events] == ["reload", "reload"]
