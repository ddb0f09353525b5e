"""The export formats of runs, by their name in `--format`."""

from collections.abc import Callable, Iterable, Iterator
from itertools import batched
from typing import Final

import msgspec

from ael_otel.export import chrome, jaeger, ocel, otlp, sheet, zipkin
from ael_otel.export.span_tree import SERVICE, spans_of
from ael_otel.store import ExecutionRecord
from ael_otel.store.codec import encode

type Runs = Iterable[ExecutionRecord]

_RUNS_A_LINE: Final = 100


def write_json(runs: Runs) -> Iterator[bytes]:
    """Yield one JSON array of whole records, indented; it reads back exactly."""
    yield from _array((msgspec.json.format(encode(run), indent=2) for run in runs), b"[", b"]\n")


def write_jsonl(runs: Runs) -> Iterator[bytes]:
    """Yield one record a line; it reads back exactly."""
    for run in runs:
        yield encode(run) + b"\n"


def write_csv(runs: Runs) -> Iterator[bytes]:
    """Yield a heading, then one row for each run, step and call."""
    yield from (line.encode() for line in sheet.lines([sheet.COLUMNS]))
    for run in runs:
        for line in sheet.lines(sheet.rows(run)):
            yield line.encode()


def write_otlp(runs: Runs, service: str = SERVICE) -> Iterator[bytes]:
    """Yield OTLP/JSON, an object a line for some runs each: OpenTelemetry's own file format, so of any length."""
    for some in batched(runs, _RUNS_A_LINE):
        yield otlp.encode(span for run in some for span in spans_of(run, service)) + b"\n"


def write_zipkin(runs: Runs, service: str = SERVICE) -> Iterator[bytes]:
    """Yield one JSON array of Zipkin v2 spans."""
    spans = (msgspec.json.encode(zipkin.as_zipkin(span)) for run in runs for span in spans_of(run, service))
    yield from _array(spans, b"[", b"]\n")


def write_jaeger(runs: Runs, service: str = SERVICE) -> Iterator[bytes]:
    """Yield one JSON object as the Jaeger interface opens it."""
    traces = (msgspec.json.encode(jaeger.as_jaeger(spans_of(run, service))) for run in runs)
    yield from _array(traces, b'{"data":[', b"]}\n")


def write_chrome(runs: Runs, service: str = SERVICE) -> Iterator[bytes]:
    """Yield one JSON object of Chrome trace events, each run a process."""
    found = (
        msgspec.json.encode(event)
        for number, run in enumerate(runs, 1)
        for event in chrome.events(
            spans_of(run, service), number, f"{run.workflow_name or '(direct)'} {run.execution_id}"
        )
    )
    yield from _array(found, b'{"traceEvents":[', b"]}\n")


RECORD_FORMATS: Final[dict[str, Callable[[Runs], Iterator[bytes]]]] = {
    "json": write_json,
    "jsonl": write_jsonl,
    "csv": write_csv,
    "ocel": ocel.written,
}
SPAN_FORMATS: Final[dict[str, Callable[[Runs, str], Iterator[bytes]]]] = {
    "otlp": write_otlp,
    "zipkin": write_zipkin,
    "jaeger": write_jaeger,
    "chrome": write_chrome,
}


def write(form: str, runs: Runs, service: str = SERVICE) -> Iterator[bytes]:
    """Yield the runs in one of these formats; spans have the service name `service`."""
    if form in RECORD_FORMATS:
        return RECORD_FORMATS[form](runs)
    return SPAN_FORMATS[form](runs, service)


def _array(items: Iterable[bytes], opening: bytes, closing: bytes) -> Iterator[bytes]:
    yield opening
    first = True
    for item in items:
        yield item if first else b",\n" + item
        first = False
    yield closing
