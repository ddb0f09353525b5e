"""Check the stack's Prometheus: ready, receivers, rules, targets, alerts, size; and its clock against ours."""

from datetime import UTC, datetime
from time import time
from typing import Any, Final
from urllib.parse import urlsplit

from ael_otel.doctor.bounded_http import UnreachableError, get, mapping, objects
from ael_otel.doctor.finding import Finding, failure, ok, warning
from ael_otel.doctor.stack_place import StackPlace

AREA: Final = "prometheus"
ALERTS: Final = "alerts"
CLOCK: Final = "clock"

JOBS: Final = ("prometheus", "collector", "loki", "tempo", "grafana", "alertmanager")
FULL: Final = 0.8
SKEW_SECONDS: Final = 5.0
WRONG_SECONDS: Final = 60.0
"""Difference of clocks from which a finding is a warning, and a failure."""

_MOST_SHOWN: Final = 20


class Prometheus:
    """Reads the API of a Prometheus at `address`."""

    def __init__(self, address: str) -> None:
        self.address = address

    def api(self, path: str, **parameters: str) -> Any:
        """Return `data` of a response.

        Raises:
            UnreachableError: it does not answer, or with an error.
        """
        reply = get(f"{self.address}/api/v1/{path}", parameters=parameters)
        if reply.status != 200:
            raise UnreachableError(f"HTTP {reply.status} for /api/v1/{path}")
        answer = mapping(reply.json())
        if "data" not in answer:
            raise UnreachableError(f"its answer for /api/v1/{path} is not one of Prometheus")
        return answer["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series that an expression finds now.

        Raises:
            UnreachableError: it does not answer, or with an error.
        """
        data = mapping(self.api("query", query=expression))
        result = data.get("result")
        if data.get("resultType") == "scalar":
            return [({}, _number(result))]
        return [(mapping(each.get("metric")), _number(each.get("value"))) for each in objects(result)]


def _number(pair: Any) -> float:
    try:
        return float(pair[1])
    except (TypeError, ValueError, LookupError):
        raise UnreachableError("its answer to a query has no value") from None


def check(place: StackPlace) -> list[Finding]:
    """Check the server; a failure names the first thing without which the others cannot be checked."""
    server = Prometheus(place.prometheus)
    try:
        ready = get(f"{place.prometheus}/-/ready")
    except UnreachableError as error:
        cause = f"{place.prometheus} cannot be reached: {error}"
        return [failure(AREA, cause, "run `make up`, or set AEL_PROMETHEUS_PORT to its port")]
    if ready.status == 503:
        remedy = "wait until it has replayed its log; then `docker compose logs prometheus` has the reason"
        return [failure(AREA, f"{place.prometheus} is not ready", remedy)]
    if ready.status != 200:
        cause = f"{place.prometheus} is not a Prometheus (HTTP {ready.status} for /-/ready)"
        return [
            failure(AREA, cause, "stop the program at that port, or set AEL_PROMETHEUS_PORT to another one")
        ]
    found: list[Finding] = []
    for part in (_flags, _rules, _targets, _size):
        try:
            found += part(server, place)
        except UnreachableError as error:
            cause = f"{place.prometheus}: {error}"
            found.append(failure(AREA, cause, "see `docker compose logs prometheus`"))
    return found


def _flags(server: Prometheus, _place: StackPlace) -> list[Finding]:
    flags = mapping(server.api("status/flags"))
    found = [
        failure(AREA, cause, f"start Prometheus with --{flag}, as compose.yaml does")
        for flag, cause in (
            ("web.enable-otlp-receiver", "the OTLP receiver is off: no metric of an application arrives"),
            (
                "web.enable-remote-write-receiver",
                "the remote write receiver is off: no span metric of Tempo arrives",
            ),
        )
        if flags.get(flag) != "true"
    ]
    if "exemplar-storage" not in str(flags.get("enable-feature", "")):
        cause = "exemplars are not stored: no metric leads to a trace"
        found.append(
            warning(
                AREA, cause, "start Prometheus with --enable-feature=exemplar-storage, as compose.yaml does"
            )
        )
    kept = mapping(server.api("status/runtimeinfo")).get("storageRetention")
    return found or [
        ok(AREA, f"{server.address} is ready, OTLP and remote write are on, metrics are stored for {kept}")
    ]


def _rules(server: Prometheus, place: StackPlace) -> list[Finding]:
    rules = [
        rule
        for group in objects(mapping(server.api("rules")).get("groups"))
        for rule in objects(group.get("rules"))
    ]
    names = {str(rule.get("name")) for rule in rules if rule.get("type") == "alerting"}
    missing = sorted((place.alerts() or {"Watchdog"}) - names)
    if missing:
        return [
            failure(
                AREA,
                f"rules are not loaded: {', '.join(missing[:_MOST_SHOWN])}",
                "run `make up`, which starts Prometheus again with the files in prometheus/rules",
            )
        ]
    broken = {
        str(rule.get("name")): str(rule.get("lastError")) for rule in rules if rule.get("health") == "err"
    }
    if broken:
        return [
            failure(AREA, f"the rule {name} cannot be evaluated: {error}", "correct it in prometheus/rules")
            for name, error in list(broken.items())[:_MOST_SHOWN]
        ]
    return [ok(AREA, f"{len(names)} alerts are loaded, and every rule can be evaluated")]


def _targets(server: Prometheus, _place: StackPlace) -> list[Finding]:
    targets = objects(mapping(server.api("targets", state="active")).get("activeTargets"))
    jobs = {str(mapping(each.get("labels")).get("job")) for each in targets}
    down = [each for each in targets if each.get("health") == "down"]
    found = [
        failure(
            AREA,
            f"the target {mapping(each.get('labels')).get('job')} is down: {each.get('lastError')}",
            f"run `make up`; `docker compose logs {mapping(each.get('labels')).get('job')}` has the reason",
        )
        for each in down[:_MOST_SHOWN]
    ]
    absent = [each for each in JOBS if each not in jobs]
    if absent:
        cause = f"these jobs are not scraped: {', '.join(absent)}"
        found.append(
            warning(
                AREA, cause, "compare prometheus/prometheus.yml with that of this version, then `make up`"
            )
        )
    if not objects(mapping(server.api("alertmanagers")).get("activeAlertmanagers")):
        cause = "no Alertmanager is known: an alert that fires reaches nobody"
        found.append(
            failure(AREA, cause, "start it with `make up`, and see `alerting` in prometheus/prometheus.yml")
        )
    return found or [ok(AREA, f"all {len(targets)} targets are up")]


def _size(server: Prometheus, _place: StackPlace) -> list[Finding]:
    used = server.query("prometheus_tsdb_storage_blocks_bytes / (prometheus_tsdb_retention_limit_bytes > 0)")
    if not used:
        return []
    share = max(value for _, value in used)
    if share > FULL:
        cause = f"{share:.0%} of the size limit is used: the oldest metrics are deleted before their time"
        return [warning(AREA, cause, "raise AEL_METRICS_MAX_SIZE, or lower AEL_METRICS_RETENTION")]
    return [ok(AREA, f"{share:.0%} of the size limit is used")]


def check_alerts(place: StackPlace) -> list[Finding]:
    """Report each alert that fires, and `Watchdog` if it does not."""
    alerts = objects(mapping(Prometheus(place.prometheus).api("alerts")).get("alerts"))
    firing = [each for each in alerts if each.get("state") == "firing"]
    named = {str(mapping(each.get("labels")).get("alertname")): each for each in firing}
    found: list[Finding] = []
    if named.pop("Watchdog", None) is None:
        cause = "the alert Watchdog does not fire: alerts are not evaluated, or Prometheus has just started"
        found.append(warning(ALERTS, cause, "wait a minute; then see the section Watchdog of the runbook"))
    for name, each in list(named.items())[:_MOST_SHOWN]:
        notes = mapping(each.get("annotations"))
        remedy = f"follow {notes.get('runbook_url') or 'the runbook'}"
        found.append(
            warning(ALERTS, f"{name} fires: {notes.get('summary') or notes.get('description')}", remedy)
        )
    return found or [ok(ALERTS, "no alert fires but Watchdog, which fires always")]


def check_clock(place: StackPlace) -> list[Finding]:
    """Compare the clock of the stack with that of this machine."""
    before = time()
    ((_, theirs),) = Prometheus(place.prometheus).query("time()")
    after = time()
    return [clock_finding(theirs - (before + after) / 2, (after - before) / 2)]


def clock_finding(ahead: float, uncertain: float) -> Finding:
    """Return the finding on a clock that is `ahead` seconds ahead of ours, measured within `uncertain` seconds."""
    off = abs(ahead) - uncertain
    cause = f"the stack's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    remedy = "synchronise both clocks (`timedatectl set-ntp true`; a sleeping laptop: restart Docker)"
    if off > WRONG_SECONDS:
        return failure(CLOCK, f"{cause}: Prometheus and Loki reject data, and searches miss it", remedy)
    if off > SKEW_SECONDS:
        return warning(CLOCK, f"{cause}: the newest data is not found", remedy)
    return ok(CLOCK, f"this machine and the stack agree on the time ({datetime.now(UTC):%Y-%m-%d %H:%M} UTC)")


def check_links(place: StackPlace) -> list[Finding]:
    """Check that the addresses in alerts answer."""
    area = "links"
    groups = objects(mapping(Prometheus(place.prometheus).api("rules", type="alert")).get("groups"))
    # Annotations of a rule are templates; those of an alert are complete, and Watchdog fires always.
    alerts = [
        each
        for group in groups
        for rule in objects(group.get("rules"))
        for each in objects(rule.get("alerts"))
    ]
    urls = {
        str(url).partition("#")[0]: name
        for each in alerts
        for name in ("runbook_url", "dashboard_url")
        if (url := mapping(each.get("annotations")).get(name))
    }
    found: list[Finding] = []
    for url, name in list(urls.items())[:_MOST_SHOWN]:
        variable = "AEL_RUNBOOK_URL" if name == "runbook_url" else "AEL_GRAFANA_URL"
        remedy = f"set {variable} to an address that people can open, then `make up`"
        if urlsplit(url).scheme != "http":
            continue  # of another host, by TLS
        try:
            status = get(url).status
        except UnreachableError as error:
            found.append(warning(area, f"the {name} of alerts, {url}, does not open: {error}", remedy))
            continue
        if status >= 400:
            found.append(warning(area, f"the {name} of alerts, {url}, does not open: HTTP {status}", remedy))
    return found or [ok(area, f"{len(urls)} addresses of alerts open")]
