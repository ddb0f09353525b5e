"""Check spans, metrics and log records against the registry, one by one."""

from collections.abc import Iterable

from msgspec.structs import replace

from tools.telemetry_schema.live import samples
from tools.telemetry_schema.live.attributes import check_attributes, check_secrets
from tools.telemetry_schema.live.findings import Checked
from tools.telemetry_schema.live.index import Index
from tools.telemetry_schema.model import Deprecated, Metric
from tools.telemetry_schema.rules_resolved import ID

A_LINE = "a log line"
"""Name of a log record without an event name in findings."""
OVERFLOW = "otel.metric.overflow"
_EVENT_NAME_KEYS = ("event.name", "event_name")
_ERROR_KEYS = ("ael.error.type", "error.type")


def check_span(index: Index, span: samples.Span, canaries: Iterable[str], *, own: bool) -> Checked:
    """Check one span: name pattern, kind, status, attributes, events."""
    part = Checked(
        "span",
        "span",
        span.name,
        {
            "name": span.name,
            "kind": span.kind,
            "status": {"code": span.status, "message": span.status_message},
        },
        dict(span.attributes),
    )
    events = [
        Checked("span_event", "span", span.name, {"name": event.name}, dict(event.attributes))
        for event in span.events
    ]
    part.parts = {"span_events": events, "span_links": []}
    check_secrets(part, canaries, [("name", span.name), ("status", span.status_message)])
    for event in events:
        check_secrets(event, canaries)
    if not own:
        return part
    found = index.span(span.name)
    if found is None:
        part.add(
            "missing_span", f"Span '{span.name}' does not exist in the registry; define it in spans.yaml."
        )
        return part
    declared, said = found
    part.facts["type"] = declared.type
    _check_standing(part, "Span", declared.stability, declared.deprecated)
    if span.kind != declared.kind:
        part.add("unexpected_kind", f"Span is of kind {span.kind}; the registry says {declared.kind}.")
    for key, text in said.items():
        if key in span.attributes and str(span.attributes[key]) != text:
            part.add(
                "name_mismatch", f"The name says {text} where '{key}' is another value.", attribute_key=key
            )
    check_attributes(index, part, {attribute.key: attribute for attribute in declared.attributes})
    kinds = {attribute.key for attribute in declared.error_attributes}
    typed = [key for key in _ERROR_KEYS if key in span.attributes]
    without_failure = {attribute.key for attribute in declared.tolerable}
    if set(typed) != kinds if span.status == "error" else set(typed) - without_failure:
        part.add(
            "error_without_type",
            f"Status is {span.status} and {' and '.join(typed) or 'no error type'} is set; "
            "a failure has both, a success neither"
            + (", a failure that was tolerated only the first." if without_failure else "."),
        )
    for event in events:
        name = str(event.facts["name"])
        if name not in declared.span_events:
            event.add("unexpected_span_event", f"Event '{name}' is not declared for this span.")
            continue
        keys = index.span_events[name]
        check_attributes(index, event, {key: index.attributes[key] for key in keys})
    return part


