"""Copy an ended span with some attributes replaced: processors share an ended span, so it must not change."""

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan


class SpanCopy(ReadableSpan):
    """A copy of `span` with the attributes in `changes` replaced.

    It reports the same numbers of dropped attributes, events and links as `span`.
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
        """How many attributes the SDK's limit dropped."""
        return self._left_out[0]

    @property
    def dropped_events(self) -> int:
        """How many events the SDK's limit dropped."""
        return self._left_out[1]

    @property
    def dropped_links(self) -> int:
        """How many links the SDK's limit dropped."""
        return self._left_out[2]
