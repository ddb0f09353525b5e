"""`ael trace list`: filters, output forms, paging and errors."""

import csv
import io
import json
import os
import re
import time
from datetime import timedelta

import msgspec
import pytest
from rich.console import Console

from ael_otel.cli.render import run_table as listing
from ael_otel.export.span_tree import spans_of
from ael_otel.store import ErrorRecord, ExecutionRecord, MemoryStore, RunQuery
from tests.unit.cli.trace.runs import NOON, ael, make, runs

ALL = [run.execution_id for run in runs()]
ADA, BOB, DECLINED, DECLINED_2, DIRECT, RUNNING = ALL


def listed(*arguments):
    """The ids that a list with these options has."""
    done = ael("list", "--output", "json", *arguments)
    assert done.exit_code == 0, done.stderr
    return [run["execution_id"] for run in json.loads(done.stdout)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ALL),
        (["--workflow", "order"], [DECLINED, DECLINED_2]),
        (["-w", "nothing"], []),
        (["--status", "failed"], [DECLINED, DECLINED_2]),
        (["--status", "running"], [RUNNING]),
        (["--tool", "echo"], [ADA, BOB, DIRECT]),
        (["--error", "TOOL_FAILED"], [DECLINED, DECLINED_2]),
        (["--min-duration", "40ms"], [ADA, BOB]),
        (["--min-duration", "0.04s"], [ADA, BOB]),
        (["--min-duration", "41"], [BOB]),
        (["--text", "DECLINED"], [DECLINED, DECLINED_2]),
        (["--text", "世界", "--workflow", "mixed"], [ADA, BOB]),
        (["--session", "morning"], [ADA, BOB]),
        (["--from", "2026-11-20T12:04:00Z"], [ADA, BOB]),
        (["--since", "2026-11-20T12:04:00"], [ADA, BOB]),
        (["--since", "2026-11-20T13:04:00+01:00"], [ADA, BOB]),
        (["--until", "2026-11-20T12:01:00Z"], [RUNNING]),
        (["--to", "2026-11-20 12:01:00.000001"], [DIRECT, RUNNING]),
        (["--from", "2026-11-20", "--to", "2026-11-21"], ALL),
        (["--from", "2026-11-21"], []),
        (["--status", "failed", "--until", "2026-11-20T12:03:00Z"], [DECLINED_2]),
    ],
)
def test_filters_choose(place, options, expected):
    """Each alone and with others; times without a zone are UTC, ranges have their start and not their end."""
    assert listed(*options) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--status", "FAILED"], [DECLINED, DECLINED_2]),
        (["--status", "Running"], [RUNNING]),
        (["--error", "tool_failed"], [DECLINED, DECLINED_2]),
        (["--error", " Tool_Failed "], [DECLINED, DECLINED_2]),
        (["--error", "CANCELLED"], ["exec-cancelled"]),
        (["--error", "INTERRUPTED"], ["exec-interrupted"]),
        (["--error", "timeouterror"], []),
        (["--error", "TimeoutError"], ["exec-TimeoutError"]),
        (["--output", "JSON", "--status", "Failed"], [DECLINED, DECLINED_2]),
    ],
)
def test_a_choice_and_a_code_have_no_case(place, options, expected):
    """Proves that statuses, forms and engine errors match in either case, other errors in the case of the record."""
    make(
        place / ".ael" / "telemetry.db",
        [
            ExecutionRecord(
                f"exec-{code}",
                "workflow",
                "cancelled",
                NOON,
                trace_id=f"{number:032x}",
                error=ErrorRecord(code, "tool", "gone"),
            )
            for number, code in enumerate(("cancelled", "interrupted", "TimeoutError"), start=1)
        ],
    )
    assert listed(*options) == expected


def test_pages_follow_each_other_and_report_the_rest(place):
    """Every run is on one page; the number on stderr is right on each; the last one says nothing."""
    seen, cursor, left = [], [], []
    while True:
        done = ael("list", "--limit", "2", "--output", "jsonl", *cursor)
        seen += [json.loads(line)["execution_id"] for line in done.stdout.splitlines()]
        more = re.fullmatch(r"(\d+) more: --cursor (\S+)\n", done.stderr)
        if more is None:
            break
        left.append(int(more[1]))
        cursor = ["--cursor", more[2]]
    assert (seen, left, done.stderr) == (ALL, [4, 2], "")