class SeriesCount:
    """Counts the series of each metric, per resource; more than the registry allows is reported once."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], set[frozenset[tuple[str, str]]]] = {}
        self._told: set[tuple[str, str]] = set()

    def count(self, part: Checked, resource: str, metric: Metric, points: Iterable[samples.Point]) -> None:
        """Add the series of some points of a metric."""
        place = (resource, metric.name)
        series = self._series.setdefault(place, set())
        overflow = False
        for point in points:
            overflow |= point.attributes.get(OVERFLOW) is True
            series.add(frozenset((key, str(value)) for key, value in point.attributes.items()))
        limit = metric.ael.max_series
        if place not in self._told and (overflow or (limit is not None and len(series) > limit)):
            self._told.add(place)
            part.add(
                "max_series_exceeded",
                f"{len(series)} series{', the overflow series among them' if overflow else ''}; the registry allows "
                f"{limit}. Bound a label, or raise max_series in metrics.yaml.",
            )


def check_metric(
    index: Index,
    metric: samples.Metric,
    resource: str,
    series: SeriesCount,
    canaries: Iterable[str],
    *,
    own: bool,
) -> Checked:
    """Check one metric: unit, instrument, buckets, labels, closed sets, number of series."""
    part = Checked(
        "metric",
        "metric",
        metric.name,
        {"name": metric.name, "instrument": metric.instrument.replace("_", ""), "unit": metric.unit},
    )
    points = [
        Checked("data_point", "metric", metric.name, {"value": point.value}, dict(point.attributes))
        for point in metric.points
    ]
    part.parts = {"data_points": points}
    for point in points:
        check_secrets(point, canaries)
    declared = index.metrics.get(metric.name)
    if not own:
        if declared is not None or metric.name.startswith("ael."):
            part.add("illegal_namespace", f"Metric '{metric.name}' is a name of ours under a foreign scope.")
        return part
    if declared is None:
        part.add(
            "missing_metric",
            f"Metric '{metric.name}' does not exist in the registry; define it in metrics.yaml.",
        )
        return part
    _check_standing(part, "Metric", declared.stability, declared.deprecated)
    if metric.unit != declared.unit:
        part.add("unit_mismatch", f"Unit should be '{declared.unit}', but found '{metric.unit}'.")
    if metric.instrument != declared.instrument:
        part.add(
            "unexpected_instrument",
            f"Instrument should be '{declared.instrument}', but found '{metric.instrument}'.",
        )
    keys = {attribute.key: attribute for attribute in declared.attributes}
    for sample, point in zip(metric.points, points, strict=True):
        if sample.bounds and sample.bounds != declared.ael.buckets:
            point.add("bucket_mismatch", "Bucket bounds are not those of the registry.")
        if declared.instrument != "histogram" and declared.value_type == "int" and not sample.whole:
            point.add("type_mismatch", "Values are double; the registry says int.")
        if OVERFLOW in sample.attributes:
            continue
        check_attributes(index, point, keys)
        for key in sample.attributes:
            known = index.attributes.get(key)
            if (known is not None and known.ael.cardinality == "unbounded") or (
                key not in keys and ID.search(key)
            ):
                point.add_to(
                    key,
                    "unbounded_attribute",
                    f"Label '{key}' is an id or unbounded; keep it to spans and events.",
                )
    series.count(part, resource, declared, metric.points)
    return part


def check_log(index: Index, log: samples.Log, canaries: Iterable[str], *, own: bool) -> Checked:
    """Check one log record: a line has the declared fields, an event its attributes as well."""
    part = Checked(
        "log",
        "log",
        log.event_name or A_LINE,
        {
            "event_name": log.event_name,
            "severity_text": log.severity or None,
            "body": log.body if isinstance(log.body, str) else None,
            "trace_id": log.trace_id or None,
            "span_id": log.span_id or None,
        },
        dict(log.attributes),
    )
    check_secrets(part, canaries, [("body", log.body)])
    event = index.events.get(log.event_name)
    if not own:
        if event is not None or log.event_name.startswith("ael."):
            part.add(
                "illegal_namespace", f"Event '{log.event_name}' is a name of ours under a foreign scope."
            )
        return part
    # A missing optional field of a line is not a loss; a missing required field of an event is.
    declared = {
        key: item if item.requirement_level == "required" else replace(item, requirement_level=None)
        for key, item in index.log_fields.items()
    }
    if log.event_name and event is None:
        part.add(
            "missing_event",
            f"Event '{log.event_name}' does not exist in the registry; define it in logs.yaml.",
        )
    if event is not None:
        _check_standing(part, "Event", event.stability, event.deprecated)
        declared |= {attribute.key: attribute for attribute in event.attributes}
    for key in _EVENT_NAME_KEYS:
        if key in log.attributes:
            part.add_to(
                key, "unexpected_attribute", "The name of an event is a member of the record, no attribute."
            )
    check_attributes(
        index, part, {key: item for key, item in declared.items() if key not in _EVENT_NAME_KEYS}
    )
    members = {
        "time_unix_nano": log.has_time,
        "severity_text": log.severity,
        "body": log.body is not None,
        "trace_id": log.trace_id,
        "span_id": log.span_id,
    }
    for member, attribute in index.log_members.items():
        if members.get(member) or attribute.requirement_level != "required" or attribute.ael.may_be_empty:
            continue
        part.add(
            "required_attribute_not_present",
            f"Member {member} of the record, the field '{attribute.key}', is not set.",
            attribute_key=attribute.key,
        )
    return part


def _check_standing(part: Checked, word: str, stability: str, deprecated: Deprecated | None) -> None:
    if deprecated is not None:
        successor = deprecated.renamed_to
        part.add("deprecated", f"{word} is deprecated{f'; use {successor}' if successor else ''}.")
    if stability != "stable":
        part.add("not_stable", f"{word} is not stable; stability = {stability}.")
