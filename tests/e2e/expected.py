"""Expected telemetry of each bundled workflow, written by hand: its span tree and its counts.

The stores are compared with it; nothing in it comes from the program under test.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Case:
    """One way to call the engine, and its expected telemetry.

    `counts` has a line for each counter that moves: `run <status>`, `step <step> <type>`, `call <tool> <status>`,
    `error <type> <component>`, each with ` x<n>` when it moves by more than one. `tool` is set for a direct call of a
    tool, which is not a run of a workflow.
    """

    name: str
    tree: str
    counts: str
    workflow: str = ""
    tool: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    succeeds: bool = True

    @property
    def called(self) -> str:
        """The name under which a client calls it."""
        return self.tool or self.workflow

    @property
    def spans(self) -> int:
        """How many spans its tree has."""
        return sum(not line.lstrip().startswith("*") for line in self.tree.splitlines())

    @property
    def events(self) -> Counter[str]:
        """The events that are logged, by name: they are the failure, retries, decisions and skips of its tree."""
        lines = self.tree.splitlines()
        return +Counter(
            {
                "ael.execution.fail": int(not self.succeeds),
                "ael.step.retry": sum(line.lstrip().startswith("* retry") for line in lines),
                "ael.step.decide": sum(line.lstrip().startswith("* decision") for line in lines),
                "ael.step.skip": sum(" skipped " in line for line in lines),
            }
        )

    def rows(self) -> Counter[str]:
        """Its counts as rows of Prometheus: `name{label="value",...}`, labels in alphabetical order."""
        rows: Counter[str] = Counter()
        for line in self.counts.splitlines():
            kind, *words = line.split()
            times = int(words.pop()[1:]) if words[-1][0] == "x" and words[-1][1:].isdecimal() else 1
            rows[self._row(kind, words)] += times
        return rows

    def _row(self, kind: str, words: list[str]) -> str:
        match kind, words:
            case "run", [status]:
                return row("ael_workflow_executions_total", workflow=self.workflow, status=status)
            case "step", [step, step_type]:
                return row("ael_step_executions_total", workflow=self.workflow, step=step, type=step_type)
            case "call", [tool, status]:
                return row("ael_tool_invocations_total", tool=tool, status=status)
            case "error", [error_type, component]:
                return row("ael_errors_total", type=error_type, component=component)
        raise ValueError(f"{self.name}: {kind} {words}")


def row(name: str, **labels: str) -> str:
    """A series as text, labels in alphabetical order."""
    return f"{name}{{{','.join(f'{key}="{value}"' for key, value in sorted(labels.items()))}}}"


def _case(name: str, tree: str, counts: str, **more: Any) -> tuple[str, Case]:
    more.setdefault("workflow", "" if "tool" in more else name)
    return name, Case(name, _dedent(tree), _dedent(counts), **more)


def _dedent(text: str) -> str:
    lines = text.strip("\n").splitlines()
    cut = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[cut:].rstrip() for line in lines).rstrip()


CASES: Final[Mapping[str, Case]] = dict(
    (
        _case(
            "hello",
            """
            Workflow Execution hello success
              Step 1: tool_call greet completed
                MCP Request echo demo
            """,
            """
            run success
            step greet tool_call
            call echo success
            """,
        ),
        _case(
            "mixed",
            """
            Workflow Execution mixed success
              Step 1: tool_call greet completed
                MCP Request echo demo
              Step 2: code_execution crunch completed
                Python Exec
                  MCP Request add demo
              Step 3: tool_call report completed
                MCP Request echo demo
            """,
            """
            run success
            step greet tool_call
            step crunch code
            step report tool_call
            call echo success x2
            call add success
            """,
        ),
        _case(
            "tools_in_code",
            """
            Workflow Execution tools_in_code success
              Step 1: code_execution collect completed
                Python Exec
                  MCP Request add demo
                  MCP Request add demo
                  MCP Request add demo
                  MCP Request charge demo ERROR TOOL_FAILED
            """,
            """
            run success
            step collect code
            call add success x3
            call charge error
            error TOOL_FAILED tool
            """,
        ),
        _case(
            "flaky_tool",
            """
            Workflow Execution flaky_tool success
              Step 1: tool_call greet completed
                * retry 2 TOOL_FAILED
                * retry 3 TOOL_FAILED
                MCP Request flaky demo ERROR TOOL_FAILED
                MCP Request flaky demo ERROR TOOL_FAILED
                MCP Request flaky demo
            """,
            """
            run success
            step greet tool_call
            call flaky error x2
            call flaky success
            error TOOL_FAILED tool x2
            """,
        ),
        _case(
            "skips",
            """
            Workflow Execution skips success
              Step 1: tool_call start completed
                MCP Request echo demo
              Step 2: tool_call notify skipped when: inputs.notify
                * decision when not_met
              Step 3: tool_call pay skipped on_error: TOOL_FAILED
                MCP Request charge demo ERROR TOOL_FAILED
              Step 4: tool_call receipt skipped dependency: pay
              Step 5: tool_call finish completed
                MCP Request echo demo
            """,
            """
            run success
            step start tool_call
            step pay tool_call
            step finish tool_call
            call echo success x2
            call charge error
            error TOOL_FAILED tool
            """,
        ),
        _case(
            "tool_fails",
            """
            Workflow Execution tool_fails error ERROR TOOL_FAILED
              Step 1: tool_call price completed
                MCP Request add demo
              Step 2: tool_call charge failed ERROR TOOL_FAILED
                MCP Request charge demo ERROR TOOL_FAILED
            """,
            """
            run error
            step price tool_call
            step charge tool_call
            call add success
            call charge error
            error TOOL_FAILED tool
            """,
            succeeds=False,
        ),
        _case(
            "code_fails",
            """
            Workflow Execution code_fails error ERROR CODE_RUNTIME
              Step 1: tool_call prepare completed
                MCP Request echo demo
              Step 2: code_execution divide failed ERROR CODE_RUNTIME
                Python Exec ERROR CODE_RUNTIME
            """,
            """
            run error
            step prepare tool_call
            step divide code
            call echo success
            error CODE_RUNTIME sandbox
            """,
            succeeds=False,
        ),
        _case(
            "needs_input",
            """
            Workflow Execution needs_input error ERROR INPUT_INVALID
            """,
            """
            run error
            error INPUT_INVALID workflow_engine
            """,
            succeeds=False,
        ),
        _case(
            "timed_out",
            """
            Workflow Execution too_slow timeout ERROR WORKFLOW_TIMEOUT
              Step 1: tool_call dawdle failed ERROR cancelled
                MCP Request wait demo ERROR cancelled
            """,
            """
            run timeout
            step dawdle tool_call
            call wait cancelled
            error WORKFLOW_TIMEOUT workflow_engine
            """,
            workflow="too_slow",
            succeeds=False,
        ),
        _case(
            "answered_late",
            """
            Workflow Execution too_slow success
              Step 1: tool_call dawdle completed
                MCP Request wait demo
            """,
            """
            run success
            step dawdle tool_call
            call wait success
            """,
            workflow="too_slow",
            inputs={"seconds": 4},
        ),
        _case(
            "overtime",
            """
            Workflow Execution overtime timeout ERROR CODE_TIMEOUT
              Step 1: code_execution forever failed ERROR CODE_TIMEOUT
                Python Exec ERROR CODE_TIMEOUT
            """,
            """
            run timeout
            step forever code
            error CODE_TIMEOUT sandbox
            """,
            succeeds=False,
        ),
        _case(
            "direct_echo",
            """
            MCP Request echo demo
            """,
            """
            call echo success
            """,
            tool="echo",
            inputs={"text": "no workflow"},
        ),
        _case(
            "direct_charge",
            """
            MCP Request charge demo ERROR TOOL_FAILED
            """,
            """
            call charge error
            error TOOL_FAILED tool
            """,
            tool="charge",
            inputs={"card": "empty", "amount": 1},
            succeeds=False,
        ),
    )
)

OVERTIME: Final = """\
# Code that takes longer than the sandbox allows.
name: overtime
version: 1.0.0
description: Wait in code for ever.
steps:
  - id: forever
    code: |
      import time
      while True:
          time.sleep(0.1)