def test_remaining_count_is_right_among_runs_of_the_same_time(tmp_path, place):
    """Ten runs that began in the same microsecond."""
    same = runs()[:1] * 10
    for number in range(10):
        same[number] = type(same[0])(f"exec-{number:012}", "workflow", "completed", same[0].started_at)
    make(tmp_path / "same.db", same)
    done = ael("list", "--db", "same.db", "--limit", "4")
    assert done.stderr.startswith("6 more: --cursor ")


def test_remaining_count_is_bounded(place, monkeypatch):
    """Up to the bound the number is exact, beyond it `+` marks that there are more."""
    for bound, expected in ((4, "4 more: --cursor "), (3, "3+ more: --cursor ")):
        monkeypatch.setattr("ael_otel.cli.trace.list.MAX_COUNTED", bound)
        assert ael("list", "--limit", "2").stderr.startswith(expected)


def test_text_search_does_not_count_the_rest(place):
    """Counting would read every run; the cursor is printed nevertheless."""
    assert re.fullmatch(r"More match: --cursor \S+\n", ael("list", "--text", "card", "--limit", "1").stderr)


def test_the_table_shows_a_run_a_line(place):
    """Time, workflow, status, steps, duration, error, and an id that `show` accepts."""
    done = ael("list")
    lines = done.stdout.splitlines()
    assert lines[0].split() == [
        "started",
        "(UTC)",
        "workflow",
        "status",
        "steps",
        "duration",
        "what",
        "happened",
        "id",
    ]
    assert lines[1].split() == [
        "2026-11-20",
        "12:05:00",
        "mixed",
        "completed",
        "2",
        "ok",
        "40.0",
        "ms",
        "a0f63b41",
    ]
    assert 'TOOL_FAILED "card declined"' in lines[3]
    assert lines[5].split()[2:6] == ["(direct", "call)", "echo@demo", "completed"]
    assert "\x1b" not in done.stdout
    assert len(lines) == 7


def test_json_is_whole_and_plain(place, monkeypatch):
    """Neither the width of the terminal nor a wish for colour changes it."""
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    done = ael("list", "--output", "json")
    assert "\x1b" not in done.stdout
    first = json.loads(done.stdout)[0]
    assert (first["workflow_name"], first["started_at"]) == ("mixed", "2026-11-20T12:05:00Z")
    assert first["steps"] == 2


def test_csv_has_a_heading_and_a_line_a_run(place):
    """Also when nothing matches."""
    rows = list(csv.DictReader(io.StringIO(ael("list", "--output", "csv").stdout)))
    assert [row["execution_id"] for row in rows] == ALL
    assert rows[0]["started_at"] == "2026-11-20T12:05:00.000000Z"
    empty = ael("list", "--output", "csv", "--workflow", "none").stdout
    assert empty.splitlines() == [",".join(rows[0])]


def test_fields_are_picked_by_their_names_in_json(place):
    """Of the summary, of the whole run by paths, through lists; what a run lacks is null."""
    done = ael(
        "list",
        "--output",
        "jsonl",
        "--fields",
        "workflow_name,inputs.name,steps.step_id,error.code",
        "-n",
        "3",
    )
    assert [list(json.loads(line).values()) for line in done.stdout.splitlines()] == [
        ["mixed", "Ada", ["greet", "crunch"], None],
        ["mixed", "Bob", ["greet", "crunch"], None],
        ["order", None, ["pay"], "TOOL_FAILED"],
    ]
    rows = list(csv.reader(io.StringIO(ael("list", "--fields", "status,inputs.formula", "-o", "csv").stdout)))
    assert rows[3] == ["failed", "'=1+1"], "harmless in a spreadsheet"
    table = ael("list", "--fields", "inputs", "-n", "1").stdout.splitlines()
    assert [line.rstrip() for line in table] == ["inputs", '{"name":"Ada"}']


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--limit", "0"], "0 is not in the range"),
        (["--status", "bad"], "'bad' is not one of 'pending', 'running', 'completed', 'failed', 'cancelled'"),
        (["--since", "soon"], "'soon' is not a time"),
        (["--to", "2026-13-01"], "'2026-13-01' is not a time"),
        (["--min-duration", "long"], "'long' is not a duration"),
        (["--cursor", "x"], "'x' is not a cursor"),
        (["--from", "2026-11-21", "--to", "2026-11-20"], "is after until"),
        (["--fields", "workflow"], "no field 'workflow'; did you mean 'workflow_name'?"),
        (["--fields", ","], "contains no field name"),
        (["--output", "xml"], "'xml' is not one of"),
    ],
)
def test_wrong_usage_ends_with_2(place, options, said):
    """The message names the accepted form, on stderr only."""
    done = ael("list", *options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_empty_result_is_not_a_failure(place):
    """Empty JSON, a word on stderr, exit code 0."""
    done = ael("list", "--workflow", "none", "--output", "json")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "[]\n", "No runs match.\n")
    assert ael("list", "--workflow", "none").stdout == ""


