"""Read files of runs: OTLP/JSON of any writer, responses of trace servers, and the JSON that we export ourselves.

Agent Trace records may be among them. Items that cannot be read are skipped and counted by reason.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

import msgspec

from ael_otel._generated import attributes as attr
from ael_otel._generated import spans as names
from ael_otel.attribution.agent_trace import VENDOR, TraceRecord
from ael_otel.attribution.agent_trace_reader import is_record, read_record
from ael_otel.errors import ImportFormatError
from ael_otel.export import console_spans, jaeger
from ael_otel.export.otlp import spans_in
from ael_otel.export.span_tree import Span
from ael_otel.store import INTERRUPTED, ErrorRecord, ExecutionRecord
from ael_otel.store.derive import derive
from ael_otel.store.model_calls import add_call_result
from ael_otel.store.span_content import calls_of, input_of, output_of

_OTHER_SIGNALS: Final = (
    ("resourceLogs", "log record", ("scopeLogs", "logRecords")),
    ("resourceMetrics", "metric", ("scopeMetrics", "metrics")),
    ("resourceProfiles", "profile", ("scopeProfiles", "profiles")),
)
"""Field of OTLP/JSON, its signal, and the fields below it."""

_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_OTHER_FILES: Final = {
    b"\x1f\x8b": "it is compressed by gzip: unpack it first",
    b"\x28\xb5\x2f\xfd": "it is compressed by zstd: unpack it first",
    b"PK\x03\x04": "it is a zip archive: unpack it first",
    b"\xff\xfe": "it is UTF-16: convert it to UTF-8",
    b"\xfe\xff": "it is UTF-16: convert it to UTF-8",
}
"""First bytes of files that users mistake for JSON, and what to do with each."""


class LeftOut(NamedTuple):
    """The parts of a file that did not become a run: how many of each kind, and why."""

    number: int
    noun: str
    reason: str


class Reading(NamedTuple):
    """The runs in a file, the parts that were left out (each kind once), and the Agent Trace records in it."""

    runs: list[ExecutionRecord]
    left_out: list[LeftOut]
    traces: list[TraceRecord] = []  # noqa: RUF012 - never changed


def read(data: bytes) -> list[ExecutionRecord]:
    """Return the runs in a file; errors as in `read_with_rest`."""
    return read_with_rest(data).runs


def read_with_rest(data: bytes, root: Callable[[], str] | None = None) -> Reading:
    """Return the runs and Agent Trace records in a file, and a count of items that are neither or cannot be read.

    It may be one JSON document, one document per line, or several documents in sequence. Each is OTLP/JSON of any
    version, a response of Tempo's or Jaeger's API, a span of the console exporter, or output of `ael trace export`.
    Spans of one trace may be anywhere in it, as in the batches that a Collector writes. Absolute paths in Agent Trace
    records become relative to the folder of the repository, which `root` returns.

    Raises ImportFormatError with the first reason if the file contains none of these.
    """
    return _Reader(root).read(data)


class _Reader:
    def __init__(self, root: Callable[[], str] | None) -> None:
        self._root = root
        self._traces: list[TraceRecord] = []
        self._records: list[ExecutionRecord] = []
        self._spans: list[Span] = []
        self._left: dict[tuple[str, str], list[Any]] = {}
        self._recognised = False
        self._first_reason = ""

    def read(self, data: bytes) -> Reading:
        for line, document in self._documents(data):
            parts = _list(document) if isinstance(document, (list, tuple)) else [document]
            self._recognised = self._recognised or not parts  # an export without runs
            for part in parts:
                try:
                    self._take(part, line)
                except RecursionError:
                    self._leave(
                        "document", "nested too deep", f"line {line}", error=f"line {line}: nested too deep"
                    )
        if not self._recognised:
            raise ImportFormatError(self._first_reason or "it contains no run")
        made = records_of(
            map(_with_end, self._spans), lambda error: self._leave("trace", "without a run", str(error))
        )
        left = [
            LeftOut(count, noun, f"{why} ({detail})" if detail else why)
            for (noun, why), (count, detail) in self._left.items()
        ]
        return Reading([*self._records, *made], left, self._traces)

    def _leave(self, noun: str, why: str, detail: str = "", *, count: int = 1, error: str = "") -> None:
        """Count an item that is left out; store the detail of the first one of each kind, and the first error."""
        self._first_reason = self._first_reason or error or detail
        if count:
            self._left.setdefault((noun, why), [0, detail])[0] += count

    def _take(self, part: Any, line: int) -> None:
        def bad(error: ImportFormatError) -> None:
            self._leave("span", "that cannot be read", f"line {line}: {error}")

        found = cast("dict[str, Any]", part) if isinstance(part, dict) else {}
        if "execution_id" in found:
            try:
                self._records.append(msgspec.convert(found, ExecutionRecord))
                self._recognised = True
            except msgspec.ValidationError as error:
                self._leave(
                    "run",
                    "not as `ael trace export` writes it",
                    f"line {line}: {error}",
                    error=f"line {line}: not a run as `ael trace export` writes it: {error}",
                )
            return
        if is_record(found):
            self._recognised = True
            self._take_trace(found, line)
            return
        recognised = True
        if "resourceSpans" in found or "resource_spans" in found:
            self._spans += self._otlp(found, bad)
        elif isinstance(found.get("batches"), list):
            self._spans += self._otlp({"resourceSpans": found["batches"]}, bad)  # Tempo, v1
        elif isinstance(found.get("trace"), dict):
            self._take(found["trace"], line)  # Tempo, v2
            return
        elif isinstance(found.get("result"), dict):
            self._take(found["result"], line)  # Jaeger, v3
            return
        elif jaeger.is_jaeger(found):
            self._spans += jaeger.spans_in_trace(found, bad)
        elif isinstance(found.get("data"), list):
            self._recognised = self._recognised or not found["data"]  # a response without traces
            for trace in _list(found["data"]):
                self._take(trace, line)
            return
        elif console_spans.is_console_span(found):
            try:
                self._spans.append(console_spans.span_in(found))
            except ImportFormatError as error:
                bad(error)
        else:
            recognised = False
        for signal, noun, inner in _OTHER_SIGNALS:
            resources = found.get(signal, found.get(_snake(signal)))
            if isinstance(resources, list):
                recognised = True
                self._leave(noun, "(not traces)", count=_count(_list(resources), inner))
        self._recognised = self._recognised or recognised
        if not recognised:
            self._leave(
                "document",
                "without OTLP/JSON of traces",
                f"line {line}: {_about(part)}",
                error=f"line {line}: not OTLP/JSON of traces: {_about(part)}",
            )

    def _take_trace(self, found: dict[str, Any], line: int) -> None:
        try:
            record, not_understood = read_record(found, None if self._root is None else self._root())
        except ImportFormatError as error:
            self._leave("record", "that cannot be read", f"line {line}: {error}")
            return
        self._traces.append(record)
        foreign = {f"metadata.{name[:40]}": 1 for name in record.metadata if name != VENDOR}
        for part, count in (not_understood | foreign).items():
            self._leave("part", f"of Agent Trace records that cannot be read: {part}", count=count)

    def _otlp(self, found: dict[str, Any], bad: Callable[[ImportFormatError], None]) -> list[Span]:
        try:
            return spans_in(found, bad)
        except ImportFormatError as error:
            bad(error)
            return []

    def _documents(self, data: bytes) -> Iterator[tuple[int, Any]]:
        """Yield each document with the line on which it begins."""
        data = data.removeprefix(b"\xef\xbb\xbf")
        for begin, why in _OTHER_FILES.items():
            if data.startswith(begin):
                raise ImportFormatError(why)
        lines = [(number, line) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
        if not lines:
            raise ImportFormatError("the file is empty")
        try:
            first = msgspec.json.decode(lines[0][1])
        except _NOT_JSON as error:
            # Not one document per line: one document with several lines, or several such documents.
            try:
                yield 1, msgspec.json.decode(data)
                return
            except _NOT_JSON:
                pass
            found = _one_after_another(data.decode("utf-8", "replace"))
            begins, document = next(found, (None, None))
            if begins is not None:
                yield begins, document
                for begins, document in found:
                    if begins is None:
                        self._leave("document", "cut short at the end")
                    else:
                        yield begins, document
                return
            self._leave(
                "line", "without valid JSON", f"line {lines[0][0]}: {error}", error=f"not JSON: {error}"
            )
        else:
            yield lines[0][0], first
        for number, line in lines[1:]:
            try:
                document = msgspec.json.decode(line)
            except _NOT_JSON as error:
                if number == lines[-1][0] and not data.endswith(b"\n"):
                    self._leave("line", "cut short at the end")
                else:
                    self._leave("line", "without valid JSON", f"line {number}: {error}")
                continue
            yield number, document


def _with_end(span: Span) -> Span:
    """Return a span that had not ended with its start as its end."""
    return span if span.end_ns else msgspec.structs.replace(span, end_ns=span.start_ns)


def _one_after_another(text: str) -> Iterator[tuple[int | None, Any]]:
    """Yield each document with the line on which it begins; ends with None at one that cannot be read."""
    decoder, at, line = json.JSONDecoder(), 0, 1
    while True:
        begin = at
        while at < len(text) and text[at].isspace():
            at += 1
        if at >= len(text):
            return
        line += text.count("\n", begin, at)
        try:
            document, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield None, None
            return
        yield line, document
        line += text.count("\n", at, end)
        at = end


def _list(value: Any) -> list[Any]:
    return list(cast("Iterable[Any]", value)) if isinstance(value, (list, tuple)) else []


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def _count(resources: list[Any], inner: tuple[str, str]) -> int:
    """Return the number of items two levels below resources: resource, scope, item."""

    def below(items: list[Any], name: str) -> list[Any]:
        found: list[Any] = []
        for item in items:
            if isinstance(item, dict):
                mapping = cast("dict[str, Any]", item)
                value = mapping.get(name, mapping.get(_snake(name)))
                found += _list(value)
        return found

    return len(below(below(resources, inner[0]), inner[1]))


def _about(part: Any) -> str:
    """Return a description of a document by its keys or its type, without its values."""
    if not isinstance(part, dict):
        return f"a JSON {type(part).__name__}"
    keys = [str(key)[:40] for key in cast("dict[str, Any]", part)]
    return f"with {', '.join(keys[:5]) or 'no fields'}"


def records_of(
    spans: Iterable[Span], on_bad: Callable[[ImportFormatError], None] | None = None
) -> list[ExecutionRecord]:
    """Return a record for each run in the spans, which may be of several traces, in any order, and repeated.

    Raises ImportFormatError for spans that cannot form a run, unless `on_bad` is passed, which is called instead.
    """
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    found: list[ExecutionRecord] = []
    for trace_id, some in traces.items():
        try:
            found += derive(some)
        except (ValueError, OverflowError, RecursionError) as error:
            why = ImportFormatError(f"trace {trace_id} cannot be converted to a run: {error}")
            if on_bad is None:
                raise why from None
            on_bad(why)
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
            # It had not ended when it was exported, and will not end here.
            record.status = "failed"
            record.error = ErrorRecord(
                INTERRUPTED, "spans", "the run had not ended when its trace was written"
            )
    return found


def _add_content(record: ExecutionRecord, attributes: Mapping[str, Mapping[str, Any]]) -> None:
    """Add the inputs and outputs in the spans of a run, if its writer stored them there."""
    root = attributes.get(record.span_id, {})
    record.inputs, record.outputs = input_of(root), output_of(root)
    for call in calls_of(record):
        facts = attributes.get(call.span_id, {})
        call.params, call.result = input_of(facts), output_of(facts)
        add_call_result(record, call, call.result)