"""
"""A workflow that the demo lacks: MCP has no limit for a run's time, but the sandbox limits its code's."""

BUNDLED: Final = frozenset({case.workflow for case in CASES.values()} - {"", "overtime"})
TOOLS: Final = frozenset({"add", "charge", "echo", "flaky", "wait"})
STATUSES: Final = ("success", "error", "timeout", "cancelled")

CONTRACT: Final[Mapping[str, frozenset[str]]] = {
    "ael_workflow_executions_total": frozenset({"workflow", "status"}),
    "ael_workflow_duration_seconds": frozenset({"workflow"}),
    "ael_tool_invocations_total": frozenset({"tool", "status"}),
    "ael_tool_duration_seconds": frozenset({"tool"}),
    "ael_step_executions_total": frozenset({"workflow", "step", "type"}),
    "ael_active_workflows": frozenset(),
    "ael_errors_total": frozenset({"type", "component"}),
}
"""The seven metrics and their labels, as published."""

HISTOGRAMS: Final = frozenset({"ael_workflow_duration_seconds", "ael_tool_duration_seconds"})

GAUGES_OF_THE_PROCESS: Final[Mapping[str, frozenset[str]]] = {
    "ael_process_running": frozenset(),
    "ael_telemetry_queue_fill_ratio": frozenset({"queue"}),
    "ael_telemetry_queue_items": frozenset({"queue"}),
    "ael_telemetry_queue_size_bytes": frozenset({"queue"}),
}
"""Gauges of the process at that moment, for any calls, and their labels."""

LOSSES: Final[Mapping[str, frozenset[str]]] = {"ael_telemetry_dropped_total": frozenset({"signal", "reason"})}
"""The counter of drops, which exists after the first drop; the exact counts of a suite refuse its rows."""

SESSIONS: Final[Mapping[str, frozenset[str]]] = {
    "ael_sessions_total": frozenset({"agent", "origin", "outcome"}),
    "ael_session_tool_calls_total": frozenset({"agent", "origin", "outcome"}),
    "ael_session_idle_seconds_total": frozenset({"agent", "origin"}),
    "ael_attribution_lines_total": frozenset({"agent", "contributor", "origin"}),
}
"""The counters of sessions and of the lines written in them, and their labels: not compared with the runs."""

FROM_RULES: Final = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
"""Series that Prometheus makes of an alert whose condition holds, with that condition's labels: AelRunStuck has the
process's `job` and is pending at every evaluation that meets a process before its first run has ended.
"""

RESOURCE_LABELS: Final = frozenset({"job", "instance", "service_name"})
"""Labels that Prometheus adds to each series from its process: service.name, service.instance.id."""


def published_labels() -> dict[str, set[frozenset[str]]]:
    """Every name that the contract's metrics have in Prometheus, with the one set of labels of its series."""
    return {
        f"{name}{suffix}": {labels | RESOURCE_LABELS | ({"le"} if suffix == "_bucket" else set())}
        for name, labels in CONTRACT.items()
        for suffix in (("_bucket", "_count", "_sum") if name in HISTOGRAMS else ("",))
    }


