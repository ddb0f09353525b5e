"""Runs that other programs have written: nothing redacted them, and `ael trace import` does."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ael_otel.cli import cli
from ael_otel.export import cleaning
from tests.privacy.canaries import found, in_place, made_up

CANARIES = {
    kind: canary for kind, canary in made_up().items() if kind not in ("plain", "contents", "environment")
}
TEXTS = {**in_place(CANARIES), "keyed": f"password={CANARIES['keyed']}"}
ALL = " ; ".join(TEXTS.values())
FORMATS = ("json", "jsonl", "csv", "otlp", "zipkin", "jaeger")


def attributes(**facts: Any) -> list[dict[str, Any]]:
    """OTLP's list of attributes; `__` in a name stands for a dot."""
    return [
        {"key": key.replace("__", "."), "value": value if isinstance(value, dict) else {"stringValue": value}}
        for key, value in facts.items()
    ]


def spans() -> dict[str, Any]:
    """A trace of an agent, a tool and a model, with the canaries wherever OTLP has a text."""

    def span(number: int, parent: int, name: str, **facts: Any) -> dict[str, Any]:
        return {
            "traceId": f"{7:032x}",
            "spanId": f"{number:016x}",
            "parentSpanId": f"{parent:016x}" if parent else "",
            "name": f"{name} {ALL}",
            "startTimeUnixNano": str(1_790_000_000_000_000_000 + number),
            "endTimeUnixNano": str(1_790_000_001_000_000_000 + number),
            "traceState": f"v={CANARIES['aws']}",
            "attributes": attributes(
                gen_ai__operation__name=name, password=CANARIES["keyed"], error__type=ALL, **facts
            ),
            "status": {"code": 2, "message": ALL},
            "events": [
                {"timeUnixNano": str(1_790_000_000_500_000_000), "name": each,
                 "attributes": attributes(exception__message=ALL, exception__type=ALL, exception__stacktrace=ALL)}
                for each in ("exception", ALL)
            ],
            "links": [{"traceId": f"{9:032x}", "spanId": f"{9:016x}", "attributes": attributes(why=ALL)}],
        }  # fmt: skip

    who = {
        "gen_ai__conversation__id": CANARIES["github"],
        "enduser__id": CANARIES["email"],
        "user__id": CANARIES["email"],
    }
    encoded = {"bytesValue": base64.b64encode(ALL.encode()).decode()}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes(service__name=ALL, api_key=CANARIES["keyed"])},
                "scopeSpans": [
                    {
                        "scope": {"name": ALL, "version": CANARIES["aws"], "attributes": attributes(why=ALL)},
                        "spans": [
                            span(
                                1,
                                0,
                                "invoke_agent",
                                gen_ai__agent__name=ALL,
                                gen_ai__input__messages=ALL,
                                **who,
                            ),
                            span(
                                2,
                                1,
                                "execute_tool",
                                gen_ai__tool__name=ALL,
                                gen_ai__tool__call__result=ALL,
                                raw=encoded,
                            ),
                            span(
                                3,
                                1,
                                "chat",
                                gen_ai__request__model=CANARIES["github"],
                                gen_ai__provider__name=ALL,
                            ),
                        ],
                    }
                ],
            }
        ]
    }


def record(excluded: str) -> dict[str, Any]:
    """A run as `ael trace export` writes it, with a call that reads an excluded file."""
    call = {
        "call_id": "c-1",
        "sequence": 0,
        "tool_name": "read",
        "source": "tool_step",
        "started_at": "2026-11-21T10:00:00Z",
        "status": "success",
        "params": {"path": excluded},
        "result": "what the excluded file holds",
    }
    step = {
        "step_id": "s",
        "index": 0,
        "step_type": "tool",
        "status": "completed",
        "started_at": call["started_at"],
    }
    return {
        "execution_id": "exec-1",
        "type": "workflow",
        "status": "failed",
        "workflow_name": ALL,
        "started_at": "2026-11-21T10:00:00Z",
        "inputs": {"password": CANARIES["keyed"], "text": ALL},
        "outputs": ALL,
        "steps": [{**step, "tool_name": "read", "tool_calls": [call]}],
        "error": {"code": "X", "category": "TOOL", "message": ALL},
        "caller_id": CANARIES["email"],
        "metadata": {"session_id": CANARIES["github"], CANARIES["github"]: 1},
        "trace_id": "1" * 32,
        "span_id": "1" * 16,
    }


