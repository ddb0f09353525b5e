"""Reading files of runs: OTLP/JSON of any writer, and the JSON and JSON Lines that we wrote ourselves."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import msgspec

from ael_otel._generated import attributes as attr
from ael_otel._generated import spans as names
from ael_otel.errors import ImportFormatError
from ael_otel.export.otlp import spans_in
from ael_otel.export.span_tree import Span
from ael_otel.store import INTERRUPTED, ErrorRecord, ExecutionRecord
from ael_otel.store.derive import derive
from ael_otel.store.span_content import calls_of, input_of, output_of


def read(data: bytes) -> list[ExecutionRecord]:
    """Return the runs in a file.

    It may be one JSON document or a document a line. Spans of one trace may be anywhere in it, as a Collector that
    writes batches leaves them.

    Raises ImportFormatError that names the line.
    """
    records: list[ExecutionRecord] = []
    spans: list[Span] = []
    for line, document in _documents(data):
        try:
            for part in cast("list[Any]", document) if isinstance(document, (list, tuple)) else [document]:
                if isinstance(part, dict) and "execution_id" in part:
                    records.append(msgspec.convert(part, ExecutionRecord))
                else:
                    spans += spans_in(part)
        except msgspec.ValidationError as error:
            raise ImportFormatError(f"line {line}: no run as `ael trace export` writes it: {error}") from None
        except ImportFormatError as error:
            raise ImportFormatError(f"line {line}: {error}") from None
    return [*records, *records_of(spans)]


def records_of(spans: Iterable[Span]) -> list[ExecutionRecord]:
    """Return a record for each run in the spans, which may be of many traces and in any order, and there twice.

    Raises ImportFormatError for spans that no run can be made of.
    """
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    found: list[ExecutionRecord] = []
    for trace_id, some in traces.items():
        try:
            found += derive(some)
        except (ValueError, OverflowError, RecursionError) as error:
            raise ImportFormatError(f"no run can be made of the trace {trace_id}: {error}") from None
    ended = {
        span.span_id
        for some in traces.values()
        for span in some
        if span.name != names.WORKFLOW.name
        or span.status == "error"
        or attr.AEL_WORKFLOW_STATUS in span.attributes
    }
    attributes = {span.span_id: span.attributes for some in traces.values() for span in some}
    for record in found:
        _add_content(record, attributes)
        if record.span_id not in ended:
            # It went on when it was exported, and can never end here.
            record.status = "failed"
            record.error = ErrorRecord(
                INTERRUPTED, "spans", "the run had not ended when its trace was written"
            )
    return found


def _add_content(record: ExecutionRecord, attributes: Mapping[str, Mapping[str, Any]]) -> None:
    """Add the inputs and outputs that the spans of a run carry, where its writer put them there."""
    root = attributes.get(record.span_id, {})
    record.inputs, record.outputs = input_of(root), output_of(root)
    for call in calls_of(record):
        facts = attributes.get(call.span_id, {})
        call.params, call.result = input_of(facts), output_of(facts)


def _documents(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield each document with the line on which it begins."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    first, _, rest = data.lstrip().partition(b"\n")
    if not first:
        raise ImportFormatError("the file is empty")
    try:
        yield 1, msgspec.json.decode(first)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Not a document a line, so one that has several lines.
        try:
            yield 1, msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ImportFormatError(f"no JSON: {error}") from None
        return
    for number, line in enumerate(rest.splitlines(), 2):
        if line.strip():
            try:
                yield number, msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise ImportFormatError(f"line {number}: no JSON: {error}") from None
