"""`ael trace export` and `import`: output files, refusals, and import of an export."""

import csv
import io
import json
import stat

import msgspec
import pytest

from ael_otel.cli.trace.export import FORMATS
from ael_otel.export import push
from ael_otel.store import ExecutionRecord
from tests.unit.cli.trace.runs import ael, make, mixed, runs

ADA, BOB, DECLINED, DECLINED_2, DIRECT, RUNNING = runs()
ALL = [run.execution_id for run in runs()]
ACCESS_KEY = "AKIA" + "Z7Q2M4XK9B3NVT5W"


def ids(text):
    """The ids in a JSON export."""
    return [run["execution_id"] for run in json.loads(text)]


def test_json_is_the_default_and_in_the_order_asked_for(place):
    """An array, also for one run; one that is named twice is there once."""
    assert ids(ael("export", "a0f6").stdout) == [ADA.execution_id]
    assert ids(ael("export", "b1e2", "a0f6", "b1e2").stdout) == [BOB.execution_id, ADA.execution_id]


def test_all_takes_the_filters_of_list(place):
    """And no limit."""
    assert ids(ael("export", "--all").stdout) == ALL
    found = ael(
        "export", "--all", "--status", "failed", "--until", "2026-11-20T12:03:00Z", "--format", "json"
    )
    assert ids(found.stdout) == [DECLINED_2.execution_id]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_goes_to_a_private_file(place, form):
    """It appears whole, readable by this user only; stdout stays empty, the size is on stderr."""
    done = ael("export", "a0f6", "--format", form, "--output", "run.out")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.startswith("Wrote run.out (")
    path = place / "run.out"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == ael("export", "a0f6", "-f", form.upper(), "-o", "-").stdout_bytes
    assert [found.name for found in place.iterdir()] == [".ael", "run.out"] or sorted(
        found.name for found in place.iterdir()
    ) == [".ael", "run.out"]


def test_a_file_that_cannot_be_written_is_a_failure_and_leaves_nothing(place):
    """One line with its name."""
    done = ael("export", "a0f6", "--output", "none/run.json")
    assert (done.exit_code, done.stderr) == (
        1,
        "ael: none/run.json: cannot be written: No such file or directory\n",
    )


def test_missing_run_is_reported_before_anything_is_written(place):
    """Exit code 3, no half of a file."""
    done = ael("export", "a0f6", "zzz", "--output", "runs.json")
    assert (done.exit_code, done.stdout) == (3, "")
    assert not (place / "runs.json").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name the runs by ID, or use --all"),
        (["a0f6", "--all"], "either ID or --all"),
        (["a0f6", "--status", "failed"], "filters select among all runs"),
        (["a0f6", "--endpoint", "http://localhost:4318", "--output", "x"], "either --output or --endpoint"),
        (["a0f6", "--endpoint", "http://localhost:4318", "--format", "csv"], "csv cannot be sent"),
        (["a0f6", "--header", "a=b"], "--header needs --endpoint"),
        (["a0f6", "--endpoint", "http://localhost:4318", "--header", "a"], "--header must be NAME=VALUE"),
        (
            ["a0f6", "--endpoint", "http://localhost:4318", "--header", "a=b\nc: d"],
            "--header must be NAME=VALUE",
        ),
        (["--all", "--format", "html"], "html is the page of one run"),
        (["a0f6", "--format", "xml"], "'xml' is not one of"),
    ],
)
def test_wrong_usage_ends_with_2(place, arguments, said):
    """Before the store is looked at."""
    done = ael("export", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_csv_of_everything_is_a_table(place):
    """A row for each run, step and call, nothing in it that a spreadsheet would execute."""
    rows = list(csv.DictReader(io.StringIO(ael("export", "--all", "--format", "csv").stdout, newline="")))
    assert [row["row"] for row in rows].count("run") == 6
    assert json.loads(rows[0]["input"]) == {"name": "Ada"}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "@"))]


