"""The quiet day of the unit tests, on which no alert fires, is one on which each could have."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rules.rules import TESTS, minutes, promtool, rules
from tools.telemetry_schema.query.promql import parse, selectors

DOCUMENT: dict[str, Any] = yaml.safe_load((TESTS / "quiet.test.yml").read_text("utf-8"))
(DAY,) = DOCUMENT["tests"]
MATCHES: dict[str, Callable[[str, str], bool]] = {
    "Equal": lambda value, wanted: value == wanted,
    "NotEqual": lambda value, wanted: value != wanted,
    "Re": lambda value, pattern: bool(re.fullmatch(pattern, value)),
    "NotRe": lambda value, pattern: not re.fullmatch(pattern, value),
}
FAULTS = {
    'up{job="loki", instance="loki:3100"}': ("1x1000 0x10 1x429", "AelStackTargetDown"),
    'ael_process_running{job="ael", instance="a"}': ("1x600", "AelTelemetrySilent"),
    'ael_workflow_executions_total{job="ael", instance="a", workflow="nightly", status="error"}': (
        "0x300 1x299",
        "AelWorkflowFirstFailure",
    ),
}
"""By series: values that mean a fault, and the alert for it."""


def labels(series: str) -> dict[str, str]:
    """The labels of a series, its name among them."""
    return {"__name__": series.partition("{")[0], **dict(re.findall(r'(\w+)="([^"]*)"', series))}


def asked() -> list[Any]:
    """Every selector of every rule that is not of another rule's result."""
    found = [each for rule in rules() for each in selectors(parse(rule["expr"]))]
    return [each for each in found if ":" not in each.name]


def test_quiet_day_has_the_series_of_every_alert() -> None:
    """Proves that no alert is silent for want of data: each selector of each rule that is not of another
    rule's result finds a series of the day.
    """
    day = [labels(series["series"]) for series in DAY["input_series"]]
    blind = [
        f"{wanted.name}: {wanted.matchers.matchers}"
        for wanted in asked()
        if not any(
            series["__name__"] == wanted.name
            and all(
                MATCHES[str(each.op).rpartition(".")[2]](series.get(each.name, ""), each.value)
                for each in wanted.matchers.matchers
            )
            for series in day
        )
    ]
    assert len(asked()) > 50
    assert blind == []


def test_the_quiet_day_is_a_day() -> None:
    """Proves that the day is asked about as a whole: its last question sees all alerts at every minute of 24 hours."""
    questions = {case["eval_time"]: case["expr"] for case in DAY["promql_expr_test"]}
    assert len(questions) >= 4
    assert questions["24h"] == 'count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[1d]))'
    assert set(questions.values()) == {questions["24h"]}
    assert minutes(DOCUMENT["evaluation_interval"]) == minutes(DAY["interval"]) == 1


@pytest.mark.docker
@pytest.mark.slow
def test_a_fault_on_the_quiet_day_is_seen(tmp_path: Path) -> None:
    """Proves that the silence is worth something: a failed run, a killed process and a service that is away for ten
    minutes, put into the same day, each fire the alert that is about it, and no other fires.
    """
    there = {series["series"]: series["values"] for series in DAY["input_series"]}
    assert there.keys() >= FAULTS.keys()
    bad = {**there, **{series: values for series, (values, _) in FAULTS.items()}}
    (last,) = (case for case in DAY["promql_expr_test"] if case["eval_time"] == "24h")
    day = {
        **DAY,
        "input_series": [{"series": series, "values": values} for series, values in bad.items()],
        "promql_expr_test": [last],
    }
    for file in DOCUMENT["rule_files"]:
        path = tmp_path / Path(file).name
        path.write_bytes((TESTS / file).read_bytes())
    document = {
        **DOCUMENT,
        "rule_files": [Path(file).name for file in DOCUMENT["rule_files"]],
        "tests": [day],
    }
    (tmp_path / "bad.test.yml").write_text(json.dumps(document), "utf-8")
    tmp_path.chmod(0o755)
    done = promtool("test", "rules", "bad.test.yml", folder=tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    (got,) = re.findall(r"^ +got: (.*)$", said, flags=re.MULTILINE)
    assert set(re.findall(r'alertname="(\w+)"', got)) == {
        "Watchdog",
        *(alert for _, alert in FAULTS.values()),
    }
