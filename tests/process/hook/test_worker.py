"""From a hook's stdin to the stored session and its trace: the real hook, the real worker, a real OTLP receiver."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from ael_otel.attribution.ledger import Ledger
from ael_otel.config import Settings
from ael_otel.runtime.session_worker import Worker
from ael_otel.sessions.hook_files import user_settings
from ael_otel.sessions.session import SessionRecord
from ael_otel.sessions.spool import Spool
from ael_otel.sessions.table import DROPPED, SessionTable, TotalKey
from ael_otel.store.sqlite import SqliteStore
from tests.process.hook.test_process import environment, events, finish, run, start
from tests.support.otlp_sink import OtlpSink
from tests.support.session_worker import stop_worker
from tests.unit.sessions.test_session import event


def story(agent: str) -> list[dict[str, Any]]:
    """Return one short session in the words of an agent: a prompt, an edit, a failed call, the end."""
    tool = {"tool_name": "Edit", "tool_input": {"file_path": "/w/a.py"}, "tool_use_id": "t-1"}
    shell = {"tool_name": "Bash", "tool_input": {"command": "make"}, "tool_use_id": "t-2"}

    def snake(event: str, **more: Any) -> dict[str, Any]:
        return {"session_id": "s-1", "hook_event_name": event, "cwd": "/w", **more}

    match agent:
        case "claude-code":
            mine = {"transcript_path": "/home/user/.claude/x.jsonl", "permission_mode": "default"}
            return [
                snake("SessionStart", source="startup", **mine),
                snake("UserPromptSubmit", prompt_id="p-1", **mine),
                snake("PreToolUse", **tool, **mine),
                snake("PostToolUse", **tool, tool_response={"success": True}, **mine),
                snake("PreToolUse", **shell, **mine),
                snake("PostToolUseFailure", **shell, error="exit 2", **mine),
                snake("Stop", stop_hook_active=False, **mine),
                snake("SessionEnd", reason="logout", **mine),
            ]
        case "codex":
            mine = {
                "turn_id": "p-1",
                "model": "gpt-5-codex",
                "transcript_path": None,
                "permission_mode": "default",
            }
            return [
                snake("SessionStart", source="startup", **mine),
                snake("UserPromptSubmit", **mine),
                snake("PreToolUse", **tool, **mine),
                snake("PostToolUse", **tool, tool_response="ok", **mine),
                snake("PreToolUse", **shell, **mine),
                snake("PostToolUseFailure", **shell, error="exit 2", **mine),
                snake("Stop", stop_hook_active=False, **mine),
                snake("SessionEnd", reason="other", **mine),
            ]
        case "cursor":
            mine = {
                "conversation_id": "s-1",
                "generation_id": "p-1",
                "model": "gpt-5",
                "cursor_version": "3.13.1",
            }
            return [
                {"hook_event_name": event, "workspace_roots": ["/w"], **mine, **more}
                for event, more in (
                    ("sessionStart", {"composer_mode": "agent"}),
                    ("beforeSubmitPrompt", {"prompt": "x"}),
                    ("preToolUse", tool),
                    ("postToolUse", {**tool, "tool_output": "{}"}),
                    ("preToolUse", shell),
                    ("postToolUseFailure", {**shell, "error_message": "x", "failure_type": "error"}),
                    ("stop", {"status": "completed", "loop_count": 0}),
                    ("sessionEnd", {"reason": "user_close"}),
                )
            ]
        case "copilot-cli":
            bash = {"toolName": "bash", "toolArgs": {"command": "make"}}
            edit = {"toolName": "edit", "toolArgs": {"path": "/w/a.py"}}
            return [
                {"sessionId": "s-1", "cwd": "/w", "timestamp": 1_790_000_000_000 + number, **more}
                for number, more in enumerate(
                    (
                        {"source": "new"},
                        {"prompt": "x"},
                        edit,
                        {**edit, "toolResult": {"resultType": "success"}},
                        bash,
                        {**bash, "error": "exit 2"},
                        {"stopReason": "end_turn"},
                        {"reason": "complete"},
                    )
                )
            ]
        case "gemini-cli":
            mine = {"timestamp": "2026-11-28T10:00:00Z", "transcript_path": "/home/user/.gemini/tmp/x.json"}
            return [
                snake(event, **{**mine, "timestamp": f"2026-11-28T10:00:0{number}Z"}, **more)
                for number, (event, more) in enumerate(
                    (
                        ("SessionStart", {"source": "startup"}),
                        ("BeforeAgent", {"prompt": "x"}),
                        ("BeforeTool", {"tool_name": "Edit", "tool_input": {"file_path": "/w/a.py"}}),
                        (
                            "AfterTool",
                            {
                                "tool_name": "Edit",
                                "tool_input": {"file_path": "/w/a.py"},
                                "tool_response": {},
                            },
                        ),
                        ("BeforeTool", {"tool_name": "Bash", "tool_input": {"command": "make"}}),
                        (
                            "AfterTool",
                            {
                                "tool_name": "Bash",
                                "tool_input": {"command": "make"},
                                "tool_response": {"error": {"message": "x"}},
                            },
                        ),
                        ("AfterAgent", {"prompt_response": "x"}),
                        ("SessionEnd", {"reason": "exit"}),
                    )
                )
            ]
        case _:
            mine = {"agent": "opencode", "session_id": "s-1", "directory": "/w"}
            edit = {"tool_name": "edit", "call_id": "t-1", "tool_input": {"filePath": "/w/a.py"}}
            bash = {"tool_name": "bash", "call_id": "t-2", "tool_input": {"command": "make"}}
            return [
                {"hook_event_name": event, **mine, **more}
                for event, more in (
                    ("session.created", {}),
                    ("chat.message", {}),
                    ("tool.execute.before", edit),
                    ("tool.execute.after", edit),
                    ("tool.execute.before", bash),
                    ("tool.execute.after", {**bash, "status": "error"}),
                    ("session.status", {"status": "idle"}),
                    ("session.deleted", {}),
                )
            ]


@pytest.fixture
def make_worker(tmp_path: Path) -> "Iterator[Callable[..., tuple[Worker, SessionTable]]]":
    """Make workers on the spool and the store below `tmp_path`."""
    made: list[SqliteStore] = []

    def make(**options: Any) -> tuple[Worker, SessionTable]:
        backend = SqliteStore(tmp_path / "telemetry.db")
        made.append(backend)
        table = SessionTable(backend)
        ledger = Ledger(backend) if options.get("attributes") else None
        return Worker(Spool(tmp_path), table, Settings(), options.get("deliver"), ledger=ledger), table

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("agent", ["claude-code", "codex", "cursor", "copilot-cli", "gemini-cli", "opencode"])
def test_same_story_ends_in_the_same_session(agent: str, tmp_path: Path, make_worker: Any) -> None:
    """Whatever an agent calls its events, the session has one turn, one edit that succeeded, one call that failed."""
    for payload in story(agent):
        run(tmp_path, json.dumps(payload).encode(), "auto")
    worker, table = make_worker()
    assert worker.store() == 8
    assert worker.store() == 0
    (record,) = table.select()
    facts = (record.agent, record.session_id, record.status, record.workspace)
    assert facts == (agent, "s-1", "ended", "/w")
    assert (record.turns, record.tool_calls, record.failed_calls) == (1, 2, 1)
    session = table.session(record)
    assert session is not None
    calls = [entry for entry in session.entries if entry.kind == "call"]
    assert [(entry.name or "").lower() for entry in calls] == ["edit", "bash"]
    assert [entry.outcome for entry in calls] == ["success", "error"]
    assert calls[0].paths == ["/w/a.py"]
    assert all(entry.turn is not None for entry in calls)
    assert {entry.kind for entry in session.entries} == {"turn", "call"}
    assert not events(tmp_path), "what is stored has left the spool"


def test_worker_stores_and_sends_what_hooks_spool(tmp_path: Path) -> None:
    """A hook starts the worker; the session is in the user's store and its spans at the receiver, in one trace."""
    with OtlpSink() as sink:
        (tmp_path / "config.yaml").write_text("telemetry:\n  service_name: agents\n", "utf-8")
        (tmp_path / "hooks.json").write_text(json.dumps({"v": 1, "python": sys.executable}), "utf-8")
        extra = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "AEL_HOOK_NO_WORKER": ""}
        for payload in story("claude-code"):
            run(tmp_path, json.dumps(payload).encode(), "auto", **extra)
        try:
            assert sink.wait_until(lambda: len(sink.spans()) == 4, 30), (
                tmp_path / "spool/worker.log"
            ).read_text()
        finally:
            stop_worker(tmp_path)
        spans = sink.spans()
    record = _records(tmp_path)[0]
    by_name: dict[str, list[Any]] = {}
    for span in spans:
        by_name.setdefault(span["name"], []).append(span)
    assert {name: len(found) for name, found in by_name.items()} == {
        "session": 1,
        "turn": 1,
        "tool.execute": 2,
    }
    assert {span["trace_id"] for span in spans} == {record.trace_id}
    (root,), (turn,) = by_name["session"], by_name["turn"]
    assert (root["span_id"], root["parent_id"]) == (record.span_id, "")
    assert turn["parent_id"] == root["span_id"]
    assert {span["parent_id"] for span in by_name["tool.execute"]} == {turn["span_id"]}
    assert root["attributes"]["ael.session.agent"] == "claude-code"
    assert (tmp_path / "telemetry.db").stat().st_mode & 0o077 == 0