@pytest.mark.parametrize(
    ("options", "protocol"),
    [([], "otlp"), (["-f", "otlp"], "otlp"), (["-f", "jaeger"], "otlp"), (["-f", "zipkin"], "zipkin")],
)
def test_an_endpoint_gets_the_runs(place, monkeypatch, options, protocol):
    """With the headers, by the protocol of the format; the address is printed without its password."""
    asked = {}

    def pushed(found, endpoint, by, *, headers, **more):
        asked.update(ids=[run.execution_id for run in found], endpoint=endpoint, by=by, headers=headers)
        return push.Sent(6, 17, 1, 0)

    monkeypatch.setattr(push, "push", pushed)
    url = "https://me:secret@localhost:4318"
    done = ael("export", "--all", "--endpoint", url, "--header", "x-key= a=b ", *options)
    assert asked == {"ids": ALL, "endpoint": url, "by": protocol, "headers": {"x-key": "a=b"}}
    assert done.stderr == "Sent 6 runs as 17 spans to https://***@localhost:4318.\n"


@pytest.mark.parametrize(
    ("form", "where"),
    [
        ("otlp", '{"stringValue":"shop"}'),
        ("zipkin", '{"serviceName":"shop"}'),
        ("jaeger", '"serviceName":"shop"'),
    ],
)
def test_spans_are_of_the_configured_service(place, monkeypatch, form, where):
    """Under the service name of the file or of the variable, which wins, as runs that were sent live."""
    outputs = [ael("export", "a0f6", "--format", form).stdout]
    (place / "ael-config.yaml").write_text("telemetry: {service_name: shop}\n")
    outputs.append(ael("export", "a0f6", "--format", form).stdout)
    (place / "ael-config.yaml").unlink()
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    outputs.append(ael("export", "a0f6", "--format", form).stdout)
    assert [where in text for text in outputs] == [False, True, True]


def test_spans_that_the_server_refused_are_a_failure(place, monkeypatch):
    """Exit code 1 with their number."""
    monkeypatch.setattr(push, "push", lambda *a, **k: push.Sent(1, 5, 1, 2))
    done = ael("export", "a0f6", "--endpoint", "http://localhost:4318")
    assert done.exit_code == 1
    assert "the server refused 2 spans" in done.stderr


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_our_json_comes_back_exactly(place, form):
    """Exported, imported into an empty store, exported again: not a byte differs."""
    ael("export", "--all", "--format", form, "--output", "all.json")
    done = ael("import", "all.json", "--db", "new/copy.db")
    assert (done.exit_code, done.stderr) == (0, "Imported 6 runs.\n")
    again = ael("export", "--all", "--format", form, "--db", "new/copy.db").stdout_bytes
    assert again == (place / "all.json").read_bytes()


def test_otlp_comes_back_without_its_content(place):
    """The same runs, steps, calls, times and errors; a run that went on is marked as cut off."""
    ael("export", "--all", "--format", "otlp", "--output", "all.jsonl")
    assert ael("import", "all.jsonl", "--db", "copy.db").stderr == "Imported 6 runs.\n"
    by_trace = {
        run.trace_id: run
        for run in msgspec.json.decode(
            ael("export", "--all", "--db", "copy.db").stdout, type=list[ExecutionRecord]
        )
    }
    copy = by_trace[ADA.trace_id]
    assert (copy.execution_id, copy.workflow_name, copy.status) == (ADA.execution_id, "mixed", "completed")
    assert (copy.started_at, copy.duration_ms, copy.inputs) == (ADA.started_at, 40.0, None)
    assert [(step.step_id, step.step_type, step.duration_ms) for step in copy.steps] == [
        ("greet", "tool", 10.0),
        ("crunch", "code", 20.0),
    ]
    assert [call.tool_name for call in copy.steps[0].tool_calls] == ["echo"]
    assert copy.steps[1].code_hash == "c" * 64
    assert by_trace[DECLINED.trace_id].error.code == "TOOL_FAILED"
    assert by_trace[DIRECT.trace_id].type == "direct"
    assert by_trace[RUNNING.trace_id].error.code == "interrupted"


def test_run_that_is_already_stored_is_not_changed(place):
    """A trace has no content: importing it must not take that from a stored run, unless it is asked for."""
    ael("export", "--all", "--format", "otlp", "--output", "all.jsonl")
    assert ael("import", "all.jsonl").stderr == "Imported 0 runs; 6 stored already.\n"
    assert json.loads(ael("show", "a0f6", "-o", "json").stdout)["inputs"] == {"name": "Ada"}
    assert ael("import", "all.jsonl", "--replace").stderr == "Imported 6 runs.\n"
    assert json.loads(ael("show", "a0f6", "-o", "json").stdout)["inputs"] is None


