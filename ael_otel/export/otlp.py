"""Write and read OTLP/JSON, the JSON form of the OpenTelemetry protocol.

The protocol's JSON differs from protobuf's JSON in three ways, so no protobuf library can write it: ids are hex,
enumerations are integers, and 64-bit integers are text.
(https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding)
"""

import base64
import binascii
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, cast

import msgspec

from ael_otel._generated import SCHEMA_URL
from ael_otel._generated import attributes as attr
from ael_otel.errors import ImportFormatError
from ael_otel.export.span_tree import SCOPE, Kind, Span, SpanEvent, SpanStatus
from ael_otel.store.content import clean

KINDS: Final[tuple[Kind, ...]] = ("internal", "server", "client", "producer", "consumer")
"""Kinds in the order of the protocol, which counts from 1; 0 is unspecified."""

STATUSES: Final[tuple[SpanStatus, ...]] = ("unset", "ok", "error")
"""Statuses in the order of the protocol, from 0."""

_INT64: Final = 2**63
_SAMPLED: Final = 1


def encode(spans: Iterable[Span]) -> bytes:
    """Return the spans as one JSON object without line breaks (`TracesData`, also the body of an export request)."""
    return msgspec.json.encode({"resourceSpans": list(_resources(spans))})


def _resources(spans: Iterable[Span]) -> Iterator[dict[str, Any]]:
    for (service, scope), group in groupby(spans, key=lambda span: (span.service, span.scope)):
        ours = scope == SCOPE
        # The spans come first: readers of growing files identify a file by its first bytes, and two files never begin
        # with the same trace id.
        yield {
            "scopeSpans": [
                {
                    "spans": [_span(span) for span in group],
                    "scope": {"name": scope},
                    **({"schemaUrl": SCHEMA_URL} if ours else {}),
                }
            ],
            "resource": {"attributes": _attributes({attr.SERVICE_NAME: service})},
            **({"schemaUrl": SCHEMA_URL} if ours else {}),
        }


def _span(span: Span) -> dict[str, Any]:
    written: dict[str, Any] = {"traceId": span.trace_id, "spanId": span.span_id}
    if span.parent_id:
        written["parentSpanId"] = span.parent_id
    written |= {
        "flags": _SAMPLED,
        "name": clean(span.name),
        "kind": KINDS.index(span.kind) + 1,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
    }
    if span.events:
        written["events"] = [
            {
                "timeUnixNano": str(event.time_ns),
                "name": clean(event.name),
                "attributes": _attributes(event.attributes),
            }
            for event in span.events
        ]
    written["status"] = {
        **({"message": clean(span.status_message)} if span.status_message else {}),
        "code": STATUSES.index(span.status),
    }
    return written


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": clean(key), "value": any_value(value)} for key, value in values.items()]


def any_value(value: Any) -> dict[str, Any]:
    """Return a value as the protocol's `AnyValue`; a value without a JSON type becomes text."""
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case str():
            return {"stringValue": clean(value)}
        case int():
            fits = -_INT64 <= value < _INT64
            return {"intValue": str(value)} if fits else {"stringValue": str(value)}
        case float():
            return {"doubleValue": value if math.isfinite(value) else _not_finite(value)}
        case bytes() | bytearray():
            return {"bytesValue": base64.b64encode(value).decode()}
        case Mapping():
            return {"kvlistValue": {"values": _attributes(cast("Mapping[str, Any]", value))}}
        case list() | tuple():
            return {"arrayValue": {"values": [any_value(item) for item in cast("Sequence[Any]", value)]}}
        case _:
            return {"stringValue": clean(str(value))}


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


# --- reading ----------------------------------------------------------------------------------------------------------


def decode(data: bytes | str) -> list[Span]:
    """Return the spans of one JSON object of any writer; unknown fields are ignored, as the protocol requires.

    Enumerations may be names and integers may be numbers, as protobuf libraries write them.

    Ids may be hex, as the protocol requires, or base64, as protobuf libraries write them.

    Raises:
        ImportFormatError: it is not OTLP/JSON of traces.
    """
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ImportFormatError(f"no JSON: {error}") from None
    return spans_in(document)


def spans_in(document: Any, on_bad: Callable[[ImportFormatError], None] | None = None) -> list[Span]:
    """Return the spans of a parsed `TracesData`, including its form before 2022 (`instrumentationLibrarySpans`).

    Raises ImportFormatError; an unreadable span raises only without `on_bad`, which is called with the reason instead.
    """
    found = _get(_mapping(document), "resourceSpans")
    if not isinstance(found, list):
        raise ImportFormatError("not OTLP/JSON of traces: `resourceSpans` is missing")
    spans: list[Span] = []
    for resource in _mappings(found):
        known = _read_attributes(_get(_mapping(_get(resource, "resource")), "attributes"))
        service = str(known.get(attr.SERVICE_NAME) or "unknown_service")
        scopes = [*_mappings(_get(resource, "scopeSpans"))]
        scopes += _mappings(_get(resource, "instrumentationLibrarySpans"))
        for scope in scopes:
            about = _mapping(_get(scope, "scope") or _get(scope, "instrumentationLibrary"))
            name = str(_get(about, "name") or "")
            for span in _mappings(_get(scope, "spans")):
                try:
                    spans.append(_read_span(span, service, name))
                except (ImportFormatError, TypeError, ValueError, OverflowError, RecursionError) as error:
                    bad = error if isinstance(error, ImportFormatError) else _unreadable(error)
                    if on_bad is None:
                        raise bad from None
                    on_bad(bad)
    return spans


