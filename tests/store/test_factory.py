"""Opening the configured store, and the path from a frame to a row."""

import asyncio
import errno
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from msgspec.structs import replace

from ael_otel.config import Settings
from ael_otel.config.settings import Limits, Redaction, Retention, Store
from ael_otel.core.metrics import AelMetrics
from ael_otel.errors import ConfigError
from ael_otel.lifecycle import CodeBlock, Execution, Recorder, Step, ToolCall
from ael_otel.lifecycle.code_block import imports_of
from ael_otel.store import (
    Capture,
    MemoryStore,
    RunQuery,
    StoreError,
    StoreNotFoundError,
    open_reader,
    open_store,
    refuse_unusable,
)
from ael_otel.store.owner import this_process
from ael_otel.store.sqlite import SqliteStore
from tests.store.making import run
from tests.support.variables import EXPORT_NOTHING, clean_variables


def settings(**facts: Any) -> Settings:
    """Settings with another store section."""
    return Settings(store=Store(**facts), retention=Retention(days=365))


def test_sqlite_in_the_working_directory_is_the_default(tmp_path: Path) -> None:
    """Proves that runs of one process are read by another one, if both are in folders of one project."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    store = open_store(settings(), environ={}, start=tmp_path)
    store.complete_execution(run(1))
    assert store.flush()
    reader = open_reader(settings(), environ={}, start=deep)
    assert reader.get("exec-000001") == run(1)
    assert reader.info().location == str(tmp_path / ".ael" / "telemetry.db")
    reader.close()
    store.close()


def test_store_in_the_home_folder_is_the_last_resort(tmp_path: Path, home: Path) -> None:
    """Proves that the home folder of these tests is their own: a store there is found from any folder."""
    with pytest.raises(StoreNotFoundError):
        open_reader(settings(), environ={}, start=tmp_path)
    made = open_store(settings(path=str(home / ".ael" / "telemetry.db")), environ={})
    made.complete_execution(run(1))
    made.close()
    reader = open_reader(settings(), environ={}, start=tmp_path)
    assert reader.info().location == str(home / ".ael" / "telemetry.db")
    reader.close()


def test_reader_creates_no_file_and_marks_interrupted_runs(tmp_path: Path) -> None:
    """Proves that reading a missing store reports it and creates no file, and that stale runs are marked."""
    with pytest.raises(StoreNotFoundError):
        open_reader(settings(), environ={}, start=tmp_path)
    assert list(tmp_path.iterdir()) == []
    made = open_reader(settings(), environ={}, start=tmp_path, create=True)
    gone = this_process().rpartition("/")[0].rpartition("/")[0] + "/4194999/1"
    made.start_execution(run(1, status="running", owner=gone))
    made.close()
    reader = open_reader(settings(), environ={}, start=tmp_path)
    assert reader.query(RunQuery(error="interrupted")).runs[0].status == "failed"
    reader.close()


def test_memory_is_for_one_process(tmp_path: Path) -> None:
    """Proves that a runner gets the memory backend, and that a reader is refused with a message."""
    assert isinstance(open_store(settings(backend="memory")), MemoryStore)
    with pytest.raises(StoreError, match="set sqlite to store them"):
        open_reader(settings(backend="memory"))


def test_memory_is_bounded_by_the_limits() -> None:
    """Proves that `limits.memory_runs` and `limits.memory_mb` reach the store."""
    few = open_store(replace(settings(backend="memory"), limits=Limits(memory_runs=2)))
    small = open_store(replace(settings(backend="memory"), limits=Limits(memory_mb=1)))
    for store in (few, small):
        for number in range(5):
            store.complete_execution(run(number, inputs="x" * 400_000))
        assert [each.execution_id for each in store.recent()] == ["exec-000004", "exec-000003"]


def test_postgresql_is_opened_by_its_connection_string(dsn: str) -> None:
    """Proves the third backend through the same door, and that a connection string is not echoed."""
    from tests.store.conftest import empty

    empty(dsn)
    store = open_store(settings(backend="postgresql", dsn=dsn))
    store.complete_execution(run(1))
    assert store.get("exec-000001") == run(1)
    assert store.info().backend == "postgresql"
    store.close()
    reader = open_reader(settings(backend="postgresql", dsn=dsn))
    assert reader.count(RunQuery()) == 1
    reader.close()
    nobody = "postgresql://ael:secret-password@127.0.0.1:1/runs"  # hygiene: made up
    for wrong, words in (("", "dsn is empty"), (nobody, "postgresql://127.0.0.1:1/runs cannot be reached")):
        with pytest.raises(StoreError, match=words) as raised:
            open_reader(settings(backend="postgresql", dsn=wrong))
        assert "secret-password" not in str(raised.value)


def test_the_mirror_is_beside_the_store_and_pruned_after_it_was_switched_off(tmp_path: Path) -> None:
    """Proves `json_mirror`, and that a reader's prune deletes files although no process writes them any more."""
    store = open_store(settings(json_mirror=True), environ={}, start=tmp_path)
    store.complete_execution(run(1))
    store.close()
    assert len(list((tmp_path / ".ael" / "traces").rglob("trace-*.json"))) == 1
    reader = open_reader(settings(), environ={}, start=tmp_path)
    reader.prune(older_than=run(2).started_at)
    assert list((tmp_path / ".ael" / "traces").rglob("trace-*.json")) == []
    reader.close()


