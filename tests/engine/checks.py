"""One run against one row of the table."""

from tests.engine.lab import view
from tests.engine.lab.client import Taken
from tests.engine.outcomes import Outcome


def check_outcome(taken: Taken, expected: Outcome) -> None:
    """Check the telemetry of one run against its row: spans, counters, durations, record, lines.

    The record is also compared, field by field, with the one derived from the spans.
    """
    assert len(view.by_trace(taken.spans)) == 1
    spans = view.of_the_run(taken.spans)
    assert view.tree(spans) == expected.tree
    root = view.check_tree(spans)
    assert view.counts(taken.metrics) == expected.counts
    view.check_histograms(taken)
    (record,) = taken.records
    assert record["status"] == expected.status
    view.check_record(record, spans, root)
    view.check_derived(taken)
    lines = view.check_lines(taken, spans, record["execution_id"], expected.workflow)
    lines_of_failures = view.failure_lines(lines)
    if not expected.logged_by:
        assert lines_of_failures == []
        return
    (failure,) = lines_of_failures
    (frame,) = (span for span in spans if span["span_id"] == failure["span_id"])
    assert frame["name"] == expected.logged_by
    assert failure["level"] == expected.level
    assert failure["error_type"] == (
        next(span for span in spans if span["status"] == "ERROR")["attributes"]["ael.error.type"]
        if expected.level == "WARN"
        else root["attributes"]["ael.error.type"]
    )
    if expected.message:
        assert failure["exception.message"] == expected.message
    if expected.status != "completed":
        assert record["error"]["message"] == failure["exception.message"]
