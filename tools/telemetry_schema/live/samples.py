"""Telemetry as plain values: the OTLP/JSON form, parsed once, from any source."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

type Value = str | bool | int | float | bytes | list[Value] | dict[str, Value] | None
type Json = Mapping[str, Any]

SPAN_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUS_CODES = ("unset", "ok", "error")
_CUMULATIVE_KINDS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")


@dataclass(frozen=True, slots=True)
class Resource:
    """The emitter of telemetry, by its attributes."""

    attributes: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Scope:
    """The instrumentation scope of the items below it."""

    name: str
    version: str
    schema_url: str
    attributes: dict[str, Value]


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """An event on a span."""

    name: str
    attributes: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Span:
    """One span."""

    name: str
    kind: str
    status: str
    status_message: str
    attributes: dict[str, Value]
    events: tuple[SpanEvent, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a metric: `value` is its number, or the count of a histogram."""

    attributes: dict[str, Value]
    value: int | float
    whole: bool
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric with its points; `instrument` is derived from the form of the data."""

    name: str
    unit: str
    instrument: Literal["counter", "updowncounter", "gauge", "histogram", "exponential_histogram", "summary"]
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Log:
    """One log record."""

    event_name: str
    severity: str
    body: Value
    attributes: dict[str, Value]
    trace_id: str
    span_id: str
    has_time: bool


type Item = Span | Metric | Log


@dataclass(frozen=True, slots=True)
class Batch:
    """Items of one scope of one resource."""

    resource: Resource
    scope: Scope
    items: tuple[Item, ...]


def read(document: Json) -> Iterator[Batch]:
    """Yield the batches of an OTLP/JSON export request of any signal; none for another document."""
    for outer, inner, name, make in (
        ("resourceSpans", "scopeSpans", "spans", _span),
        ("resourceMetrics", "scopeMetrics", "metrics", _metric),
        ("resourceLogs", "scopeLogs", "logRecords", _log),
    ):
        for group in _list(document, outer):
            resource = Resource(_attributes(_dict(group, "resource")))
            for part in _list(group, inner):
                items = tuple(item for entry in _list(part, name) if (item := make(entry)) is not None)
                yield Batch(resource, _scope(part), items)


def _scope(part: Json) -> Scope:
    scope = _dict(part, "scope")
    return Scope(
        str(scope.get("name", "")),
        str(scope.get("version", "")),
        str(part.get("schemaUrl", "")),
        _attributes(scope),
    )


def _span(entry: Json) -> Span:
    status = _dict(entry, "status")
    return Span(
        name=str(entry.get("name", "")),
        kind=_word(entry.get("kind", 0), SPAN_KINDS, "SPAN_KIND_"),
        status=_word(status.get("code", 0), STATUS_CODES, "STATUS_CODE_"),
        status_message=str(status.get("message", "")),
        attributes=_attributes(entry),
        events=tuple(
            SpanEvent(str(event.get("name", "")), _attributes(event)) for event in _list(entry, "events")
        ),
    )


def _metric(entry: Json) -> Metric | None:
    form = next((name for name in _CUMULATIVE_KINDS if name in entry), None)
    if form is None:
        return None
    data = _dict(entry, form)
    instruments: Mapping[str, Any] = {
        "gauge": "gauge",
        "sum": "counter" if data.get("isMonotonic") else "updowncounter",
        "histogram": "histogram",
        "exponentialHistogram": "exponential_histogram",
        "summary": "summary",
    }
    return Metric(
        name=str(entry.get("name", "")),
        unit=str(entry.get("unit", "")),
        instrument=instruments[form],
        points=tuple(_point(point) for point in _list(data, "dataPoints")),
    )


def _point(entry: Json) -> Point:
    whole = "asDouble" not in entry
    number = entry.get("asInt", entry.get("asDouble", entry.get("count", 0)))
    return Point(
        attributes=_attributes(entry),
        value=int(number) if whole else float(number),
        whole=whole,
        bounds=tuple(float(bound) for bound in cast("list[Any]", entry.get("explicitBounds") or [])),
    )


def _log(entry: Json) -> Log:
    return Log(
        event_name=str(entry.get("eventName", "")),
        severity=str(entry.get("severityText", "")),
        body=_value(_dict(entry, "body")),
        attributes=_attributes(entry),
        trace_id=str(entry.get("traceId", "")),
        span_id=str(entry.get("spanId", "")),
        has_time=bool(entry.get("timeUnixNano")),
    )


def _attributes(owner: Json) -> dict[str, Value]:
    return {str(entry.get("key", "")): _value(_dict(entry, "value")) for entry in _list(owner, "attributes")}


def _value(entry: Json) -> Value:
    """The value of an OTLP AnyValue; a 64-bit integer is text in JSON."""
    for name, value in entry.items():
        match name:
            case "stringValue":
                return str(value)
            case "boolValue":
                return bool(value)
            case "intValue":
                return int(value)
            case "doubleValue":
                return float(value)
            case "bytesValue":
                return str(value).encode()
            case "arrayValue":
                return [_value(each) for each in _list(cast("Json", value), "values")]
            case "kvlistValue":
                pairs = _list(cast("Json", value), "values")
                return {str(each.get("key", "")): _value(_dict(each, "value")) for each in pairs}
            case _:
                continue
    return None


def _word(code: object, words: Iterable[str], prefix: str) -> str:
    """The word of an enum, written as its number or, as some writers do, as its name."""
    known = tuple(words)
    if isinstance(code, str) and not code.isdigit():
        return code.removeprefix(prefix).lower()
    number = int(cast("int | str", code))
    return known[number] if 0 <= number < len(known) else known[0]


def _list(owner: Json, name: str) -> list[Json]:
    return cast("list[Json]", owner.get(name) or [])


def _dict(owner: Json, name: str) -> Json:
    return cast("Json", owner.get(name) or {})
