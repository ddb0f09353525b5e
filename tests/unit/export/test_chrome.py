"""Chrome trace events of stored runs."""

import json

from ael_otel.export.formats import write
from ael_otel.export.span_tree import spans_of
from tests.store.making import run


def test_each_span_is_a_complete_event_of_its_run() -> None:
    """Proves names, microseconds and whole-number ids, that a run is one named process, and that content stays out."""
    runs = [run(1, inputs={"name": "content-of-the-run"}), run(2)]
    data = b"".join(write("chrome", runs))
    events = json.loads(data)["traceEvents"]
    named = [each["args"]["name"] for each in events if each["ph"] == "M"]
    assert named == ["hello exec-000001", "hello exec-000002"]
    spans = [each for each in events if each["ph"] == "X"]
    wanted = [span for each in runs for span in spans_of(each)]
    assert [each["args"]["span_id"] for each in spans] == [span.span_id for span in wanted]
    assert [(each["ts"], each["dur"]) for each in spans] == [
        (span.start_ns / 1000, (span.end_ns - span.start_ns) / 1000) for span in wanted
    ]
    assert {(each["pid"], each["tid"]) for each in spans} == {(1, 1), (2, 1)}
    assert b"content-of-the-run" not in data
