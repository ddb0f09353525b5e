"""JSON, JSON Lines and CSV: exact, or harmless."""

import csv
import io
import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ael_otel.export.formats import (
    RECORD_FORMATS,
    SPAN_FORMATS,
    write,
    write_csv,
    write_json,
    write_jsonl,
    write_otlp,
)
from ael_otel.export.sheet import COLUMNS, cell, lines
from ael_otel.store import ExecutionRecord
from tests.unit.export.conftest import MESSY, records
from tests.unit.export.ocel_rules import check


@given(st.lists(records(), max_size=2))
def test_json_comes_back_exactly(runs):
    """Every field of every record, from the array and from the lines."""
    assert msgspec.json.decode(b"".join(write_json(runs)), type=list[ExecutionRecord]) == runs
    lines_ = b"".join(write_jsonl(runs)).splitlines()
    assert [msgspec.json.decode(line, type=ExecutionRecord) for line in lines_] == runs


def test_content_is_never_cut(full):
    """A result of a megabyte is the same in the JSON and in the record."""
    full.outputs = {"text": "x" * 1_000_000}
    assert b"x" * 1_000_000 in b"".join(write_json([full]))


@pytest.mark.parametrize("name", [*RECORD_FORMATS, *SPAN_FORMATS])
def test_export_of_no_runs_is_a_valid_file(name):
    """No runs: an empty array or object, or no lines."""
    data = b"".join(write(name, []))
    if name == "ocel":
        check(json.loads(data))
        assert json.loads(data)["events"] == []
    elif name in ("json", "zipkin", "jaeger", "chrome"):
        assert json.loads(data) == {"jaeger": {"data": []}, "chrome": {"traceEvents": []}}.get(name, [])
    else:
        assert data == (b"".join(write_csv([])) if name == "csv" else b"")


def test_a_long_otlp_file_is_lines_of_objects(full):
    """A hundred runs a line, as OpenTelemetry's file format asks, so that no reader has to hold all of it."""
    parts = [
        len(json.loads(part)["resourceSpans"][0]["scopeSpans"][0]["spans"])
        for part in write_otlp([full] * 250)
    ]
    assert parts == [1000, 1000, 500]


def test_csv_has_a_row_for_each_part_of_a_run(full, direct):
    """The run, then its steps, each followed by its calls; content is JSON in one cell."""
    text = b"".join(write_csv([full, direct])).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["row"] for row in rows] == [
        "run", "step", "call", "call", "step", "call", "step", "step", "call", "run", "call",
    ]  # fmt: skip
    assert json.loads(rows[0]["input"]) == full.inputs
    assert (rows[0]["started_at"], rows[0]["duration_ms"]) == ("2026-11-21T04:56:39.123456Z", "50.25")
    assert (rows[3]["step"], rows[3]["attempt"], rows[8]["server"]) == ("greet", "2", "bank")
    assert rows[2]["error_message"] == "'=connection reset", "a formula from a tool server is text"


@given(MESSY)
@example("=HYPERLINK(1)")
@example("\t=1")
@example("  +1")
@example("\N{FULLWIDTH EQUALS SIGN}1")
def test_no_cell_is_a_formula(text):
    """A spreadsheet finds an apostrophe or something harmless at the start of a cell, and all the text after it."""
    [line] = lines([[text]])
    [[read]] = list(csv.reader(io.StringIO(line, newline=""))) or [[""]]
    assert not read.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
    assert read.removeprefix("'") in (cell(text).removeprefix("'"), "")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        (True, "true"),
        (-3, -3),
        (-1.5, -1.5),
        ([1], "[1]"),
        ({"a": "="}, '{"a":"="}'),
        ("plain", "plain"),
    ],
)
def test_cells_of_each_type(value, written):
    """Numbers stay numbers, also negative ones; content is JSON."""
    assert cell(value) == written
