"""Check the stack's Grafana: login, data sources, links, boards, alerts; through it, Loki and Tempo."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

from ael_otel.doctor.bounded_http import Reply, UnreachableError, get, mapping, objects
from ael_otel.doctor.finding import Finding, failure, ok, warning
from ael_otel.doctor.prometheus_server import Prometheus
from ael_otel.doctor.stack_place import PASSWORD, StackPlace

AREA: Final = "grafana"

SOURCES: Final = ("prometheus", "loki", "tempo")
"""The uids, and types, of the provisioned data sources."""

DISK_FULL: Final = 0.9
DISK_LOW: Final = 0.8

_UP: Final = "run `make up`; `docker compose logs grafana` has the reason"
_NO_TIME: Final = re.compile(r"0+[smhdw]?(0+[smh])*")


class _Grafana:
    """Sends requests with the login of the stack."""

    def __init__(self, place: StackPlace) -> None:
        self._place = place

    def get(self, path: str, **parameters: str) -> Reply:
        """Return a response.

        Raises:
            UnreachableError: it does not answer.
        """
        return get(f"{self._place.grafana}{path}", login=self._place.login, parameters=parameters)

    def json(self, path: str, **parameters: str) -> Any:
        """Return the document of a response.

        Raises:
            UnreachableError: it does not answer, or with an error.
        """
        reply = self.get(path, **parameters)
        if reply.status != 200:
            raise UnreachableError(f"HTTP {reply.status} for {path}")
        return reply.json()


def check(place: StackPlace) -> list[Finding]:
    """Check Grafana itself."""
    server = _Grafana(place)
    try:
        health = server.get("/api/health")
    except UnreachableError as error:
        return [
            failure(
                AREA,
                f"{place.grafana} cannot be reached: {error}",
                f"{_UP}, or set AEL_GRAFANA_PORT to its port",
            )
        ]
    state = mapping(health.json())
    if "database" not in state:
        cause = f"{place.grafana} is not a Grafana (HTTP {health.status} for /api/health)"
        return [failure(AREA, cause, "stop the program at that port, or set AEL_GRAFANA_PORT to another one")]
    if health.status != 200 or state["database"] != "ok":
        return [
            failure(AREA, f"Grafana's database is not usable ({state['database']})", f"free the disk; {_UP}")
        ]
    denied = _login(server, place)
    if denied is not None:
        return [ok(AREA, f"{place.grafana} answers, version {state.get('version')}"), denied]
    found = [ok(AREA, f"{place.grafana} answers, version {state.get('version')}")]
    for part in (_sources, _boards, _alerts):
        try:
            found += part(server, place)
        except UnreachableError as error:
            found.append(failure(AREA, f"{place.grafana}: {error}", _UP))
    return found


def _login(server: _Grafana, place: StackPlace) -> Finding | None:
    if place.login is None:
        cause = "Grafana's password is not known here, so data sources, boards and backends were not checked"
        return warning(AREA, cause, f"run this in the checkout of the stack, or set {PASSWORD}")
    status = server.get("/api/user").status
    if status in (401, 403):
        return failure(
            AREA,
            f"Grafana rejects the password in deploy/.secrets/grafana.env or {PASSWORD}",
            "run `docker compose exec grafana grafana cli admin reset-admin-password NEW`, and write NEW there",
        )
    return None


def _sources(server: _Grafana, _place: StackPlace) -> list[Finding]:
    sources = {str(each.get("uid")): each for each in objects(server.json("/api/datasources"))}
    found: list[Finding] = []
    for uid in SOURCES:
        if uid not in sources:
            cause = f"no data source has the uid {uid}: panels and links that use it stay empty"
            found.append(
                failure(
                    AREA, cause, "restore deploy/grafana/provisioning/datasources/ael.yaml, then `make up`"
                )
            )
        elif sources[uid].get("type") != uid:
            cause = f"the data source {uid} has the type {sources[uid].get('type')}"
            found.append(failure(AREA, cause, "give that data source another uid in Grafana, then `make up`"))
    for uid, source in sources.items():
        for target in sorted(set(_linked(source.get("jsonData"))) - sources.keys()):
            cause = f"a link of the data source {uid} leads to the uid {target}, which does not exist"
            found.append(
                failure(
                    AREA, cause, "correct datasourceUid in deploy/grafana/provisioning/datasources/ael.yaml"
                )
            )
    return found or [
        ok(AREA, f"the data sources {', '.join(SOURCES)} exist, and the links between them resolve")
    ]


def _linked(value: Any) -> Iterator[str]:
    """Yield the uids of data sources that a data source's settings name."""
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            if name == "datasourceUid" and inner:
                yield str(inner)
            else:
                yield from _linked(inner)
    elif isinstance(value, list):
        for each in cast("Iterable[Any]", value):
            yield from _linked(each)


