"""Compare the record that the lifecycle stored with the record derived from the run's spans, field by field."""

from collections.abc import Iterator
from typing import Any

import msgspec

# Values that are on no span: content, the origin of a run, error texts, ids that nothing else refers to.
CONTENT = {
    "inputs",
    "outputs",
    "params",
    "result",
    "tool_params",
    "tool_result",
    "stdout",
    "stderr",
    "imports",
}
NOT_ON_SPANS = CONTENT | {
    "owner",
    "call_id",
    "message",
    "detail",
    "category",
    "cause",
    "retryable",
    "decision",
    "caller_id",
    "attempt_errors",  # a retry is an event of its span, and events are not read back
}


def differences(stored: Any, derived: Any, where: str, pause_s: float = 0.25) -> Iterator[str]:
    """Yield every field in which two records differ, with its path; times may differ by the delay between two reads.

    That is at most `pause_s`: how long a loaded machine may pause the process between them.
    """
    if isinstance(stored, msgspec.Struct) and isinstance(derived, msgspec.Struct):
        not_run = getattr(stored, "status", "") == "skipped" and getattr(stored, "code", None) is None
        for name in stored.__struct_fields__:
            # A skipped step has run no code: its hash is only in the definition.
            if name not in NOT_ON_SPANS and not (name == "code_hash" and not_run):
                yield from differences(
                    getattr(stored, name), getattr(derived, name), f"{where}.{name}", pause_s
                )
    elif isinstance(stored, list) and isinstance(derived, list) and len(stored) == len(derived):
        for position, (one, other) in enumerate(zip(stored, derived, strict=True)):
            yield from differences(one, other, f"{where}[{position}]", pause_s)
    elif where.endswith((".started_at", ".completed_at")) and stored and derived:
        if abs((stored - derived).total_seconds()) > pause_s:
            yield f"{where}: {stored} stored, {derived} derived"
    elif where.endswith(".duration_ms") and stored is not None and derived is not None:
        if not -pause_s * 1e3 < stored - derived < 1:
            yield f"{where}: {stored} stored, {derived} derived"
    elif stored != derived:
        yield f"{where}: {stored!r} stored, {derived!r} derived"