def test_no_store_ends_with_3(tmp_path, place):
    """Nothing is made by looking."""
    done = ael("list", "--db", "none.db")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "no runs have been recorded here yet" in done.stderr
    assert not (tmp_path / "none.db").exists()


def test_the_store_is_found_upwards_and_by_the_variable(place, monkeypatch):
    """In a folder below, with AEL_TELEMETRY_DB, and by the configuration that the engine would use."""
    below = place / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert listed() == ALL
    make(place / "other.db", runs()[:1])
    monkeypatch.setenv("AEL_TELEMETRY_DB", str(place / "other.db"))
    assert listed() == ALL[:1]
    monkeypatch.delenv("AEL_TELEMETRY_DB")
    (below / "ael-config.yaml").write_text(f"telemetry: {{store: {{path: {place}/other.db}}}}")
    assert listed() == ALL[:1]
    assert listed("--db", str(place / ".ael" / "telemetry.db")) == ALL


def test_a_wrong_configuration_ends_with_2(place):
    """It is not passed over: it may name another store."""
    (place / "ael-config.yaml").write_text("telemetry: {store: {pth: x}}")
    done = ael("list")
    assert done.exit_code == 2
    assert "did you mean telemetry.store.path?" in done.stderr
    assert ael("list", "-c", "gone.yaml").exit_code == 2


def test_something_else_than_a_store_ends_with_1(place):
    """One line, no traceback."""
    (place / "text.db").write_text("hello " * 1000)
    done = ael("list", "--db", "text.db")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [
        (["list"], ["mixed", "a0f63b41", "order"]),
        (["show", "a0f6", "--spans"], ["Step 2: code_execution", "+10.0 ms"]),
        (["diff", "a0f6", "b1e2"], ["mixed", "a0f63b41", "b1e29c07", "completed", "40.0 ms"]),
        (["stats"], ["mixed", "order", "(direct)", "40.0 ms", "80.0 ms"]),
        (["stats", "--by", "tool"], ["echo", "charge"]),
    ],
)
def test_a_narrow_terminal_has_fewer_columns_and_whole_words(place, monkeypatch, arguments, whole):
    """At 60 columns names, ids and figures are neither cut nor broken; columns are left out or an error is cut."""
    on_terminal(monkeypatch, 60)
    text = ael(*arguments).stdout
    ids = [span.span_id for span in spans_of(runs()[0])] if "--spans" in arguments else []
    assert [words for words in [*whole, *ids] if words not in text] == []
    assert max(map(len, text.splitlines())) <= 60
    assert [line for line in text.splitlines() if "…" in line and "failed" not in line] == []


@pytest.mark.parametrize(
    ("width", "later", "expected"),
    [
        (80, timedelta(hours=1), "12:05:00"),
        (95, timedelta(hours=1), "12:05:00"),
        (80, timedelta(days=1), "11-20 12:05:00"),
        (72, timedelta(days=1), "11-20"),
        (80, timedelta(days=60), "2026-11-20"),
    ],
)
def test_a_narrow_terminal_still_has_times(width, later, expected):
    """Proves that a run of today has its time, one of another day or year its day, with the time if there is room."""
    found = MemoryStore()
    found.put(runs())
    out = Console(width=width, file=io.StringIO())
    out.print(listing.runs(found.query(RunQuery()).runs, width=width, now=NOON + later))
    lines = [line.rstrip() for line in out.file.getvalue().splitlines()]
    assert re.match(r"at \(UTC\) +workflow +status +steps +duration +what happened +id$", lines[0])
    assert re.match(rf"{expected} +mixed +completed +2 ok +40.0 ms +a0f63b41$", lines[1])
    assert max(map(len, lines)) <= width
    assert [line for line in lines if "…" in line and "TOOL_FAIL" not in line] == []


