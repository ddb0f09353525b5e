"""Recording unsampled spans: the decisions stay, processors see the spans."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, ParentBasedTraceIdRatio, Sampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from ael_otel.config import settings_from_mapping
from ael_otel.sdk.otel_variables import prepare, settle
from ael_otel.sdk.sampling import RecordingSampler, recording_sampler
from ael_otel.store import MemoryStore, RunQuery
from ael_otel.store.span_processor import StoreSpanProcessor

IDS = st.integers(1, 2**128 - 1)


def caller(trace_id: int, *, sampled: bool) -> Context:
    """The context of a call from a remote process."""
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else 0)
    return set_span_in_context(NonRecordingSpan(SpanContext(trace_id, 7, True, flags)), Context())


def decision(sampler: Sampler, context: Context, trace_id: int) -> Decision:
    """Return a sampler's result for a span."""
    return sampler.should_sample(context, trace_id, "span", attributes={"a": 1}).decision


@given(IDS, st.sampled_from([0.01, 0.1, 0.5, 1.0]), st.sampled_from([None, True, False]))
def test_the_inner_sampler_decides(trace_id: int, ratio: float, parent: bool | None) -> None:
    """The inner sampler decides, by trace id and by the caller; no span is dropped."""
    inner = ParentBasedTraceIdRatio(ratio)
    context = Context() if parent is None else caller(trace_id, sampled=parent)
    wanted = decision(inner, context, trace_id)
    assert wanted in {Decision.RECORD_AND_SAMPLE, Decision.DROP}
    if parent is not None:
        assert (wanted is Decision.RECORD_AND_SAMPLE) == parent
    found = decision(RecordingSampler(inner), context, trace_id)
    assert found is (Decision.RECORD_ONLY if wanted is Decision.DROP else wanted)


@given(IDS)
def test_sampled_trace_is_sampled_at_any_higher_rate(trace_id: int) -> None:
    """Consistent by trace id: a trace sampled at 1 % is sampled at 10 % too."""
    taken = [
        decision(RecordingSampler(ParentBasedTraceIdRatio(ratio)), Context(), trace_id)
        is Decision.RECORD_AND_SAMPLE
        for ratio in (0.01, 0.1, 1.0)
    ]
    assert taken == sorted(taken)
    assert taken[-1]


def test_an_unsampled_span_keeps_its_attributes_and_is_not_exported() -> None:
    """Recorded with its start attributes, propagated as unsampled, and not exported by any exporter of the SDK."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=RecordingSampler(ALWAYS_OFF), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    span = provider.get_tracer("test").start_span("work", attributes={"a": 1})
    span.end()
    assert span.is_recording() is False  # ended
    assert dict(span.attributes) == {"a": 1}
    assert not span.get_span_context().trace_flags.sampled
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("argument", "description"),
    [
        ("parentbased_traceidratio=0.1", "TraceIdRatioBased{0.1}"),
        ("traceidratio=0.25", "RecordingSampler{TraceIdRatioBased{0.25}}"),
        ("traceidratio=lots", "RecordingSampler{TraceIdRatioBased{1.0}}"),
        ("always_off", "AlwaysOffSampler"),
        ("parentbased_always_on", "ParentBased{root:AlwaysOnSampler"),
        ("nobody_has_this", "ParentBased{root:AlwaysOnSampler"),
        (None, "ParentBased{root:AlwaysOnSampler"),
    ],
)
def test_the_sampler_named_by_the_environment_is_made(
    argument: str | None, description: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every sampler of the specification, with its argument; one that cannot be made samples everything."""
    name, _, own = (argument or "").partition("=")
    monkeypatch.setenv("AEL_OTEL_SAMPLER", name)
    assert description in recording_sampler(own or None).get_description()


@pytest.mark.parametrize(
    ("telemetry", "environ", "wanted"),
    [
        ({"sampling": {"rate": 10}}, {}, ("parentbased_traceidratio", "", "0.1")),
        ({"sampling": {"rate": 10, "keep": "errors"}}, {}, ("ael_record", "parentbased_traceidratio", "0.1")),
        ({"admin": {"live_schema": True}}, {}, ("ael_record", "parentbased_always_on", "")),
        (
            {"sampling": {"rate": 10, "keep": "slow"}},
            {"OTEL_TRACES_SAMPLER": "always_off"},
            ("ael_record", "always_off", ""),
        ),
    ],
)
def test_spans_are_recorded_only_where_somebody_looks(
    telemetry: dict[str, object], environ: dict[str, str], wanted: tuple[str, str, str]
) -> None:
    """Without `keep` and the live schema the SDK's own sampler is used; the variable wins."""
    environ = dict(environ)
    prepare(settings_from_mapping(telemetry), environ)
    names = ("OTEL_TRACES_SAMPLER", "AEL_OTEL_SAMPLER", "OTEL_TRACES_SAMPLER_ARG")
    assert tuple(environ.get(name, "") for name in names) == wanted


def test_nobody_else_meets_our_sampler() -> None:
    """Once the providers are built the variable names the sampler that was asked for; where it was ours, it stays."""
    environ: dict[str, str] = {}
    prepare(settings_from_mapping({"sampling": {"rate": 10, "keep": "errors"}}), environ)
    settle(environ)
    settle(environ)
    assert environ["OTEL_TRACES_SAMPLER"] == "parentbased_traceidratio"
    assert "AEL_OTEL_SAMPLER" not in environ


def test_runs_of_other_agents_are_all_stored_if_the_sampler_records_unsampled_spans() -> None:
    """At one percent the store has every run of a foreign agent, and the exporters get the sampled share."""
    store, sent = MemoryStore(), InMemorySpanExporter()
    provider = TracerProvider(
        RecordingSampler(ParentBasedTraceIdRatio(0.01)), Resource({}), shutdown_on_exit=False
    )
    provider.add_span_processor(StoreSpanProcessor(store))
    provider.add_span_processor(SimpleSpanProcessor(sent))
    tracer = provider.get_tracer("foreign")
    for number in range(300):
        with tracer.start_as_current_span("invoke_agent", attributes={"gen_ai.agent.name": f"a{number}"}):
            tracer.start_span("execute_tool x", attributes={"gen_ai.tool.name": "x"}).end()
    assert store.count(RunQuery()) == 300
    assert len(sent.get_finished_spans()) < 60
