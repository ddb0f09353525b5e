"""Plant secrets of every kind in every field of OTLP, as a client without this project's redaction would send them.

Every field has separate values, so that a leak identifies the field.
"""

import hashlib
import time
from dataclasses import dataclass, field

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.stack.otlp import SERVICE, text, trace_id

TRACE = 7_000_001
BENIGN = {
    "session_id": "s-81c2f6",
    "input_tokens": "1742",
    "gen_ai.usage.output_tokens": "96",
    "ael.workflow.name": "nightly-report",
    "ael.workflow.id": "exec-1f0c9a7be311",
    "ael.error.type": "TOOL_FAILED",
    "gen_ai.request.model": "gpt-4o-2024-08-06",
    "commit": "9f2c1d7e4b5a60718293a4b5c6d7e8f901234567",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "when": "2026-08-17T04:56:39.123456Z",
    "nanoseconds": "1786942599123456789",
    "path": "/srv/reports/2026/august.csv",
    "url": "https://example.org:8443/a/b?page=2&sort=asc",
    "price": "0.4123456789012345",
    "author": "Ann Other",
    "sentence": "Basic functionality works; the token count is 17, bearer of good news.",
}
KINDS = (
    *("key", "aws", "bearer", "basic", "header", "cookie", "jwt"),
    *("url", "password", "json", "secret", "env", "pem", "mail"),
)
NUMBERS = {"retries": 4111111111111111, "port": 5432}


def made_up(place: str, kind: str, length: int = 24) -> str:
    """Return a made-up value that is unique to one place and kind."""
    return hashlib.sha256(f"{place} {kind}".encode()).hexdigest()[:length]