def _unreadable(error: Exception) -> ImportFormatError:
    return ImportFormatError(f"a span cannot be read: {str(error)[:_LONGEST_REASON]}")


def _read_span(span: dict[str, Any], service: str, scope: str) -> Span:
    status = _mapping(_get(span, "status"))
    start = _integer(_get(span, "startTimeUnixNano"), "startTimeUnixNano")
    # A span that had not ended when it was exported has no end, or 0.
    end = _integer(_get(span, "endTimeUnixNano") or 0, "endTimeUnixNano")
    return Span(
        trace_id=_hex(_get(span, "traceId"), 32, "traceId"),
        span_id=_hex(_get(span, "spanId"), 16, "spanId"),
        parent_id=_hex(_get(span, "parentSpanId"), 16, "parentSpanId", optional=True),
        name=str(_get(span, "name") or ""),
        kind=_choice(_get(span, "kind"), KINDS, "SPAN_KIND_", first=1),
        start_ns=start,
        end_ns=end,
        attributes=_read_attributes(_get(span, "attributes")),
        events=[
            SpanEvent(
                str(_get(event, "name") or ""),
                _integer(_get(event, "timeUnixNano"), "timeUnixNano"),
                _read_attributes(_get(event, "attributes")),
            )
            for event in _mappings(_get(span, "events"))
        ],
        status=_choice(_get(status, "code"), STATUSES, "STATUS_CODE_", first=0),
        status_message=str(_get(status, "message") or ""),
        service=service,
        scope=scope,
    )


def _get(mapping: Mapping[str, Any], name: str) -> Any:
    """Return a field by its JSON name, or by its name in the .proto file."""
    if name in mapping:
        return mapping[name]
    return mapping.get("".join(f"_{c.lower()}" if c.isupper() else c for c in name))


def _mapping(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, (list, tuple)):
        return []
    return [cast("dict[str, Any]", item) for item in cast("list[Any]", value) if isinstance(item, dict)]


def _hex(value: Any, digits: int, field: str, *, optional: bool = False) -> str:
    if optional and not value:
        return ""
    if isinstance(value, str) and len(value) in (digits, _base64_length(digits)):
        try:
            found = (
                binascii.unhexlify(value) if len(value) == digits else base64.b64decode(value, validate=True)
            )
        except (binascii.Error, ValueError):
            found = b""
        if len(found) == digits // 2:
            if any(found):
                return found.hex()
            if optional:
                return ""
    raise ImportFormatError(f"{field} must be {digits} hex digits that are not all 0, not {value!r}")


def _base64_length(digits: int) -> int:
    """Return the number of base64 characters for the bytes that `digits` hex digits encode."""
    return -(-digits // 6) * 4


_LONGEST_SHOWN: Final = 60
_LONGEST_REASON: Final = 200


def _integer(value: Any, field: str) -> int:
    try:
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            number = int(value)
            if 0 <= number < 2**64:
                return number
    except ValueError:
        pass
    raise ImportFormatError(f"{field} must be nanoseconds since 1970, not {repr(value)[:_LONGEST_SHOWN]}")


def _choice[T: str](value: Any, choices: Sequence[T], prefix: str, first: int) -> T:
    """Return a value of an enumeration by number or name; an unknown one, as of a newer protocol, is the first."""
    if isinstance(value, str) and not value.lstrip("-").isdigit():
        name = value.removeprefix(prefix).lower()
        return next((choice for choice in choices if choice == name), choices[0])
    number = int(value or 0) - first
    return choices[number] if 0 <= number < len(choices) else choices[0]


def _read_attributes(value: Any) -> dict[str, Any]:
    return {
        str(_get(item, "key") or ""): read_value(_mapping(_get(item, "value"))) for item in _mappings(value)
    }


def read_value(value: Mapping[str, Any]) -> Any:
    """Return the value that `any_value` converted; None for an unknown one."""
    for field, found in value.items():
        match field.replace("_v", "V"):
            case "stringValue":
                return str(found)
            case "boolValue":
                return bool(found)
            case "intValue":
                return _whole(found)
            case "doubleValue":
                return _float(found)
            case "bytesValue":
                return _bytes(found)
            case "arrayValue":
                return [read_value(item) for item in _mappings(_get(_mapping(found), "values"))]
            case "kvlistValue":
                return _read_attributes(_get(_mapping(found), "values"))
            case _:
                continue
    return None


def _whole(value: Any) -> int | str:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return str(value)


def _float(value: Any) -> float | str:
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def _bytes(value: Any) -> bytes | str:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError):
        return str(value)
