"""Write Chrome trace events, which Perfetto, chrome://tracing and speedscope open as a file.

Follows the Trace Event Format: complete events (`ph` X) with microseconds; each run is a process with a name.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from ael_otel.export.span_tree import Span
from ael_otel.export.zipkin import text
from ael_otel.store.content import clean


def events(spans: Iterable[Span], run: int, title: str) -> Iterator[dict[str, Any]]:
    """Yield the events of one run; `run` is its number in the file, since ids have to be whole numbers."""
    yield {"name": "process_name", "ph": "M", "pid": run, "tid": 1, "args": {"name": clean(title)}}
    for span in spans:
        args = {clean(key): text(value) for key, value in span.attributes.items()}
        args |= {"trace_id": span.trace_id, "span_id": span.span_id, "status": span.status}
        yield {
            "name": clean(span.name),
            "cat": span.kind,
            "ph": "X",
            "ts": span.start_ns / 1000,
            "dur": max(0, span.end_ns - span.start_ns) / 1000,
            "pid": run,
            "tid": 1,
            "args": args,
        }