@pytest.mark.parametrize(("form", "files", "lines"), [("files", 2, 0), ("lines", 0, 2), ("both", 2, 2)])
def test_mirror_form_selects_the_files_and_both_forms_delete(
    tmp_path: Path, form: str, files: int, lines: int
) -> None:
    """Proves `mirror_form`, and that a reader's prune and delete reach either form although it is off by now."""
    store = open_store(settings(json_mirror=True, mirror_form=form), environ={}, start=tmp_path)
    store.complete_execution(run(1, outputs="Marigold one"))
    store.complete_execution(run(2, outputs="Marigold two"))
    store.close()
    folder = tmp_path / ".ael" / "traces"
    written = [line for path in folder.glob("runs-*.jsonl") for line in path.read_bytes().splitlines()]
    assert (len(list(folder.rglob("trace-*.json"))), len(written)) == (files, lines)

    def beside(text: bytes) -> bool:
        return any(text in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    reader = open_reader(settings(), environ={}, start=tmp_path)
    assert beside(b"Marigold one")
    assert reader.delete(["exec-000001"]).forgotten
    assert (beside(b"Marigold one"), beside(b"Marigold two")) == (False, True)
    reader.prune(older_than=run(2).started_at + timedelta(seconds=1))
    assert not beside(b"Marigold two")
    reader.close()


def test_path_that_cannot_be_created_raises_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Proves that a path that cannot be created costs the records and a line in the log only."""
    (tmp_path / "file").write_text("in the way")
    lost: list[tuple[str, int]] = []
    store = open_store(
        settings(path=str(tmp_path / "file" / "telemetry.db")), on_drop=lambda *loss: lost.append(loss)
    )
    store.complete_execution(run(1))
    store.close()
    assert sum(count for _, count in lost) == 1
    assert "runs are not recorded" in caplog.text


# --- a store that cannot work is refused before the run --------------------------------------------------------------


def test_store_that_can_be_used_is_not_refused(tmp_path: Path) -> None:
    """Proves that a folder that can be made, memory, a server that is away and telemetry that is off pass."""
    away = "postgresql://ael@127.0.0.1:1/runs"
    for fine in (
        settings(),
        settings(path="a/b/c.db"),
        settings(backend="memory"),
        settings(backend="postgresql", dsn=away),
        replace(settings(backend="postgresql"), enabled=False),
    ):
        refuse_unusable(fine, environ={}, start=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("facts", "environ", "words"),
    [
        ({"backend": "postgresql"}, {}, "telemetry.store.dsn is empty"),
        ({"backend": "postgresql", "dsn": "host='x"}, {}, "telemetry.store.dsn is not a connection string"),
        ({"path": "folder"}, {}, "telemetry.store.path: {tmp}/folder is a folder"),
        ({"path": "{tmp}/file/t.db"}, {}, "telemetry.store.path: {tmp}/file is a file"),
        ({}, {"AEL_TELEMETRY_DB": "file/x/t.db"}, "AEL_TELEMETRY_DB: {tmp}/file is a file"),
        (
            {},
            {"AEL_TELEMETRY_DB": "postgresql://db/x"},
            "AEL_TELEMETRY_DB: it names the file of a SQLite store",
        ),
    ],
)
def test_store_that_cannot_keep_runs_is_refused_with_key_and_remedy(
    tmp_path: Path, facts: dict[str, Any], environ: dict[str, str], words: str
) -> None:
    """Proves a ConfigError that names the key or variable, the fault and a valid value."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("in the way")
    facts = {name: value.replace("{tmp}", str(tmp_path)) for name, value in facts.items()}
    with pytest.raises(ConfigError) as raised:
        refuse_unusable(settings(**facts), environ=environ, start=tmp_path)
    assert words.replace("{tmp}", str(tmp_path)) in str(raised.value)
    assert "set " in str(raised.value) or "write postgresql://" in str(raised.value)


def test_postgresql_without_its_driver_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that the message names the package to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"needs psycopg: install it with `pip install 'psycopg\[binary\]"):
        refuse_unusable(settings(backend="postgresql", dsn="postgresql://a@b/c"), environ={})


