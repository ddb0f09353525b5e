"""Every alert is tested in every case, describes its meaning, and has working links."""

import re
from typing import Any

import pytest
import yaml

from tests.rules.cases import CASES, born, covered, false_claims
from tests.rules.rules import (
    PROMETHEUS,
    ROOT,
    RULES,
    TESTS,
    Alert,
    alerts,
    groups,
    promtool,
    rules,
    unit_tests,
)
from tools.telemetry_schema.project import load_sources
from tools.telemetry_schema.query.lint import lint_queries
from tools.telemetry_schema.resolve import resolve

NOT_APPLICABLE = {
    "Watchdog": {"silent", "resolves", "born"},
    # A service that has never answered was left out: silent by intent.
    "AelStackTargetDown": {"born"},
}
"""An alert that fires always has no other state."""

BOARDS = {"ael-overview", "ael-workflows", "ael-tools", "ael-logs", "ael-traces", "ael-sessions"}
HEADINGS = ("Meaning", "Impact", "Diagnosis", "Mitigation")

each_alert = pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.title)


@pytest.mark.docker
def test_rules_are_valid() -> None:
    """The linter parses every rule and finds no duplicate and no suspicious construction."""
    files = [str(file.relative_to(ROOT)) for file in sorted(RULES.glob("*.rules.yml"))]
    assert files
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", *files)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.parametrize("file", sorted(path.name for path in TESTS.glob("*.yml")))
def test_alerts_fire_and_stay_silent(file: str) -> None:
    """The unit tests of the alerts hold: each fires when it must, and only then."""
    done = promtool("test", "rules", str((TESTS / file).relative_to(ROOT)))
    assert done.returncode == 0, done.stdout + done.stderr


@each_alert
def test_every_case_is_tested(alert: Alert) -> None:
    """It fires, stays silent below its guard, resolves, survives no data and sees a series born at its first event."""
    missing = set(CASES) - covered(list(unit_tests()), alert) - NOT_APPLICABLE.get(alert.name, set())
    assert not missing, f"no unit test of {alert.title} for: {', '.join(sorted(missing))}"


@each_alert
def test_unit_tests_cover_the_cases_in_their_names(alert: Alert) -> None:
    """A test that is named for a case has the series and the expectations of that case."""
    assert [wrong for test in unit_tests() for wrong in false_claims(test, alert)] == []


@pytest.mark.parametrize(
    ("case", "values", "times"),
    [
        ("fires", "0x9 5x9", [("1m", False)]),
        ("silent", "0x9 5x9", [("1m", False), ("9m", True)]),
        ("silent", "", [("1m", False)]),
        ("resolves", "0x9 5x9", [("1m", False), ("9m", True)]),
        ("born", "0x9 5x9", [("9m", True)]),
        ("born", "_x9 0 5x9", [("9m", True)]),
        ("born", "_x9 1+1x9", [("9m", True)]),
    ],
)
def test_a_wrong_name_is_found(case: str, values: str, times: list[tuple[str, bool]]) -> None:
    """The check of the names finds each claim that a test does not keep."""
    alert = Alert("AelExample", "", {"labels": {"severity": "warning"}})
    fired = [{"exp_labels": {"severity": "warning", "tool": "x"}}]
    test: dict[str, Any] = {
        "name": f"AelExample: {case}; made up",
        "input_series": [{"series": "x", "values": values}] if values else [],
        "alert_rule_test": [
            {"eval_time": time, "alertname": "AelExample", "exp_alerts": fired if there else []}
            for time, there in times
        ],
    }
    assert list(false_claims(test, alert))


def test_series_that_begins_late_is_a_birth() -> None:
    """A series that begins late with a constant value."""
    assert born("_x9 1x5")
    assert born("_x9 1")
    assert not born("1x5")


@each_alert
def test_alert_describes_its_meaning(alert: Alert) -> None:
    """Prefix, severity, a summary without values, a description with them for people, links to runbook and board."""
    assert re.fullmatch(r"Ael([A-Z][a-z0-9]+)+", alert.name) or alert.name == "Watchdog"
    assert set(alert.rule["labels"]) <= {"severity", "window"}
    assert alert.rule["labels"]["severity"] in {"critical", "warning", "info"}
    notes: dict[str, str] = alert.rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert "{{" not in notes["summary"]
    assert not re.search(r"\$value(?! \| humanize)", notes["description"]), "a bare number"
    assert notes["runbook_url"] == f"{{{{ $externalLabels.runbook }}}}#{alert.name.lower()}"
    found = re.fullmatch(
        r"\{\{ \$externalLabels\.grafana \}\}/d/([\w-]+)(\?var-(\w+)=\{\{ \$labels\.(\w+) \| urlquery \}\})?",
        notes["dashboard_url"],
    )
    assert found, notes["dashboard_url"]
    assert found[1] in BOARDS
    assert found[3] == found[4]


def test_the_boards_that_alerts_lead_to() -> None:
    """Each board that an alert links to is one that Grafana gets, under that uid."""
    linked = {re.search(r"/d/([\w-]+)", alert.rule["annotations"]["dashboard_url"])[1] for alert in alerts()}  # type: ignore[index]
    stored = {yaml.safe_load(file.read_text("utf-8"))["uid"] for file in (ROOT / "dashboards").glob("*.json")}
    assert linked <= stored


