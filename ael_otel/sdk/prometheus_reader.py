"""Metrics for scrapers: the SDK's state as Prometheus families, with exemplars if the format supports them.

`opentelemetry-exporter-prometheus` drops exemplars and adds scope labels to every series; here the series have only the
contract's labels, as through the Collector.
"""

from collections.abc import Iterable, Iterator, Mapping
from threading import Lock
from typing import Any, Final, cast

from opentelemetry.sdk.metrics.export import (
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricReader,
    MetricsData,
    NumberDataPoint,
    Sum,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString  # pyright: ignore[reportUnknownVariableType]

from ael_otel.core.redaction import active_redaction
from ael_otel.prometheus import prometheus_label, prometheus_name
from ael_otel.sdk.redacting_exporters import clean_metrics

_LATEST_EXEMPLAR: Final = -1

type _Kind = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
type _Claims = dict[str, Family]
"""The family that owns the name of each series."""

_SERIES: Final[Mapping[type[_Kind], tuple[str, ...]]] = {
    CounterMetricFamily: ("", "_total", "_created"),
    GaugeMetricFamily: ("",),
    HistogramMetricFamily: ("", "_bucket", "_count", "_sum", "_created"),
}
"""The suffixes of series names, by kind of family."""


class _Snapshot(MetricReader):
    """Holds the last batch that it received."""

    def __init__(self) -> None:
        super().__init__()
        self.data: MetricsData | None = None
        self.closed = False

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> None:
        self.data = metrics_data

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Return nothing to further scrapes."""
        self.closed = True


class PrometheusReader(Collector):
    """A `prometheus_client` collector over the SDK, which collects on each scrape.

    `reader` is the metric reader to add to the meter provider. Concurrent scrapes are served one after the other.
    """

    def __init__(self) -> None:
        self._snapshot = _Snapshot()
        self._scrape = Lock()

    @property
    def reader(self) -> MetricReader:
        """The metric reader for the SDK."""
        return self._snapshot

    def collect(self) -> Iterable[Family]:
        """Collect now and return the families; nothing after shutdown."""
        return _families_of(self._collected())

    def names(self) -> set[tuple[str, str]]:
        """Collect now and return the scope and the OTel name of each metric that has data."""
        data = self._collected()
        if data is None:
            return set()
        return {
            (scope.scope.name, metric.name)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def _collected(self) -> MetricsData | None:
        with self._scrape:
            if self._snapshot.closed:
                return None
            self._snapshot.data = None
            self._snapshot.collect()
            data = cast("MetricsData | None", self._snapshot.data)
        return None if data is None else clean_metrics(data, active_redaction())

    def describe(self) -> Iterable[Family]:
        """Return nothing: a registry that asks for names must not trigger a collection before a provider is set."""
        return []


def _families_of(data: MetricsData | None) -> list[Family]:
    return [] if data is None else list(families(data))


def families(data: MetricsData) -> Iterator[Family]:
    """Convert collected metrics to Prometheus families: one per name, `target_info` first.

    Metrics of the same name and kind from several scopes become one family. Exponential histograms have no text form
    and are dropped.
    """
    claimed: _Claims = {}
    for resource in data.resource_metrics:
        info = InfoMetricFamily("target", "Attributes of the process that emits these metrics.")
        info.add_metric(
            [], {prometheus_label(key): str(value) for key, value in resource.resource.attributes.items()}
        )
        claimed |= {"target": info, "target_info": info}
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                _add(claimed, metric)
    yield from (family for name, family in claimed.items() if name == family.name)


def _family(claimed: _Claims, kind: type[_Kind], name: str, instrument: str, description: str) -> Family:
    """Return the family of this name and kind; create it if necessary.

    If the series of a name would collide with another family's (two instruments that Prometheus cannot distinguish),
    the kind of instrument is appended to the name: both stay visible, and the scrape stays valid.
    """
    while True:
        series = [name + suffix for suffix in _SERIES[kind]]
        if not claimed.keys() & series:
            family = kind(name, description, labels=[])
            claimed |= dict.fromkeys(series, family)
            return family
        owner = claimed.get(name)
        if isinstance(owner, kind) and owner.name == name:
            return owner
        name = f"{name}_{instrument}"


def _add(claimed: _Claims, metric: Metric) -> None:
    data = metric.data
    kind: type[_Kind]
    match data:
        case Sum():
            kind = CounterMetricFamily if data.is_monotonic else GaugeMetricFamily
            instrument = "counter" if data.is_monotonic else "updowncounter"
        case Gauge():
            kind, instrument = GaugeMetricFamily, "gauge"
        case Histogram():
            kind, instrument = HistogramMetricFamily, "histogram"
        case _:
            return
    name = prometheus_name(metric.name, metric.unit or "", instrument)
    bare = name.removesuffix("_total") if kind is CounterMetricFamily else name
    family = _family(claimed, kind, bare, instrument, metric.description or "")
    for point in data.data_points:
        labels = _labels(point.attributes)
        if isinstance(point, HistogramDataPoint):
            _add_histogram(family, labels, point)
        elif kind is CounterMetricFamily:
            family.add_sample(f"{family.name}_total", labels, point.value, exemplar=_exemplar(point))
        else:
            family.add_sample(family.name, labels, point.value)


def _add_histogram(family: Family, labels: dict[str, str], point: HistogramDataPoint) -> None:
    name = family.name
    exemplars = list(getattr(point, "exemplars", None) or ())
    total = 0
    bounds = [*point.explicit_bounds, float("inf")]
    low = float("-inf")
    for count, bound in zip(point.bucket_counts, bounds, strict=True):
        total += count
        inside = [one for one in exemplars if low < one.value <= bound]
        le = str(floatToGoString(bound))  # type: ignore[no-untyped-call]
        exemplar = _to_exemplar(inside[_LATEST_EXEMPLAR]) if inside else None
        family.add_sample(f"{name}_bucket", {**labels, "le": le}, total, exemplar=exemplar)
        low = bound
    family.add_sample(f"{name}_count", labels, point.count)
    family.add_sample(f"{name}_sum", labels, point.sum)


def _exemplar(point: NumberDataPoint) -> Exemplar | None:
    exemplars = list(getattr(point, "exemplars", None) or ())
    return _to_exemplar(exemplars[_LATEST_EXEMPLAR]) if exemplars else None


def _to_exemplar(exemplar: Any) -> Exemplar | None:
    if not exemplar.trace_id or not exemplar.span_id:
        return None
    # Span id and trace id need 64 of the 128 characters that OpenMetrics allows an exemplar's labels.
    labels = {"trace_id": format(exemplar.trace_id, "032x"), "span_id": format(exemplar.span_id, "016x")}
    return Exemplar(labels, exemplar.value, exemplar.time_unix_nano / 1e9)


def _labels(attributes: Mapping[str, Any] | None) -> dict[str, str]:
    return {prometheus_label(key): str(value) for key, value in (attributes or {}).items()}
