"""The alerts for real: each fault in a real process or service becomes one message, and its end another.

The rules are the committed ones with every span of time divided by one factor (faster.py), so each alert is seen from
pending to firing to resolved, those with windows of days too; the last test of a fault asks whether one was left out.
The tests build on each other: long faults continue while the next tests run.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.programs import Served, serving
from tests.rules.faster import FACTOR
from tests.rules.faults import (
    BAD,
    EVERY_SECOND,
    GOOD,
    HANGING,
    SLOW,
    WORKFLOWS,
    Backlog,
    burst,
    call,
    called,
    calling,
    line_of_last_month,
    process,
)
from tests.rules.live import AMPLE, BASES, QUEUE_BYTES, Alerting, alerting, docker, wait_for
from tests.rules.messages import faults, is_of, news
from tests.rules.rules import alerts
from tests.stack.otlp import Sender

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.random_order(disabled=True),  # `make test-hostile` leaves these as they are
]

QUIET_SECONDS = 15
SOON = 120.0
"""How long a test waits at most for a step of some seconds on an idle machine."""
HOUR = 3600 / FACTOR
BURN = "AelWorkflowErrorBudgetBurn"

RULES = {alert.title: alert for alert in alerts() if alert.name != "Watchdog"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alerting]:
    """Everything that is watched, for all tests of this file, which build on each other."""
    with alerting(tmp_path_factory.mktemp("alerting")) as running:
        yield running


def engine(live: Alerting, folder: Path, service: str, **more: str) -> AbstractContextManager[Served]:
    """A real engine with the demo's tools, which exports its metrics every second."""
    endpoint = f"http://127.0.0.1:{live.collector_port}"
    return serving(folder, service, endpoint, workflows=WORKFLOWS, **EVERY_SECOND, **more)


