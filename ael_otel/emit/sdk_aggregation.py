"""Pass a batch of values to the aggregation of one SDK histogram, already added up.

Recording a value through the SDK costs 5 us and more: it copies, cleans and hashes the attributes, looks for views and
makes two objects. Here many values of one series are added to the SDK's own aggregations in one go, shortly before a
reader collects them. Temporality, start times, views, cardinality limits and exemplars stay the SDK's in this way.

The API has no call for this, so it uses private attributes of the SDK (docs/adr/0010). They are tried out
on a spare aggregation first; where a version of the SDK works otherwise, or a view or a reader adds values up in
another way than by these buckets, `Aggregations.of` returns None and each value goes through the SDK.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, Self

from opentelemetry.context import Context
from opentelemetry.metrics import Histogram
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

type Attributes = Mapping[str, str | bool | int]

_BUCKETS: Final = "_ExplicitBucketHistogramAggregation"
_NOTHING: Final = "_DropAggregation"
_RESERVOIR: Final = "AlignedHistogramBucketExemplarReservoir"
_TRACE_BASED: Final = "TraceBasedExemplarFilter"
_PROBE: Final = SpanContext(trace_id=1, span_id=2, is_remote=False)


type Sample = tuple[float, int, SpanContext | None]
"""A value that becomes an exemplar: the value, when it was recorded (ns since 1970), in which span if in any."""


class Batch(NamedTuple):
    """Values of one series, added up: a count for each bucket, and the last sample of each bucket that has one."""

    counts: Sequence[int]
    total: float
    low: float
    high: float
    samples: Mapping[int, Sample]


class Aggregations:
    """The SDK's storage of one histogram, for each of its readers and views."""

    __slots__ = ("_hash", "_matches", "bounds", "consumer", "should_sample", "storages", "trace_based")

    def __init__(self, consumer: Any, matches: list[Any], bounds: tuple[float, ...], key_of: Any) -> None:
        self.consumer = consumer
        self.storages = consumer._reader_storages  # noqa: SLF001
        """The readers of the provider when this was made: the SDK replaces them as a whole for each new one."""
        self._matches = matches
        self._hash = key_of
        self.bounds = bounds
        """Upper bounds of the buckets, the same for each reader and view."""
        exemplars: Any = consumer._sdk_config.exemplar_filter  # noqa: SLF001
        self.should_sample: Callable[[float, int, Attributes, Context], bool] = exemplars.should_sample
        """The exemplar filter in force (`OTEL_METRICS_EXEMPLAR_FILTER`)."""
        self.trace_based = _is_of_sdk(exemplars, _TRACE_BASED)
        """Whether that is the default one, which takes what is recorded in a sampled span."""

    @classmethod
    def of(cls, histogram: Histogram, collected_by: object) -> Self | None:
        """Return the storage of a histogram, None where values must go through the SDK one by one.

        Args:
            histogram: from any meter, also one that has no provider yet.
            collected_by: the callback of an observable instrument which adds what is waiting; without it the SDK would
                collect too little, so it must be registered.
        """
        with suppress(AttributeError, TypeError, ValueError, KeyError, IndexError):
            return cls._of(real_instrument(histogram), collected_by)
        return None

    @classmethod
    def _of(cls, real: Any, collected_by: object) -> Self | None:
        consumer: Any = real._measurement_consumer  # noqa: SLF001
        callbacks = [
            callback
            for instrument in tuple(consumer._async_instruments)  # noqa: SLF001
            for callback in instrument._callbacks  # noqa: SLF001
        ]
        if not real._is_enabled() or not any(each is collected_by for each in callbacks):  # noqa: SLF001
            return None
        matches = [
            match
            for storage in consumer._reader_storages.values()  # noqa: SLF001
            for match in storage._get_or_init_view_instrument_match(real)  # noqa: SLF001
            if not _is_of_sdk(match._aggregation, _NOTHING)  # noqa: SLF001
        ]
        if not all(_is_of_sdk(match._aggregation, _BUCKETS) for match in matches):  # noqa: SLF001
            return None
        found = {tuple(match._aggregation._boundaries) for match in matches}  # noqa: SLF001
        if len(found) > 1 or not all(_works(match) for match in matches):
            return None
        key_of = sys.modules[type(matches[0]).__module__]._hash_attributes if matches else None  # noqa: SLF001
        return cls(consumer, matches, found.pop() if found else (), key_of)

    def add(self, attributes: Attributes, batch: Batch) -> None:
        """Add values of the series of these attributes, for each reader and view."""
        for match in self._matches:
            keys = match._view._attribute_keys  # noqa: SLF001
            kept = {key: value for key, value in attributes.items() if keys is None or key in keys}
            # Held throughout, since a collection of deltas throws the aggregation away.
            with match._lock:  # noqa: SLF001
                _add(match._get_or_create_aggregation(self._hash(kept), kept), attributes, batch)  # noqa: SLF001


def real_instrument(histogram: Histogram) -> Any:
    """Return the provider's instrument: the API hands out a proxy when it is asked before there is a provider."""
    return getattr(histogram, "_real_instrument", None) or histogram


def _is_of_sdk(thing: object, name: str) -> bool:
    kind = type(thing)
    return kind.__name__ == name and kind.__module__.startswith("opentelemetry.sdk.metrics.")


def _add(aggregation: Any, attributes: Attributes, batch: Batch) -> None:
    with aggregation._lock:  # noqa: SLF001
        before = aggregation._value  # noqa: SLF001
        aggregation._value = (  # noqa: SLF001
            list(batch.counts)
            if before is None
            else [one + other for one, other in zip(before, batch.counts, strict=True)]
        )
        aggregation._sum += batch.total  # noqa: SLF001
        if aggregation._record_min_max:  # noqa: SLF001
            aggregation._min = min(aggregation._min, batch.low)  # noqa: SLF001
            aggregation._max = max(aggregation._max, batch.high)  # noqa: SLF001
    for value, time, span in batch.samples.values():
        # The context of the recording is not kept, since it would keep the span and its attributes.
        context = Context() if span is None else set_span_in_context(NonRecordingSpan(span), Context())
        aggregation._reservoir.offer(value, time, attributes, context)  # noqa: SLF001


def _works(match: Any) -> bool:
    """Try on the aggregation that tells the kind of a view, which the SDK itself never adds a value to."""
    aggregation = match._aggregation  # noqa: SLF001
    bounds = aggregation._boundaries  # noqa: SLF001
    makes = match._get_or_create_aggregation, match._lock, match._view._attribute_keys  # noqa: SLF001
    if not callable(makes[0]) or not _is_of_sdk(aggregation._reservoir, _RESERVOIR):  # noqa: SLF001
        return False
    low = bounds[0] if bounds else 1.0
    for factor in (1, 2):
        batch = Batch((factor, *[0] * len(bounds)), factor, low, low, {0: (low, 3, _PROBE)})
        _add(aggregation, {}, batch)
    # Of deltas nothing is left afterwards.
    point = aggregation.collect(aggregation._instrument_aggregation_temporality, 1)  # noqa: SLF001
    (exemplar,) = point.exemplars
    span = (exemplar.trace_id, exemplar.span_id, exemplar.time_unix_nano, exemplar.value)
    limits = (low, low) if aggregation._record_min_max else (point.min, point.max)  # noqa: SLF001
    return (point.count, point.sum, tuple(point.bucket_counts), point.min, point.max, span) == (
        3,
        3,
        (3, *[0] * len(bounds)),
        *limits,
        (_PROBE.trace_id, _PROBE.span_id, 3, low),
    )