def test_worker_logs_and_counts_sessions(tmp_path: Path) -> None:
    """Log events have the ids of the session's trace; the counters begin with what was counted before: zero."""
    with OtlpSink() as sink:
        _work(tmp_path, sink, story("claude-code"))
        logs, points = sink.logs(), _points(sink)
    record = _records(tmp_path)[0]
    assert [log["event"] for log in logs] == ["ael.session.start", "ael.session.end"]
    assert {(log["trace_id"], log["span_id"]) for log in logs} == {(record.trace_id, record.span_id)}
    end = logs[1]
    assert end["attributes"] == {
        "component": "session",
        "session.id": "s-1",
        "ael.session.agent": "claude-code",
        "ael.session.origin": "hooks",
        "ael.session.source": "startup",
        "ael.session.outcome": "unknown",
        "ael.session.reason": "logout",
        "ael.session.turns": 1,
        "ael.session.tool_calls": 2,
        "ael.session.failed_calls": 1,
        "duration_ms": (record.last_us - record.started_us) // 1_000,
    }
    assert end["body"] == "session of claude-code ended (unknown): 1 turns, 2 tool calls, 1 failed"
    assert end["time"] == (record.ended_us or 0) * 1_000
    who = "agent=claude-code,origin=hooks"
    assert points["ael.sessions", f"{who},outcome=unknown"] == [0, 1]
    assert points["ael.session.tool_calls", f"{who},outcome=success"] == [0, 1]
    assert points["ael.session.tool_calls", f"{who},outcome=error"] == [0, 1]
    assert points["ael.session.tool_calls", f"{who},outcome=denied"] == [0]
    assert points["ael.session.idle", who] == [0]


