"""The command: each verb says what it did, fails when it should, and ends a mistake in one line."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.tools.telemetry_schema.conftest import run
from tools.telemetry_schema.project import GAPS, load_sources, packaged_registry

ROOT = Path(__file__).parents[3]
SPAN = {
    "resourceSpans": [
        {
            "resource": {"attributes": []},
            "scopeSpans": [{"scope": {"name": "ael"}, "spans": [{"name": "Coffee Break", "kind": 1}]}],
        }
    ]
}


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that must be there."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_help_lists_every_verb() -> None:
    """The help of the command lists every verb at once."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.telemetry_schema", "-h"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    for verb in [
        "check",
        "resolve",
        "generate",
        "diff",
        "live-check",
        "show",
        "promql",
        "lint-queries",
        "release",
        "weaver",
    ]:
        assert f"  {verb} " in done.stdout


def test_a_registry_without_items_is_an_error(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An emptied section is not a section without faults: the check says that it looked at nothing."""
    (checkout / "ael_otel/registry/spans.yaml").write_text("file_format: definition/2\nspans: []\n", "utf-8")
    status, out, err = run(capsys, "check", "--root", str(checkout))
    assert (status, out) == (1, "")
    assert "ael_otel/registry: has no spans: nothing was checked" in err


def test_a_missing_list_of_scopes_is_an_error(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scopes are as much part of the registry as signals are."""
    (checkout / "tools/telemetry_schema/scopes.yaml").unlink()
    status, _, err = run(capsys, "check", "--root", str(checkout))
    assert status == 1
    assert "scopes.yaml: no such file" in err


def test_the_whole_registry_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`resolve --json` is the document that ships; without --json it is a table that names every signal."""
    status, out, _ = run(capsys, "resolve", "--json")
    assert status == 0
    assert out == (ROOT / "ael_otel/_generated/registry.json").read_text("utf-8")
    status, out, _ = run(capsys, "resolve")
    assert status == 0
    assert "ael.workflow.executions" in out
    assert "Step {ael.step.index}: tool_call" in out


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ael_tool_duration_seconds_bucket", "max_series: 250"),
        ("ael.errors", "sum by (type, component)"),
        ("MCP Request", "ael.mcp.request"),
        ("ael.step.retry", "An attempt of a step failed"),
        ("execution_id", "on ael.execution.fail"),
        ("service.instance.id", "on service.instance, ael.engine"),
        ("ael.engine", "One workflow engine"),
        ("ael.log", "signals:\n  - logs"),
    ],
)
def test_show_finds_an_item_by_any_name(name: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name seen in Prometheus, Tempo, Loki or the code leads to its item."""
    status, out, _ = run(capsys, "show", name)
    assert status == 0
    assert says in out


def test_show_suggests_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name ends in one line with the ones that may have been meant."""
    status, out, err = run(capsys, "show", "ael_eror_total")
    assert (status, out) == (1, "")
    assert "did you mean ael_errors_total" in err


def test_promql_prints_a_query_for_each_metric(capsys: pytest.CaptureFixture[str]) -> None:
    """Each metric has an example, also by its OpenTelemetry name; an unknown one is named."""
    status, out, _ = run(capsys, "promql")
    assert status == 0
    assert all(metric.ael.query in out for metric in packaged_registry().metrics)
    status, out, _ = run(capsys, "promql", "ael.errors")
    assert out.startswith("# Errors, each counted once where it occurred. [{error}]\nsum by")
    assert run(capsys, "promql", "nothing")[0] == 1


def test_diff_with_the_last_release_passes(capsys: pytest.CaptureFixture[str]) -> None:
    """This checkout keeps what the last release promised."""
    status, out, err = run(capsys, "diff")
    assert (status, err) == (0, "")
    assert " -> " in out


def test_a_stable_metric_removed_without_a_bump_fails(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Removing a stable metric is refused until the version is a new major one and a note says what to do."""
    now = packaged_registry().version
    later = f"{int(now.partition('.')[0]) + 1}.0.0"
    # Whatever has been added since the last release: here it is released.
    run(capsys, "release", "--again", "--root", str(checkout))
    path = checkout / "ael_otel/registry/metrics.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document["metrics"] = [each for each in document["metrics"] if each["name"] != "ael.active_workflows"]
    path.write_text(yaml.safe_dump(document), "utf-8")
    status, out, err = run(capsys, "diff", now, "--root", str(checkout))
    assert status == 1
    assert "ael.active_workflows" in out
    assert "removed" in out
    assert f"version {now} must be {later} or later; set the end of schema_url" in err
    assert "what users of `ael.active_workflows` have to do" in err
    status, out, _ = run(capsys, "diff", "--json", "--root", str(checkout))
    assert status == 1
    (change,) = json.loads(out)["changes"]
    assert (change["what"], change["name"], change["impact"]) == ("removed", "ael.active_workflows", "major")
    edit(checkout / "ael_otel/registry/manifest.yaml", f"/ael/{now}", f"/ael/{later}")
    notes = checkout / "ael_otel/registry/MIGRATIONS.md"
    notes.write_text(
        notes.read_text("utf-8") + f"\n## {later}\n\n- `ael.active_workflows`: use the store.\n", "utf-8"
    )
    assert run(capsys, "diff", "--root", str(checkout))[0] == 0
    assert (
        run(capsys, "release", "--root", str(checkout))[1]
        == f"ael_otel/registry/released/{later}.json written.\n"
    )


def test_live_check_reads_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A violation in a file fails, shown as a table or as JSON in weaver's shape; coverage is judged on request."""
    path = tmp_path / "spans.json"
    path.write_text(json.dumps(SPAN), "utf-8")
    status, out, err = run(capsys, "live-check", str(path))
    assert status == 1
    assert "missing_span" in out
    assert "1 items checked" in out
    assert err == ""
    status, out, err = run(capsys, "live-check", "--json", "--require-coverage", str(path))
    assert status == 1
    report = json.loads(out)
    assert {"samples", "statistics", "coverage"} == report.keys()
    assert report["statistics"]["advice_type_counts"]["missing_span"] == 1
    assert "metrics: ael.errors: declared and never seen" in err


def test_live_check_listens(tmp_path: Path) -> None:
    """It opens the receivers it is asked for, says where, checks what comes until it is told to stop, and reports."""
    command = [
        sys.executable,
        "-m",
        "tools.telemetry_schema",
        "live-check",
        "--otlp-http",
        "127.0.0.1:0",
        "--seconds",
        "30",
    ]
    with (tmp_path / "err").open("wb") as errors:
        live = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            deadline = time.monotonic() + 30
            while (
                "Listening" not in (said := (tmp_path / "err").read_text("utf-8"))
                and time.monotonic() < deadline
            ):
                time.sleep(0.05)
            url = said.partition("HTTP: ")[2].split()[0]
            body = json.dumps(SPAN).encode()
            request = urllib.request.Request(f"{url}/v1/traces", body, {"Content-Type": "application/json"})
            urllib.request.urlopen(request, timeout=10).close()
            os.kill(live.pid, signal.SIGTERM)
            out, _ = live.communicate(timeout=30)
        finally:
            live.kill()
            live.wait()
    assert live.returncode == 1
    assert "missing_span" in out
    assert "1 requests received." in (tmp_path / "err").read_text("utf-8")


def test_live_check_of_nothing_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """No telemetry is not telemetry without faults; and one has to say what to check."""
    status, _, err = run(capsys, "live-check", "--otlp-grpc", "127.0.0.1:0", "--seconds", "0")
    assert status == 1
    assert "nothing was checked" in err
    assert run(capsys, "live-check")[0] == 2


def test_lint_queries_counts_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The verb says how much it looked at, and fails for one wrong name with where it stands."""
    path = tmp_path / "all.promql"
    path.write_text("ael_errors_total\n", "utf-8")
    status, out, _ = run(capsys, "lint-queries", str(path))
    assert (status, out) == (0, "1 files, 1 queries (1 PromQL, 0 LogQL, 0 TraceQL), 0 to correct.\n")
    status, _, err = run(capsys, "lint-queries", "--every-metric", str(path))
    assert status == 1
    assert (
        "metrics: ael.tool.duration: no query asks for it; show it on a panel in dashboards/src, then `make"
        in err
    )
    assert "ael.errors" not in err
    path.write_text("ael_faults_total\n", "utf-8")
    status, out, err = run(capsys, "lint-queries", str(path))
    assert status == 1
    assert err.startswith(f"{path}:1: metric ael_faults_total is not emitted")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ({"unit": 7}, "unit: Expected `str`, got `int`"),
        ({"instrument": "meter"}, "instrument: Invalid enum value 'meter'; set one of counter, "),
        ({"colour": "red"}, "colour is not a known key"),
        ({"requirement_level": "required"}, "requirement_level: Invalid enum value 'required'; set one of "),
    ],
    ids=["type", "value", "key", "level"],
)
def test_file_of_another_format_fails_the_check(
    spoil: dict[str, object], says: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong type, value, key or level is reported with its file, item and key, and nothing passes as checked."""
    path = checkout / "ael_otel/registry/metrics.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document["metrics"][0] |= spoil
    path.write_text(yaml.safe_dump(document), "utf-8")
    status, out, err = run(capsys, "check", "--root", str(checkout))
    assert (status, out) == (1, "")
    assert err.startswith(f"metrics.yaml: {document['metrics'][0]['name']}: {says}")


WEAVER = """#!/bin/sh
if [ "$1" = --version ]; then echo "weaver 0.25.1"; exit 0; fi
[ "$*" = "registry check --v2 -r ael_otel/registry" ] && [ -f ael_otel/registry/manifest.yaml ] || exit 9
echo "the fault" >&2
exit %d
"""


@pytest.mark.parametrize(("code", "status"), [(0, 0), (1, 1)])
def test_weaver_on_the_path_is_asked_and_named(
    code: int,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its version is reported when it accepts the registry; its words and a failure when it does not."""
    program = tmp_path / "weaver"
    program.write_text(WEAVER % code, "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found, out, err = run(capsys, "weaver")
    assert found == status
    if code:
        assert err.startswith("weaver 0.25.1 does not accept ael_otel/registry (exit code 1):")
        assert "the fault" in err
    else:
        assert out == "weaver 0.25.1 agrees: ael_otel/registry has no fault.\n"


def test_absent_weaver_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without weaver nothing fails, and nobody can take that for its agreement."""
    monkeypatch.setenv("PATH", str(tmp_path))
    status, out, err = run(capsys, "weaver")
    assert (status, out, err) == (0, "weaver is not on PATH: its check of the registry was not run.\n", "")


def test_every_item_of_the_registry_was_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    """The counts that the check prints are those of the files, counted without the toolchain."""
    counted = {"attributes": 0, "metrics": 0, "spans": 0, "events": 0}
    for path in (ROOT / "ael_otel/registry").glob("*.yaml"):
        document = yaml.safe_load(path.read_text("utf-8"))
        for section in counted:
            counted[section] += len(document.get(section) or [])
    _, out, _ = run(capsys, "check")
    for section, count in counted.items():
        assert f"{count} {section}" in out
    assert len(load_sources(ROOT).scopes) >= 2
    assert (ROOT / GAPS).is_file()
