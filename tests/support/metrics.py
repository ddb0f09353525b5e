"""Collect metrics with a reader of the SDK, in the form that tests compare."""

from typing import Any

from opentelemetry.sdk.metrics.export import InMemoryMetricReader


def points_of(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    """Collect now, and return the data points of each metric."""
    data = reader.get_metrics_data()
    return {
        metric.name: list(metric.data.data_points)
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