def test_workers_of_one_store_continue_one_series(tmp_path: Path) -> None:
    """The second worker begins with what the first has sent; both have one instance, and no value goes down."""
    second = [{**payload, "session_id": "s-2"} for payload in story("claude-code")]
    with OtlpSink() as sink:
        _work(tmp_path, sink, story("claude-code"))
        _work(tmp_path, sink, second)
        points = _points(sink)
        instances = _instances(sink)
    assert points["ael.sessions", "agent=claude-code,origin=hooks,outcome=unknown"] == [0, 1, 2]
    assert len(instances) == 1


def test_totals_no_receiver_accepted_are_sent_by_the_next_worker(tmp_path: Path) -> None:
    """A worker without a receiver leaves its counts and log events to the next one, which sends them once."""
    second = [{**payload, "session_id": "s-2"} for payload in story("codex")]
    with OtlpSink() as sink:
        away = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
        _work(tmp_path, sink, story("claude-code"), **away)
        assert sink.counts() == {"spans": 0, "logs": 0, "points": 0}
        _work(tmp_path, sink, second)
        points, logs = _points(sink), sink.logs()
    assert points["ael.sessions", "agent=claude-code,origin=hooks,outcome=unknown"] == [0, 1]
    assert points["ael.sessions", "agent=codex,origin=hooks,outcome=unknown"] == [0, 1]
    assert sorted(log["event"] for log in logs) == ["ael.session.end"] * 2 + ["ael.session.start"] * 2


