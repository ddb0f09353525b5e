"""An alert that was broken is found by its unit tests: each change below makes one of them fail."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.rules.cases import claims
from tests.rules.rules import Alert, alerts, groups, promtool, unit_tests

pytestmark = [pytest.mark.docker, pytest.mark.slow]

BURN = "AelWorkflowErrorBudgetBurn"
RUNS = "workflow_status:ael_workflow_executions:"
COST = "currency:ael_model_cost:sum1d"


@dataclass(frozen=True)
class Mutation:
    """A change of one rule: `old`, a regular expression, becomes `new` everywhere in it.

    Args:
        alert: whose unit tests must notice; with its key where several rules have the name.
        old: the expression to match in the rule, spaces for any white space.
        new: its replacement.
        record: the changed recording rule, if it is not the alert itself.
    """

    alert: str
    old: str
    new: str
    record: str = ""

    def __str__(self) -> str:
        return f"{self.record or self.alert}: {self.old} -> {self.new or 'nothing'}"


NO_BIRTH = (r" or last_over_time\([^()]*\) \)", " )")
MUTATIONS = [
    *(
        Mutation(f"{BURN} {window}", old, new)
        for window in ("1h", "6h", "1d", "3d")
        for old, new in (
            (r"ratio(\w+) > ", r"ratio\1 < "),
            (r" and sum\(.*$", ""),
            (r"and ael:workflow_failures:ratio\w+ > [^\n]*?\)\) ", ""),
            (r"1 - scalar", "0.01 - 0 * scalar" if window == "3d" else "9 - 0 * scalar"),
        )
    ),
    Mutation(f"{BURN} 1h", *NO_BIRTH, record=RUNS + "count1h"),
    Mutation(f"{BURN} 1h", *NO_BIRTH, record=RUNS + "count5m"),
    Mutation(f"{BURN} 6h", *NO_BIRTH, record=RUNS + "count6h"),
    Mutation(f"{BURN} 1d", *NO_BIRTH, record=RUNS + "count1h_settled"),
    Mutation(f"{BURN} 1h", r"\( increase\(.*? > 0 \) or ", "", record=RUNS + "count1h"),
    Mutation(f"{BURN} 1d", r"1d:1h", "1d:10m", record=RUNS + "count1d"),
    Mutation(BURN, r'status!="cancelled"', 'status!=""', record="ael:workflow_failures:ratio1h"),
    Mutation("AelWorkflowSlow", " > ", " < "),
    Mutation("AelWorkflowSlow", r" and sum by .*$", ""),
    Mutation(
        "AelWorkflowSlow",
        *(r" or last_over_time\([^()]*\) \)\)", " ))"),
        record="workflow:ael_workflow_duration_seconds:p95_1h",
    ),
    Mutation("AelWorkflowSlow", r"max by \(workflow\) .* or ", "", record="workflow:objective:p95_seconds"),
    Mutation("AelWorkflowFirstFailure", r" unless .*$", ""),
    Mutation("AelWorkflowFirstFailure", r" and \(.*\) unless", " unless"),
    Mutation("AelWorkflowFirstFailure", r"error\|timeout", "error"),
    Mutation("AelWorkflowFirstFailure", *NO_BIRTH, record=RUNS + "count2h"),
    Mutation("AelToolFailing", r"> scalar", "< scalar"),
    Mutation("AelToolFailing", r" and sum by .*$", ""),
    Mutation("AelToolFailing", r'status!="cancelled"', 'status="success"'),
    Mutation("AelToolFailing", *NO_BIRTH, record="tool_status:ael_tool_invocations:count15m"),
    Mutation("AelCostOverBudget", "> on", "< on"),
    Mutation("AelCostOverBudget", r"last_over_time\((ael_model_budget)\[1h\]\)", r"\1"),
    Mutation("AelCostOverBudget", r"> on .*$", "> 8"),
    Mutation("AelCostOverBudget", *NO_BIRTH, record=COST),
    Mutation("AelCostOverBudget", r"\( increase\(.*? > 0 \) or ", "", record=COST),
    Mutation("AelCostOverBudget", r"sum by \(currency\)", "max by (currency)", record=COST),
    Mutation("AelCostOverBudget", r"\[1d\]", "[1h]", record=COST),
    Mutation("AelRunStuck", r" unless .*$", ""),
    Mutation("AelRunStuck", r"\) > 0 unless", ") > 1 unless"),
    Mutation("AelTelemetrySilent", r"> scalar", "< scalar"),
    Mutation("AelTelemetrySilent", r"and last_over_time\(\S+\) == 1", ""),
    Mutation("AelTelemetrySilent", r"unless on .*$", ""),
    *(
        Mutation(name, old, new)
        for name in ("AelTelemetryDropped", "AelStoreFailing")
        for old, new in (
            NO_BIRTH,
            (r'\{signal[!=]~"store\|sessions"\}', ""),
            (r"offset 10m\) >= 0", "offset 10m) >= 10"),
            (r"\[1d\]", "[1m]"),
        )
        if (name, old) != ("AelStoreFailing", r"\[1d\]")
    ),
    *(
        Mutation(name, old, new)
        for name in ("AelCollectorExportFailing", "AelCollectorRefusing")
        for old, new in (
            (r" or last_over_time\([^()]*\) \),", " ),"),
            (r"> 0$", "< 0"),
            (r"_log_records", "_spans"),
        )
    ),
    Mutation("AelCollectorExportFailing", r"\( increase\(.*? > 0 \) or ", ""),
    Mutation("AelCollectorDown", r" or absent\(.*$", ""),
    Mutation("AelCollectorDown", r"== 0", "== 1"),
    *(
        Mutation(f"{name} {severity}", "> scalar", new)
        for name in ("AelCollectorQueueFilling", "AelDiskFilling")
        for severity in ("warning", "critical")
        for new in ("< scalar", "> 2 * scalar")
    ),
    Mutation("AelStackTargetDown", r"\|grafana", ""),
    Mutation("AelStackTargetDown", r'job=~"[^"]*"', 'job!=""'),
    Mutation("AelStackTargetDown", r" and max_over_time.*$", ""),
    Mutation("AelMetricsSizeLimit", r"> scalar", "< scalar"),
    Mutation("AelMetricsSizeLimit", r" > 0\)", ")"),
    Mutation("Watchdog", r"vector\(1\)", "vector(1) > 1"),
]


def find(title: str) -> list[Alert]:
    """The alerting rules of a name, or the one of a name and a key."""
    return [alert for alert in alerts() if title in (alert.title, alert.name)]


type Change = Callable[[dict[str, Any]], dict[str, Any]]

_WORD = re.compile(r"[a-zA-Z_:][\w:]*")


def needed(kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rule groups without the recording rules that no alert in them needs, directly or through others.

    promtool evaluates every rule at every step of hours or days, and each file here has one alert.
    """
    rules = [rule for group in kept for rule in group["rules"]]
    records: dict[str, list[dict[str, Any]]] = {}
    for rule in rules:
        if "record" in rule:
            records.setdefault(rule["record"], []).append(rule)
    open_rules = [rule for rule in rules if "alert" in rule]
    wanted: set[str] = set()
    while open_rules:
        words = set(_WORD.findall(json.dumps(open_rules.pop())))
        for name in (words & records.keys()) - wanted:
            wanted.add(name)
            open_rules += records[name]
    return [
        {**group, "rules": rules}
        for group in kept
        if (rules := [rule for rule in group["rules"] if "alert" in rule or rule["record"] in wanted])
    ]