def labels_by_name(series: Iterable[tuple[str, Mapping[str, str], float]]) -> dict[str, set[frozenset[str]]]:
    """The sets of labels by name of a process's series.

    Left out are the engine's own (`ploston_*`), `target_info`, what Prometheus makes of rules, and gauges, losses and
    sessions of the process that have exactly their labels.
    """
    known = {
        name: labels | RESOURCE_LABELS
        for name, labels in (*GAUGES_OF_THE_PROCESS.items(), *LOSSES.items(), *SESSIONS.items())
    }
    found: dict[str, set[frozenset[str]]] = {}
    for name, labels, _ in series:
        if name.startswith("ploston_") or name == "target_info" or name in FROM_RULES:
            continue
        if known.get(name) != frozenset(labels):
            found.setdefault(name, set()).add(frozenset(labels))
    return found


def table(cases: Iterable[Case], workflows: Iterable[str]) -> dict[str, float]:
    """Every series that must exist after these calls, with its value; buckets and sums of histograms left out.

    Args:
        cases: the called cases, each as often as it was called.
        workflows: those that the engine has loaded, whose counters begin at zero.
    """
    wanted: Counter[str] = Counter(
        {
            row("ael_workflow_executions_total", workflow=workflow, status=status): 0
            for workflow in workflows
            for status in STATUSES
        }
        | {
            row("ael_tool_invocations_total", tool=tool, status=status): 0
            for tool in TOOLS
            for status in STATUSES
        }
        | {"ael_active_workflows{}": 0}
    )
    for case in cases:
        for counted, times in case.rows().items():
            wanted[counted] += times
        if case.workflow:
            wanted[row("ael_workflow_duration_seconds_count", workflow=case.workflow)] += 1
        for line in case.counts.splitlines():
            kind, *words = line.split()
            if kind == "call":
                times = int(words[2][1:]) if len(words) > 2 else 1
                wanted[row("ael_tool_duration_seconds_count", tool=words[0])] += times
    return {key: float(value) for key, value in wanted.items()}
