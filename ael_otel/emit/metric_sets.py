"""Metric sets: metrics that share their attributes, updated together in one call under one lock.

A synchronous counter of the SDK costs 5 us per call, because it copies and hashes the attributes each time. Here a row
is bound to its attributes once; its counters are integers in a list, exported through observable instruments, and its
histograms are summed by `histograms.py`, which passes them to the SDK when a reader collects.

The number of rows is limited: beyond `max_series`, updates go to one overflow row (`otel.metric.overflow=true`, OTel
metrics SDK specification, cardinality limits) and are reported. A forked child starts from zero: otherwise it would
report everything counted before the fork a second time (docs/adr/0004 has the solution for histograms).

When the subject of a row is removed (a workflow), the row is exported for `GONE_SECONDS` more, so that its last counts
arrive, and then no longer, as a series in Prometheus ends when its target stops exposing it. Its place is then free.
If the subject is added again, its counters continue from their old value; its histograms start again.

Trade-offs: a counter's value is visible when a reader collects, and its exemplar is the last sampled context of its
row.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from threading import Lock
from time import monotonic, time
from typing import Any, Final, Protocol
from weakref import WeakSet

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from ael_otel.emit.histograms import Histogram, Point

OVERFLOW_ATTRIBUTES: Final[Mapping[str, str | bool | int]] = {"otel.metric.overflow": True}

GONE_SECONDS: Final = 300.0
"""Seconds for which rows of a removed subject are still exported: as long as Prometheus looks back for a value."""

type Value = str | bool | int
type Values = tuple[Value, ...]
type Attributes = Mapping[str, Value]
type Number = int | float
type OnOverflow = Callable[[str], None]


def ignore(_name: str) -> None:
    """Ignore an overflow."""


class Spec(Protocol):
    """The data that a set needs of each of its metrics; the generated `MetricSpec` is one."""

    @property
    def name(self) -> str:
        """The metric's OTel name."""
        ...

    @property
    def instrument(self) -> str:
        """Kind of instrument: counter, updowncounter, gauge or histogram."""
        ...

    @property
    def unit(self) -> str:
        """Unit in UCUM."""
        ...

    @property
    def description(self) -> str:
        """One sentence."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Attribute keys in the order of the values."""
        ...

    @property
    def buckets(self) -> tuple[float, ...] | None:
        """Upper bounds of a histogram."""
        ...

    @property
    def max_series(self) -> int:
        """Maximum number of combinations of values."""
        ...


class Row:
    """One series of each metric of a set. Generated subclasses have the typed `add` and `record`."""

    __slots__ = ("attributes", "context", "hidden", "lock", "overflowed", "points", "slots", "updates")

    def __init__(self, lock: Lock, attributes: Attributes) -> None:
        self.overflowed: Callable[[Sequence[Number | None]], None] | None = None
        """Called with each update, one amount for each slot; set only in the overflow row."""
        self.lock = lock
        self.attributes = attributes
        self.slots: list[Number] = []
        self.points: tuple[Point, ...] = ()
        self.context: Context | None = None
        self.updates = 0
        self.hidden = False


