"""`ael trace show` and `diff`: one run in every form, and two side by side."""

import csv
import io
import json
import re
import stat
from pathlib import Path

import msgspec
import pytest

from ael_otel.store import ErrorRecord, ExecutionRecord
from ael_otel.store.sqlite import SqliteStore
from tests.unit.cli.trace.runs import NOON, ael, failed, make, mixed, runs

ADA, BOB, DECLINED, DECLINED_2, DIRECT, RUNNING = runs()


@pytest.mark.parametrize(
    "identifier", ["a0f63b41", "a0f", "exec-7f3a91c20001", "exec-7", "7f3a", ADA.trace_id]
)
def test_any_unique_beginning_is_an_id(place, identifier):
    """Of the trace id, of the execution id, of that without its `exec-`."""
    done = ael("show", identifier, "--output", "json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["execution_id"] == ADA.execution_id


@pytest.mark.parametrize("arguments", [[], ["latest"]])
def test_without_an_id_it_is_the_latest_run(place, arguments):
    """Proves that no id and `latest` are the run that started last, also for export."""
    done = ael("show", *arguments, "--output", "json")
    assert json.loads(done.stdout)["execution_id"] == ADA.execution_id
    assert json.loads(ael("export", "latest").stdout)[0]["execution_id"] == ADA.execution_id


def test_an_empty_store_has_no_latest_run(place):
    """Proves exit code 3 and one line that names how to record a run."""
    make(place / "empty.db", [])
    done = ael("show", "--db", "empty.db")
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr == "ael: no runs are stored yet: `ael run` and `ael serve` record them\n"


def test_an_ambiguous_beginning_names_those_it_can_mean(place):
    """Wrong usage: exit code 2."""
    done = ael("show", "c3d4")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        f"ael: 'c3d4' is the beginning of {DECLINED.trace_id}, {DECLINED_2.trace_id}: write more of it\n"
    )
    assert ael("show", "90bb").stderr == (
        "ael: '90bb' is the beginning of exec-90bb00000003, exec-90bb00000004: write more of it\n"
    )


@pytest.mark.parametrize("identifier", ["zzz", "", " ", "exec-zzz", "%", "a0f63b41_"])
def test_a_run_that_is_not_there_ends_with_3(place, identifier):
    """One line that names where to look."""
    done = ael("show", identifier)
    assert (done.exit_code, done.stdout) == (3, "")
    assert "`ael trace list` shows the latest" in done.stderr


def test_the_tree_has_steps_times_content_and_ids(place):
    """The summary of a run, in plain text where stdout is not a terminal."""
    text = ael("show", "a0f6").stdout
    assert "mixed  completed in 40.0 ms" in text
    assert "├─ 1 greet   tool_call  echo@demo  10.0 ms  ▆▆" in text
    for line in ('"name": "Ada"', "2026-11-20 12:05:00 UTC", "session_id  morning", ADA.trace_id):
        assert line in text
    assert "\x1b" not in text


def test_failure_is_printed_with_its_cause(place):
    """In the tree and in full below it."""
    text = ael("show", "c3d45e60").stdout
    assert text.count('TOOL_FAILED "card declined"') == 2


def test_running_run_and_direct_call_are_printed(place):
    """As far as they got."""
    assert "slow  running after ..." in ael("show", "ffff").stdout
    assert "(direct call)  completed in 3.0 ms" in ael("show", "d4e5").stdout


def test_json_is_the_whole_record(place):
    """It decodes to the stored record."""
    done = ael("show", "a0f6", "--output", "json")
    stored = msgspec.json.decode(done.stdout, type=ExecutionRecord)
    assert (stored.inputs, stored.outputs, stored.steps[1].code) == (
        ADA.inputs,
        ADA.outputs,
        ADA.steps[1].code,
    )


def test_long_content_is_cut_for_a_person_only(place):
    """The number of omitted lines is printed; the JSON has all of it."""
    run = mixed("exec-long", "e" * 32, ADA.started_at, 1.0, "\n".join(f"line {n}" for n in range(100)))
    run.outputs = {"lines": [f"line {n}" for n in range(100)]}
    make(place / "long.db", [run])
    assert "lines more: see --output json" in ael("show", "eeee", "--db", "long.db").stdout
    assert "line 99" in ael("show", "eeee", "--db", "long.db", "-o", "json").stdout


def test_spans_are_listed_with_their_ids(place):
    """Each below its parent."""
    lines = ael("show", "a0f6", "--spans").stdout.splitlines()
    names = [line.split("+")[0].rstrip() for line in lines if "+" in line]
    assert names == [
        "Workflow Execution",
        "  Step 1: tool_call",
        "    MCP Request",
        "  Step 2: code_execution",
        "    Python Exec",
    ]


def test_logs_are_the_output_of_the_code(place):
    """And where the log lines are, when no Loki is named."""
    text = ael("show", "a0f6", "--logs").stdout
    assert "crunch stdout\n  first line\n  second line\n" in text
    assert "set AEL_LOKI_URL=http://HOST:3100" in text
    assert "Its code printed nothing." in ael("show", "c3d45e60", "--logs").stdout


