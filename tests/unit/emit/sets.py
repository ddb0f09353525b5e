"""Metric sets of the tests, so that the tests do not depend on the registry's metrics."""

import dataclasses

from opentelemetry.metrics import Meter

from ael_otel._generated import metrics as registry
from ael_otel.emit.metric_sets import MetricSet, Row, ignore


def spec(name: str, **changes: object) -> registry.MetricSpec:
    """A counter with the labels `tool` and `status`, at most three series."""
    return registry.MetricSpec(
        **{
            "name": name,
            "prometheus": f"{name}_total",
            "instrument": "counter",
            "unit": "{call}",
            "description": "Calls.",
            "labels": ("tool", "status"),
            "buckets": None,
            "max_series": 3,
            "label_values": {},
        }
        | changes
    )


class Row3(Row):
    """Code as the generator writes it for such a set, written by hand; `test_render_sets.py` tests the generator."""

    __slots__ = ()

    def add(self, *, calls: int = 0, retries: int = 0, running: int = 0, context=None) -> None:
        """Update calls, retries and running together."""
        lock = self.lock
        try:
            lock.acquire()
            slots = self.slots
            slots[0] += calls
            slots[1] += retries
            slots[2] += running
            self.updates += 1
            if context is not None:
                self.context = context
        finally:
            lock.release()
        if self.overflowed is not None:
            self.overflowed((calls, retries, running))


class Calls(MetricSet[Row3]):
    """Two counters and an up-down counter that share their labels."""

    def __init__(self, meter: Meter, on_overflow=ignore, **changes: object) -> None:
        specs = [
            spec("calls", **changes),
            spec("retries", **changes),
            spec("running", **{"instrument": "updowncounter"} | changes),
        ]
        super().__init__(meter, Row3, counters=specs, on_overflow=on_overflow)


class TimedRow(Row):
    """One counter and one histogram, as the generator writes them."""

    __slots__ = ()

    def add(self, *, calls: int = 0, context=None) -> None:
        """Update calls."""
        lock = self.lock
        try:
            lock.acquire()
            slots = self.slots
            slots[0] += calls
            self.updates += 1
            if context is not None:
                self.context = context
        finally:
            lock.release()
        if self.overflowed is not None:
            self.overflowed((calls,))

    def record(self, *, time: float, calls: int = 0, context=None) -> None:
        """Record time in `context`, and update calls."""
        self.add(calls=calls, context=context)
        self.points[0].record(time, context)


class Timed(MetricSet[TimedRow]):
    """A counter and a histogram that has one label less, with caps a test can reach."""

    def __init__(self, meter: Meter, on_overflow=ignore, *, rows: int = 3, times: int = 2) -> None:
        time = spec(
            "time", instrument="histogram", unit="s", labels=("tool",), max_series=times, buckets=(0.1, 1.0)
        )
        super().__init__(
            meter,
            TimedRow,
            counters=[spec("calls", max_series=rows)],
            histograms=[dataclasses.replace(time, description="Time of a call.")],
            on_overflow=on_overflow,
        )