class MetricSet[R: Row]:
    """Metrics that share their attributes, with a limited number of rows. Generated subclasses have the typed `bind`.

    Args:
        meter: creates the instruments.
        row: class of the rows.
        counters: counters, up-down counters and gauges, one slot of each row in this order; all have the same labels.
        histograms: histograms; each has some of those labels.
        on_overflow: called with a metric's name for each update of it that goes to the overflow row.

    Counting starts when the object is created, even if no reader collects. A set without counters cannot detect that a
    reader collects, so each value of its histograms goes through the SDK.
    """

    def __init__(
        self,
        meter: Meter,
        row: type[R],
        *,
        counters: Sequence[Spec] = (),
        histograms: Sequence[Spec] = (),
        on_overflow: OnOverflow = ignore,
    ) -> None:
        self.counters = tuple(counters)
        callbacks = [partial(self._observe, slot) for slot in range(len(self.counters))]
        self.histograms = tuple(
            _Points(meter, spec, on_overflow, callbacks[0] if callbacks else None) for spec in histograms
        )
        self.dropped: dict[str, int] = {}
        """Number of updates that went to the overflow row, by metric."""
        self._row_class = row
        self._labels = max((spec.labels for spec in (*counters, *histograms)), key=len)
        self._cap = max(spec.max_series for spec in (counters or histograms))
        self._rows: dict[Values, R] = {}
        self._gone: dict[Value, float] = {}
        self._ended: OrderedDict[Values, R] = OrderedDict()
        self.clock: Callable[[], float] = monotonic
        self.refresh: Callable[[], None] | None = None
        """Called before each observation, in the reader's thread; updates gauges from their sources."""
        self._overflow: R | None = None
        self._lock = Lock()
        self._on_overflow = on_overflow
        self._seen: dict[str, tuple[Number, float]] = {}
        for spec, callback in zip(self.counters, callbacks, strict=True):
            _instrument(meter, spec, callback)
        _sets.add(self)

    def resize(self, subjects: int, rows_of_each: int = 1) -> None:
        """Set other limits than those of the registry.

        Args:
            subjects: maximum values of the first label (workflows, tools) or, with one row of each, rows.
            rows_of_each: maximum rows of one of them.
        """
        with self._lock:
            self._cap = subjects * rows_of_each
            for points in self.histograms:
                points.cap = subjects

    def subject_gone(self, subject: Value) -> None:
        """End the rows whose first label is `subject` after `GONE_SECONDS`, unless it is added again before."""
        with self._lock:
            if any(values[0] == subject for values in self._rows):
                self._gone[subject] = self.clock() + GONE_SECONDS

    def subject_back(self, subject: Value) -> None:
        """Keep the rows of a subject that was removed and added again."""
        with self._lock:
            self._gone.pop(subject, None)

    def _end_rows(self) -> None:
        """Remove the rows whose time is over; the caller holds the lock."""
        now = self.clock()
        over = {subject for subject, until in self._gone.items() if until <= now}
        if not over:
            return
        for values in [values for values in self._rows if values[0] in over]:
            row = self._ended[values] = self._rows.pop(values)
            for points in self.histograms:
                points.end(row.attributes)
            while len(self._ended) > self._cap:
                self._ended.popitem(last=False)
        for subject in over:
            del self._gone[subject]

    def row(self, values: Values) -> R:
        """Return the row of `values` (one per label, in the specs' order); a new one starts at zero."""
        row = self._rows.get(values)
        if row is None:
            return self._new_row(values)
        if row.hidden:
            row.hidden = False
        return row

    def _new_row(self, values: Values) -> R:
        if len(values) != len(self._labels):
            raise ValueError(f"one value for each of {self._labels} is needed, not {len(values)} values")
        with self._lock:
            row = self._rows.get(values)
            if row is not None:
                return row
            if self._gone:
                self._end_rows()
            if len(self._rows) < self._cap:
                row = self._rows[values] = self._made(dict(zip(self._labels, values, strict=True)), values)
                return row
            if self._overflow is None:
                self._overflow = self._made(OVERFLOW_ATTRIBUTES, None)
                self._overflow.overflowed = self._overflowed
            return self._overflow

    def _made(self, attributes: Attributes, values: Values | None) -> R:
        row = None if values is None else self._ended.pop(values, None)
        if row is not None and values is not None:
            # A run that was in progress when its workflow was removed.
            self._gone[values[0]] = self.clock() + GONE_SECONDS
        else:
            row = self._row_class(self._lock, attributes)
            row.slots = [0] * len(self.counters)
        row.points = tuple(
            points.overflow if values is None else points.of(attributes) for points in self.histograms
        )
        return row

    def _overflowed(self, amounts: Sequence[Number | None]) -> None:
        for spec, amount in zip(self.counters, amounts, strict=True):
            if amount:
                with self._lock:
                    self.dropped[spec.name] = self.dropped.get(spec.name, 0) + 1
                self._on_overflow(spec.name)

    def _observe(self, slot: int, _options: CallbackOptions) -> Iterable[Observation]:
        if self.refresh is not None:
            self.refresh()
        if slot == 0:
            for points in self.histograms:
                points.histogram.hand_over()
        with self._lock:
            return [Observation(row.slots[slot], row.attributes, row.context) for row in self._shown()]

    def _shown(self) -> list[R]:
        if self._gone:
            self._end_rows()
        rows = list(self._rows.values())
        if self._overflow is not None:
            rows.append(self._overflow)
        return [row for row in rows if not row.hidden or row.updates]

    def rows(self) -> list[R]:
        """Return the rows for a reader, the overflow row last."""
        with self._lock:
            return self._shown()

    def state(self) -> dict[str, tuple[int, int, float]]:
        """Return for each metric: updates, series, and the time of its last change (0 for never)."""
        now = time()
        with self._lock:
            shown = self._shown()
            updates = sum(row.updates for row in shown)
            found = {spec.name: (updates, len(shown)) for spec in self.counters}
        for points in self.histograms:
            found[points.spec.name] = points.state()
        for name, (emitted, _) in found.items():
            before = self._seen.get(name, (0, 0.0))
            self._seen[name] = (emitted, now if emitted != before[0] else before[1])
        return {name: (emitted, series, self._seen[name][1]) for name, (emitted, series) in found.items()}

    def reset_after_fork(self) -> None:
        """Start from zero in a child process, with a new lock: the parent's may have been held.

        Rows stay bound for their users, and are exported only after the child itself uses them.
        """
        self._lock = Lock()
        self.dropped, self._seen = {}, {}
        self._ended.clear()
        rows = list(self._rows.values())
        if self._overflow is not None:
            rows.append(self._overflow)
        for row in rows:
            row.lock = self._lock
            row.slots = [0] * len(self.counters)
            row.context = None
            row.updates = 0
            row.hidden = True
        for points in self.histograms:
            points.reset_after_fork()


