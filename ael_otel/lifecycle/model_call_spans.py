"""Spans of the model calls whose responses results of a run hold; GenAI attributes, so only where those are asked for.

They are made when the run has ended and its calls have their prices, on the thread that stores it. A call of which
another instrumentation has a span gets none: it has one. The time is that of the result; how long the call took is not
known.
"""

from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from ael_otel._generated.emitters import start_model_call, update_model_call
from ael_otel.core.faults import fault_barrier
from ael_otel.lifecycle.recorder import Recorder
from ael_otel.store import ExecutionRecord
from ael_otel.store.model_calls import parent_span_ids
from ael_otel.store.times import to_us

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


def send_model_call_spans(recorder: Recorder, record: ExecutionRecord) -> None:
    """Send a span for each priced model call of a sampled run that has none; its id goes to the record."""
    trace_id = int(record.trace_id or "0", 16)
    if not trace_id:
        return
    with fault_barrier("model_call_spans"):
        parents = parent_span_ids(record)
        for call, parent in zip(record.model_calls, parents, strict=True):
            if call.source != "result" or not parent:
                continue
            around = SpanContext(trace_id, int(parent, 16), is_remote=False, trace_flags=_SAMPLED)
            at_ns = to_us(call.at) * 1000
            span = start_model_call(
                recorder.tracer,
                cost_source=call.cost_source or "none",
                gen_ai_provider_name=call.provider,
                gen_ai_response_model=call.model,
                gen_ai_usage_input_tokens=call.input_tokens,
                gen_ai_usage_cache_read_input_tokens=call.cache_read_tokens,
                gen_ai_usage_cache_write_input_tokens=call.cache_write_tokens,
                gen_ai_usage_output_tokens=call.output_tokens,
                gen_ai_usage_reasoning_output_tokens=call.reasoning_tokens,
                context=set_span_in_context(NonRecordingSpan(around), Context()),
                start_time=at_ns,
            )
            update_model_call(
                span,
                cost_amount=None if call.cost_nano is None else call.cost_nano / 1e9,
                cost_currency=call.currency,
                cost_price=None if call.price is None else call.price.id,
            )
            call.span_id = format(span.get_span_context().span_id, "016x")
            span.end(at_ns)