@pytest.mark.skipif(os.name != "posix", reason="pipes and links of POSIX")
def test_pipe_or_loop_in_place_of_the_store_is_refused(tmp_path: Path) -> None:
    """Proves that neither is opened: SQLite would report a disk error, or a missing permission."""
    pipe, loop = tmp_path / "pipe.db", tmp_path / "loop.db"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    for path, what in ((pipe, "is not a regular file"), (loop, "is a symbolic link that leads to itself")):
        with pytest.raises(ConfigError, match=f"telemetry.store.path: {path} {what}: remove it"):
            refuse_unusable(settings(path=str(path)), environ={})
    whole = tmp_path / "elsewhere.db"
    (tmp_path / "link.db").symlink_to(whole)
    refuse_unusable(settings(path=str(tmp_path / "link.db")), environ={})


def test_folder_that_takes_no_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves the refusal for a writable mode on a read-only file system, and that a full disk is not refused."""
    proc = Path("/proc")
    if proc.is_dir() and os.access(proc, os.W_OK):  # root may write there, by its mode
        with pytest.raises(
            ConfigError, match=r"telemetry\.store\.path: the folder /proc does not accept a file \("
        ):
            refuse_unusable(settings(path="/proc/x/t.db"), environ={})
    path = str(tmp_path / "below" / "t.db")
    for number, refused in ((errno.EROFS, True), (errno.ENOSPC, False), (errno.EDQUOT, False)):
        full = OSError(number, os.strerror(number))
        monkeypatch.setattr("ael_otel.store.factory.tempfile.TemporaryFile", Mock(side_effect=full))
        if refused:
            with pytest.raises(ConfigError, match="does not accept a file"):
                refuse_unusable(settings(path=path), environ={})
        else:
            refuse_unusable(settings(path=path), environ={})
    monkeypatch.undo()
    refuse_unusable(settings(path=path), environ={})
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork, no other user")
def test_folder_or_file_that_this_user_cannot_write_is_refused() -> None:
    """Proves the refusals for a user who may not write: the folder, and a file in a folder that lets them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "open").mkdir()
        (folder / "open").chmod(0o777)
        (folder / "open" / "t.db").touch(0o444)
        (folder / "closed" / "below").mkdir(parents=True)
        (folder / "closed").chmod(0 if os.getuid() else 0o700)
        program = (
            "import os, sys\n"
            "from pathlib import Path\n"
            "from ael_otel.config import Settings\n"
            "from ael_otel.config.settings import Store\n"
            "from ael_otel.store import refuse_unusable\n"
            "if os.getuid() == 0:\n    os.setgid(65534)\n    os.setuid(65534)\n"
            "for path in sys.argv[1:]:\n"
            "    try:\n        refuse_unusable(Settings(store=Store(path=path)), environ={})\n"
            "    except Exception as error:\n        print(error)\n"
        )
        if os.getuid() != 0:
            folder.chmod(0o555)
        paths = [
            str(folder / "below" / "t.db"),
            str(folder / "open" / "t.db"),
            str(folder / "closed" / "below" / "t.db"),
            str(folder / "open" / "new.db"),
        ]
        try:
            done = subprocess.run(
                [sys.executable, "-c", program, *paths], cwd=Path(__file__).parents[2],
                capture_output=True, text=True, check=True, timeout=60,
            )  # fmt: skip
        finally:
            folder.chmod(0o755)
            (folder / "closed").chmod(0o755)
        lines = done.stdout.splitlines()
        assert len(lines) == 3
        assert f"telemetry.store.path: the folder {folder} cannot be written by this user: choose" in lines[0]
        assert (
            f"telemetry.store.path: {folder / 'open' / 't.db'} cannot be written by this user: choose"
            in lines[1]
        )
        assert f"the folder {folder / 'closed'} cannot be entered by this user: choose" in lines[2]