def outcomes(folder: Path, alert: Alert, changes: Sequence[tuple[str, Change]]) -> list[bool]:
    """Whether the unit tests of an alert hold after each change, made to a recording rule or (no name) to the alert.

    The tests in which it fires come first: most changes fail in one of them, and need not be put to the others.
    """
    tests = [
        {**test, "alert_rule_test": asked}
        for test in unit_tests()
        if claims(test, alert) or not test["input_series"]
        if (asked := [case for case in test["alert_rule_test"] if case["alertname"] == alert.name])
    ]
    fires = [test for test in tests if "fires" in claims(test, alert)]
    others = [test for test in tests if test not in fires]
    assert tests
    for number, (record, change) in enumerate(changes):
        kept = [
            {
                **group,
                "rules": [
                    change(rule) if (rule.get("record") == record if record else rule == alert.rule) else rule
                    for rule in group["rules"]
                    if "record" in rule or rule["alert"] == alert.name
                ],
            }
            for group in groups()
        ]
        (folder / f"{number}.rules.yml").write_text(json.dumps({"groups": needed(kept)}), "utf-8")
    in_runs = alert.name in {rule.get("alert") for rule in groups("ael.rules.yml")[0]["rules"]}
    holding = list(range(len(changes)))
    for some in filter(None, (fires, others)):
        for number in holding:
            document = {
                "rule_files": [f"{number}.rules.yml"],
                "evaluation_interval": "1m" if in_runs else "15s",
                "tests": [{**test, "name": f"{number} {test['name']}"} for test in some],
            }
            (folder / f"{number}.test.yml").write_text(json.dumps(document), "utf-8")
        holding = _holding(folder, holding)
        if not holding:
            break
    return [number in holding for number in range(len(changes))]


