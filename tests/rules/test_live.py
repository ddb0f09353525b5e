"""The alerts for real: a fault in a real process or service becomes one message, and its end another."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.rules.live import BASES, SILENT_SECONDS, Alerting, Process, alerting, docker, process, wait_for

pytestmark = [pytest.mark.docker, pytest.mark.slow]

QUIET_SECONDS = 15
BURN = "AelWorkflowErrorBudgetBurn"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alerting]:
    """The three programs, for all tests of this file, which go on from each other."""
    with alerting(tmp_path_factory.mktemp("alerting")) as running:
        yield running


@pytest.fixture(scope="module")
def worker(live: Alerting) -> Iterator[Process]:
    """One process that makes runs."""
    with process(live) as running:
        yield running


def ran(status: str, times: int) -> str:
    """Code that counts runs and tool calls."""
    return (
        f"for _ in range({times}): metrics.workflow.bind(workflow='nightly', status='{status}')"
        f".record(duration=0.2, executions=1); metrics.tool.bind(tool='charge@shop', status='{status}')"
        f".record(duration=0.1, invocations=1)"
    )


def firing(live: Alerting, *wanted: tuple[str, str]) -> None:
    """Wait until these alerts fire."""
    wait_for(
        lambda: all(live.states().get(each) == "firing" for each in wanted),
        30,
        lambda: f"{wanted} of {live.states()}",
    )


def test_a_quiet_time_is_quiet(live: Alerting, worker: Process) -> None:
    """While runs succeed, nothing but the alert that always fires is ever pending, and nobody gets a message."""
    end = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < end:
        worker.tell(ran("success", 2))
        time.sleep(1)
    counted = requests.get(
        f"{live.prometheus}/api/v1/query",
        params={"query": "sum(workflow_status:ael_workflow_executions:count5m)"},
        timeout=10,
    ).json()["data"]["result"]
    assert float(counted[0]["value"][1]) >= QUIET_SECONDS, "nothing was measured"
    assert live.names() == {"Watchdog"}
    assert live.receiver.notifications == []
    known = requests.get(f"{live.alertmanager}/api/v2/alerts", timeout=10).json()
    assert {each["labels"]["alertname"] for each in known} == {"Watchdog"}


def test_failures_become_one_message_each(live: Alerting, worker: Process) -> None:
    """Failing runs, a failing tool, lost telemetry and a store that refuses: pending, firing, told once, by group."""
    worker.tell(ran("error", 200))
    worker.tell("metrics.lost('traces', 'queue_full', 3); metrics.lost('store', 'store_error', 2)")
    worker.tell("logging.getLogger('x').warning('refused by the store')")
    wanted = [
        (BURN, "1h"),
        (BURN, "6h"),
        *(
            (name, "warning")
            for name in (
                "AelWorkflowFirstFailure",
                "AelToolFailing",
                "AelTelemetryDropped",
                "AelStoreFailing",
            )
        ),
        ("AelCollectorExportFailing", "critical"),
    ]
    firing(live, *wanted)
    for name in (BURN, "AelToolFailing", "AelCollectorExportFailing"):
        assert live.ever(name) == ["pending", "firing"]
    names = {name for name, _ in wanted}
    wait_for(
        lambda: all(live.receiver.about(name, "firing") for name in names),
        20,
        lambda: live.receiver.notifications,
    )
    time.sleep(8)  # more than two group intervals: whatever would be sent twice has been
    assert {name: len(live.receiver.about(name, "firing")) for name in names} == dict.fromkeys(names, 1)
    (burning,) = live.receiver.about(BURN, "firing")
    assert [alert["labels"]["window"] for alert in burning["alerts"]] == ["1h", "6h"]
    assert burning["receiver"] == "people"
    assert live.names() == {"Watchdog", *names}


def test_a_message_leads_somewhere(live: Alerting) -> None:
    """Links are whole, values are in words for people, and what made the links is no label."""
    (failing,) = live.receiver.about("AelToolFailing", "firing")
    (alert,) = failing["alerts"]
    assert alert["annotations"]["dashboard_url"] == (
        f"{BASES['AEL_GRAFANA_URL']}/d/ael-tools?var-tool=charge%40shop"
    )
    assert alert["annotations"]["runbook_url"] == f"{BASES['AEL_RUNBOOK_URL']}#aeltoolfailing"
    assert alert["annotations"]["description"].startswith("charge@shop failed 8")
    assert set(alert["labels"]) == {"alertname", "severity", "tool"}


def test_a_collector_that_is_away_is_told_once_and_hides_what_it_causes(
    live: Alerting, worker: Process
) -> None:
    """Killed and started again: pending, firing, one message, resolved, one message; no process counts as silent."""
    docker("kill", "--signal", "KILL", live.collector)
    firing(live, ("AelCollectorDown", "critical"))
    wait_for(lambda: live.receiver.about("AelCollectorDown", "firing"), 20, "no message")
    time.sleep(4)
    docker("start", live.collector)
    wait_for(lambda: live.receiver.about("AelCollectorDown", "resolved"), 45, live.states)
    assert live.ever("AelCollectorDown") == ["pending", "firing"]
    assert len(live.receiver.about("AelCollectorDown", "firing")) == 1
    assert len(live.receiver.about("AelCollectorDown", "resolved")) == 1
    assert not live.receiver.about("AelTelemetrySilent", "firing")


def test_a_killed_process_is_told_and_an_orderly_end_is_not(live: Alerting, worker: Process) -> None:
    """Of two processes one ends in order and one is killed: one alert, about the one that was killed."""
    with process(live) as other:
        time.sleep(3)
        assert other.running.stdin is not None
        other.running.stdin.close()
        assert other.running.wait(10) == 0
    worker.kill()
    wait_for(
        lambda: live.receiver.about("AelTelemetrySilent", "firing"),
        SILENT_SECONDS + 130,  # it is held back for two minutes after the Collector was away
        live.states,
    )
    assert live.ever("AelTelemetrySilent") == ["pending", "firing"]
    (told,) = live.receiver.about("AelTelemetrySilent", "firing")
    assert len(told["alerts"]) == 1
    assert told["alerts"][0]["labels"]["job"] == "ael"


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (("AelCollectorDown", "critical"), ("AelTelemetrySilent", "critical")),
        (("AelCollectorDown", "critical"), ("AelTelemetryDropped", "warning")),
        (("AelCollectorDown", "critical"), ("AelCollectorRefusing", "warning")),
        (("AelStackTargetDown", "warning"), ("AelCollectorQueueFilling", "warning")),
        (("AelCollectorQueueFilling", "critical"), ("AelCollectorQueueFilling", "warning")),
        (("AelCollectorQueueFilling", "critical"), ("AelTelemetryDropped", "warning")),
        ((BURN, "critical"), (BURN, "warning")),
    ],
)
def test_a_cause_hides_its_symptoms(live: Alerting, source: tuple[str, str], target: tuple[str, str]) -> None:
    """While the cause fires, the symptom is held back; an alert that has nothing to do with it is not."""
    bystander = ("AelDiskFilling", "warning")
    now = datetime.now(UTC)
    alerts = [
        {
            "labels": {"alertname": name, "severity": severity, "test": f"{source}{target}"},
            "endsAt": (now + timedelta(minutes=1)).isoformat(),
        }
        for name, severity in (source, target, bystander)
    ]
    assert requests.post(f"{live.alertmanager}/api/v2/alerts", json=alerts, timeout=10).ok

    def held_back(name: str, severity: str) -> bool:
        found: list[dict[str, Any]] = requests.get(
            f"{live.alertmanager}/api/v2/alerts",
            params={"filter": [f'test="{source}{target}"', f'alertname="{name}"', f'severity="{severity}"']},
            timeout=10,
        ).json()
        return bool(found) and all(each["status"]["inhibitedBy"] for each in found)

    wait_for(lambda: held_back(*target), 15, f"{target} is not held back by {source}")
    assert not held_back(*bystander)
    ended = [{**alert, "endsAt": now.isoformat()} for alert in alerts]
    assert requests.post(f"{live.alertmanager}/api/v2/alerts", json=ended, timeout=10).ok
