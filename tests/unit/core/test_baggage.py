"""Baggage on its way out of the process."""

from collections.abc import Iterator

import pytest
from opentelemetry import baggage, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, attach, detach
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ael_otel.config import Settings
from ael_otel.core import baggage as ours
from ael_otel.core.redaction import ActiveRedaction, set_active_redaction

KEY = "ghp_" + "1a2B3c4D5e6F7g8H9i0J" + "1a2B3c4D5e6F7g8H"  # hygiene: made up


@pytest.fixture(autouse=True)
def propagator() -> Iterator[TextMapPropagator]:
    """Ours, around the standard ones."""
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(
        CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
    )
    set_active_redaction(ActiveRedaction(Settings()))
    ours.install()
    yield propagate.get_global_textmap()
    propagate.set_global_textmap(before)
    set_active_redaction(None)


def _with(**entries: str) -> Context:
    found = set_span_in_context(NonRecordingSpan(SpanContext(1, 2, False, TraceFlags(1))), Context())
    for key, value in entries.items():
        found = baggage.set_baggage(key, value, found)
    return found


def test_secret_baggage_is_not_propagated() -> None:
    """Proves for values by shape, values by their name and names, through the global inject, and that ids are sent."""
    context = _with(tenant="t1", said=f"use {KEY}", password="plain words")  # hygiene: made up
    context = baggage.set_baggage(f"who-{KEY}", "x", context)
    token = attach(context)
    carrier: dict[str, str] = {}
    try:
        propagate.inject(carrier)
    finally:
        detach(token)
    assert KEY not in str(carrier)
    assert "plain" not in str(carrier)
    assert baggage.get_all(propagate.extract(carrier, Context())) == {
        "tenant": "t1",
        "said": "use [TOKEN]",
        "password": "[PASSWORD]",
    }
    assert carrier["traceparent"] == f"00-{1:032x}-{2:016x}-01"
    assert baggage.get_baggage("said", context) == f"use {KEY}", "the application keeps its own"


@pytest.mark.parametrize("entries", [{}, {"tenant": "t1", "user": "Ada Lovelace, ünï = 1"}])
def test_clean_baggage_is_sent_unchanged(propagator: ours.CleanBaggage, entries: dict[str, str]) -> None:
    """Proves byte for byte that headers equal those of the wrapped propagator, with and without baggage."""
    context = _with(**entries)
    with_us: dict[str, str] = {}
    without: dict[str, str] = {}
    propagate.inject(with_us, context)
    propagator.inner.inject(without, context)
    assert with_us == without
    assert ("baggage" in with_us) == bool(entries)
    assert propagator.fields == propagator.inner.fields


def test_it_is_installed_once(propagator: ours.CleanBaggage) -> None:
    """Proves that starting the pipeline again does not wrap twice."""
    ours.install()
    assert propagate.get_global_textmap() is propagator
