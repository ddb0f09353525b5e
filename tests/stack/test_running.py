"""The real Collector, Prometheus, Loki and Alertmanager, started like a user starts them: each signal arrives."""

import re
import subprocess
import time

import pytest
import requests

from ael_otel.doctor import collector_server, prometheus_server
from ael_otel.doctor.finding import Finding
from ael_otel.doctor.stack_place import StackPlace
from tests.stack.conftest import ROOT, SERVICES, Running, eventually
from tests.stack.otlp import SERVICE, counter, logs, spans, text, trace_id

pytestmark = [pytest.mark.docker, pytest.mark.slow]

STARTED = time.time_ns()


def test_every_signal_reaches_its_store(running: Running) -> None:
    """A span reaches the sink in place of Tempo, a log line Loki with its trace id, a metric Prometheus by its name."""
    sender = running.sender()
    sender.send(spans(1, 1))
    sender.send(logs(1, 1))
    sender.send(counter(3, STARTED, exemplar=1))
    sender.close()

    eventually(lambda: any(span.trace_id == trace_id(1) for span in running.sink.spans))

    query = f'{{service_name="{SERVICE}"}} | trace_id="{trace_id(1).hex()}"'
    ((labels, line),) = eventually(lambda: running.log_lines(query))
    assert line == "line 1"
    assert labels["span_id"] == (2).to_bytes(8, "big").hex()
    assert labels["severity_text"] == "INFO"

    found = eventually(lambda: running.prometheus("query", query="ael_workflow_executions_total")["result"])
    assert [series["value"][1] for series in found] == ["3"]
    assert {key: found[0]["metric"].get(key) for key in ("job", "instance", "workflow", "status")} == {
        "job": SERVICE,
        "instance": "one",
        "workflow": "nightly",
        "status": "success",
    }
    assert running.prometheus("query", query='ael_workflow_duration_seconds_bucket{le="1"}')["result"]