def sections() -> dict[str, str]:
    """The runbook's sections by the anchors that GitHub and Grafana make of their headings."""
    parts = re.split(r"^## (.+)$", (PROMETHEUS / "RUNBOOK.md").read_text("utf-8"), flags=re.MULTILINE)[1:]
    return {
        re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")): text
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }


@each_alert
def test_the_runbook_has_a_section(alert: Alert) -> None:
    """The anchor exists, with meaning, impact, diagnosis (PromQL, LogQL) and mitigation."""
    anchor = alert.rule["annotations"]["runbook_url"].partition("#")[2]
    text = sections()[anchor]
    assert re.findall(r"^### (.+)$", text, flags=re.MULTILINE) == list(HEADINGS)
    bodies = [body.strip() for body in re.split(r"^### .+$", text, flags=re.MULTILINE)[1:]]
    assert all(len(body) > 30 for body in bodies)
    assert re.search(r"^```promql\n.+\n```", bodies[2], flags=re.MULTILINE)
    assert re.search(r"^```logql\n.+\n```", bodies[2], flags=re.MULTILINE)


def test_the_runbook_has_no_more() -> None:
    """A section without an alert is one that was forgotten when the alert went; links inside lead to sections."""
    assert set(sections()) == {alert.name.lower() for alert in alerts()}
    text = (PROMETHEUS / "RUNBOOK.md").read_text("utf-8")
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= set(sections())


def test_every_name_is_emitted() -> None:
    """Metrics, labels and values in rules, unit tests and runbook are the registry's, or declared as foreign."""
    linted = lint_queries(resolve(load_sources(ROOT)), [PROMETHEUS])
    assert len(linted.queries) > 150
    assert linted.problems == ()


def test_recorded_names() -> None:
    """Recording rules are named level:metric:operation, each is used, and none hides the name of a metric."""
    names = [rule["record"] for rule in rules() if "record" in rule]
    assert all(re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", name) for name in names)
    used = " ".join(rule["expr"] for rule in rules())
    # The rule itself makes the label's series when a person states an objective for one workflow.
    assert [name for name in set(names) if not re.search(rf"{name}(?!\w)", used)] == []


def test_thresholds_are_objectives_and_not_numbers_in_alerts() -> None:
    """Thresholds are objectives; an expression has the factors of the burn rate, 0, 1 and spans of time only."""
    allowed = {"0", "1", "3", "6", "14.4"}
    for alert in alerts():
        bare = re.sub(r'"[^"]*"|\[[^]]*\]|offset \w+|[a-z_:]+[a-z0-9_:]*', " ", alert.rule["expr"])
        assert set(re.findall(r"\d+(?:\.\d+)?", bare)) <= allowed, alert.title
    objectives = {rule["record"] for group in groups("objectives.rules.yml") for rule in group["rules"]}
    assert all(name.startswith("ael:objective:") for name in objectives)


def test_counts_are_counted_one_way() -> None:
    """Each count is the same three terms, so that no copy has lost the first event or the reset."""
    counted = 0
    for rule in rules():
        for metric, window, offset in re.findall(
            r"increase\((\S+?)\[(\w+)\]((?: offset \w+)?)\)", rule["expr"].replace("\n", " ")
        ):
            inside = re.escape(f"{metric}[{window}]{offset}")
            whole = (
                rf"\( increase\({inside}\) and resets\({inside}\) > 0 \) or \( last_over_time\({inside}\) "
                rf"- last_over_time\({re.escape(metric)}\[1[hd]\] offset (\w+)\) >= 0 \) or last_over_time\({inside}\)"
            )
            found = re.search(whole, re.sub(r"\s+", " ", rule["expr"]))
            assert found, rule.get("record") or rule["alert"]
            assert found[1] == ("90m" if offset else window)
            counted += 1
    assert counted >= 17


def test_the_windows_of_the_burn_rate() -> None:
    """The pairs and factors of the SRE workbook; pages are critical, tickets are warnings."""
    found = {}
    for alert in alerts():
        if alert.name == "AelWorkflowErrorBudgetBurn":
            pairs = re.findall(r"ratio(\w+) > ([\d.]+) \*", alert.rule["expr"])
            found[tuple(window for window, _ in pairs)] = (
                {f for _, f in pairs},
                alert.rule["labels"]["severity"],
            )
    assert found == {
        ("1h", "5m"): ({"14.4"}, "critical"),
        ("6h", "30m"): ({"6"}, "critical"),
        ("1d", "2h"): ({"3"}, "warning"),
        ("3d", "6h"): ({"1"}, "warning"),
    }


def test_promtool_is_asked_about_the_file_that_runs() -> None:
    """The unit tests load every rule file that Prometheus loads."""
    loaded = {f"../{path.name}" for path in RULES.glob("*.rules.yml")}
    for file in TESTS.glob("*.yml"):
        assert set(yaml.safe_load(file.read_text("utf-8"))["rule_files"]) == loaded
