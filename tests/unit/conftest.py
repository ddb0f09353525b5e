"""The guard of this suite, and OTel's in-memory providers: a test sees the exporter's input."""

from collections.abc import Generator, Iterator
from typing import NamedTuple

import pytest
from opentelemetry.metrics import Meter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Tracer

from ael_otel.core.faults import RAISE_FAULTS_VARIABLE, forget_reported_faults
from tests.support.guard import guarded
from tests.support.metrics import points_of

type Series = dict[frozenset[tuple[str, object]], float]


def labels(**pairs: object) -> frozenset[tuple[str, object]]:
    """The key of one series in the mapping that `Metered.series` returns."""
    return frozenset(pairs.items())


class Metered(NamedTuple):
    """A meter, its provider, and the series that a reader collects."""

    meter: Meter
    provider: MeterProvider
    reader: InMemoryMetricReader

    def points(self) -> dict[str, list]:
        """Collect now: the data points of each metric."""
        return points_of(self.reader)

    def series(self) -> dict[str, Series]:
        """Collect now: value (count for histograms) of each series of each metric."""
        return {
            name: {
                frozenset(point.attributes.items()): getattr(point, "value", getattr(point, "count", None))
                for point in points
            }
            for name, points in self.points().items()
        }


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Refuse programs, sockets and the engine to the fixtures of a unit test."""
    with guarded(item.nodeid):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Refuse them to the test itself."""
    with guarded(item.nodeid):
        return (yield)


@pytest.fixture
def metered() -> Iterator[Metered]:
    """A meter provider with one reader."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], Resource({}), shutdown_on_exit=False)
    yield Metered(provider.get_meter("test"), provider, reader)
    provider.shutdown()


@pytest.fixture
def tracer() -> Tracer:
    """A tracer that samples everything and exports nothing."""
    return TracerProvider(shutdown_on_exit=False).get_tracer("test")


@pytest.fixture
def unsampled() -> Tracer:
    """A tracer that samples nothing: its spans have ids all the same."""
    return TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("test")


@pytest.fixture
def log_provider() -> LoggerProvider:
    """A logger provider; `log_provider.sent` is the exporter with the emitted records."""
    provider = LoggerProvider(Resource({}), shutdown_on_exit=False)
    provider.sent = InMemoryLogRecordExporter()
    provider.add_log_record_processor(SimpleLogRecordProcessor(provider.sent))
    return provider


@pytest.fixture
def swallowing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own faults are swallowed as they are outside pytest, and none has been reported yet."""
    monkeypatch.setenv(RAISE_FAULTS_VARIABLE, "0")
    forget_reported_faults()
