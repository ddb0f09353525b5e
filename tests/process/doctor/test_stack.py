"""Faults of the stack's services, from servers on loopback that answer as Prometheus and Grafana do.

The answers are a table, because the real services cannot be brought into most of these states at will: a data source
that is gone, a rule that cannot be evaluated, a clock that differs, a Tempo behind Grafana. Their forms are those of
Prometheus 3 and Grafana 13; `tests/stack/test_running.py` asks the real Collector and Prometheus.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ael_otel.doctor import collector_server, grafana_server, prometheus_server
from ael_otel.doctor.finding import Check, Finding, Level, examine
from ael_otel.doctor.stack_place import StackPlace
from tests.process.doctor.servers import Table, serving
from tests.support.findings import assert_found, assert_well
from tests.support.otlp_sink import OtlpSink
from tests.support.ports import free_port

RUNBOOK = {
    "runbook_url": "http://127.0.0.1:{port}/user/RUNBOOK.md#watchdog",
    "dashboard_url": "http://127.0.0.1:{port}/d/x",
}


def data(value: Any) -> tuple[int, Any]:
    """Return an answer of Prometheus."""
    return 200, {"status": "success", "data": value}


def vector(*series: tuple[dict[str, str], float]) -> tuple[int, Any]:
    """Return an answer to a query."""
    return data(
        {
            "resultType": "vector",
            "result": [{"metric": labels, "value": [0, str(value)]} for labels, value in series],
        }
    )


def answer_query(parameters: dict[str, str]) -> tuple[int, Any]:
    """Answer the queries of a stack that is well."""
    query = parameters["query"]
    if query == "time()":
        return data({"resultType": "scalar", "result": [0, str(time.time())]})
    if "queue_capacity" in query:
        return vector(({"exporter": "otlp_http/loki", "data_type": "logs"}, 0.01))
    if "disk_usage" in query:
        return vector(({}, 0.4))
    return vector()


class FakeStack:
    """Prometheus and Grafana, which are well until a test changes their answers."""

    def __init__(self) -> None:
        watchdog = {"labels": {"alertname": "Watchdog"}, "state": "firing", "annotations": dict(RUNBOOK)}
        self.queries: dict[str, tuple[int, Any]] = {}
        self.groups: list[Any] = [
            {"rules": [{"name": "Watchdog", "type": "alerting", "health": "ok", "alerts": [watchdog]}]}
        ]
        self.alerts: list[Any] = [watchdog]
        self.flags = {
            "web.enable-otlp-receiver": "true",
            "web.enable-remote-write-receiver": "true",
            "enable-feature": "exemplar-storage",
        }
        self.targets = [
            {"labels": {"job": job}, "health": "up", "lastError": ""} for job in prometheus_server.JOBS
        ]
        self.managers: list[Any] = [{"url": "http://alertmanager:9093"}]
        self.sources: list[Any] = [
            {
                "uid": "prometheus",
                "type": "prometheus",
                "jsonData": {"exemplarTraceIdDestinations": [{"datasourceUid": "tempo"}]},
            },
            {"uid": "loki", "type": "loki", "jsonData": {"derivedFields": [{"datasourceUid": "tempo"}]}},
            {"uid": "tempo", "type": "tempo", "jsonData": {"tracesToLogsV2": {"datasourceUid": "loki"}}},
        ]
        self.boards: list[Any] = [{"uid": "ael-overview"}]
        self.prometheus = Table(
            {
                "/-/ready": (200, "Prometheus Server is Ready."),
                "/user/RUNBOOK.md": (200, "# Runbook"),
                "/d/x": (200, ""),
                "/api/v1/status/flags": lambda _: data(self.flags),
                "/api/v1/status/runtimeinfo": data({"storageRetention": "30d or 10GB"}),
                "/api/v1/rules": lambda _: data({"groups": self.groups}),
                "/api/v1/targets": lambda _: data({"activeTargets": self.targets}),
                "/api/v1/alertmanagers": lambda _: data({"activeAlertmanagers": self.managers}),
                "/api/v1/alerts": lambda _: data({"alerts": self.alerts}),
                "/api/v1/query": self._query,
            }
        )
        proxy = "/api/datasources/proxy/uid"
        self.grafana = Table(
            {
                "/api/health": (200, {"database": "ok", "version": "13.2.0"}),
                "/api/user": (200, {"login": "admin"}),
                "/api/datasources": lambda _: (200, self.sources),
                "/api/search": lambda _: (200, self.boards),
                "/api/prometheus/prometheus/api/v1/rules": lambda _: data({"groups": [{"name": "ael"}]}),
                f"{proxy}/loki/ready": (200, "ready"),
                f"{proxy}/loki/config": (
                    200,
                    "compactor:\n  retention_enabled: true\nlimits:\n  retention_period: 30d\n",
                ),
                f"{proxy}/tempo/ready": (200, "ready"),
                f"{proxy}/tempo/status/config": (
                    200,
                    "a:\n  block_retention: 720h0m0s\nb:\n  block_retention: 720h0m0s\n",
                ),
            }
        )
        self.place = StackPlace(None, {}, None)

    def _query(self, parameters: dict[str, str]) -> tuple[int, Any]:
        fitting = [answer for text, answer in self.queries.items() if text in parameters["query"]]
        return fitting[0] if fitting else answer_query(parameters)


@pytest.fixture
def stack() -> Iterator[FakeStack]:
    """Serve a stack that is well."""
    fake = FakeStack()
    with (
        serving(fake.prometheus) as prometheus,
        serving(fake.grafana) as grafana,
        OtlpSink(http_port=0) as sink,
    ):
        ports = {
            "AEL_PROMETHEUS_PORT": prometheus,
            "AEL_GRAFANA_PORT": grafana,
            "AEL_OTLP_GRPC_PORT": sink.port,
            "AEL_OTLP_HTTP_PORT": sink.http_port,
        }
        fake.place = StackPlace(None, ports, ("admin", "horse-battery"))
        for each in fake.alerts:
            each["annotations"] = {name: url.format(port=prometheus) for name, url in RUNBOOK.items()}
        yield fake


def all_of(place: StackPlace) -> list[Finding]:
    """Run the checks of `--stack` as the command does."""
    return list(
        examine(
            [
                Check("collector", lambda: collector_server.check(place)),
                Check("prometheus", lambda: prometheus_server.check(place)),
                Check("loki", lambda: grafana_server.check_backend(place, "loki")),
                Check("tempo", lambda: grafana_server.check_backend(place, "tempo")),
                Check("grafana", lambda: grafana_server.check(place)),
                Check("alerts", lambda: prometheus_server.check_alerts(place)),
                Check("clock", lambda: prometheus_server.check_clock(place)),
                Check("links", lambda: prometheus_server.check_links(place)),
            ],
            secrets=["horse-battery"],
        )
    )


def test_stack_that_works_is_well(stack: FakeStack) -> None:
    """Every part is named, only GET requests are sent, and only Grafana gets the password."""
    found = all_of(stack.place)
    assert_well(found)
    assert {each.area for each in found} == {
        "collector",
        "prometheus",
        "loki",
        "tempo",
        "grafana",
        "alerts",
        "clock",
        "links",
    }
    sent = [*stack.prometheus.requests, *stack.grafana.requests]
    assert {method for method, _, _ in sent} == {"GET"}
    assert not any("authorization" in headers for _, _, headers in stack.prometheus.requests)


FAULTS: dict[str, tuple[Callable[[FakeStack], object], Level, str, str, str]] = {
    "queue half full": (
        lambda s: s.queries.update(
            {"queue_capacity": vector(({"exporter": "otlp_http/loki", "data_type": "logs"}, 0.6))}
        ),
        "warning",
        "collector",
        "the queue of otlp_http/loki (logs) is 60% full",
        "start loki, or free its disk",
    ),
    "queue full": (
        lambda s: s.queries.update(
            {"queue_capacity": vector(({"exporter": "otlp_grpc/tempo", "data_type": "traces"}, 0.97))}
        ),
        "failure",
        "collector",
        "is 97% full: new data is refused",
        "start tempo",
    ),
    "Collector without metrics": (
        lambda s: s.queries.update({"queue_capacity": vector()}),
        "warning",
        "collector",
        "its own metrics are not in Prometheus",
        "target `collector`",
    ),
    "data refused": (
        lambda s: s.queries.update({"receiver_refused": vector(({"receiver": "otlp"}, 12))}),
        "warning",
        "collector",
        "otlp refused 12 items",
        "memory limit",
    ),
    "full volume of the queue": (
        lambda s: s.queries.update({"enqueue_failed": vector(({"exporter": "otlp_http/loki"}, 3))}),
        "failure",
        "collector",
        "otlp_http/loki could not queue 3 items",
        "collector-queue",
    ),
    "data lost": (
        lambda s: s.queries.update({"send_failed": vector(({"exporter": "otlp_grpc/tempo"}, 7))}),
        "failure",
        "collector",
        "otlp_grpc/tempo lost 7 items",
        "log of the backend",
    ),
    "Prometheus not ready": (
        lambda s: s.prometheus.answers.update({"/-/ready": (503, "")}),
        "failure",
        "prometheus",
        "is not ready",
        "replayed its log",
    ),
    "another program at Prometheus's port": (
        lambda s: s.prometheus.answers.update({"/-/ready": (404, "")}),
        "failure",
        "prometheus",
        "is not a Prometheus",
        "AEL_PROMETHEUS_PORT",
    ),
    "OTLP off": (
        lambda s: s.flags.update({"web.enable-otlp-receiver": "false"}),
        "failure",
        "prometheus",
        "the OTLP receiver is off",
        "--web.enable-otlp-receiver",
    ),
    "remote write off": (
        lambda s: s.flags.pop("web.enable-remote-write-receiver"),
        "failure",
        "prometheus",
        "remote write receiver is off",
        "--web.enable-remote-write-receiver",
    ),
    "no exemplars": (
        lambda s: s.flags.update({"enable-feature": ""}),
        "warning",
        "prometheus",
        "exemplars are not stored",
        "--enable-feature=exemplar-storage",
    ),
    "no rules": (
        lambda s: s.groups.clear(),
        "failure",
        "prometheus",
        "rules are not loaded: Watchdog",
        "prometheus/rules",
    ),
    "rule that cannot be evaluated": (
        lambda s: s.groups[0]["rules"].append(
            {"name": "AelX", "type": "alerting", "health": "err", "lastError": "many-to-many"}
        ),
        "failure",
        "prometheus",
        "the rule AelX cannot be evaluated: many-to-many",
        "prometheus/rules",
    ),
    "target down": (
        lambda s: s.targets[2].update(health="down", lastError="connection refused"),
        "failure",
        "prometheus",
        "the target loki is down: connection refused",
        "docker compose logs loki",
    ),
    "target missing": (
        lambda s: s.targets.pop(1),
        "warning",
        "prometheus",
        "these jobs are not scraped: collector",
        "prometheus/prometheus.yml",
    ),
    "no Alertmanager": (
        lambda s: s.managers.clear(),
        "failure",
        "prometheus",
        "no Alertmanager is known",
        "make up",
    ),
    "size limit": (
        lambda s: s.queries.update({"retention_limit_bytes": vector(({}, 0.93))}),
        "warning",
        "prometheus",
        "93% of the size limit",
        "AEL_METRICS_MAX_SIZE",
    ),
    "Loki not ready": (
        lambda s: s.grafana.answers.update(
            {"/api/datasources/proxy/uid/loki/ready": (503, "Ingester not ready")}
        ),
        "failure",
        "loki",
        "loki is not ready (HTTP 503): Ingester not ready",
        "docker compose logs loki",
    ),
    "Tempo away": (
        lambda s: s.grafana.answers.update({"/api/datasources/proxy/uid/tempo/ready": (502, "")}),
        "failure",
        "tempo",
        "tempo is not ready (HTTP 502)",
        "docker compose logs tempo",
    ),
    "logs never deleted": (
        lambda s: s.grafana.answers.update(
            {
                "/api/datasources/proxy/uid/loki/config": (
                    200,
                    "  retention_enabled: false\n  retention_period: 30d\n",
                )
            }
        ),
        "warning",
        "loki",
        "deletes nothing",
        "AEL_LOGS_RETENTION",
    ),
    "traces never deleted": (
        lambda s: s.grafana.answers.update(
            {"/api/datasources/proxy/uid/tempo/status/config": (200, "  block_retention: 0s\n")}
        ),
        "warning",
        "tempo",
        "deletes nothing",
        "AEL_TRACES_RETENTION",
    ),
    "disk full": (
        lambda s: s.queries.update({"disk_usage": vector(({}, 0.95))}),
        "failure",
        "loki",
        "the disk of the stack is 95% full",
        "free disk space",
    ),
    "Grafana's database": (
        lambda s: s.grafana.answers.update({"/api/health": (503, {"database": "failing"})}),
        "failure",
        "grafana",
        "database is not usable (failing)",
        "free the disk",
    ),
    "another program at Grafana's port": (
        lambda s: s.grafana.answers.update({"/api/health": (200, "hello")}),
        "failure",
        "grafana",
        "is not a Grafana",
        "AEL_GRAFANA_PORT",
    ),
    "password": (
        lambda s: s.grafana.answers.update({"/api/user": (401, {})}),
        "failure",
        "grafana",
        "rejects the password",
        "reset-admin-password",
    ),
    "data source gone": (
        lambda s: s.sources.__delitem__(slice(1, 3)),
        "failure",
        "grafana",
        "no data source has the uid loki",
        "provisioning/datasources",
    ),
    "data source of another type": (
        lambda s: s.sources[2].update(type="jaeger"),
        "failure",
        "grafana",
        "the data source tempo has the type jaeger",
        "another uid",
    ),
    "link to nowhere": (
        lambda s: s.sources[1].update(jsonData={"derivedFields": [{"datasourceUid": "tempo-old"}]}),
        "failure",
        "grafana",
        "leads to the uid tempo-old",
        "datasourceUid",
    ),
    "board missing": (
        lambda s: s.boards.clear(),
        "failure",
        "grafana",
        "not provisioned: ael-overview",
        "dashboards/",
    ),
    "list of alerts empty": (
        lambda s: s.grafana.answers.update({"/api/prometheus/prometheus/api/v1/rules": (500, {})}),
        "warning",
        "grafana",
        "shows no rule of Prometheus",
        "manageAlerts",
    ),
    "alert fires": (
        lambda s: s.alerts.append(
            {
                "state": "firing",
                "labels": {"alertname": "AelToolFailing"},
                "annotations": {"summary": "A tool fails", "runbook_url": "http://r/#ael"},
            }
        ),
        "warning",
        "alerts",
        "AelToolFailing fires: A tool fails",
        "follow http://r/#ael",
    ),
    "Watchdog silent": (
        lambda s: s.alerts.clear(),
        "warning",
        "alerts",
        "Watchdog does not fire",
        "runbook",
    ),
    "clock ahead": (
        lambda s: s.queries.update(
            {"time()": data({"resultType": "scalar", "result": [0, str(time.time() + 600)]})}
        ),
        "failure",
        "clock",
        "ahead of this machine's",
        "synchronise both clocks",
    ),
    "runbook gone": (
        lambda s: s.prometheus.answers.pop("/user/RUNBOOK.md"),
        "warning",
        "links",
        "does not open: HTTP 404",
        "AEL_RUNBOOK_URL",
    ),
    "board of an alert gone": (
        lambda s: s.prometheus.answers.pop("/d/x"),
        "warning",
        "links",
        "the dashboard_url of alerts",
        "AEL_GRAFANA_URL",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_of_the_stack_has_cause_and_remedy(stack: FakeStack, name: str) -> None:
    """One fault, one finding of its area with this cause and remedy, and no secret in any."""
    spoil, level, area, cause, remedy = FAULTS[name]
    spoil(stack)
    found = all_of(stack.place)
    assert_found(found, level, area=area, cause=cause, remedy=remedy)
    assert "horse" not in repr(found)


def test_stack_that_is_down_is_a_failure_of_each_part() -> None:
    """What cannot be checked without Prometheus is a warning, and no check is a bug."""
    ports = {
        name: free_port()
        for name in ("AEL_PROMETHEUS_PORT", "AEL_GRAFANA_PORT", "AEL_OTLP_GRPC_PORT", "AEL_OTLP_HTTP_PORT")
    }
    found = all_of(StackPlace(None, ports, ("admin", "horse-battery")))
    assert_found(found, "failure", area="prometheus", cause="cannot be reached", remedy="make up")
    assert_found(found, "failure", area="grafana", cause="cannot be reached", remedy="make up")
    assert_found(found, "failure", area="loki", cause="cannot be reached through Grafana", remedy="make up")
    assert_found(
        found,
        "failure",
        area="collector",
        cause=f"127.0.0.1:{ports['AEL_OTLP_GRPC_PORT']}",
        remedy="AEL_OTLP_GRPC_PORT",
    )
    assert_found(found, "warning", area="clock", cause="not checked", remedy="findings above")
    assert not any("bug" in each.remedy for each in found)


def test_unknown_password_is_a_warning(stack: FakeStack) -> None:
    """Grafana still answers, and what is behind it is not checked."""
    place = StackPlace(None, stack.place.ports, None)
    found = all_of(place)
    assert_found(
        found, "warning", area="grafana", cause="password is not known", remedy="GF_SECURITY_ADMIN_PASSWORD"
    )
    assert_found(found, "warning", area="tempo", cause="tempo was not checked", remedy="in the checkout")


def test_missing_rules_and_boards_of_the_checkout_are_named(stack: FakeStack, tmp_path: Path) -> None:
    """The files of the checkout are what must be loaded."""
    rules = tmp_path / "prometheus" / "rules"
    rules.mkdir(parents=True)
    (rules / "a.rules.yml").write_text("      - alert: Watchdog\n      - alert: AelNew\n")
    (tmp_path / "dashboards").mkdir()
    (tmp_path / "dashboards" / "ael-new.json").write_text("{}")
    found = all_of(StackPlace(tmp_path, stack.place.ports, stack.place.login))
    assert_found(found, "failure", area="prometheus", cause="rules are not loaded: AelNew", remedy="make up")
    assert_found(found, "failure", area="grafana", cause="not provisioned: ael-new", remedy="make up")


def test_answer_without_end_is_given_up(stack: FakeStack) -> None:
    """A response is read up to its limit of bytes."""
    stack.prometheus.answers["/api/v1/rules"] = (200, "x" * (9 * 1024 * 1024))
    assert_found(
        all_of(stack.place),
        "failure",
        area="prometheus",
        cause="more than 8 MiB",
        remedy="docker compose logs",
    )