def test_names_come_before_times():
    """Proves that a narrow table of long names leaves out times rather than cut a name, an id or the error."""
    found = MemoryStore()
    found.put(
        msgspec.structs.replace(run, workflow_name=f"{run.workflow_name}-{'long' * 6}") for run in runs()
    )
    out = Console(width=80, file=io.StringIO())
    out.print(listing.runs(found.query(RunQuery()).runs, width=80, now=NOON))
    lines = out.file.getvalue().splitlines()
    assert lines[0].split() == ["workflow", "status", "steps", "duration", "what", "happened", "id"]
    assert lines[1].split() == ["mixed-" + "long" * 6, "completed", "2", "ok", "40.0", "ms", "a0f63b41"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_one_endless_name_leaves_ids_and_errors(width):
    """Proves that a name wider than the terminal is cut, and every line keeps its status and id."""
    found = MemoryStore()
    found.put(runs())
    found.put(
        [
            msgspec.structs.replace(
                runs()[0], execution_id="exec-0", trace_id="f" * 32, workflow_name="n" * 5_000
            )
        ]
    )
    page = found.query(RunQuery()).runs
    out = Console(width=width, file=io.StringIO())
    out.print(listing.runs(page, width=width, now=NOON))
    lines = [line.rstrip() for line in out.file.getvalue().splitlines()]
    assert len(lines) == 1 + len(page)
    for line, run in zip(lines[1:], page, strict=True):
        assert line.endswith(listing.identifier(run.trace_id, run.execution_id))
        assert run.status in line
    assert max(map(len, lines)) <= width


def on_terminal(monkeypatch, width):
    """Let stdout of the command be a terminal of that width that knows no colours."""
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True)
    for name, text in (("TERM", "dumb"), ("COLUMNS", str(width)), ("LINES", "50")):
        monkeypatch.setenv(name, text)


LONG = "the server answered: " + "no route to the warehouse, " * 40


def with_details(place):
    """Write runs whose summaries lack details: a long error, a skipped step, a tolerated failure."""
    first, _, broken, *_ = runs()
    error = ErrorRecord("TOOL_FAILED", "TOOL", LONG, step_id="pay", tool_name="charge")
    greet, crunch = first.steps
    skipped = msgspec.structs.replace(
        crunch, step_id="report", index=2, status="skipped", skip_reason="when condition not met: x"
    )
    tolerated = msgspec.structs.replace(
        greet,
        step_id="notify",
        index=3,
        status="skipped",
        skip_reason="Skipped due to error: no",
        error=ErrorRecord("TOOL_FAILED", "TOOL", "no route"),
    )
    kinder = msgspec.structs.replace(first, execution_id="exec-kind", steps=[greet, skipped, tolerated])
    make(place / "details.db", [msgspec.structs.replace(broken, error=error), kinder])


def test_a_run_is_one_whole_line_in_a_pipe(place, monkeypatch):
    """Proves that COLUMNS folds and cuts nothing in a pipe, also an error longer than its summary keeps."""
    monkeypatch.setenv("COLUMNS", "40")
    with_details(place)
    lines = ael("list", "--db", "details.db").stdout.splitlines()
    assert len(lines) == 3
    [line] = [line for line in lines if "order" in line]
    assert LONG.strip() in line
    assert line.split()[-1] == "c3d45e60"
    fields = ael("list", "--db", "details.db", "--fields", "error.message,execution_id").stdout.splitlines()
    assert len(fields) == 3
    assert LONG.strip() in "".join(fields)


@pytest.mark.parametrize("width", [200, 100, 80, 60, 40])
def test_a_run_is_one_line_with_an_ellipsis_on_a_terminal(place, monkeypatch, width):
    """Proves that a long error is cut to the terminal, and the id stays whole."""
    on_terminal(monkeypatch, width)
    with_details(place)
    lines = ael("list", "--db", "details.db").stdout.splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= width
    if width >= 60:
        [line] = [line for line in lines if "order" in line]
        assert "…" in line
        assert line.split()[-1] == "c3d45e60"


