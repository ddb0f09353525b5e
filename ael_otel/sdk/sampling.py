"""Record unsampled spans: a sampler that wraps another one and turns DROP into RECORD_ONLY.

No processor receives a dropped span. One that is recorded only reaches our processors and is exported nowhere, its
`traceparent` says "not sampled", and no exemplar refers to it. `AlwaysRecordSampler` of the SDK (1.45) would lose the
attributes that the span was started with, and older SDKs do not have it.
"""

import os
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import sampling
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from ael_otel.config.environment import SAMPLER_VARIABLE
from ael_otel.core.faults import logger

_FIXED: Final[dict[str, Sampler]] = {
    "always_on": sampling.ALWAYS_ON,
    "always_off": sampling.ALWAYS_OFF,
    "parentbased_always_on": sampling.DEFAULT_ON,
    "parentbased_always_off": sampling.DEFAULT_OFF,
}
_BY_RATIO: Final[dict[str, Callable[[float], Sampler]]] = {
    "traceidratio": sampling.TraceIdRatioBased,
    "parentbased_traceidratio": sampling.ParentBasedTraceIdRatio,
}


class RecordingSampler(Sampler):
    """Samples as `inner` does, but records spans that `inner` would drop."""

    def __init__(self, inner: Sampler) -> None:
        self._inner = inner

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return the decision of `inner`, with RECORD_ONLY in place of DROP."""
        result = self._inner.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )
        if result.decision is not Decision.DROP:
            return result
        return SamplingResult(Decision.RECORD_ONLY, attributes, result.trace_state)

    def get_description(self) -> str:
        """Return a name for logs."""
        return f"RecordingSampler{{{self._inner.get_description()}}}"


def recording_sampler(argument: str | None) -> Sampler:
    """Create the sampler that `OTEL_TRACES_SAMPLER=ael_record` names; entry point `opentelemetry_traces_sampler`.

    Args:
        argument: `OTEL_TRACES_SAMPLER_ARG`, for the sampler that `AEL_OTEL_SAMPLER` names.
    """
    return RecordingSampler(_named(os.environ.get(SAMPLER_VARIABLE, ""), argument or ""))


def _named(name: str, argument: str) -> Sampler:
    """Return the sampler that the SDK would create; if it cannot be created, one that samples everything."""
    if make := _BY_RATIO.get(name):
        try:
            return make(float(argument))
        except ValueError:
            logger.warning("OTEL_TRACES_SAMPLER_ARG is not a ratio from 0 to 1: every trace is sampled")
            return make(1.0)
    if known := _FIXED.get(name):
        return known
    try:
        (found,) = entry_points(group="opentelemetry_traces_sampler", name=name)
        made: Any = found.load()(argument or None)
    except Exception as error:
        logger.warning("OTEL_TRACES_SAMPLER=%s cannot be created, every trace is sampled: %s", name, error)
        return sampling.DEFAULT_ON
    return made if isinstance(made, Sampler) else sampling.DEFAULT_ON
