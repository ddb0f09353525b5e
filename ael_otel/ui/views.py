"""What the pages show of records, as plain texts and tables."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast
from urllib.parse import urlencode

import msgspec

from ael_otel.cost.wording import amount
from ael_otel.export.compare import Comparison, Difference, Timing
from ael_otel.export.waterfall import Section, Sheet, took
from ael_otel.store import ExecutionRecord
from ael_otel.store.content import to_json
from ael_otel.store.model_calls import RunModelCall

MAX_SHEET: Final = 300
"""Rows of a table below a waterfall."""

MAX_CELL: Final = 1_000
"""Characters of one value in a comparison."""

MAX_TEXT: Final = 20_000
"""Characters of what one step printed."""

DIRECT: Final = "(direct call)"


def address(path: str, **parameters: str) -> str:
    """Return the address of a page; ids are parameters, so that any text is an id."""
    return f"{path}?{urlencode(parameters)}"


def run_address(execution_id: str) -> str:
    """Return the address of the page of a run."""
    return address("/run", id=execution_id)


def short(identifier: str) -> str:
    """Return the beginning of an id, enough to tell it from others."""
    bare = identifier.removeprefix("exec-")
    return bare if len(bare) <= 12 else f"{bare[:8]}…"


def shortened(section: Section) -> Section:
    """Return a section whose tables have `MAX_SHEET` rows at most, and a note on what is left out."""
    left = sum(max(len(sheet.rows) - MAX_SHEET, 0) for sheet in section.sheets)
    if not left:
        return section
    sheets = [Sheet(sheet.heads, sheet.rows[:MAX_SHEET]) for sheet in section.sheets]
    return Section(section.title, sheets, [*section.notes, f"{left:,} more rows: see the command line."])


def model_calls(run: ExecutionRecord) -> Section | None:
    """Return the model calls of a run with tokens and cost; None if there are none."""
    if not run.model_calls:
        return None
    heads = ("step", "model", "input", "cached", "output", "cost", "price")
    rows = [
        (
            call.step_id or call.tool_name or "-",
            " ".join(filter(None, (call.model, f"of {call.provider}" if call.provider else None))) or "-",
            *(
                "-" if count is None else f"{count:,}"
                for count in (call.input_tokens, call.cache_read_tokens, call.output_tokens)
            ),
            "no price"
            if call.cost_nano is None or call.currency is None
            else amount(call.cost_nano, call.currency),
            call.price.id if call.price is not None else call.cost_source or "-",
        )
        for call in run.model_calls
    ]
    return shortened(Section("Model calls", [Sheet(heads, rows)], []))


def printed(run: ExecutionRecord) -> Iterator[tuple[str, str]]:
    """Yield what the code of each step printed: the step with the stream, and the text."""
    for step in sorted(run.steps, key=lambda step: step.index):
        if step.code is not None:
            for name, value in (("stdout", step.code.stdout), ("stderr", step.code.stderr)):
                if value:
                    yield f"{step.label} {name}", cut(as_text(value), MAX_TEXT)


def as_text(value: Any) -> str:
    """Return a value as text: a string as it is, others as indented JSON."""
    if isinstance(value, str):
        return value
    return msgspec.json.format(to_json(value, sys.maxsize), indent=2).decode()


def cut(text: str, most: int) -> str:
    """Return the beginning of a text, with the number of characters that are left out."""
    return text if len(text) <= most else f"{text[:most]}\n… {len(text) - most:,} more characters"


class Changed(msgspec.Struct, frozen=True):
    """One value that differs; None is absent."""

    path: str
    a: str | None
    b: str | None


def changed(found: Comparison) -> list[Changed]:
    """Return the first values that differ."""
    return [
        Changed(each.path, _side(each, each.a, each.in_a), _side(each, each.b, each.in_b))
        for each in found.differences[:MAX_SHEET]
    ]


def _side(difference: Difference, value: Any, there: bool) -> str | None:
    if not there:
        return None
    if (
        difference.in_a != difference.in_b
        and difference.path.startswith("steps.")
        and isinstance(value, dict)
    ):
        # Of a step that only one run has, its status is enough.
        value = cast("dict[str, Any]", value).get("status", value)
    return cut(as_text(value), MAX_CELL)


def timing(row: Timing) -> tuple[str, str, str, str]:
    """Return the cells of one step in both runs: name, durations, change."""
    change = ""
    if row.a_ms and row.b_ms is not None:
        ratio = row.b_ms / row.a_ms
        change = f"{ratio:.1f}x" if ratio >= 2 else f"{ratio - 1:+.0%}"
    return row.step, _lasted(row.a_status, row.a_ms), _lasted(row.b_status, row.b_ms), change


def _lasted(status: str | None, ms: float | None) -> str:
    if status is None:
        return "-"
    if status in ("skipped", "running", "pending"):
        return status
    return took(ms) if status == "completed" else f"{status} {took(ms)}"


def unpriced(calls: Sequence[RunModelCall], most: int = 10) -> list[tuple[str, int]]:
    """Return the models of calls without a price, most calls first."""
    counts: dict[str, int] = {}
    for each in calls:
        if not each.copy and each.call.cost_nano is None:
            model = each.call.model or "no model named"
            counts[model] = counts.get(model, 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