def _boards(server: _Grafana, place: StackPlace) -> list[Finding]:
    there = {
        str(each.get("uid")) for each in objects(server.json("/api/search", type="dash-db", limit="1000"))
    }
    missing = sorted((place.boards() or {"ael-overview"}) - there)
    if missing:
        cause = f"these boards are not provisioned: {', '.join(missing)}"
        return [
            failure(
                AREA,
                cause,
                "restore the files in dashboards/ and deploy/grafana/provisioning, then `make up`",
            )
        ]
    ours = sum(each.startswith("ael-") for each in there)
    return [ok(AREA, f"{ours} boards of AEL are provisioned")]


def _alerts(server: _Grafana, _place: StackPlace) -> list[Finding]:
    reply = server.get("/api/prometheus/prometheus/api/v1/rules")
    groups = objects(mapping(mapping(reply.json()).get("data")).get("groups"))
    if reply.status != 200 or not groups:
        cause = f"the list of alerts shows no rule of Prometheus (HTTP {reply.status})"
        return [
            warning(AREA, cause, "set `manageAlerts: true` at the data source Prometheus, and see its rules")
        ]
    return [ok(AREA, f"the list of alerts shows {len(groups)} groups of rules of Prometheus")]


def check_backend(place: StackPlace, name: str) -> list[Finding]:
    """Check Loki or Tempo, which have no port on the host: through their data source in Grafana.

    Args:
        place: the stack.
        name: `loki` or `tempo`.
    """
    if place.login is None:
        cause = f"{name} was not checked: it is reached through Grafana, whose password is not known here"
        return [warning(name, cause, f"run this in the checkout of the stack, or set {PASSWORD}")]
    server = _Grafana(place)
    logs = f"`docker compose logs {name}` has the reason"
    try:
        ready = server.get(f"/api/datasources/proxy/uid/{name}/ready")
    except UnreachableError as error:
        return [failure(name, f"{name} cannot be reached through Grafana: {error}", _UP)]
    if ready.status != 200:
        said = ready.body[:200].decode("utf-8", "replace")
        return [failure(name, f"{name} is not ready (HTTP {ready.status}): {said}", f"run `make up`; {logs}")]
    return [*_retention(server, name), *(_disk(place) if name == "loki" else [])]


def _retention(server: _Grafana, name: str) -> list[Finding]:
    variable = "AEL_LOGS_RETENTION" if name == "loki" else "AEL_TRACES_RETENTION"
    path, key = ("config", "retention_period") if name == "loki" else ("status/config", "block_retention")
    reply = server.get(f"/api/datasources/proxy/uid/{name}/{path}")
    text = reply.body.decode("utf-8", "replace") if reply.status == 200 else ""
    values = re.findall(rf"^\s*{key}: *(\S+)", text, re.MULTILINE)
    if not values:
        cause = f"{name} is ready, and its retention is not known (HTTP {reply.status} for /{path})"
        return [warning(name, cause, f"compare {name}/{name}.yaml with that of this version")]
    off = name == "loki" and re.search(r"^\s*retention_enabled: *false", text, re.MULTILINE) is not None
    if off or all(map(_NO_TIME.fullmatch, values)):
        cause = f"{name} is ready, and deletes nothing: its disk fills up"
        return [
            warning(
                name,
                cause,
                f"set {variable} to a time such as 720h, and keep retention on in {name}/{name}.yaml",
            )
        ]
    return [ok(name, f"{name} is ready and keeps data for {values[0]}")]


def _disk(place: StackPlace) -> list[Finding]:
    used = Prometheus(place.prometheus).query("max(loki_ingester_wal_disk_usage_percent)")
    if not used:
        cause = "how full the disk of the stack is cannot be told: Loki's metrics are not in Prometheus"
        return [warning("loki", cause, "see the target `loki` of Prometheus")]
    return [disk_finding(used[0][1])]


def disk_finding(share: float) -> Finding:
    """Return the finding on the disk that holds the volumes of the stack, of which `share` (0 to 1) is used."""
    cause = f"the disk of the stack is {share:.0%} full"
    remedy = "free disk space, or lower AEL_LOGS_RETENTION, AEL_TRACES_RETENTION and AEL_METRICS_MAX_SIZE"
    if share >= DISK_FULL:
        return failure("loki", f"{cause}: Loki accepts no lines above 90 %", remedy)
    return warning("loki", cause, remedy) if share >= DISK_LOW else ok("loki", cause)