def test_page_of_a_workflow_with_an_endless_name_is_written(place):
    """Proves that the name of a file has room for it, whatever characters the workflow's has."""
    store = SqliteStore(place / ".ael" / "telemetry.db")
    for number, name in enumerate(("n" * 5_000, "../../" * 90, "\u65e5" * 200, ".")):
        store.put(
            [
                msgspec.structs.replace(
                    runs()[0],
                    execution_id=f"exec-{number}",
                    trace_id=f"{number + 1}" * 32,
                    workflow_name=name,
                )
            ]
        )
    store.close()
    for number in range(4):
        page = Path(ael("show", f"exec-{number}", "--web", "--no-open").stdout.strip())
        assert page.is_file()
        assert len(page.name) < 100


def test_web_writes_a_private_page_and_opens_it(place, monkeypatch, tmp_path):
    """Its name is on stdout; a missing browser is reported."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: bool(opened.append(url)))
    done = ael("show", "a0f6", "--web")
    path = Path(done.stdout.strip())
    assert opened == [path.as_uri()]
    assert "No browser could be opened here" in done.stderr
    assert path.read_text("utf-8").startswith("<!doctype html>")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.name == "mixed-a0f63b41.html"
    ael("show", "a0f6", "--web", "--no-open")
    assert len(opened) == 1


def test_diff_lists_the_differences(place):
    """Inputs, outputs and results; times are printed but do not count as a difference."""
    done = ael("diff", "a0f6", "b1e2")
    for words in ("inputs.name", "Ada", "Bob", "outputs.report", "steps.greet.result", "2.0x"):
        assert words in done.stdout
    assert "steps.crunch" not in done.stdout


def test_diff_as_json_has_everything(place):
    """Paths with both values, and the durations of each step."""
    found = json.loads(ael("diff", "a0f6", "b1e2", "--output", "json").stdout)
    assert (found["a"], found["b"], found["same_workflow"]) == (ADA.execution_id, BOB.execution_id, True)
    assert {"path": "inputs.name", "a": "Ada", "b": "Bob", "in_a": True, "in_b": True} in found["differences"]
    assert [(row["step"], row["a_ms"], row["b_ms"]) for row in found["timings"]] == [
        ("", 40.0, 80.0),
        ("greet", 10.0, 20.0),
        ("crunch", 20.0, 40.0),
    ]


def test_diff_of_equal_runs_and_of_different_workflows(place):
    """Reports that only times differ; reports two different workflows and compares them nevertheless."""
    assert "No difference but the times." in ael("diff", "c3d45e60", "c3d45e61").stdout
    done = ael("diff", "a0f6", "c3d45e60")
    assert (done.exit_code, "runs of different workflows" in done.stderr) == (0, True)
    assert re.search(r"steps\.pay +absent +failed *\n", done.stdout)


@pytest.mark.parametrize("arguments", [["a0f6", "zzz"], ["zzz", "a0f6"]])
def test_diff_needs_two_runs(place, arguments):
    """Exit code 3 for one that is not there."""
    assert ael("diff", *arguments).exit_code == 3


def test_json_has_the_spans_if_asked_for(place):
    """Under their own key, as they are exported; the rest is as without them."""
    plain = json.loads(ael("show", "a0f6", "-o", "json").stdout)
    found = json.loads(ael("show", "a0f6", "-o", "json", "--spans").stdout)
    spans = found.pop("spans")
    assert found == plain
    assert [span["name"] for span in spans][:2] == ["Workflow Execution", "Step 1: tool_call"]
    assert {span["trace_id"] for span in spans} == {ADA.trace_id}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--logs", "-o", "json"], "--logs cannot be used with JSON"),
        (["--web", "-o", "json"], "either --web or --output json"),
        (["--web", "--spans"], "the page contains neither"),
        (["--web", "--logs"], "the page contains neither"),
    ],
)
def test_options_that_would_do_nothing_are_wrong_usage(place, options, said):
    """Exit code 2 before anything is read or written, instead of an option that has no effect."""
    done = ael("show", "a0f6", *options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_error_shows_its_place_its_detail_and_the_causes_with_theirs(place):
    """Proves that `show` and the page name step, tool, detail and causes, and no detail that the message has."""
    deep = ErrorRecord("OSError", "cause", "host unreachable", detail="errno 113")
    cause = ErrorRecord("MCP_LOST", "TOOL", "connection lost: reset", detail="reset", cause=deep)
    said = "the bank said no"
    error = ErrorRecord("TOOL_FAILED", "TOOL", "no", said, step_id="pay", tool_name="charge", cause=cause)
    record = failed("exec-detail", "e" * 32, NOON)
    record.error = error
    make(place / "detail.db", [record])
    lines = [line.strip(" │") for line in ael("show", "--db", "detail.db").stdout.splitlines()]
    text = "\n".join(lines)
    for wanted in (
        "in step pay, tool charge",
        "detail: the bank said no",
        'caused by MCP_LOST "connection lost: reset"',
        'caused by OSError "host unreachable"',
        "detail: errno 113",
    ):
        assert wanted in text
    assert "detail: reset" not in text
    page = Path(ael("show", "--db", "detail.db", "--web", "--no-open").stdout.strip()).read_text("utf-8")
    assert all(each in page for each in ("in step pay, tool charge", "the bank said no", "errno 113"))
    (exported,) = json.loads(ael("export", "exec-detail", "--db", "detail.db").stdout)
    assert exported["error"]["detail"] == said
    sheet = ael("export", "exec-detail", "--db", "detail.db", "--format", "csv").stdout
    assert next(csv.DictReader(io.StringIO(sheet)))["error_detail"] == said
