"""Exporters that redact what goes through them, in the exporting thread: spans, log records and metrics of anybody.

Ours are clean when they are made, so that every processor sees the same; this is for what other instrumentations of
the process put in names, attributes, statuses, events and links, and for the resource, which the environment and the
command line write. Nothing is changed in place: other exporters may hold the same objects.
"""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import (
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Status

from ael_otel._generated import scopes
from ael_otel.core.metrics import shared_metrics
from ael_otel.core.redaction import ActiveRedaction, active_redaction
from ael_otel.privacy.field_names import kind_of
from ael_otel.privacy.markers import REDACTED
from ael_otel.sdk.span_copy import SpanCopy

_COMMAND_ARGUMENTS: Final = "process.command_args"
_FLAG: Final = re.compile(r"--?([A-Za-z][\w.-]*)\Z")


class RedactingSpanExporter(SpanExporter):
    """Redacts spans on their way to `inner`."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._resource = Resources()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export `spans`, redacted."""
        guard = active_redaction()
        return self._inner.export([clean_span(span, guard, self._resource) for span in spans])

    def shutdown(self) -> None:
        """Shut the inner exporter down."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the inner exporter."""
        return self._inner.force_flush(timeout_millis)


class RedactingLogExporter(LogRecordExporter):
    """Redacts log records on their way to `inner`; our own handler's are clean already."""

    def __init__(self, inner: LogRecordExporter) -> None:
        self._inner = inner
        self._resource = Resources()

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Export `batch`, redacted."""
        guard = active_redaction()
        return self._inner.export([clean_log(record, guard, self._resource) for record in batch])

    def shutdown(self) -> None:
        """Shut the inner exporter down."""
        self._inner.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the inner exporter; True for one that has nothing to flush."""
        flush = getattr(self._inner, "force_flush", None)
        return True if flush is None else bool(flush(timeout_millis))


class RedactingMetricExporter(MetricExporter):
    """Redacts metrics on their way to `inner`."""

    def __init__(self, inner: MetricExporter) -> None:
        super().__init__(
            preferred_temporality=getattr(inner, "_preferred_temporality", None),
            preferred_aggregation=getattr(inner, "_preferred_aggregation", None),
        )
        self._inner: Any = inner
        self._resource = Resources()

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Export `metrics_data`, redacted."""
        clean = clean_metrics(metrics_data, active_redaction(), self._resource)
        return cast("MetricExportResult", self._inner.export(clean, timeout_millis, **kwargs))

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Flush the inner exporter."""
        return bool(self._inner.force_flush(timeout_millis))

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Shut the inner exporter down."""
        self._inner.shutdown(timeout_millis, **kwargs)


class Resources:
    """Redacts resources with a cache; a process has one resource for each provider, the same object in each item."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Resource, ActiveRedaction, Resource]] = {}

    def __call__(self, resource: Resource, guard: ActiveRedaction) -> Resource:
        """Return a redacted resource, cached by identity."""
        known = self._known.get(id(resource))
        if known is not None and known[0] is resource and known[1] is guard:
            return known[2]
        clean = clean_resource(resource, guard)
        if len(self._known) >= 16:
            self._known.clear()
        self._known[id(resource)] = (resource, guard, clean)
        return clean


def clean_resource(resource: Resource, guard: ActiveRedaction) -> Resource:
    """Return a redacted resource; the same object if nothing was redacted."""
    attributes = dict(resource.attributes)
    arguments = attributes.get(_COMMAND_ARGUMENTS)
    if isinstance(arguments, (list, tuple)):
        attributes[_COMMAND_ARGUMENTS] = _clean_arguments([str(each) for each in arguments])
    found = guard.attributes(attributes) or {}
    return (
        resource if dict(found) == dict(resource.attributes) else Resource(dict(found), resource.schema_url)
    )


def _clean_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return a command line without the values of flags whose names mark a secret (`--token abc`)."""
    clean: list[str] = []
    for argument in arguments:
        flag = _FLAG.match(clean[-1]) if clean else None
        hide = flag is not None and not argument.startswith("-") and kind_of(flag[1]) is not None
        clean.append(REDACTED if hide else argument)
    return tuple(clean)


def clean_span(
    span: ReadableSpan,
    guard: ActiveRedaction,
    resource: Callable[[Resource, ActiveRedaction], Resource] = clean_resource,
) -> ReadableSpan:
    """Return a redacted span: the same object if nothing was redacted, and only ids if redaction fails."""
    try:
        return _clean_span(span, guard, resource)
    except Exception:
        shared_metrics().lost("traces", "redaction_error", 1)
        return SpanCopy(
            span,
            name=guard.fault(),
            resource=Resource({}),
            attributes={},
            events=(),
            links=(),
            status=Status(span.status.status_code),
            instrumentation_scope=None,
        )


def _clean_span(
    span: ReadableSpan, guard: ActiveRedaction, resource: Callable[[Resource, ActiveRedaction], Resource]
) -> ReadableSpan:
    name, status = guard.name(span.name), span.status
    # The SDK returns a new view of the attributes each time.
    given, attributes = _looked_at(span.attributes, guard)
    events = [_clean_event(event, guard) for event in span.events] if span.events else span.events
    links = [_clean_link(link, guard) for link in span.links] if span.links else span.links
    described = guard.name(status.description) if status.description else status.description
    origin = resource(span.resource, guard)
    scope = span.instrumentation_scope
    library = None if scope is None else _clean_library(scope, guard)
    if (
        name is span.name
        and attributes is given
        and library is scope
        and described == status.description
        and origin is span.resource
        and all(new is old for new, old in zip(events, span.events, strict=True))
        and all(new is old for new, old in zip(links, span.links, strict=True))
    ):
        return span
    return SpanCopy(
        span,
        name=name,
        resource=origin,
        attributes=attributes,
        events=events,
        links=links,
        status=Status(status.status_code, described) if described else Status(status.status_code),
        instrumentation_scope=library,
    )


def _looked_at(
    attributes: Mapping[str, Any] | None, guard: ActiveRedaction
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Return (original, redacted) attributes; the same object twice if nothing was redacted."""
    return attributes, guard.attributes(attributes)


def _bounded(attributes: Mapping[str, Any] | None, dropped: int) -> Mapping[str, Any] | None:
    """Return attributes that still report how many the SDK's limits dropped."""
    if not dropped:
        return attributes
    found = BoundedAttributes(attributes=dict(attributes or {}))
    found.dropped = dropped
    return cast("Mapping[str, Any]", found)


def _clean_event(event: Event, guard: ActiveRedaction) -> Event:
    name = guard.name(event.name)
    given, attributes = _looked_at(event.attributes, guard)
    if name is event.name and attributes is given:
        return event
    return Event(name, _bounded(attributes, event.dropped_attributes), event.timestamp)


def _clean_link(link: Link, guard: ActiveRedaction) -> Link:
    given, attributes = _looked_at(link.attributes, guard)
    return link if attributes is given else Link(link.context, attributes)


def _clean_library(scope: InstrumentationScope, guard: ActiveRedaction) -> InstrumentationScope:
    """Return an instrumentation scope with redacted name and attributes; the same object if nothing was redacted."""
    name, attributes = guard.name(scope.name), guard.attributes(scope.attributes)
    if name is scope.name and attributes is scope.attributes:
        return scope
    return InstrumentationScope(name, scope.version, scope.schema_url, attributes)


def clean_log(
    record: ReadableLogRecord,
    guard: ActiveRedaction,
    resource: Callable[[Resource, ActiveRedaction], Resource] = clean_resource,
) -> ReadableLogRecord:
    """Return a redacted log record: the same object if nothing was redacted."""
    try:
        origin = resource(record.resource, guard)
        scope = record.instrumentation_scope
        if scope is not None and scope.name == scopes.AEL_LOG:
            return record if origin is record.resource else replace(record, resource=origin)
        inner = record.log_record
        body = guard.redactor.value(inner.body)
        attributes = guard.attributes(cast("Mapping[str, Any] | None", inner.attributes))
        event = guard.name(inner.event_name) if inner.event_name else inner.event_name
        library = None if scope is None else _clean_library(scope, guard)
        if (
            body is inner.body
            and library is scope
            and attributes is inner.attributes
            and event == inner.event_name
            and origin is record.resource
        ):
            return record
        clean = copy.copy(inner)
        clean.body, clean.event_name = body, event
        clean.attributes = _bounded(attributes, record.dropped_attributes)
        return replace(record, log_record=clean, resource=origin, instrumentation_scope=library)
    except Exception:
        shared_metrics().lost("logs", "redaction_error", 1)
        clean = copy.copy(record.log_record)
        clean.body, clean.attributes, clean.event_name = guard.fault(), {}, None
        return replace(record, log_record=clean, resource=Resource({}))


def clean_metrics(
    data: MetricsData,
    guard: ActiveRedaction,
    resource: Callable[[Resource, ActiveRedaction], Resource] = clean_resource,
) -> MetricsData:
    """Return metrics with redacted labels, exemplars and resources; a metric whose redaction fails is left out.

    Points with equal labels after redaction are merged: added up if they are sums or histograms with the same bounds;
    otherwise the last one is used.
    """
    old = data.resource_metrics
    found = _each(lambda one: _clean_resource_metrics(one, guard, resource), old, guard)
    return data if found is old else MetricsData(found)


def _each[Item](
    clean: Callable[[Item], Item], items: Sequence[Item], guard: ActiveRedaction
) -> Sequence[Item]:
    """Return the results of `clean` without items for which it fails; the same object if all are unchanged."""
    found: list[Item] = []
    for item in items:
        try:
            found.append(clean(item))
        except Exception:
            guard.fault()
    return items if len(found) == len(items) and all(map(_is, found, items)) else found


def _clean_resource_metrics(
    data: ResourceMetrics, guard: ActiveRedaction, resource: Callable[[Resource, ActiveRedaction], Resource]
) -> ResourceMetrics:
    origin = resource(data.resource, guard)
    scoped = _each(lambda scope: _clean_scope(scope, guard), data.scope_metrics, guard)
    if origin is data.resource and scoped is data.scope_metrics:
        return data
    return ResourceMetrics(origin, scoped, data.schema_url)


def _clean_scope(data: ScopeMetrics, guard: ActiveRedaction) -> ScopeMetrics:
    metrics = _each(lambda metric: _clean_metric(metric, guard), data.metrics, guard)
    library = _clean_library(data.scope, guard)
    if metrics is data.metrics and library is data.scope:
        return data
    return ScopeMetrics(library, metrics, data.schema_url)


def _clean_metric(metric: Metric, guard: ActiveRedaction) -> Metric:
    name = guard.name(metric.name)
    description = guard.name(metric.description) if metric.description else metric.description
    old: Sequence[Any] = metric.data.data_points
    points = [_clean_point(point, guard) for point in old]
    if name is metric.name and description == metric.description and all(map(_is, points, old)):
        return metric
    data: Any = metric.data
    return Metric(name, description, metric.unit, replace(data, data_points=_merged(points, data)))


def _is(one: object, other: object) -> bool:
    return one is other


def _clean_point(point: Any, guard: ActiveRedaction) -> Any:
    attributes = guard.attributes(point.attributes)
    exemplars = [_clean_exemplar(each, guard) for each in point.exemplars]
    if attributes is point.attributes and all(map(_is, exemplars, point.exemplars)):
        return point
    return replace(point, attributes=attributes, exemplars=exemplars)


def _clean_exemplar(exemplar: Any, guard: ActiveRedaction) -> Any:
    attributes = guard.attributes(exemplar.filtered_attributes)
    if attributes is exemplar.filtered_attributes:
        return exemplar
    return replace(exemplar, filtered_attributes=attributes)


def _merged(points: Sequence[Any], data: Any) -> list[Any]:
    found: dict[frozenset[tuple[str, str]], Any] = {}
    for point in points:
        labels = cast("Mapping[str, object]", point.attributes or {})
        key = frozenset((name, repr(value)) for name, value in labels.items())
        found[key] = _sum(found[key], point, data) if key in found else point
    return list(found.values())


def _sum(one: Any, other: Any, data: Any) -> Any:
    begun = min(one.start_time_unix_nano or 0, other.start_time_unix_nano or 0)
    shown = [*one.exemplars, *other.exemplars]
    if isinstance(data, Sum) and isinstance(one, NumberDataPoint):
        return replace(one, value=one.value + other.value, start_time_unix_nano=begun, exemplars=shown)
    if (
        isinstance(data, Histogram)
        and isinstance(one, HistogramDataPoint)
        and list(one.explicit_bounds) == list(other.explicit_bounds)
    ):
        counts = [a + b for a, b in zip(one.bucket_counts, other.bucket_counts, strict=True)]
        return replace(
            one,
            count=one.count + other.count,
            sum=one.sum + other.sum,
            bucket_counts=counts,
            min=min(one.min, other.min),
            max=max(one.max, other.max),
            start_time_unix_nano=begun,
            exemplars=shown,
        )
    return other