# --- from a frame to a row --------------------------------------------------------------------------------------------

CODE = "import json, os.path\nfrom collections import abc\nfrom . import x\ndef f():\n    import math\n"


def _a_run_that_fails_in_its_code(recorder: Recorder, inputs: dict[str, Any]) -> None:
    with suppress(ValueError), Execution(recorder, "w", execution_id="exec-1", inputs=inputs) as frame:
        inputs["name"] = "changed"
        with Step(recorder, "greet", "tool_call", tool="echo"), ToolCall(recorder, "echo") as call:
            call.called_with({"text": "hi"})
            call.returned("y" * 1000)
        frame.finished({"greeting": "hi"})
        with Step(recorder, "crunch", "code", code=CODE), CodeBlock(recorder, code=CODE) as block:
            block.printed("out\n", "", {"n": 1})
            raise ValueError("boom")


def test_frames_fill_the_record_with_content(tmp_path: Path) -> None:
    """Proves the content of each frame: inputs, parameters, results, printed text, imports, exceptions; as of then."""
    store = SqliteStore(tmp_path / "telemetry.db")
    recorder = Recorder(metrics=AelMetrics(), store=store)
    recorder.capture_output = Capture(100)
    inputs: dict[str, Any] = {"name": "Ada"}
    _a_run_that_fails_in_its_code(recorder, inputs)
    recorder.stop_counting()
    record = store.get("exec-1")
    assert record is not None
    assert (record.inputs, record.outputs) == ({"name": "Ada"}, {"greeting": "hi"})
    greet, crunch = record.steps
    assert greet.tool_params == greet.tool_calls[0].params == {"text": "hi"}
    assert greet.tool_result["ael.truncated"] == {"bytes": 1000}
    code = crunch.code
    assert code is not None
    assert code.imports == [".", "collections", "json", "math", "os.path"]
    assert (code.stdout, code.stderr, code.result, code.code_hash) == (
        "out\n",
        None,
        {"n": 1},
        crunch.code_hash,
    )
    assert code.exception is not None
    assert code.exception.message == "boom"
    assert code.duration_ms is not None
    store.close()


def test_without_a_store_content_is_not_even_looked_at() -> None:
    """Proves that without a store content is neither copied nor stored."""
    recorder = Recorder(metrics=AelMetrics())
    with Execution(recorder, "w", execution_id="exec-1", inputs={"a": 1}) as frame:
        assert frame.execution is not None
        assert frame.execution.inputs is None
    recorder.stop_counting()