def imported(folder: Path) -> dict[str, bytes]:
    """Import all, print it in every form, and return every byte printed or on disk."""
    places: dict[str, bytes] = {}

    def ael(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli, ["trace", *words, "--db", "kept.db"], prog_name="ael")
        assert done.exit_code == code, done.output
        places[" ".join(words)] = done.output.encode()
        return done.output

    (folder / "spans.jsonl").write_text(json.dumps(spans()) + "\n", "utf-8")
    (folder / "runs.json").write_text(json.dumps([record("~/.ssh/id_rsa")]), "utf-8")
    wrong = {"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": CANARIES["github"]}]}]}]}
    (folder / "wrong.json").write_text(json.dumps(wrong), "utf-8")
    ael("import", "spans.jsonl")
    ael("import", "runs.json")
    ael("import", "wrong.json", code=1)
    for form in FORMATS:
        ael("export", "--all", "--format", form)
    runs = [
        json.loads(line)["execution_id"] for line in ael("export", "--all", "--format", "jsonl").splitlines()
    ]
    assert len(runs) == 2
    for each in runs:
        ael("show", each, "--spans", "--logs")
        ael("show", each, "--output", "json")
        ael("export", each, "--format", "html")
    ael("list")
    ael("stats")
    return places | {str(path): path.read_bytes() for path in folder.glob("kept.db*")}


def test_imported_runs_are_redacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves for OTLP and for our own export: no secret is stored or printed, nor the content of an excluded file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    places = imported(tmp_path)
    assert (
        sorted({f"{kind} ({form}) in {place[:200]}" for kind, form, place in found(CANARIES, places)}) == []
    )
    assert not [place for place, data in places.items() if b"what the excluded file holds" in data]
    assert b"[EXCLUDED_PATH]" in places["export --all --format json"]


def test_without_it_the_search_finds_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that the search works: with redaction disabled each canary is found, in the store and outside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(cleaning, "cleaned", lambda run, _redactor: run)
    places = imported(tmp_path)
    for place in ("kept.db", "export --all --format json", "export --all --format csv"):
        data = {name: each for name, each in places.items() if place in name}
        assert {kind for kind, _, _ in found(CANARIES, data)} == set(CANARIES), place


def test_clean_run_is_imported_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that a run without secrets is stored with all that it holds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    plain = record("notes.txt") | {
        "inputs": {"n": 1},
        "outputs": "o",
        "caller_id": "me",
        "metadata": {"a": [1.5]},
    }
    plain |= {"workflow_name": "w", "error": None, "status": "completed"}
    (tmp_path / "runs.json").write_text(json.dumps([plain]), "utf-8")
    for words in (["import", "runs.json"], ["export", "--all", "--format", "json"]):
        done = CliRunner().invoke(cli, ["trace", *words, "--db", "kept.db"], prog_name="ael")
        assert done.exit_code == 0, done.output
    (kept,) = json.loads(done.stdout)
    assert {key: kept[key] for key in plain if key not in ("steps", "error")} == {
        key: value for key, value in plain.items() if key not in ("steps", "error")
    }
    assert kept["steps"][0]["tool_calls"][0]["result"] == "what the excluded file holds"


def test_configuration_selects_the_imported_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves it for blanked inputs and for tools with nothing or only the keys recorded, and that others stay."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ael-config.yaml").write_text(
        "telemetry:\n  redaction:\n    redact_inputs: true\n    tools: {read: none, 'list_*': keys}\n",
        "utf-8",
    )
    plain = record("notes.txt") | {"workflow_name": "w", "inputs": {"n": 1}, "outputs": "o", "error": None}
    plain |= {"caller_id": "me", "metadata": {}, "status": "completed"}
    (step,) = plain["steps"]
    (call,) = step["tool_calls"]
    others = [
        {**call, "call_id": name, "tool_name": name, "result": {"found": name}}
        for name in ("list_all", "look")
    ]
    step["tool_calls"] = [call, *others]
    (tmp_path / "runs.json").write_text(json.dumps([plain]), "utf-8")
    for words in (["import", "runs.json"], ["export", "--all", "--format", "json"]):
        done = CliRunner().invoke(cli, ["trace", *words, "--config", "ael-config.yaml"], prog_name="ael")
        assert done.exit_code == 0, done.output
    (kept,) = json.loads(done.stdout)
    assert (kept["inputs"], kept["outputs"]) == ("[REDACTED]", "o")
    assert [(each["params"], each["result"]) for each in kept["steps"][0]["tool_calls"]] == [
        (None, None),
        ("[REDACTED]", {"found": "[REDACTED]"}),
        ("[REDACTED]", {"found": "look"}),
    ]
