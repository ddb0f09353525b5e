"""Sources of telemetry to check: OTLP/JSON files, OTLP requests, objects of the SDK in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.live.samples import Batch, Json, read

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan


def from_file(path: Path) -> list[Batch]:
    """The batches of an OTLP/JSON file: one document, or one a line, as the Collector's file exporter writes them."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise SchemaError(str(path), "", error.strerror or "cannot be read") from error
    batches = [batch for document in _documents(path, text) for batch in read(document)]
    if not batches:
        raise SchemaError(
            str(path), "", "is not OTLP/JSON: no resourceSpans, resourceMetrics or resourceLogs"
        )
    return batches


def from_message(message: object) -> Iterator[Batch]:
    """The batches of an OTLP export request."""
    from importlib import import_module

    # The package ships no types.
    convert: Any = import_module("google.protobuf.json_format").MessageToDict
    return read(convert(message, use_integers_for_enums=True))


def from_spans(spans: Sequence[ReadableSpan]) -> Iterator[Batch]:
    """The batches of finished spans of the SDK, in the form in which they would be sent."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    return from_message(encode_spans(spans))


def from_metrics(data: MetricsData | None) -> Iterator[Batch]:
    """The batches of collected metrics of the SDK; none for a reader that has collected nothing."""
    from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics

    return iter(()) if data is None else from_message(encode_metrics(data))


def from_logs(records: Sequence[ReadableLogRecord]) -> Iterator[Batch]:
    """The batches of log records of the SDK."""
    from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs

    return from_message(encode_logs(records))


def _documents(path: Path, text: str) -> Iterable[Json]:
    try:
        whole: Any = json.loads(text)
    except json.JSONDecodeError:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        return [_line(path, number, line) for number, line in lines]
    return cast("list[Json]", whole if isinstance(whole, list) else [whole])


def _line(path: Path, number: int, line: str) -> Json:
    try:
        document: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise SchemaError(str(path), f"line {number}", f"is not JSON: {error.msg}") from error
    return cast("Json", document if isinstance(document, dict) else {})