class _Points:
    """The series of one histogram of a set, with their own limit."""

    def __init__(
        self, meter: Meter, spec: Spec, on_overflow: OnOverflow, collected_by: object | None
    ) -> None:
        self.spec = spec
        self.cap = spec.max_series
        self.dropped = 0
        self._on_overflow = on_overflow
        self._series: dict[Values, Point] = {}
        self._lock = Lock()
        self.histogram = Histogram(
            meter,
            collected_by,
            name=spec.name,
            unit=spec.unit,
            description=spec.description,
            explicit_bucket_boundaries_advisory=spec.buckets,
        )
        self.overflow = Point(self.histogram, OVERFLOW_ATTRIBUTES, self._overflowed)

    def of(self, attributes: Attributes) -> Point:
        """Return the series for the labels of this histogram; the overflow series if the limit is reached."""
        values = tuple(attributes[label] for label in self.spec.labels)
        with self._lock:
            point = self._series.get(values)
            if point is None:
                if len(self._series) >= self.cap:
                    return self.overflow
                point = Point(self.histogram, dict(zip(self.spec.labels, values, strict=True)))
                self._series[values] = point
            return point

    def end(self, attributes: Attributes) -> None:
        """Remove the series for the labels of this histogram, and the SDK's sums for it."""
        values = tuple(attributes[label] for label in self.spec.labels)
        with self._lock:
            point = self._series.pop(values, None)
            if point is not None:
                self.histogram.forget(point)

    def _overflowed(self) -> None:
        self.dropped += 1
        self._on_overflow(self.spec.name)

    def state(self) -> tuple[int, int]:
        """Return the number of recorded values, and of series that have some."""
        with self._lock:
            points = [*self._series.values(), self.overflow]
        return sum(point.recorded for point in points), sum(1 for point in points if point.recorded)

    def reset_after_fork(self) -> None:
        """Start from zero in a child process, with new locks: the SDK's sums are reset as well."""
        self._lock = Lock()
        self.dropped = 0
        self.histogram.reset_after_fork()
        for point in (*self._series.values(), self.overflow):
            point.reset()


def _instrument(
    meter: Meter, spec: Spec, observe: Callable[[CallbackOptions], Iterable[Observation]]
) -> None:
    make = {
        "counter": meter.create_observable_counter,
        "updowncounter": meter.create_observable_up_down_counter,
        "gauge": meter.create_observable_gauge,
    }[spec.instrument]
    make(spec.name, callbacks=[observe], unit=spec.unit, description=spec.description)


_sets: "WeakSet[MetricSet[Any]]" = WeakSet()


def _after_fork_in_child() -> None:
    for each in list(_sets):
        each.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
