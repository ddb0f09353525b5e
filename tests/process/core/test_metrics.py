"""The shared metrics in a fresh interpreter: counts from before the SDK's setup are exported."""

import json

from tests.support.interpreters import answer


def test_counts_from_before_the_provider_are_kept() -> None:
    """The shared rows are one object, and counts from before the SDK's setup are exported after it."""
    assert json.loads(answer(EARLY)) == [[{"type": "timeout", "component": "tool"}, 2]]


EARLY = """
import json
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from ael_otel.core.metrics import shared_metrics

shared_metrics().error.bind(type="timeout", component="tool").add(errors=1)
reader = InMemoryMetricReader()
set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
shared_metrics().error.bind(type="timeout", component="tool").add(errors=1)
(scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
(errors,) = [metric for metric in scope.metrics if metric.name == "ael.errors"]
print(json.dumps([[dict(point.attributes), point.value] for point in errors.data.data_points]))
"""