def test_totals_are_stored_only_if_metrics_are_exported(tmp_path: Path) -> None:
    """Nothing is counted without an exporter of metrics, and what ended before is not an increase later."""

    def totals() -> tuple[Any, Any]:
        backend = SqliteStore(tmp_path / "telemetry.db")
        try:
            names = backend.read("SELECT key FROM ael_meta WHERE key LIKE ?", ["session_totals%"])
            return SessionTable(backend).totals(), names
        finally:
            backend.close()

    with OtlpSink() as sink:
        _work(tmp_path, sink, story("claude-code"), OTEL_METRICS_EXPORTER="none")
        assert totals() == ({}, [])
        assert sink.counts()["points"] == 0
        _work(tmp_path, sink, [{**payload, "session_id": "s-2"} for payload in story("claude-code")])
        points = _points(sink)
    assert len(totals()[1]) == 2
    assert points["ael.sessions", "agent=claude-code,origin=hooks,outcome=unknown"] == [0, 1]


def test_drops_of_hooks_are_counted_once(tmp_path: Path) -> None:
    """Events that hooks could not write or understand, missing snapshots and foreign files are counted once."""
    with OtlpSink() as sink:
        run(tmp_path, json.dumps(story("codex")[0]).encode(), "auto")
        run(tmp_path, b"{", "auto")
        spool = tmp_path / "spool"
        (spool / "drops").write_bytes(b"...")
        (spool / "not_looked_at").write_bytes(b"..")
        (spool / "new" / "0.json").write_bytes(b"{")
        _work(tmp_path, sink, story("codex"), OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
        _work(tmp_path, sink, [{**story("codex")[0], "session_id": "s-2"}])
        points = _points(sink)
    dropped = {labels: values[-1] for (name, labels), values in points.items() if "dropped" in name}
    assert dropped == {
        "reason=queue_full,signal=sessions": 3,
        "reason=not_understood,signal=sessions": 2,
        "reason=internal,signal=attribution": 2,
    }


def _work(home: Path, sink: OtlpSink, payloads: list[dict[str, Any]], **variables: str) -> None:
    """Spool payloads and let one worker deal with them until it leaves."""
    for payload in payloads:
        run(home, json.dumps(payload).encode(), "auto")
    worker = "from ael_otel.runtime import session_worker as w; w.Worker.run.__defaults__ = (0.1,); w.main()"
    extra = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, **variables}
    subprocess.run(
        [sys.executable, "-P", "-c", worker],
        env={**environment(home), **extra},
        timeout=120,
        check=True,
    )


def _groups(sink: OtlpSink) -> list[Any]:
    return [group for each in sink.requests(ExportMetricsServiceRequest) for group in each.resource_metrics]


def _points(sink: OtlpSink) -> dict[tuple[str, str], list[float]]:
    """Return the values of each series in the order of their times, a value that stays once."""
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for group in _groups(sink):
        for metric in group.scope_metrics[0].metrics:
            for point in metric.sum.data_points:
                labels = sorted((each.key, each.value.string_value) for each in point.attributes)
                row = ",".join(f"{key}={value}" for key, value in labels)
                value = point.as_double if point.HasField("as_double") else point.as_int
                found.setdefault((metric.name, row), []).append((point.time_unix_nano, value))
    return {
        key: [value for value, _ in groupby(each for _, each in sorted(values))]
        for key, values in found.items()
    }


def _instances(sink: OtlpSink) -> set[str]:
    return {
        each.value.string_value
        for group in _groups(sink)
        for each in group.resource.attributes
        if each.key == "service.instance.id"
    }


def test_receiver_that_is_away_gets_the_spans_later(tmp_path: Path, make_worker: Any) -> None:
    """Spans that were not taken stay in the outbox; nothing of the store waits for them."""
    for payload in story("codex"):
        run(tmp_path, json.dumps(payload).encode(), "auto")
    offered: list[list[str]] = []
    away = True

    def deliver(spans: Any) -> bool:
        offered.append([span.name for span in spans])
        return not away

    worker, table = make_worker(deliver=deliver)
    worker.store()
    worker.export()
    assert len(table.finished()) == 1
    away = False
    worker.export()
    assert table.finished() == []
    assert offered[0] == offered[1]
    assert sorted(offered[0]) == ["session", "tool.execute", "tool.execute", "turn"]