def test_colour_in_a_pipe_folds_nothing(place, monkeypatch):
    """Proves that a pipe is recognised by its file, not by whether colour was asked for."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    with_details(place)
    text = ael("list", "--db", "details.db").stdout
    assert (len(text.splitlines()), "\x1b[" in text, LONG.strip() in text) == (3, True, True)


def test_skipped_and_tolerated_steps_are_in_the_line(place):
    """Proves that a run that went well names steps that were skipped, and those whose failure did no harm and why."""
    with_details(place)
    [line] = [line for line in ael("list", "--db", "details.db").stdout.splitlines() if "mixed" in line]
    assert "1 ok, 2 skip" in line
    assert 'notify: tolerated TOOL_FAILED "no route"; report skipped' in line


def test_a_damaged_record_still_has_its_line(place, monkeypatch):
    """Proves that a list falls back on the summary of a run whose record cannot be read."""
    from ael_otel.errors import StoreError

    def damaged(self, execution_id):
        raise StoreError("damaged")

    with_details(place)
    monkeypatch.setattr("ael_otel.store.sqlite.SqliteStore.get", damaged)
    [line] = [line for line in ael("list", "--db", "details.db").stdout.splitlines() if "mixed" in line]
    assert "2 steps skipped" in line


@pytest.mark.parametrize("option", [["--local"], []])
def test_times_are_those_of_the_zone_that_was_asked_for(place, monkeypatch, option):
    """Proves that --local and AEL_TIMEZONE move the column, and that the filters read times in the same zone."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        if not option:
            monkeypatch.setenv("AEL_TIMEZONE", "Asia/Kolkata")
        lines = ael("list", *option).stdout.splitlines()
        assert lines[0].startswith("started (local)" if option else "started (Asia/Kolkata)")
        assert lines[1].startswith("2026-11-20 17:35:00")
        assert listed("--from", "2026-11-20 17:34:00", *option) == [ADA, BOB]
        assert (
            json.loads(ael("list", "-o", "json", *option).stdout)[0]["started_at"] == "2026-11-20T12:05:00Z"
        )
        assert "2026-11-20 17:35:00+05:30" in ael("show", "a0f6", *option).stdout
        assert "since 2026-11-20 17:30" in ael("stats", *option).stdout
        rows = json.loads(ael("stats", "--by", "day", "-o", "json", *option).stdout)["rows"]
        assert [(row["key"], row["count"]) for row in rows] == [("2026-11-20", 6)]
        [last] = ael("tail", "--last", "1", "--seconds", "0.1", *option).stdout.splitlines()
        assert last.startswith("17:35:00")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_days_of_stats_begin_at_midnight_of_the_zone(place, monkeypatch):
    """Proves that noon in UTC is another day 13 hours east of it."""
    monkeypatch.setenv("AEL_TIMEZONE", "Pacific/Auckland")
    rows = json.loads(ael("stats", "--by", "day", "-o", "json").stdout)["rows"]
    assert [(row["key"], row["count"], row["running"]) for row in rows] == [("2026-11-21", 6, 1)]


@pytest.mark.parametrize("name", ["Mars/Base", "Europe", "../../etc/passwd", "/etc/passwd", "\x00"])
def test_a_zone_that_is_none_ends_with_2(place, monkeypatch, name):
    """Proves that a wrong zone is one line that names the variable and a valid value."""
    monkeypatch.setattr("ael_otel.cli.trace.options.os.environ", {**os.environ, "AEL_TIMEZONE": name})
    done = ael("list")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "AEL_TIMEZONE" in done.stderr
    assert "Europe/Berlin" in done.stderr


def test_wrong_expression_is_marked_below_its_column(place):
    """Proves that a mistake in `--where` ends with 2 and a mark below the place, without a store being needed."""
    done = ael("list", "--where", "status = failed and step.tol = echo", "--db", "absent.db")
    assert done.exit_code == 2
    *_, message, expression, mark = done.stderr.splitlines()
    assert message.endswith("column 26: a step has no field 'tol'; did you mean 'tool'?")
    assert expression[mark.index("^") :].startswith("tol = echo")
