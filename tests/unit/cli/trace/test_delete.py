"""`ael trace delete`: named runs are erased, running ones stay, and copies on servers are reported by trace id."""

import json
import sqlite3
from pathlib import Path

import pytest

from ael_otel.store.mirror import Mirror
from ael_otel.store.rolling_mirror import RollingMirror
from ael_otel.store.rows import row_of
from tests.unit.cli.trace.runs import ael, make, mixed, runs

ADA, BOB = "a0f63b41" + "1" * 24, "b1e29c07" + "2" * 24


def left() -> list[str]:
    """The last digits of the execution ids of the stored runs."""
    return sorted(run["execution_id"][-2:] for run in json.loads(ael("list", "--output", "json").stdout))


def holds(place: Path, text: str) -> list[str]:
    """The files below the folder in which a text occurs."""
    files = [path for path in place.rglob("*") if path.is_file()]
    return sorted(path.name for path in files if text.encode() in path.read_bytes())


def test_named_runs_are_gone_from_store_log_mirrors_and_pages(place):
    """Proves that no byte of a deleted run is left below the folder, and that the others are whole."""
    traces = place / ".ael" / "traces"
    for mirror in (Mirror(traces), RollingMirror(traces)):
        mirror.write([row_of(run) for run in runs() if run.status != "running"])
    pages = [Path(ael("show", each, "--web", "--no-open").stdout.strip()) for each in ("a0f6", "b1e2")]
    assert len(holds(place, "exec-7f3a91c20001")) >= 5
    assert holds(place, "hello Ada")
    done = ael("delete", "a0f63b41", "exec-90bb00000003", "--yes")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("Deleted 2 runs, ")
    assert "with 1 page of --web." in done.stdout
    for text in ("exec-7f3a91c20001", "hello Ada", ADA, "exec-90bb00000003"):
        assert holds(place, text) == [], text
    assert left() == ["02", "04", "05", "06"]
    assert [each.exists() for each in pages] == [False, True]
    lines = next(traces.glob("runs-*.jsonl")).read_bytes().splitlines()
    assert [json.loads(line)["execution_id"][-2:] for line in lines] == ["02", "04", "05"]


def test_traces_on_a_server_are_named_by_trace_id(place):
    """Proves that the answer names Tempo, Loki and the traces; JSON names all of them."""
    done = ael("delete", "a0f63b41", "--yes")
    assert "in Tempo the spans and in Loki the log lines with trace_id " + ADA in done.stdout
    answer = json.loads(ael("delete", "b1e2", "--yes", "--output", "json").stdout)
    assert answer["remains"] == {"traces": [BOB]}
    assert (answer["executions"], answer["pages"], answer["running"], answer["forgotten"]) == (1, 0, [], True)
    assert answer["bytes"] > 0


def test_a_long_list_of_traces_is_cut_in_text_and_whole_in_json(place):
    """Proves that the text ends with a count of the others."""
    start = runs()[0].started_at
    many = [mixed(f"exec-{n:012}", f"{n:032x}", start, 5.0, "Cleo") for n in range(25)]
    make(place / "text.db", many)
    make(place / "json.db", many)
    assert (
        " and 5 more (--output json lists all)." in ael("delete", "--all", "--yes", "--db", "text.db").stdout
    )
    answer = ael("delete", "--all", "--yes", "--db", "json.db", "-o", "json").stdout
    assert len(json.loads(answer)["remains"]["traces"]) == 25


def test_session_deletes_its_runs_only(place):
    """Proves `--session`, and that an unknown one ends with 3: a typing error must not look like a deletion."""
    done = ael("delete", "--session", "morning", "--yes")
    assert (done.exit_code, left()) == (0, ["03", "04", "05", "06"])
    again = ael("delete", "--session", "morning", "--yes")
    assert (again.exit_code, "no run is of session 'morning'" in again.stderr) == (3, True)


def test_all_deletes_ended_runs_and_names_running_ones(place):
    """Proves that a run in flight stays, and that the command does not end as if all were gone."""
    done = ael("delete", "--all", "--yes")
    assert (done.exit_code, left()) == (1, ["06"])
    assert done.stdout.startswith("Deleted 5 runs, ")
    assert "in flight, and not deleted: exec-b0dd00000006" in done.stderr


def test_a_named_run_in_flight_refuses_the_whole_command(place):
    """Proves that nothing is deleted then, and that the message names the remedy."""
    done = ael("delete", "a0f6", "exec-b0dd", "--yes")
    assert (done.exit_code, len(left())) == (1, 6)
    assert "stop the run or wait for its end" in done.stderr


def test_an_unknown_id_among_others_deletes_nothing(place):
    """Proves that all ids are looked up first; none ends with 3, an ambiguous one with 1 or 2."""
    assert ael("delete", "a0f6", "eeee", "--yes").exit_code == 3
    assert "is the beginning of" in ael("delete", "exec-90bb", "--yes").stderr
    assert len(left()) == 6


@pytest.mark.parametrize("wrong", [[], ["a0f6", "--all"], ["--all", "--session", "morning"]])
def test_exactly_one_way_of_naming_runs_is_right(place, wrong):
    """Proves that neither none nor two of them delete anything."""
    assert ael("delete", *wrong, "--yes").exit_code == 2
    assert len(left()) == 6


def test_without_a_terminal_to_ask_is_wrong_usage(place):
    """Proves that a script has to write --yes."""
    done = ael("delete", "a0f6")
    assert (done.exit_code, "use --yes" in done.stderr, len(left())) == (2, True, 6)


@pytest.mark.parametrize(("answer", "runs_left"), [(b"y\n", 5), (b"n\n", 6), (b"\n", 6)])
def test_a_person_is_asked(place, monkeypatch, answer, runs_left):
    """Proves that the question has the number and the size, and that the answer "no" is not a failure."""
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True)
    done = ael("delete", "a0f6", stdin=answer)
    assert "Delete 1 run (about " in done.stderr
    assert (done.exit_code, len(left())) == (0, runs_left)


def test_a_damaged_run_can_be_deleted(place):
    """Proves that a run with an unreadable record or status can still be deleted, also by --all."""
    with sqlite3.connect(place / ".ael" / "telemetry.db") as connection:
        connection.execute("UPDATE bodies SET body = '{' WHERE execution = 1")
        connection.execute("UPDATE executions SET status = 'lost' WHERE id = 2")
        named = [each for (each,) in connection.execute("SELECT execution_id FROM executions WHERE id <= 2")]
    connection.close()
    assert ael("delete", named[0], "--yes").exit_code == 0
    assert ael("delete", "--all", "--yes").exit_code == 1
    assert [holds(place, each) for each in named] == [[], []]


def test_delete_beside_a_reader_reports_runs_left_in_the_wal(place, monkeypatch):
    """Proves that it fails with a remedy while a reader holds SQLite's log, and that a second call finishes."""
    monkeypatch.setattr("ael_otel.store.sqlite.BUSY_S", 0.1)
    monkeypatch.setattr("ael_otel.store.pruning.FORGET_S", 0.1)
    reader = sqlite3.connect(".ael/telemetry.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM executions").fetchone()
    done = ael("delete", "a0f6", "--yes")
    assert (done.exit_code, done.stdout.startswith("Deleted 1 run")) == (1, True)
    assert "another process reads the store" in done.stderr
    reader.close()
    assert ael("prune", "--older-than", "30", "--yes").exit_code == 0
    assert holds(place, "hello Ada") == []