def test_events_are_stored_before_what_an_earlier_worker_has_left_is_sent(
    tmp_path: Path, make_worker: Any
) -> None:
    """Proves that a person without a receiver sees new sessions at once, whatever waits for export."""
    stored: list[int] = []

    def deliver(_spans: Any) -> bool:
        stored.append(len(table.select()))
        return False

    for number, agent in enumerate(("codex", "claude-code")):
        for payload in story(agent):
            run(tmp_path, json.dumps(payload).encode(), "auto")
        worker, table = make_worker(deliver=deliver)
        if not number:
            worker.store()
    worker.run(quiet_s=0.3)
    assert stored[0] == 2


def test_events_are_stored_between_signals_whose_receivers_are_away(tmp_path: Path) -> None:
    """Each signal has its turn, and waits longer each time; at the end of the worker all are tried at once."""
    tried: list[str] = []

    def away(signal: str) -> Callable[[Any], bool]:
        def send(_batch: Any) -> bool:
            tried.append(signal)
            return False

        return send

    with closing(SqliteStore(tmp_path / "telemetry.db")) as backend:
        table = SessionTable(backend, logs=True)
        worker = Worker(Spool(tmp_path), table, Settings(), away("traces"), log=away("logs"))
        table.add([event("session.start", 0), event("session.end", 1)])
        assert [worker.export(at_once=False) for _ in range(4)] == [False, False, True, True]
        assert tried == ["traces", "logs"]
        assert worker.export()
        assert tried == ["traces", "logs"] * 2


def test_store_that_cannot_be_written_keeps_the_spool(
    tmp_path: Path, make_worker: Any, monkeypatch: Any
) -> None:
    """A file leaves the spool after its events are stored, not before."""
    from ael_otel.errors import StoreBusyError

    run(tmp_path, json.dumps(story("codex")[0]).encode(), "auto")
    worker, table = make_worker()

    def busy(_events: Any) -> Any:
        raise StoreBusyError("locked")

    with monkeypatch.context() as patched:
        patched.setattr(table, "add", busy)
        with pytest.raises(StoreBusyError):
            worker.store()
    assert len(events(tmp_path)) == 1
    assert worker.store() == 1


