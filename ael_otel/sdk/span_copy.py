"""A copy of a recorded span in which some parts are others: spans that have ended are shared."""

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan


class SpanCopy(ReadableSpan):
    """A copy of `span` that has `changes` instead of its own parts.

    It tells as `span` does how many attributes, events and links the SDK's limits took away.
    """

    def __init__(self, span: ReadableSpan, **changes: Any) -> None:
        parts: dict[str, Any] = {
            "name": span.name,
            "context": span.context,
            "parent": span.parent,
            "resource": span.resource,
            "attributes": span.attributes,
            "events": span.events,
            "links": span.links,
            "kind": span.kind,
            "status": span.status,
            "start_time": span.start_time,
            "end_time": span.end_time,
            "instrumentation_scope": span.instrumentation_scope,
        }
        super().__init__(**(parts | changes))
        self._left_out = (span.dropped_attributes, span.dropped_events, span.dropped_links)

    @property
    def dropped_attributes(self) -> int:
        """How many attributes found no room in the span."""
        return self._left_out[0]

    @property
    def dropped_events(self) -> int:
        """How many events found no room in the span."""
        return self._left_out[1]

    @property
    def dropped_links(self) -> int:
        """How many links found no room in the span."""
        return self._left_out[2]
