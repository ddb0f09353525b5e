"""Agent Trace records as files by day, beside the files of runs."""

import json
import stat
from pathlib import Path

from msgspec.structs import replace

from ael_otel.attribution.agent_trace import problems
from ael_otel.attribution.trace_mirror import TraceMirror
from ael_otel.attribution.trace_records import record_id
from ael_otel.store.times import DAY_US
from tests.unit.attribution.test_trace_records import CHANGE

DAY = "2026-02-17"
NEXT_DAY = "2026-02-18"


def test_record_is_a_private_file_with_an_entry(tmp_path: Path) -> None:
    """Named by eight digits of its id, valid, readable for its owner only, and listed in the index of its day."""
    assert TraceMirror(tmp_path / "traces").write([CHANGE]) == 1
    folder = tmp_path / "traces" / DAY
    path = folder / f"trace-{record_id(CHANGE)[:8]}.json"
    assert problems(json.loads(path.read_text())) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads((folder / "index.json").read_text()) == [
        {
            "file": path.name,
            "kind": "agent-trace",
            "id": record_id(CHANGE),
            "timestamp": "2026-02-17T10:41:00.123456Z",
            "tool": "claude-code",
            "files": 3,
        }
    ]


def test_record_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    """A second look at the ledger adds what is new only."""
    mirror = TraceMirror(tmp_path / "traces")
    mirror.write([CHANGE])
    assert mirror.write([CHANGE, replace(CHANGE, key="other")]) == 1
    assert len(json.loads((tmp_path / "traces" / DAY / "index.json").read_text())) == 2


def test_name_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    """A run with the same eight digits stays, and the record gets another name."""
    folder = tmp_path / "traces" / DAY
    folder.mkdir(parents=True)
    taken = folder / f"trace-{record_id(CHANGE)[:8]}.json"
    taken.write_text('{"execution_id": "x"}')
    TraceMirror(tmp_path / "traces").write([CHANGE])
    assert taken.read_text() == '{"execution_id": "x"}'
    assert len(list(folder.glob("trace-*.json"))) == 2


def test_old_days_are_removed_and_runs_stay(tmp_path: Path) -> None:
    """Records go with the retention; files and entries of runs are not this mirror's."""
    mirror = TraceMirror(tmp_path / "traces")
    late = replace(CHANGE, key="late", at_us=CHANGE.at_us + DAY_US)
    mirror.write([CHANGE, late])
    index = tmp_path / "traces" / DAY / "index.json"
    run = {"file": "trace-00000000.json", "execution_id": "x"}
    index.write_text("[\n" + json.dumps(run) + ",\n" + index.read_text()[2:])
    mirror.remove_before(late.at_us)
    assert json.loads(index.read_text()) == [run]
    assert list((tmp_path / "traces" / DAY).glob("trace-*")) == []
    assert len(list((tmp_path / "traces" / NEXT_DAY).glob("trace-*"))) == 1
    mirror.remove_before(late.at_us + DAY_US)
    assert not (tmp_path / "traces" / NEXT_DAY).exists()
