"""Spans of the sessions that this process records: those of an engine's clients and of hosted agents.

Parts of a session that have ended are queued for export after they are stored. The queue counts what it drops, by
reason, as for spans of runs. Each process exports only the sessions that it stored itself, so that processes sharing a
run store send nothing twice.
"""

from collections.abc import Callable

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from ael_otel._generated import SCHEMA_URL
from ael_otel.core.faults import fault_barrier
from ael_otel.export.session_spans import session_spans
from ael_otel.export.span_tree import Span
from ael_otel.sessions.session import Entry, Session, SessionRecord
from ael_otel.version import __version__


class SessionSpans:
    """Exports the parts of sessions that have ended; `ended` is passed to `SessionTable.on_ended`.

    Args:
        send: queues one span.
        resource: resource of the spans.
        genai: whether to set the GenAI attributes too.
    """

    def __init__(
        self, send: Callable[[ReadableSpan], None], resource: Resource, *, genai: bool = False
    ) -> None:
        self._send = send
        self._resource = resource
        self._genai = genai

    def ended(self, session: Session, entries: list[Entry], ends: list[SessionRecord]) -> None:
        """Export entries of a session that have ended, and a span of the session for each of its new ends."""
        with fault_barrier("sessions.export"):
            for span in session_spans(session, entries, ends=ends, genai=self._genai):
                self._send(readable(span, self._resource))


def readable(span: Span, resource: Resource) -> ReadableSpan:
    """Return a span of a session in the type that the SDK's exporters accept."""

    def context(span_id: str) -> SpanContext:
        flags = TraceFlags(TraceFlags.SAMPLED)
        return SpanContext(int(span.trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=flags)

    failed = span.status == "error"
    return ReadableSpan(
        span.name,
        context(span.span_id),
        context(span.parent_id) if span.parent_id else None,
        resource,
        attributes=span.attributes,
        kind=SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, span.status_message) if failed else Status(StatusCode.UNSET),
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=InstrumentationScope(span.scope, __version__, SCHEMA_URL),
    )