def test_stdin_is_a_file_too(place):
    """The output of `export` is accepted by `import`."""
    data = ael("export", "a0f6", "--format", "jsonl").stdout_bytes
    assert ael("import", "-", "--db", "copy.db", stdin=data).stderr == "Imported 1 run.\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "in.json: the file is empty"),
        (b"hello", "in.json: not JSON"),
        (b'{"a": 1}', "in.json: line 1: not OTLP/JSON of traces"),
        (b'{"execution_id": 1}', "in.json: line 1: not a run as `ael trace export` writes it"),
        (b"\xff\xfe", "in.json: it is UTF-16: convert it to UTF-8"),
    ],
)
def test_a_file_that_is_none_of_these_is_a_failure(place, data, said):
    """The message names the file, the line and the fault; no store is created."""
    (place / "in.json").write_bytes(data)
    done = ael("import", "in.json", "--db", "copy.db")
    assert done.exit_code == 1
    assert said in done.stderr
    assert not (place / "copy.db").exists()


def test_a_file_that_is_not_there_is_a_failure(place):
    """One line."""
    done = ael("import", "gone.json")
    assert (done.exit_code, done.stderr) == (1, "ael: gone.json: cannot be read: No such file or directory\n")


def test_many_runs_of_one_trace_are_all_imported(place):
    """A caller's trace that several runs have joined."""
    make(place / "two.db", [mixed(f"exec-{n}", "a" * 32, ADA.started_at, 1.0, "x") for n in range(3)])
    ael("export", "--all", "--db", "two.db", "--format", "otlp", "-o", "two.jsonl")
    assert ael("import", "two.jsonl", "--db", "copy.db").stderr == "Imported 3 runs.\n"


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (b"", "Imported 6 runs.\n"),
        (b'{"resourceSpans": [{"re', "Imported 6 runs; left out: 1 line cut short at the end.\n"),
        (b'{"resourceLogs": []}\n', "Imported 6 runs.\n"),
        (
            b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{}, {}]}]}]}\nhm\n{"a": 1}\n{"a": 1}\n',
            (
                "Imported 6 runs; left out: 2 log records (not traces), 1 line without valid JSON (line 3: JSON is "
                "malformed: invalid character (byte 0)), 2 documents without OTLP/JSON of traces (line 4: with a).\n"
            ),
        ),
    ],
)
def test_skipped_items_are_counted_in_one_line(place, tail, expected):
    """Proves that the answer counts items that are not runs, each kind with its reason."""
    data = ael("export", "--all", "-f", "otlp").stdout_bytes
    (place / "in.json").write_bytes(data + tail)
    assert ael("import", "in.json", "--db", "copy.db").stderr == expected


def test_secrets_in_unreadable_items_are_redacted(place):
    """Proves that a reason which quotes the file shows no secret of it."""
    bad = {"traceId": ACCESS_KEY, "spanId": "1" * 16}
    (place / "in.json").write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [bad]}]}]}))
    said = ael("import", "in.json", "--db", "copy.db").stderr
    assert said.startswith("Imported 0 runs; left out: 1 span that cannot be read (line 1: startTimeUnixNano")
    bad |= {"startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    (place / "in.json").write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [bad]}]}]}))
    said = ael("import", "in.json", "--db", "copy.db").stderr
    assert "traceId must be 32 hex digits" in said
    assert ACCESS_KEY[:13] not in said


def test_a_file_without_any_span_says_so(place):
    """Proves that no runs is never an answer without a reason."""
    (place / "in.json").write_text('{"resourceSpans": []}')
    said = ael("import", "in.json", "--db", "copy.db").stderr
    assert said == "Imported 0 runs; the file contains no spans and no runs.\n"


def test_run_that_is_none_without_its_secrets_costs_no_other(place):
    """Proves that a run is left out, with the reason, if a user's pattern matches a field that its record needs."""
    (place / "ael-config.yaml").write_text(
        'workflows: {directory: "."}\ntelemetry: {privacy: {patterns: [{name: odd, regex: "direct"}]}}\n',
        "utf-8",
    )
    (place / "all.jsonl").write_text(ael("export", "--all", "--format", "jsonl").stdout, "utf-8")
    done = ael("import", "all.jsonl", "-c", "ael-config.yaml", "--replace")
    assert done.exit_code == 0
    assert done.stderr.startswith("Imported 5 runs; left out: 1 run (a run is not valid after redaction")
