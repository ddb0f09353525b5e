"""A run store on PostgreSQL that an older version has filled: findings and redactions of `ael privacy scan` there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ael_otel.cli import cli
from ael_otel.store import RunQuery
from ael_otel.store.migrations import SCHEMA_VERSION
from ael_otel.store.postgresql import PostgresStore
from tests.privacy.canaries import in_place, made_up, needles
from tests.store.conftest import dsn, empty
from tests.store.making import run

__all__ = ["dsn"]

CANARIES = {
    kind: canary
    for kind, canary in made_up().items()
    if kind not in ("plain", "contents", "environment", "keyed")
}


@pytest.fixture
def filled(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store of schema 2, as a version without redaction wrote it, and no configuration anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "140")
    empty(dsn)
    store = PostgresStore(dsn)
    texts = in_place(CANARIES)
    everything = " ; ".join(texts.values())
    runs = [run(number) for number in range(450)]
    for number, text in enumerate(texts.values()):
        runs.append(
            run(1000 + number, inputs={"deep": [text]}, outputs=text, workflow_name=f"of {text}"[:200])
        )
    runs.append(
        run(
            2000,
            inputs={"text": everything},
            caller_id=CANARIES["email"],
            metadata={"session_id": CANARIES["github"]},
        )
    )
    store.put(runs)
    with store.transaction() as transaction:
        for table in (
            "redactions",
            "model_calls",
            "context_bytes",
            "session_totals",
            "session_outbox",
            "session_events",
            "sessions",
            *LEDGER,
        ):
            transaction.run(f"DROP TABLE {table}")
        transaction.run("DELETE FROM ael_versions WHERE version > 2")
    store.close()
    yield dsn
    empty(dsn)


LEDGER = ("attribution_sketches", "attribution_versions", "attribution_files", "attribution_changes")


def scan(*words: str) -> Result:
    """Run `ael privacy scan`."""
    return CliRunner().invoke(cli, ["privacy", "scan", *words], prog_name="ael")


def configured(dsn: str, folder: Path) -> Path:
    """A configuration that names the database."""
    file = folder / "ael.yaml"
    file.write_text(json.dumps({"telemetry": {"store": {"backend": "postgresql", "dsn": dsn}}}), "utf-8")
    return file


def on_disk(dsn: str) -> list[str]:
    """Which canaries are in the files of the server's tables, as they stand there, after all is written."""
    store = PostgresStore(dsn)
    store.read_nothing("CHECKPOINT")
    ((folder,),) = store.read("SHOW data_directory")
    store.close()
    files = [each.read_bytes() for each in (Path(folder) / "base").rglob("*") if each.is_file()]
    return sorted(
        kind for kind, each in CANARIES.items() if any(needles(each)["part"] in data for data in files)
    )


def test_secrets_of_an_older_store_are_reported_and_erased(filled: str, tmp_path: Path) -> None:
    """Proves for each kind: reported by rule and place, not printed, then on no page of the tables; runs stay whole."""
    file = configured(filled, tmp_path)
    first = scan("--config", str(file), "--output", "json")
    assert first.exit_code == 1
    assert not [kind for kind, canary in CANARIES.items() if needles(canary)["part"].decode() in first.output]
    findings = json.loads(first.output)["findings"]
    assert {each["column"] for each in findings} >= {
        "bodies.body", "executions.workflow_name", "executions.caller_id", "executions.session_id",
    }  # fmt: skip
    assert {each["run"] for each in findings} == {
        *(f"exec-{1000 + number:06}" for number in range(len(CANARIES))), "exec-002000",
    }  # fmt: skip
    assert on_disk(filled) == sorted(CANARIES), "the search finds them while they are there"

    fixed = scan("--config", str(file), "--fix")
    assert fixed.exit_code == 0, fixed.output
    assert on_disk(filled) == []
    again = scan("--config", str(file))
    assert (again.exit_code, again.output) == (0, "Nothing found.\n")

    store = PostgresStore(filled)
    assert store.info().schema_version == SCHEMA_VERSION
    assert store.count(RunQuery()) == 451 + len(CANARIES)
    assert store.get("exec-000007") == run(7)
    kept = store.get("exec-002000")
    assert kept is not None
    assert (kept.caller_id, kept.metadata["session_id"]) == ("[EMAIL]", "[TOKEN]")
    store.close()


def test_a_database_is_named_by_its_address_too(filled: str) -> None:
    """Proves it for a URL on the command line, and that an unreachable address is printed without its login."""
    parts = dict(each.split("=") for each in filled.split())
    url = f"postgresql://{parts['user']}@{parts['host']}:{parts['port']}/{parts['dbname']}"
    assert scan(url).exit_code == 1
    nowhere = "postgresql://ada:hunter2-zq@127.0.0.1:1/runs?connect_timeout=1"  # hygiene: made up
    refused = scan(nowhere)
    assert refused.exit_code == 1
    assert "127.0.0.1" in refused.output
    assert "hunter2" not in refused.output


def test_without_a_target_it_is_the_configured_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that memory is refused, and that a store which is not there yet is named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AEL_TELEMETRY_DB", raising=False)
    file = tmp_path / "ael.yaml"
    file.write_text("telemetry: {store: {backend: memory}}", "utf-8")
    refused = scan("--config", str(file))
    assert refused.exit_code == 1
    assert "memory" in refused.output
    missing = scan()
    assert missing.exit_code == 3
    assert "telemetry.db" in missing.output
