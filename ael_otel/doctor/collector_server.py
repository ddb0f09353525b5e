"""Check the stack's Collector: its two OTLP ports, its queues, and what it refused or lost."""

from typing import Final

from ael_otel.doctor.bounded_http import UnreachableError
from ael_otel.doctor.finding import Finding, failure, ok, warning
from ael_otel.doctor.otlp_endpoint import probe
from ael_otel.doctor.prometheus_server import Prometheus
from ael_otel.doctor.stack_place import StackPlace
from ael_otel.sdk.otlp_transport import Target

AREA: Final = "collector"

FILLING: Final = 0.5
FULL: Final = 0.9
"""Shares of a queue from which a finding is a warning, and a failure."""

_WINDOW: Final = "15m"


def check(place: StackPlace) -> list[Finding]:
    """Check the ports by a request without items, and the Collector's own metrics in Prometheus."""
    found = [
        _port("grpc", f"http://127.0.0.1:{place.ports['AEL_OTLP_GRPC_PORT']}", "AEL_OTLP_GRPC_PORT"),
        _port("http/protobuf", f"http://127.0.0.1:{place.ports['AEL_OTLP_HTTP_PORT']}", "AEL_OTLP_HTTP_PORT"),
    ]
    server = Prometheus(place.prometheus)
    try:
        return [*found, *_queues(server), *_counted(server)]
    except UnreachableError as error:
        cause = f"queues and refusals are not known: Prometheus: {error}"
        return [*found, warning(AREA, cause, "correct the findings about Prometheus first")]


def _port(protocol: str, endpoint: str, variable: str) -> Finding:
    result = probe(
        Target.of(
            "traces", {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        )
    )
    cause = result.cause.replace("{signals} are not sent: ", "").replace("{signals} are", "OTLP is")
    if result.level == "ok":
        return ok(AREA, cause)
    remedy = f"run `make up`, or set {variable} to its port; `docker compose logs collector` has the reason"
    return Finding(AREA, result.level, cause, remedy)


def _queues(server: Prometheus) -> list[Finding]:
    shares = server.query(
        "max by (exporter, data_type) (otelcol_exporter_queue_size)"
        " / max by (exporter, data_type) (otelcol_exporter_queue_capacity)"
    )
    if not shares:
        remedy = "run `make up`, and see the target `collector` of Prometheus"
        return [warning(AREA, "its own metrics are not in Prometheus, so its queues are not known", remedy)]
    found: list[Finding] = []
    for labels, share in shares:
        if share < FILLING:
            continue
        backend = labels.get("exporter", "").rpartition("/")[2] or "a backend"
        cause = f"the queue of {labels.get('exporter')} ({labels.get('data_type')}) is {share:.0%} full"
        remedy = f"start {backend}, or free its disk: it does not take what waits"
        if share >= FULL:
            found.append(failure(AREA, f"{cause}: new data is refused at 100 %", remedy))
        else:
            found.append(warning(AREA, cause, remedy))
    return found or [ok(AREA, f"its {len(shares)} queues are below {FILLING:.0%}")]


def _counted(server: Prometheus) -> list[Finding]:
    found: list[Finding] = []
    for kind, who, what, remedy in (
        ("receiver_refused", "receiver", "refused", "see its memory limit, its queues and its disk"),
        (
            "exporter_enqueue_failed",
            "exporter",
            "could not queue",
            "free the disk of the volume collector-queue",
        ),
        (
            "exporter_send_failed",
            "exporter",
            "lost",
            "see the log of the backend: it rejects this data for good",
        ),
    ):
        for labels, number in server.query(_recent(kind, who)):
            cause = f"{labels.get(who)} {what} {number:.0f} items in the last 15 minutes"
            build = warning if kind == "receiver_refused" else failure
            found.append(build(AREA, cause, f"{remedy}; `docker compose logs collector` has the reason"))
    return found or [ok(AREA, "nothing was refused or lost in the last 15 minutes")]


def _recent(kind: str, who: str) -> str:
    """Return an expression for what a counter has counted lately; it also counts the first item of a new series."""
    signals = "spans|log_records|metric_points"
    now = f'{{__name__=~"otelcol_{kind}_({signals})"}}'
    # Without the name, the series of the signals would collide: it is copied to a label.
    named = f'label_replace({now}, "counter", "$1", "__name__", "(.+)")'
    before = f'label_replace({now} offset {_WINDOW}, "counter", "$1", "__name__", "(.+)")'
    return f"sum by ({who}) ((({named} - {before}) >= 0) or {named}) > 0"