def test_the_link_of_an_alert_opens_the_runbook(running: Running) -> None:
    """With default settings, the address in an alert opens without any other host, and contains the runbook of this
    repository as text, with the section of the anchor.
    """

    def fired() -> list[str]:
        alerts = running.prometheus("alerts")["alerts"]
        return [
            each["annotations"]["runbook_url"] for each in alerts if each["labels"]["alertname"] == "Watchdog"
        ]

    (url,) = eventually(fired)
    address, _, anchor = url.partition("#")
    answer = requests.get(address, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/")
    assert answer.text == (ROOT / "prometheus" / "RUNBOOK.md").read_text("utf-8")
    assert f"## {anchor}\n" in answer.text.lower()


def test_what_the_collector_takes_is_not_too_large_to_be_passed_on(running: Running) -> None:
    """A span of 12 MiB arrives whole; of a line of 3 MiB the part that Loki accepts arrives. Both are within the limits
    of
    the receivers; otherwise parts that do not fit into a batch would be dropped without being counted.
    """
    large = "large " * (2 * 1024 * 1024)
    sender = running.sender()
    sender.send(spans(21, 1, text("content", large)))
    sender.send(logs(22, 1, body="long " * 600_000))
    sender.close()

    (arrived,) = eventually(lambda: [span for span in running.sink.spans if span.trace_id == trace_id(21)])
    assert [attribute.value.string_value for attribute in arrived.attributes] == [large]
    query = f'{{service_name="{SERVICE}"}} | trace_id="{trace_id(22).hex()}"'
    ((_, line),) = eventually(lambda: running.log_lines(query))
    assert len(line) > 1_000_000


def test_an_exemplar_leads_to_its_trace(running: Running) -> None:
    """Prometheus stores the exemplar of a histogram with a label `trace_id`, which Grafana links to Tempo."""
    sender = running.sender()
    sender.send(counter(4, STARTED, exemplar=7))
    sender.close()

    def exemplars() -> list[dict[str, str]]:
        now = time.time()
        found = running.prometheus(
            "query_exemplars",
            query="ael_workflow_duration_seconds_bucket",
            start=f"{now - 600:.0f}",
            end=f"{now + 60:.0f}",
        )
        return [exemplar["labels"] for series in found for exemplar in series["exemplars"]]

    eventually(lambda: any(labels.get("trace_id") == trace_id(7).hex() for labels in exemplars()))


def test_ids_are_no_stream_labels(running: Running) -> None:
    """Loki's index contains the service and no id of a run: an id would create one stream per line."""
    eventually(lambda: running.log_lines(f'{{service_name="{SERVICE}"}}'))
    labels = set(running.loki("labels", since="1h"))
    assert labels <= {"service_name", "service_namespace", "deployment_environment_name", "__stream_shard__"}


def test_secrets_do_not_pass(running: Running) -> None:
    """Credentials that an application sent by mistake are redacted in attributes and bodies; other text is kept."""
    key = "sk-" + "a1B2" * 8
    leaks = (
        text("http.request.header.authorization", "Bearer abcdefghijklmnop"),
        text("db.password", "hunter2"),
        text("note", f"mail bob@example.com with {key}"),
        text("gen_ai.usage.input_tokens", "17"),
        text("session_id", "s-1"),
    )
    sender = running.sender()
    sender.send(spans(100, 1, *leaks))
    sender.send(
        logs(100, 1, *leaks, body=f"Authorization: Bearer abcdefghijklmnop to bob@example.com with {key}")
    )
    sender.close()

    span = eventually(lambda: [span for span in running.sink.spans if span.trace_id == trace_id(100)])[0]
    assert {a.key: a.value.string_value for a in span.attributes} == {
        "note": "mail [EMAIL] with [API_KEY]",
        "gen_ai.usage.input_tokens": "17",
        "session_id": "s-1",
    }
    query = f'{{service_name="{SERVICE}"}} | trace_id="{trace_id(100).hex()}"'
    ((labels, line),) = eventually(lambda: running.log_lines(query))
    assert line == "Authorization: [TOKEN] to [EMAIL] with [API_KEY] 100"
    assert labels["note"] == "mail [EMAIL] with [API_KEY]"
    assert not any(re.search("password|authorization", name) for name in labels)


def test_the_scrape_endpoint_adds_no_series(running: Running) -> None:
    """Port 8889 serves the same metrics to another Prometheus, and ours does not scrape them a second time."""
    port = running.ports["AEL_COLLECTOR_METRICS_PORT"]
    page = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
    assert "\nael_workflow_executions_total{" in page
    assert len(running.prometheus("query", query="ael_workflow_executions_total")["result"]) == 1


def test_the_collector_watches_itself(running: Running) -> None:
    """The metrics that the alerts use exist under these names in the pinned version."""
    names = (
        "otelcol_exporter_queue_size",
        "otelcol_exporter_queue_capacity",
        "otelcol_exporter_sent_spans",
        "otelcol_receiver_accepted_spans",
    )
    for name in names:
        # The first scrape after the first spans.
        eventually(lambda name=name: running.prometheus("query", query=name)["result"], seconds=45)


def test_every_rule_evaluates(running: Running) -> None:
    """No alert fails on real data; promtool's unit tests cannot prove this for series that they do not contain."""

    def health() -> list[tuple[str, str, str]]:
        groups = running.prometheus("rules")["groups"]
        return [
            (rule["name"], rule["health"], rule.get("lastError", "")) for g in groups for rule in g["rules"]
        ]

    eventually(lambda: health() and all(state != "unknown" for _, state, _ in health()), seconds=45)
    assert [rule for rule in health() if rule[1] != "ok"] == []


def test_alerts_reach_alertmanager(running: Running) -> None:
    """The alert that always fires has arrived, so other alerts would arrive too."""
    eventually(
        lambda: any(a["labels"]["alertname"] == "Watchdog" for a in running.alertmanager("alerts")),
        seconds=45,
    )


def test_a_killed_collector_loses_nothing(running: Running) -> None:
    """After SIGKILL during traffic and a restart, every acknowledged span, line and count is stored."""
    first, requests_sent, each = 10_000, 120, 25
    sender = running.sender()
    for number in range(requests_sent):
        start = first + number * each
        sender.send(spans(start, each))
        sender.send(logs(start, each, body="kept"))
        sender.send(counter(1000 + number, STARTED, exemplar=start))
        if number == requests_sent // 2:
            running.docker("kill", "--signal", "KILL", running.container("collector"))
            running.docker("start", running.container("collector"))
    sender.close()

    expected = {trace_id(number) for number in range(first, first + requests_sent * each)}
    eventually(lambda: expected <= {span.trace_id for span in running.sink.spans}, seconds=60)
    query = f'{{service_name="{SERVICE}"}} |= "kept"'
    lines = eventually(
        lambda: len({line for _, line in running.log_lines(query)}) == len(expected), seconds=60
    )
    assert lines
    assert sender.retries, "the Collector was never unreachable, so the test proves nothing"

    def last_count() -> bool:
        found = running.prometheus("query", query="ael_workflow_executions_total")["result"]
        return bool(found) and found[0]["value"][1] == str(1000 + requests_sent - 1)

    eventually(last_count, seconds=60)


def test_a_backend_that_was_away_gets_everything(running: Running) -> None:
    """Stores are killed, data is sent, stores return: the Collector's disk queue delivers all of it."""
    first, count = 50_000, 500
    running.docker("kill", "--signal", "KILL", running.container("loki"), running.container("prometheus"))
    sender = running.sender()
    for start in range(first, first + count, 50):
        sender.send(logs(start, 50, body="queued"))
    sender.send(counter(5000, STARTED, exemplar=first))
    sender.close()
    running.docker("start", running.container("loki"), running.container("prometheus"))

    query = f'{{service_name="{SERVICE}"}} |= "queued"'

    def all_there() -> bool:
        try:
            return len({line for _, line in running.log_lines(query)}) == count
        except requests.RequestException:  # still starting
            return False

    eventually(all_there, seconds=60)
    eventually(
        lambda: (
            [
                s["value"][1]
                for s in running.prometheus("query", query="ael_workflow_executions_total")["result"]
            ]
            == ["5000"]
        ),
        seconds=60,
    )


def test_down_and_up_keep_the_data(running: Running) -> None:
    """After `down` there is no container, and after the next `up` the stored data is still there."""
    before = len(running.log_lines(f'{{service_name="{SERVICE}"}} |= "line"'))
    assert before
    running.run("down")
    listed = subprocess.run(
        [
            "docker",
            "ps",
            "--all",
            "--quiet",
            "--filter",
            f"label=com.docker.compose.project={running.project}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout == ""
    running.run("up", *SERVICES)
    assert len(running.log_lines(f'{{service_name="{SERVICE}"}} |= "line"')) == before
    found = running.prometheus("query", query="max_over_time(ael_workflow_executions_total[1h])")["result"]
    assert found


def test_status_tells_ready_from_absent(running: Running) -> None:
    """`status` succeeds for the services that are ready, and names one that was not started."""
    assert running.run("status", *SERVICES).stdout.count(" ready ") == len(SERVICES)
    with pytest.raises(AssertionError):
        running.run("status", "tempo")


def test_doctor_finds_nothing_wrong_and_then_a_stopped_loki(running: Running) -> None:
    """The real Collector and Prometheus answer as `ael doctor` expects: with all targets of this stack up no finding
    names one, and a stopped Loki is named with the command that shows the reason.
    """
    ports = {**running.ports, "AEL_GRAFANA_PORT": 1}
    place = StackPlace(ROOT, ports, None)

    def findings() -> list[Finding]:
        return [
            *collector_server.check(place),
            *prometheus_server.check(place),
            *prometheus_server.check_clock(place),
        ]

    def loki_is(level: str) -> bool:
        return any("target loki" in each.cause and each.level == level for each in findings())

    eventually(lambda: not loki_is("failure"), seconds=45)
    # Tempo and Grafana are not part of this stack; both are targets of its Prometheus.
    absent = ("the target tempo is down", "the target grafana is down")
    assert [
        each for each in findings() if each.level == "failure" and not each.cause.startswith(absent)
    ] == []
    running.docker("stop", running.container("loki"))
    try:
        eventually(lambda: loki_is("failure"), seconds=45)
    finally:
        running.docker("start", running.container("loki"))