def digits(place: str, kind: str, length: int) -> str:
    """Return made-up digits, none of them zero."""
    number = int(hashlib.sha256(f"{place} {kind}".encode()).hexdigest(), 16)
    return "".join(str(1 + number // 9**position % 9) for position in range(length))


@dataclass
class Plant:
    """The planted secrets, by the names of place and kind."""

    secrets: dict[str, str] = field(default_factory=dict[str, str])

    def texts(self, place: str) -> dict[str, str]:
        """Return one text with a secret for each kind, by kind."""
        word = {kind: made_up(place, kind) for kind in KINDS}
        ssn = f"{digits(place, 'ssn', 9)}"
        ssn = f"1{ssn[1:3]}-{ssn[3:5]}-{ssn[5:9]}"
        card = digits(place, "card", 12)
        aws = word["aws"][:16].upper()
        found = {
            "api_key": (f"uses sk-{word['key']} today", word["key"]),
            "aws": (f"id AKIA{aws}.", aws),
            "bearer": (f"sent Bearer {word['bearer']}", word["bearer"]),
            "basic": (f"sent Basic {word['basic']}==", word["basic"]),
            "authorization": (f"Authorization: {word['header']}", word["header"]),
            "cookie": (f"Cookie: sid={word['cookie']}; theme=dark", word["cookie"]),
            "jwt": (f"got eyJ{word['jwt']}.eyJ{word['jwt']}.{word['jwt']}", word["jwt"]),
            "url": (f"at postgres://app:{word['url']}@db.internal:5432/x", word["url"]),
            "password": (f"login password={word['password']} ok", word["password"]),
            "json": (f'{{"client_secret": "{word["json"]}", "n": 1}}', word["json"]),
            "environment": (f"export DB_PASSWORD='{word['env']}'", word["env"]),
            "secret": (f"api_key: {word['secret']}", word["secret"]),
            "pem": (
                f"-----BEGIN RSA PRIVATE KEY-----\n{word['pem']}\n-----END RSA PRIVATE KEY-----",  # hygiene: made up
                word["pem"],
            ),
            "mail": (f"to {word['mail']}@example.com", word["mail"]),
            "ssn": (f"number {ssn}", ssn),
            "card": (f"card 4{card[:3]} {card[3:7]} {card[7:11]} 1111", card[3:7] + " " + card[7:11]),
        }
        self.secrets |= {f"{place}: {kind}": secret for kind, (_, secret) in found.items()}
        return {kind: value for kind, (value, _) in found.items()}

    def text(self, place: str) -> str:
        """Return one text with a secret of each kind."""
        return "\n".join(self.texts(place).values())

    def attributes(self, place: str, *, nested: bool = True) -> list[KeyValue]:
        """Return secrets in values and under names of credentials, flat and (if allowed) nested, and benign values."""
        result = [text(f"note.{kind}", value) for kind, value in self.texts(place).items()]
        for key in (
            "http.request.header.authorization",
            "db.password",
            "X-Api-Key",
            "clientSecret",
            "auth.token",
        ):
            self.secrets[f"{place}: below {key}"] = secret = made_up(place, key)
            result.append(text(key, secret))
        result += [text(key, value) for key, value in BENIGN.items()]
        result += [KeyValue(key=key, value=AnyValue(int_value=value)) for key, value in NUMBERS.items()]
        if nested:
            deep = AnyValue()
            inner = deep.kvlist_value.values.add(key="list").value
            inner.array_value.values.add().string_value = self.text(f"{place}, nested")
            below = deep.kvlist_value.values.add(key="password").value
            below.string_value = self.secrets[f"{place}: nested below password"] = made_up(
                place, "nested key"
            )
            result.append(KeyValue(key="nested", value=deep))
            flat = AnyValue()
            flat.array_value.values.add().string_value = self.text(f"{place}, array")
            result.append(KeyValue(key="array", value=flat))
        return result

    def leaks(self, seen: str) -> list[str]:
        """Return the places and kinds whose secret is in a text."""
        return sorted(name for name, secret in self.secrets.items() if secret in seen)


def _origin(plant: Plant, signal: str) -> tuple[Resource, InstrumentationScope]:
    resource = Resource(attributes=[text("service.name", SERVICE), *plant.attributes(f"{signal} resource")])
    return resource, InstrumentationScope(name="foreign", attributes=plant.attributes(f"{signal} scope"))


def spans(plant: Plant) -> ExportTraceServiceRequest:
    """Return a span with secrets in attributes, name, status, event and trace state."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    resource, scope = _origin(plant, "span")
    group.resource.CopyFrom(resource)
    scoped = group.scope_spans.add(scope=scope)
    now = time.time_ns()
    span = scoped.spans.add(trace_id=trace_id(TRACE), span_id=(TRACE + 1).to_bytes(8, "big"))
    span.start_time_unix_nano, span.end_time_unix_nano = now - 1_000_000, now
    span.name = plant.text("span name")
    span.trace_state = f"vendor=sk-{made_up('trace state', 'key')}"
    plant.secrets["trace state"] = made_up("trace state", "key")
    span.attributes.extend(plant.attributes("span"))
    span.status.code = Status.STATUS_CODE_ERROR
    span.status.message = plant.text("status message")
    event = span.events.add(time_unix_nano=now, name=plant.text("event name"))
    event.attributes.extend(plant.attributes("event"))
    return request


def logs(plant: Plant) -> ExportLogsServiceRequest:
    """Return log records whose body is text, a map and a list; the first has an event name."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    resource, scope = _origin(plant, "log")
    group.resource.CopyFrom(resource)
    scoped = group.scope_logs.add(scope=scope)
    for kind in ("text", "map", "list"):
        record = scoped.log_records.add(trace_id=trace_id(TRACE), span_id=(TRACE + 1).to_bytes(8, "big"))
        record.time_unix_nano = record.observed_time_unix_nano = time.time_ns()
        record.attributes.extend(plant.attributes(f"log with a body of {kind}"))
        if kind == "text":
            record.body.string_value = plant.text("body of text")
            record.event_name = plant.text("event name of a log")
        elif kind == "map":
            record.body.kvlist_value.values.extend(plant.attributes("body of map"))
        else:
            record.body.array_value.values.add().string_value = plant.text("body of list")
    return request


def metrics(plant: Plant) -> ExportMetricsServiceRequest:
    """Return a counter and a histogram with secrets in attributes, description and exemplar."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    resource, scope = _origin(plant, "metric")
    group.resource.CopyFrom(resource)
    group.resource.attributes.append(text("service.instance.id", "one"))
    scoped = group.scope_metrics.add(scope=scope)
    now = time.time_ns()
    total = scoped.metrics.add(name="foreign.calls", description=plant.text("description"))
    total.sum.is_monotonic = True
    total.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    count = total.sum.data_points.add(start_time_unix_nano=now - 10**9, time_unix_nano=now, as_int=3)
    count.attributes.extend(plant.attributes("counter"))
    duration = scoped.metrics.add(name="foreign.duration", unit="s")
    duration.histogram.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    point = duration.histogram.data_points.add(start_time_unix_nano=now - 10**9, time_unix_nano=now)
    point.attributes.extend(plant.attributes("histogram"))
    point.count, point.sum = 1, 0.5
    point.explicit_bounds.append(1.0)
    point.bucket_counts.extend([1, 0])
    exemplar = point.exemplars.add(time_unix_nano=now, as_double=0.5, trace_id=trace_id(TRACE))
    exemplar.span_id = (TRACE + 1).to_bytes(8, "big")
    exemplar.filtered_attributes.extend(plant.attributes("exemplar"))
    return request
