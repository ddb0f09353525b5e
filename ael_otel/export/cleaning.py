"""Runs that another program has written, without their secrets: nothing redacted them before they come here."""

from typing import Any

import msgspec

from ael_otel.export.errors import ImportFormatError
from ael_otel.privacy.markers import EXCLUDED_PATH, MARKERS
from ael_otel.privacy.redactor import Redactor
from ael_otel.store import ExecutionRecord, ToolCallRecord
from ael_otel.store.carried import calls_of
from ael_otel.store.codec import decode, encode


def cleaned(record: ExecutionRecord, redactor: Redactor) -> ExecutionRecord:
    """Return a run without secrets in any of its texts and contents; the same object when there are none.

    Of a call that names an excluded file the result is a marker, as it is when the run is recorded here.

    Raises:
        ImportFormatError: what is left of it without secrets is no run any more.
    """
    excluded = [
        call for call in calls_of(record) if call.result is not None and redactor.names_excluded(call.params)
    ]
    document = msgspec.json.decode(encode(_without_results(record, excluded) if excluded else record))
    clean = redactor.value(document)
    if clean is document and not excluded:
        return record
    try:
        return decode(msgspec.json.encode(clean))
    except msgspec.ValidationError as error:
        raise ImportFormatError(f"a run cannot be read any more without its secrets: {error}") from None


def _without_results(record: ExecutionRecord, excluded: list[ToolCallRecord]) -> ExecutionRecord:
    marker = MARKERS[EXCLUDED_PATH]
    some = {id(call) for call in excluded}

    def all_of(calls: list[ToolCallRecord]) -> list[ToolCallRecord]:
        return [msgspec.structs.replace(call, result=marker) if id(call) in some else call for call in calls]

    steps: list[Any] = []
    for step in record.steps:
        hidden = any(id(call) in some for call in step.tool_calls)
        shown = {"tool_result": marker} if hidden and step.tool_result is not None else {}
        steps.append(msgspec.structs.replace(step, tool_calls=all_of(step.tool_calls), **shown))
    return msgspec.structs.replace(record, steps=steps, tool_calls=all_of(record.tool_calls))