@pytest.fixture(scope="module")
def worker(live: Alerting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An engine in good health."""
    with engine(live, tmp_path_factory.mktemp("worker"), "worker") as served:
        yield served


@pytest.fixture(scope="module")
def meanwhile() -> Iterator[ExitStack]:
    """Faults that continue while other tests run."""
    with ExitStack() as stack:
        yield stack


def over(live: Alerting, *titles: str, seconds: float = SOON) -> None:
    """Wait until none of these alerts fires or is pending."""

    def none_is_there() -> bool:
        return not any(is_of(alert, RULES[title]) for alert in live.active() for title in titles)

    wait_for(none_is_there, seconds, lambda: f"{titles} of {live.active()}")


def heard(live: Alerting, *titles: str, what: str = "firing") -> Callable[[], bool]:
    """Whether a message with this state was sent for each of these alerts."""

    def notified() -> bool:
        found = news(live.receiver.notifications)
        return all(
            any(is_of(alert, RULES[title]) and what in words for alert, words in found.items())
            for title in titles
        )

    return notified


def notified(live: Alerting, *titles: str, what: str = "firing", seconds: float = SOON) -> None:
    """Wait until messages were sent that these alerts fire, or that they are resolved."""
    wait_for(
        heard(live, *titles, what=what),
        seconds,
        lambda: f"{titles} of {news(live.receiver.notifications)}; now {live.active()}",
    )


def fired(live: Alerting) -> set[str]:
    """The names of all alerts but the watchdog that have fired since the start."""
    return {dict(alert)["alertname"] for alert, states in live.phases().items() if "firing" in states}


def test_a_quiet_time_is_quiet(live: Alerting, worker: Served) -> None:
    """While runs succeed, only the alert that always fires is ever pending, and no message is sent."""
    end = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < end:
        call(worker.port, [[GOOD]])
        time.sleep(1)  # wait: between two runs, for a time in which no message may be sent
    counted = live.query("sum(workflow_status:ael_workflow_executions:count1h)")
    assert float(counted[0]["value"][1]) >= 3, "nothing was measured"
    assert live.phases() == {}
    assert live.receiver.notifications == []
    known = requests.get(f"{live.alertmanager}/api/v2/alerts", timeout=10).json()
    assert {each["labels"]["alertname"] for each in known} == {"Watchdog"}


def test_absent_collector_is_reported_once_and_inhibits_its_effects(live: Alerting, worker: Served) -> None:
    """Killed and started again: pending, firing, one message, resolved, one message; no process counts as silent."""
    docker("kill", "--signal", "KILL", live.collector)
    notified(live, "AelCollectorDown")
    docker("start", live.collector)
    notified(live, "AelCollectorDown", what="resolved")
    assert fired(live) == {"AelCollectorDown"}
    assert len(live.receiver.notifications) == 2
    assert [each["status"] for each in live.receiver.notifications] == ["firing", "resolved"]


def test_failures_become_one_message_each(live: Alerting, worker: Served) -> None:
    """Runs of a workflow that used to succeed fail, for the first time and too many, and its tool does."""
    wanted = (f"{BURN} 1h", f"{BURN} 6h", "AelWorkflowFirstFailure", "AelToolFailing")
    before = len(live.receiver.notifications)
    with calling(worker.port, BAD, pause_s=0.4):
        notified(live, *wanted)
    found = live.receiver.notifications[before:]
    groups = [(each["groupLabels"]["alertname"], each["groupLabels"]["severity"]) for each in found]
    assert set(groups) == {
        (BURN, "critical"),
        ("AelWorkflowFirstFailure", "warning"),
        ("AelToolFailing", "warning"),
    }
    assert {each["receiver"] for each in found} == {"people"}
    assert fired(live) == {"AelCollectorDown", BURN, "AelWorkflowFirstFailure", "AelToolFailing"}


def test_a_message_leads_somewhere(live: Alerting) -> None:
    """Links are whole, values are in words, and the parts of the links are not labels."""
    (failing,) = live.receiver.about("AelToolFailing", "warning", "firing")
    (alert,) = failing["alerts"]
    assert alert["annotations"]["dashboard_url"] == f"{BASES['AEL_GRAFANA_URL']}/d/ael-tools?var-tool=charge"
    assert alert["annotations"]["runbook_url"] == f"{BASES['AEL_RUNBOOK_URL']}#aeltoolfailing"
    assert re.match(r"charge failed (100|[5-9]\d(\.\d+)?)% of its calls", alert["annotations"]["description"])
    assert set(alert["labels"]) == {"alertname", "severity", "tool"}


def test_slow_runs_are_reported(live: Alerting, worker: Served, meanwhile: ExitStack) -> None:
    """A workflow whose runs take longer than its objective; it ends when the hour that had them is over."""
    call(worker.port, [[SLOW] * 3] * 4)
    # For two alerts that take long: from here on one run is under way and none ends, and a Prometheus is nearly full.
    meanwhile.enter_context(called(worker.port, HANGING))
    live.limited.limit(f"{round(live.limited.size / 0.95)}B")
    notified(live, "AelWorkflowSlow")
    (message,) = live.receiver.about("AelWorkflowSlow", "warning", "firing")
    assert message["alerts"][0]["labels"]["workflow"] == SLOW.workflow


def test_drops_of_a_process_are_reported(live: Alerting, tmp_path: Path) -> None:
    """Undelivered spans, and runs that a broken store does not hold; the alerts end when no more is dropped."""
    (tmp_path / ".ael").mkdir()
    (tmp_path / ".ael" / "telemetry.db").write_text("This was a database once.\n" * 100, "utf-8")
    nowhere = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "1",
    }
    with engine(live, tmp_path, "ailing", **nowhere) as ailing:
        call(ailing.port, [[GOOD] * 3])
        notified(live, "AelTelemetryDropped", "AelStoreFailing")
    found = live.receiver.about("AelTelemetryDropped", "warning", "firing")
    assert {alert["labels"]["signal"] for message in found for alert in message["alerts"]} == {"traces"}
    (message,) = live.receiver.about("AelStoreFailing", "warning", "firing")
    assert [alert["labels"]["reason"] for alert in message["alerts"]] == ["store_error"]


def test_killed_process_is_reported_and_an_orderly_end_is_not(live: Alerting) -> None:
    """Of two processes one ends in order and one is killed: one alert, about the one that was killed, for an hour."""

    def running() -> set[str]:
        return {each["metric"]["instance"] for each in live.query("ael_process_running == 1")}

    before = running()
    with process(live.collector_port) as other, process(live.collector_port) as killed:
        wait_for(lambda: len(running() - before) == 2, SOON, running)
        assert other.end() == 0
        killed.kill()
    notified(live, "AelTelemetrySilent")
    (message,) = live.receiver.about("AelTelemetrySilent", "critical", "firing")
    assert [alert["labels"]["job"] for alert in message["alerts"]] == ["ael"]


def test_cost_over_the_budget_is_reported(live: Alerting) -> None:
    """A process whose model calls cost more than its budget; the alert ends an hour after it, with its budget."""
    with process(live.collector_port, costly=True) as costly:
        notified(live, "AelCostOverBudget")
        assert costly.end() == 0
    (message,) = live.receiver.about("AelCostOverBudget", "warning", "firing")
    (alert,) = message["alerts"]
    assert alert["annotations"]["description"].startswith("Model calls cost 9.5 EUR in 24 hours")


def test_store_that_refuses_is_reported(live: Alerting) -> None:
    """Loki refuses a line of last month for good; it is over when nothing more is refused."""
    line_of_last_month(live.collector_port)
    notified(live, "AelCollectorExportFailing")
    (message,) = live.receiver.about("AelCollectorExportFailing", "critical", "firing")
    (alert,) = message["alerts"]
    assert (alert["labels"]["exporter"], alert["labels"]["signal"]) == ("otlp_http/loki", "log lines")


def test_size_limit_is_reported(live: Alerting) -> None:
    """A Prometheus at 95 % of its size limit; the alert ends when the limit is raised."""
    notified(live, "AelMetricsSizeLimit", seconds=SOON + HOUR / 4)
    live.limited.limit(AMPLE)
    (message,) = live.receiver.about("AelMetricsSizeLimit", "info", "firing")
    assert message["alerts"][0]["annotations"]["description"].startswith("Prometheus stores 9")


def test_disk_that_fills_is_reported_twice(live: Alerting) -> None:
    """At 80 % a warning and at 90 % a critical alert, by what Loki sees of its own, small, file system."""
    live.disk.fill(0.85)
    notified(live, "AelDiskFilling warning")
    assert not heard(live, "AelDiskFilling critical")()
    live.disk.fill(0.93)
    notified(live, "AelDiskFilling critical")
    live.disk.fill(0)
    notified(live, "AelDiskFilling critical", "AelDiskFilling warning", what="resolved")


def test_absent_service_is_reported(live: Alerting) -> None:
    """Loki killed and started again."""
    docker("kill", "--signal", "KILL", live.disk.container)
    notified(live, "AelStackTargetDown")
    docker("start", live.disk.container)
    notified(live, "AelStackTargetDown", what="resolved")


def test_a_collector_that_is_short_of_memory_refuses_and_loses_nothing(live: Alerting) -> None:
    """A burst beyond its memory limit is refused for a while and reported; every trace arrives in the end."""
    with burst(live.narrow_port) as accepted:
        notified(live, "AelCollectorRefusing")
    refused = re.search(
        r"^otelcol_processor_memory_limiter_refused_spans\{.*\} [1-9]",
        requests.get(live.narrow_metrics, timeout=10).text,
        flags=re.MULTILINE,
    )
    assert refused, "it was not the memory limiter that refused"
    wait_for(lambda: accepted <= live.narrow_traces.taken, SOON, "traces are missing")
    notified(live, "AelCollectorRefusing", what="resolved")


def test_queue_that_fills_is_reported_twice(live: Alerting) -> None:
    """While the store of traces is away the queue is half full, then nearly full; it empties when the store is back."""

    def share() -> float:
        (found,) = live.query(
            'max(otelcol_exporter_queue_size{exporter="otlp_grpc/tempo"})'
            f" / {QUEUE_BYTES} and max(otelcol_exporter_queue_capacity) == {QUEUE_BYTES}"
        )
        return float(found["value"][1])

    def scraped() -> float:
        (found,) = live.query('max(timestamp(otelcol_exporter_queue_size{exporter="otlp_grpc/tempo"}))')
        return float(found["value"][1])

    def fill(wanted: float) -> None:
        while (missing := wanted - share()) > 0:
            for _ in range(max(1, int(missing * QUEUE_BYTES / Backlog.STEP))):
                backlog.grow()
            grown = time.time()
            wait_for(lambda since=grown: scraped() > since + 1, SOON, "the Collector is not scraped")

    live.traces.stop()
    backlog = Backlog(Sender(live.collector_port))
    fill(0.55)
    notified(live, "AelCollectorQueueFilling warning")
    assert not heard(live, "AelCollectorQueueFilling critical")()
    fill(0.92)
    notified(live, "AelCollectorQueueFilling critical")
    live.traces.start()
    notified(live, "AelCollectorQueueFilling critical", "AelCollectorQueueFilling warning", what="resolved")
    assert len(live.traces.taken) >= backlog.sent
    backlog.sender.close()


def test_stuck_run_is_reported(live: Alerting, worker: Served, meanwhile: ExitStack) -> None:
    """A process that has a run under way and ends none for half an hour; it is over when the run ends."""
    notified(live, "AelRunStuck", seconds=SOON + HOUR)
    (message,) = live.receiver.about("AelRunStuck", "warning", "firing")
    assert [alert["labels"]["job"] for alert in message["alerts"]] == ["worker"]
    meanwhile.close()  # waits for the run
    notified(live, "AelRunStuck", what="resolved")


def test_budget_of_days_is_reported_until_runs_succeed_again(live: Alerting, worker: Served) -> None:
    """The slow burns wait for settled hours and fire long after the quick ones are over, until enough runs succeed."""
    notified(live, f"{BURN} 1h", f"{BURN} 6h", what="resolved")
    notified(live, f"{BURN} 1d", f"{BURN} 3d", seconds=SOON + 2.5 * HOUR)
    with calling(worker.port, GOOD, sessions=4):
        over(live, f"{BURN} 1d", f"{BURN} 3d", seconds=SOON + HOUR)
    notified(live, f"{BURN} 1d", f"{BURN} 3d", what="resolved", seconds=SOON + HOUR)


def test_every_alert_was_pending_and_firing_and_is_resolved(live: Alerting, worker: Served) -> None:
    """No rule of any file is left out, none fired again, and each has one message for its begin and one for its end."""
    every = [alert for alert in alerts() if alert.name != "Watchdog"]

    def missing() -> list[str]:
        return faults(every, live.active(), live.phases(), news(live.receiver.notifications))

    wait_for(lambda: not missing(), SOON + 2 * HOUR, lambda: "\n".join(missing()))
    assert fired(live) == {alert.name for alert in every}
    assert not live.receiver.about("Watchdog", "info", "firing")


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
