"""Redact runs that another program has written: nothing has redacted them before they are imported."""

from typing import Any

import msgspec

from ael_otel.core.redaction import ActiveRedaction
from ael_otel.errors import ImportFormatError
from ael_otel.privacy.markers import EXCLUDED_PATH, MARKERS
from ael_otel.privacy.redactor import Redactor
from ael_otel.store import ExecutionRecord, ToolCallRecord
from ael_otel.store.codec import MAX_CONTENT, decode, encode
from ael_otel.store.content import Capture
from ael_otel.store.span_content import calls_of


def cleaned(record: ExecutionRecord, redactor: Redactor) -> ExecutionRecord:
    """Return a run with all texts and contents redacted; the same object if nothing was redacted.

    The result of a call that names an excluded file is replaced by a marker, as in a run that is recorded here.

    Raises:
        ImportFormatError: after redaction it is not a valid run.
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
        raise ImportFormatError(f"a run is not valid after redaction: {error}") from None


def captured(record: ExecutionRecord, redaction: ActiveRedaction) -> ExecutionRecord:
    """Return a run with only the content that the configuration allows for recorded runs.

    `redact_inputs`, `redact_outputs` and the modes of tools are applied; values of tools with the mode `full` are
    redacted as well, and nothing that was imported uncut is cut.
    """
    keep_in = Capture(MAX_CONTENT, blank=redaction.hides_inputs, redact=_as_it_is)
    keep_out = Capture(MAX_CONTENT, blank=redaction.hides_outputs, redact=_as_it_is)
    for call in calls_of(record):
        mode = redaction.stated_mode(call.tool_name)
        call.params, call.result = keep_in(call.params, mode), keep_out(call.result, mode)
    for step in record.steps:
        mode = redaction.stated_mode(step.tool_name or "")
        step.tool_params, step.tool_result = keep_in(step.tool_params, mode), keep_out(step.tool_result, mode)
        if step.code is not None and redaction.hides_outputs:
            step.code.stdout, step.code.stderr = keep_out(step.code.stdout), keep_out(step.code.stderr)
            step.code.result = keep_out(step.code.result)
    record.inputs, record.outputs = keep_in(record.inputs), keep_out(record.outputs)
    return decode(encode(record))


def _as_it_is(value: Any) -> Any:
    return value


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