def _holding(folder: Path, numbers: Sequence[int]) -> list[int]:
    """Run the unit tests of those changes; return the changes whose tests hold."""
    folder.chmod(0o755)
    done = promtool(
        "test", "rules", *(f"{number}.test.yml" for number in numbers), folder=folder, seconds=600
    )
    # Successes are on stdout and failures on stderr, without the file: the names of the tests have its number.
    failed = {int(number) for number in re.findall(r"^ +name: (\d+) ", done.stderr, flags=re.MULTILINE)}
    counted = [
        done.stdout.count("  SUCCESS\n"),
        len(re.findall(r"^  FAILED", done.stderr, flags=re.MULTILINE)),
    ]
    assert counted == [len(numbers) - len(failed), len(failed)], done.stdout + done.stderr
    return [number for number in numbers if number not in failed]


def changed(mutation: Mutation) -> Change:
    """The change of a rule that a mutation is."""

    def change(rule: dict[str, Any]) -> dict[str, Any]:
        text = re.sub(r"\s+", " ", rule["expr"]).strip()
        new = re.sub(mutation.old, mutation.new, text)
        assert new != text, f"{mutation.old} is not in {text}"
        return {**rule, "expr": new}

    return change


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.title)
def test_broken_alert_fails_its_unit_tests(alert: Alert, tmp_path: Path) -> None:
    """Its unit tests pass unchanged, and fail for each change of its expression, a wait of an hour and a half,
    and an end as soon as its condition is over.
    """
    mutations = [mutation for mutation in MUTATIONS if find(mutation.alert)[0] == alert]
    changes: list[tuple[str, Change]] = [("", lambda rule: rule)]
    changes += [(mutation.record, changed(mutation)) for mutation in mutations]
    names = ["unchanged", *map(str, mutations)]
    if "for" in alert.rule:
        changes.append(("", lambda rule: {**rule, "for": "90m"}))
        names.append("for: 90m")
    held = dict(zip(names, outcomes(tmp_path, alert, changes), strict=True))
    assert held == {name: name == "unchanged" for name in names}


def test_every_alert_is_mutated() -> None:
    """No alert is left out of the table."""
    assert {alert.title for alert in alerts()} == {find(mutation.alert)[0].title for mutation in MUTATIONS}
