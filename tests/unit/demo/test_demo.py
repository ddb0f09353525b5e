"""The demo's scenarios, its files, and how it is run."""

import ast
import json
import shlex
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from ael_otel.config import load_settings
from ael_otel.demo import example, runner, scenarios
from ael_otel.demo.scenarios import ROUND, RUNS_PER_ROUND, WORKFLOWS, Scenario, schedule
from ael_otel.errors import ConfigError

BUNDLED = {
    path.stem: yaml.safe_load(path.read_text())
    for path in files("ael_otel.demo").joinpath("workflows").iterdir()
}
STEPS = [step for workflow in BUNDLED.values() for step in workflow["steps"]]


def test_every_workflow_is_run_and_every_run_has_its_workflow():
    """No workflow lies about unused, and each has the name of its file."""
    assert set(BUNDLED) == WORKFLOWS
    assert all(workflow["name"] == name for name, workflow in BUNDLED.items())


def test_demo_runs_one_round_by_default():
    """Twelve runs have every workflow at least once, some of them at the same time."""
    assert RUNS_PER_ROUND == 12
    assert any(len(group) > 1 for group in ROUND)


def test_workflows_have_every_outcome_of_a_step():
    """Tool and code, tools called from code, retry, skip by error, by condition and by dependency, time-out."""
    assert {"tool" in step for step in STEPS} == {True, False}
    assert any("context.tools.call" in step.get("code", "") for step in STEPS)
    assert any(step.get("retry", {}).get("max_attempts", 1) > 1 for step in STEPS)
    skipping = BUNDLED["skips"]["steps"]
    assert {"when", "on_error", "depends_on"} <= {key for step in skipping for key in step}
    assert any(scenario.timeout_s for group in ROUND for scenario in group)


def test_no_workflow_has_the_name_of_a_tool():
    """The engine would refuse it with nothing but `Invalid workflow input`."""
    tree = ast.parse(files("ael_otel.demo").joinpath("tools.py").read_text())
    tools = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list
    }
    assert tools == {step["tool"] for step in STEPS if "tool" in step}
    assert not tools & WORKFLOWS
    assert all(step["mcp"] == "demo" for step in STEPS if "tool" in step)


def test_bundled_configuration_is_valid():
    """It is valid for the telemetry settings and names a tool server and a folder by itself."""
    bundled = files("ael_otel.demo").joinpath("config.yaml")
    assert load_settings(Path(str(bundled)), {}).service_name == "ael-demo"
    data = yaml.safe_load(bundled.read_text())
    assert data["workflows"]["directory"].endswith(":-ael_otel/demo/workflows}")


@pytest.mark.parametrize("name", ["plain", "with blanks", "quo'te\"s", "dol$lar", "ümlaut", "b{r}ace"])
def test_an_example_works_wherever_it_is_written(name, tmp_path):
    """Paths of any shape survive YAML, the engine's references and the splitting of the command."""
    folder = tmp_path / name
    config = example.write_example(folder, server_environment={"HOME": str(folder)})
    data = yaml.safe_load(config.read_text())
    as_the_engine_reads = json.loads(json.dumps(data).replace("$$", "$"))
    server = as_the_engine_reads["tools"]["mcp_servers"]["demo"]
    assert shlex.split(server["command"]) == [sys.executable, str(folder / "tools.py")]
    assert server["env"] == {"HOME": str(folder)}
    assert as_the_engine_reads["workflows"]["directory"] == str(folder / "workflows")
    assert {path.stem for path in (folder / "workflows").iterdir()} == WORKFLOWS
    assert load_settings(config, {}).service_name == "ael-demo"


@pytest.mark.parametrize("present", ["ael-config.yaml", "tools.py", "workflows/hello.yaml"])
def test_an_example_overwrites_nothing(present, tmp_path):
    """One file in the way, and none is written."""
    mine = tmp_path / present
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        example.write_example(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
    assert mine.read_text() == "mine"


def test_folder_that_cannot_be_written_is_reported(tmp_path):
    """For instance because a file has its name."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        example.write_example(tmp_path / "file" / "demo")


@pytest.mark.parametrize("runs", [1, 2, 5, 12, 13, 25])
def test_a_schedule_has_as_many_runs_as_asked_for(runs):
    """Whole rounds and a piece of one; groups are never larger than in the round."""
    groups = list(schedule(runs))
    assert sum(len(group) for group in groups) == runs
    assert all(group == ROUND[i % len(ROUND)][: len(group)] for i, group in enumerate(groups))


@dataclass
class Outcome:
    """How a made-up run ended."""

    status: str


async def test_groups_start_together_and_each_end_is_reported():
    """The second run of a group begins before the first one has ended; the next group waits for both."""
    begun: list[str] = []
    ended: list[Outcome] = []

    async def run(scenario: Scenario) -> Outcome:
        begun.append(scenario.workflow)
        return Outcome(scenario.expected)

    surprises = await runner.run_scenarios(run, runs=RUNS_PER_ROUND, seconds=None, on_done=ended.append)
    assert begun == [scenario.workflow for group in ROUND for scenario in group]
    assert len(ended) == RUNS_PER_ROUND
    assert surprises == []


async def test_a_run_that_ends_otherwise_than_meant_is_reported():
    """The demo therefore fails when the engine or the tool server is broken."""

    async def run(_scenario: Scenario) -> Outcome:
        return Outcome("failed")

    surprises = await runner.run_scenarios(run, runs=2, seconds=None, on_done=lambda _: None)
    assert surprises == [
        "hello ended as failed, not completed",
        "tools_in_code ended as failed, not completed",
    ]


async def test_a_time_limit_ends_an_endless_demo(monkeypatch):
    """Without a number of runs the time decides, and a group that has begun is finished."""
    monkeypatch.setattr(runner, "PAUSE_SECONDS", 0.01)
    ended: list[Outcome] = []

    async def run(scenario: Scenario) -> Outcome:
        return Outcome(scenario.expected)

    await runner.run_scenarios(run, runs=None, seconds=0.1, on_done=ended.append)
    assert len(ended) >= 2
    assert scenarios.ROUND[0][0].workflow == "hello"