def test_source_that_is_not_python_has_no_imports() -> None:
    """Proves that code the sandbox will refuse does not harm the record of it."""
    assert (
        imports_of("import (") == imports_of("\0") == imports_of("(" * 100_000) == imports_of("\ud800") == []
    )


def test_inputs_and_outputs_can_be_blanked(tmp_path: Path) -> None:
    """Proves that `redact_inputs` and `redact_outputs` apply to stored runs, by the runtime's own wiring."""
    done = _run_program(
        tmp_path, replace(settings(), redaction=Redaction(redact_inputs=True, redact_outputs=True))
    )
    assert done["inputs"] == done["outputs"] == "[REDACTED]"


_PROGRAM = """
import io, json, sys
from pathlib import Path
import msgspec
from ael_otel import runtime
from ael_otel.config import Settings
from ael_otel.instrument.active import current
from ael_otel.lifecycle import Execution
running = runtime.start(msgspec.json.decode(sys.argv[1], type=Settings), log_stream=io.StringIO())
with Execution(current().recorder, "hello", execution_id="exec-1", inputs={"a": 1}) as frame:
    frame.finished({"b": 2})

record = running.store.get("exec-1")
running.shutdown(0.1)
place = str(Path(".ael/telemetry.db").exists())
print(json.dumps({"inputs": record.inputs, "outputs": record.outputs, "place": place}))
"""


def _run_program(folder: Path, chosen: Settings) -> dict[str, Any]:
    import msgspec

    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, msgspec.json.encode(chosen).decode()],
        cwd=folder,
        env=clean_variables(PYTHONPATH=str(Path(__file__).parents[2])) | EXPORT_NOTHING,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_runtime_opens_the_configured_store_and_writes_all_at_its_end(tmp_path: Path) -> None:
    """Proves that a caller that brings no store gets SQLite, and that shutdown has written it for the next process."""
    found = _run_program(tmp_path, settings())
    assert found == {"inputs": {"a": 1}, "outputs": {"b": 2}, "place": "True"}
    reader = open_reader(settings(), environ={}, start=tmp_path)
    assert [each.execution_id for each in reader.query(RunQuery()).runs] == ["exec-1"]
    assert (tmp_path / ".ael" / "telemetry.db-wal").stat().st_size >= 0
    reader.close()


def test_a_hundred_runs_at_once_in_an_event_loop_are_not_held_up(tmp_path: Path) -> None:
    """Proves that overlapping runs of one loop are all stored, and that a call of the store takes microseconds."""
    store = open_store(settings(), environ={}, start=tmp_path)
    recorder = Recorder(metrics=AelMetrics(), store=store)
    spent = 0.0

    async def one(number: int) -> None:
        nonlocal spent
        with Execution(recorder, "w", execution_id=f"exec-{number}", inputs={"n": number}) as frame:
            for position in range(3):
                with (
                    Step(recorder, f"s{position}", "tool_call", tool="echo"),
                    ToolCall(recorder, "echo") as call,
                ):
                    call.called_with({"n": number})
                    await asyncio.sleep(0.001)
                    call.returned(number)
            frame.finished({"n": number})
        record = frame.execution
        assert record is not None
        started = time.perf_counter()
        store.finish_execution(record)
        spent += time.perf_counter() - started

    async def all_of_them() -> None:
        await asyncio.gather(*(one(number) for number in range(100)))

    asyncio.run(all_of_them())
    recorder.stop_counting()
    found = list(store.iterate(RunQuery(limit=None)))
    assert len(found) == 100
    for record in found:
        number = int(record.execution_id.removeprefix("exec-"))
        assert record.outputs == {"n": number}
        assert [step.tool_result for step in record.steps] == [number] * 3
    assert spent / 100 < 0.005
    store.close()
