"""Histograms whose values are summed up here and handed to the SDK when a reader collects.

Recording a value is a comparison, a bisection and a few additions under a lock. The first value of a series goes
through the SDK, which creates its storage of the series with the right start time; later values are summed up here
until the next collection (`Histogram.hand_over`). If that is not possible (`Aggregations.of`), each value goes through
the SDK.
"""

from bisect import bisect_left
from collections.abc import Callable
from math import inf
from threading import Lock
from time import time_ns
from typing import Any, Final

from opentelemetry import metrics
from opentelemetry.context import Context, get_current
from opentelemetry.trace import INVALID_SPAN, get_current_span

from ael_otel.emit.fork import forget_inherited, forget_series
from ael_otel.emit.sdk_aggregation import Aggregations, Attributes, Batch, Sample, real_instrument

type OnRecord = Callable[[], None]

_NEVER: Final = object()


class Point:
    """One series of a histogram; rows that differ only in labels that it does not have share the series.

    Args:
        of: the histogram.
        attributes: attributes of the series.
        on_record: called for each value, for the overflow series.
    """

    __slots__ = (
        "_counts",
        "_high",
        "_low",
        "_of",
        "_on_record",
        "_samples",
        "_target",
        "_total",
        "_waits",
        "attributes",
        "recorded",
    )

    def __init__(self, of: "Histogram", attributes: Attributes, on_record: OnRecord | None = None) -> None:
        self._of = of
        self.attributes = attributes
        """Attributes of the series."""
        self._on_record = on_record
        self.reset()

    def reset(self) -> None:
        """Remove all values."""
        self.recorded = 0
        """How many values were recorded, whether or not a reader has collected them."""
        self._target: Aggregations | None = None
        self._empty()

    def _empty(self) -> None:
        self._waits = False
        self._counts = [0] * (1 if self._target is None else len(self._target.bounds) + 1)
        self._total: float = 0
        self._low, self._high = inf, -inf
        self._samples: dict[int, Sample] = {}

    def record(self, amount: float, context: Context | None) -> None:
        """Record one value; `context` contains the span for an exemplar, None uses the current one."""
        if self._on_record is not None:
            self._on_record()
        target = self._target
        if (
            target is None or not 0 <= amount < inf or target.consumer._reader_storages is not target.storages  # noqa: SLF001 - a new reader
        ):
            self._through_sdk(amount, context)
            return
        sample: Sample | None = None
        if target.trace_based:
            span = get_current_span(context).get_span_context()
            if span.trace_flags & 1:
                sample = (amount, time_ns(), span)
        else:
            sample = self._sampled(target, amount, context)
        histogram = self._of
        lock = histogram.lock
        # Acquired inside the try: a Ctrl-C that comes right after it must not leave the lock acquired.
        try:
            lock.acquire()
            bucket = bisect_left(target.bounds, amount)
            if self._target is target:
                if not self._waits:
                    histogram.waiting.append(self)
                    self._waits = True
                self.recorded += 1
                self._counts[bucket] += 1
                self._total += amount
                self._low = min(self._low, amount)
                self._high = max(self._high, amount)
                if sample is not None:
                    self._samples[bucket] = sample
                return
        finally:
            lock.release()
        self._through_sdk(amount, context)

    def _sampled(self, target: Aggregations, amount: float, context: Context | None) -> Sample | None:
        now = time_ns()
        context = context or get_current()
        if not target.should_sample(amount, now, self.attributes, context):
            return None
        span = get_current_span(context)
        return (amount, now, None if span is INVALID_SPAN else span.get_span_context())

    def _through_sdk(self, amount: float, context: Context | None) -> None:
        histogram = self._of
        # A value that the SDK rejects creates no storage, and no series.
        target = histogram.aggregations() if 0 <= amount < inf else self._target
        if target is not None and target is not self._target:
            # Series reach the SDK in the order of their first values: those above a limit share one there.
            histogram.hand_over()
        histogram.instrument.record(amount, self.attributes, context)
        with histogram.lock:
            self.recorded += 1
            if target is not self._target and not self._waits:
                self._target = target
                self._empty()

    def take(self) -> tuple[Aggregations, Attributes, Batch] | None:
        """Return the values to be handed over, and their target, and start from zero; under the histogram's lock."""
        target, batch = self._target, Batch(self._counts, self._total, self._low, self._high, self._samples)
        self._empty()
        # There are no values if an interrupt has ended the recording.
        return (target, self.attributes, batch) if target is not None and any(batch.counts) else None


class Histogram:
    """One instrument of the API, and the values that are not handed to it yet.

    Args:
        meter: the meter that creates the instrument.
        collected_by: callback of an observable instrument of the same meter that calls `hand_over`; None if there is
            none.
        options: name, unit, description and buckets of the instrument.
    """

    def __init__(self, meter: metrics.Meter, collected_by: object | None, **options: Any) -> None:
        self.instrument = meter.create_histogram(**options)
        self.lock = Lock()
        """Acquired while a value is summed up, and never for long."""
        self.waiting: list[Point] = []
        """The series with values that are not handed over, in the order of their first values."""
        self._collected_by = collected_by
        self._handing_over = Lock()
        self._known: Aggregations | None = None
        self._asked: tuple[object, object] = (_NEVER, _NEVER)

    def aggregations(self) -> Aggregations | None:
        """Return the SDK's sums of this histogram, or None if its values must go through the SDK."""
        if self._collected_by is None:
            return None
        asked = self._state()
        if asked[0] is self._asked[0] and asked[1] is self._asked[1]:
            return self._known
        with self._handing_over:
            # What waits by then goes to the readers of its time, as with the SDK: a series knows where to.
            self._known = Aggregations.of(self.instrument, self._collected_by)
            self._asked = asked
            return self._known

    def _state(self) -> tuple[object, object]:
        real = real_instrument(self.instrument)
        consumer = getattr(real, "_measurement_consumer", None)
        return real, getattr(consumer, "_reader_storages", None)

    def forget(self, point: Point) -> None:
        """Remove the values of a series here and in the SDK; its next value begins a new series."""
        with self._handing_over:
            with self.lock:
                point.reset()
            forget_series(self.instrument, point.attributes)

    def hand_over(self) -> None:
        """Add all values to the SDK's sums; called before a reader collects them."""
        with self._handing_over:
            with self.lock:
                points = self.waiting[:]
                self.waiting.clear()
                taken = [point.take() for point in points]
            for each in taken:
                if each is not None:
                    target, attributes, batch = each
                    target.add(attributes, batch)

    def reset_after_fork(self) -> None:
        """Start from zero in a child process, with new locks: the SDK's sums are reset as well."""
        self.lock, self._handing_over = Lock(), Lock()
        self.waiting = []
        self._known, self._asked = None, (_NEVER, _NEVER)
        forget_inherited(self.instrument)