def test_calls_whose_lines_cannot_be_attributed_are_counted(
    tmp_path: Path, make_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault drops what was seen of the calls so far, each of which is counted, and nothing of the session."""
    from ael_otel.attribution.windows import Attributor

    (tmp_path / "hooks.json").write_text(json.dumps({"v": 1, "attribution": True}), "utf-8")
    work = tmp_path / "work"
    work.mkdir()
    shell = {"tool_name": "Bash", "tool_input": {"command": "make"}, "session_id": "s-1", "cwd": str(work)}
    for number in range(2):
        for name in ("PreToolUse", "PostToolUse"):
            payload = {**shell, "hook_event_name": name, "tool_use_id": f"t-{number}", "turn_id": "p"}
            run(tmp_path, json.dumps(payload).encode(), "codex")

    def fail(*_: object) -> None:
        raise RuntimeError("made up")

    monkeypatch.setattr(Attributor, "work", fail)
    worker, table = make_worker(attributes=True)
    worker.store()
    worker.attribute()
    worker.attribute()
    assert table.totals()[TotalKey(DROPPED, "attribution", "internal")] == 2
    (record,) = table.select()
    assert record.tool_calls == 2


def test_foreign_file_in_the_spool_becomes_a_dead_letter(tmp_path: Path, make_worker: Any) -> None:
    """What is not of ael-hook is deleted, and no value of it is kept."""
    run(tmp_path, json.dumps(story("codex")[0]).encode(), "auto")
    new = tmp_path / "spool" / "new"
    for name, data in (("0.json", b"{"), ("1.json", b'{"v": 1, "t": "x"}'), ("2.json", b"\xff" * 700_000)):
        (new / name).write_bytes(data)
    (new / "3.json").symlink_to("/etc/passwd")
    worker, table = make_worker()
    worker.store()
    assert table.totals() == {TotalKey(DROPPED, "sessions", "not_understood"): 3}
    assert len(table.select()) == 1
    assert [path.name for path in sorted(new.iterdir())] == ["3.json"], "a link is left alone"
    dead = {path.name: path.read_bytes() for path in (tmp_path / "spool" / "dead").iterdir()}
    assert set(dead) == {"0.json", "1.json", "2.json"}
    assert all(b"not written by ael-hook" in each for each in dead.values())


def test_events_in_one_batch_of_many_processes_are_all_stored(tmp_path: Path, make_worker: Any) -> None:
    """Fifty hooks at once, of five sessions: every event is stored."""
    payloads = [
        {**payload, "session_id": f"s-{number}", "tool_use_id": f"t-{number}-{at}"}
        for number in range(7)
        for at, payload in enumerate(story("claude-code"))
    ]
    finish([start(tmp_path, json.dumps(payload).encode(), "auto") for payload in payloads])
    worker, table = make_worker()
    assert worker.store() == len(payloads) == 56
    assert sum(record.events for record in table.select()) == 56


def test_configuration_that_cannot_be_read_stores_nothing(tmp_path: Path) -> None:
    """Nothing is stored by rules that the user has not set; the reason is in the log, the events in the spool."""
    (tmp_path / "config.yaml").write_text("telemetry:\n  privcy: {}\n", "utf-8")
    run(tmp_path, json.dumps(story("codex")[0]).encode(), "auto")
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "ael_otel.runtime.session_worker"],
        env=environment(tmp_path),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, b"", b"")
    assert "privcy" in (tmp_path / "spool" / "worker.log").read_text("utf-8")
    assert len(events(tmp_path)) == 1
    assert not (tmp_path / "telemetry.db").exists()


def test_user_settings_put_the_store_into_the_home_of_hooks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store of a folder that an agent works in is never used."""
    for name in ("AEL_CONFIG_PATH", "AEL_TELEMETRY_DB"):
        monkeypatch.delenv(name, raising=False)
    assert user_settings(tmp_path).store.path == str(tmp_path / "telemetry.db")
    (tmp_path / "config.yaml").write_text("telemetry:\n  store: {path: /var/lib/ael.db}\n", "utf-8")
    assert user_settings(tmp_path).store.path == "/var/lib/ael.db"


def _records(home: Path) -> list[SessionRecord]:
    backend = SqliteStore(home / "telemetry.db")
    try:
        return SessionTable(backend).select()
    finally:
        backend.close()


@pytest.mark.parametrize("point", ["batch", "add", "remove", "deliver", "exported"])
def test_worker_that_dies_anywhere_loses_nothing(
    point: str, tmp_path: Path, make_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before or after each step, the next worker stores each event once and sends what has ended."""
    for payload in story("codex"):
        run(tmp_path, json.dumps(payload).encode(), "auto")
    sent: list[Any] = []
    dies = point == "deliver"

    def deliver(spans: Any) -> bool:
        sent.extend(spans)
        if dies:
            raise KeyboardInterrupt
        return True

    def death(*_: Any) -> Any:
        raise KeyboardInterrupt

    def work(worker: Worker) -> None:
        worker.store()
        worker.export()

    worker, _ = make_worker(deliver=deliver)
    with monkeypatch.context() as patched:
        if point != "deliver":
            patched.setattr(SessionTable if point in ("add", "exported") else Spool, point, death)
        with pytest.raises(KeyboardInterrupt):
            work(worker)
    dies = False
    worker, table = make_worker(deliver=deliver)
    work(worker)
    assert events(tmp_path) == []
    assert table.finished() == []
    (record,) = table.select()
    assert (record.events, record.turns, record.tool_calls, record.failed_calls) == (8, 1, 2, 1)
    names = {(span.span_id, span.name) for span in sent}
    assert sorted(name for _, name in names) == ["session", "tool.execute", "tool.execute", "turn"]


def test_worker_that_dies_after_the_commit_stores_nothing_twice(
    tmp_path: Path, make_worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files of a batch that is stored and not yet deleted are read again, to no effect."""
    for payload in story("codex"):
        run(tmp_path, json.dumps(payload).encode(), "auto")
    worker, table = make_worker()
    with monkeypatch.context() as patched:
        patched.setattr(Spool, "remove", lambda _self, _files: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            worker.store()
    (before,), totals = table.select(), table.totals()
    assert len(events(tmp_path)) == 8
    again, table = make_worker()
    assert again.store() == 8
    assert not events(tmp_path)
    assert table.select() == [before]
    assert table.totals() == totals
