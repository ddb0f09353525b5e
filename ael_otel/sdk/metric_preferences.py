"""Temporality and aggregation of exported metrics, by the variables that OTel's OTLP exporters read.

https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/otlp/#additional-environment-variable-configuration
"""

import logging
import os
from collections.abc import Mapping

from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.metrics.view import (
    Aggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
)

TEMPORALITY_VARIABLE = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
AGGREGATION_VARIABLE = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"

_KINDS = (Counter, UpDownCounter, Histogram, ObservableCounter, ObservableUpDownCounter, ObservableGauge)
_DELTAS: Mapping[str, tuple[type, ...]] = {
    "cumulative": (),
    "delta": (Counter, Histogram, ObservableCounter),
    "lowmemory": (Counter, Histogram),
}

logger = logging.getLogger("ael_otel")


def temporality(environ: Mapping[str, str] = os.environ) -> dict[type, AggregationTemporality]:
    """Return the temporality of each kind of instrument; an unknown value is logged and means cumulative."""
    stated = environ.get(TEMPORALITY_VARIABLE, "").strip().lower() or "cumulative"
    if stated not in _DELTAS:
        logger.warning(
            "%s: %r is not one of %s; cumulative is used", TEMPORALITY_VARIABLE, stated, ", ".join(_DELTAS)
        )
    deltas = _DELTAS.get(stated, ())
    return {
        kind: AggregationTemporality.DELTA if kind in deltas else AggregationTemporality.CUMULATIVE
        for kind in _KINDS
    }


def aggregation(environ: Mapping[str, str] = os.environ) -> dict[type, Aggregation]:
    """Return the default aggregation of histograms; an unknown value is logged and means explicit buckets."""
    stated = environ.get(AGGREGATION_VARIABLE, "").strip().lower() or "explicit_bucket_histogram"
    if stated == "base2_exponential_bucket_histogram":
        return {Histogram: ExponentialBucketHistogramAggregation()}
    if stated != "explicit_bucket_histogram":
        logger.warning(
            "%s: %r is not explicit_bucket_histogram or base2_exponential_bucket_histogram; explicit buckets are used",
            AGGREGATION_VARIABLE,
            stated,
        )
    return {Histogram: ExplicitBucketHistogramAggregation()}
