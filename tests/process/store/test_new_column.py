"""A new column of the run store has three places, and a forgotten one is reported: tried on a copy of the package."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import ael_otel
from ael_otel.store.sqlite import SqliteStore
from tests.support.store_columns import sample

PACKAGE = Path(ael_otel.__file__).parent
ROOT = Path(__file__).parents[3]

# The three places of a column that is a field of the record, and those of one that is worked out.
RECORD = ("store/records.py", '    owner: str = ""\n', '    owner: str = ""\n    trial_label: str = "none"\n')
DERIVED = ("store/rows.py", "    tool_calls: int\n", "    tool_calls: int\n    trial_bytes: int\n")
VALUE = (
    "store/rows.py",
    "        tool_calls=len(calls),\n",
    "        tool_calls=len(calls),\n        trial_bytes=len(body) + 1,\n",
)


def migration(column: str, kind: str) -> tuple[str, str, str]:
    """The migration that adds a column, with the next free number."""
    old = "SCHEMA_VERSION: Final = MIGRATIONS[-1][0]\n"
    step = f'(MIGRATIONS[-1][0] + 1, ("ALTER TABLE executions ADD COLUMN {column} {kind}",))'
    return ("store/migrations.py", old, f"MIGRATIONS = (*MIGRATIONS, {step})\n{old}")


def query(column: str, kind: str, before: str = "    trace_id: str\n") -> tuple[str, str, str]:
    """The field of a summary, in the middle of them: the fields after it must not move."""
    return ("store/query.py", before, f"    {column}: {kind}\n{before}")


PLAIN = (RECORD, migration("trial_label", "{text}"), query("trial_label", "str"))
WORKED = (DERIVED, VALUE, migration("trial_bytes", "{int}"), query("trial_bytes", "int"))

FORGOTTEN = {
    "a field's record": (
        PLAIN[1:],
        "column trial_label: ExecutionSummary lists it, and neither ExecutionRecord",
    ),
    "a field's migration": (
        (PLAIN[0], PLAIN[2]),
        "column trial_label: no migration (store/migrations.py) adds it",
    ),
    "a field's query": (
        PLAIN[:2],
        "column trial_label: executions has it, and ExecutionSummary (store/query.py) does not",
    ),
    "a derived record": (
        WORKED[2:],
        "column trial_bytes: ExecutionSummary lists it, and neither ExecutionRecord",
    ),
    "a derived value": ((WORKED[0], *WORKED[2:]), "missing 1 required positional argument: 'trial_bytes'"),
    "a derived name": (
        WORKED[1:],
        "column trial_bytes: ExecutionSummary lists it, and neither ExecutionRecord",
    ),
    "a derived migration": (
        (*WORKED[:2], WORKED[3]),
        "column trial_bytes: no migration (store/migrations.py) adds it",
    ),
    "a derived query": (
        WORKED[:3],
        "column trial_bytes: Derived has it, and ExecutionSummary (store/query.py) does not",
    ),
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, to be changed."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, root / "ael_otel", ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.fixture
def scratch(copied: Path) -> Iterator[Path]:
    """The copy, put right again afterwards."""
    yield copied
    for name in ("records", "rows", "migrations", "query"):
        shutil.copy(PACKAGE / "store" / f"{name}.py", copied / "ael_otel" / "store" / f"{name}.py")


def change(root: Path, edits: tuple[tuple[str, str, str], ...]) -> None:
    """Make the edits; each must match exactly once."""
    for name, old, new in edits:
        path = root / "ael_otel" / name
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{name}: {old!r} is there {text.count(old)} times"
        path.write_text(text.replace(old, new), "utf-8")


def python(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the package of that folder."""
    return subprocess.run(
        [sys.executable, "-B", *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


ROUND_TRIP = """
import sys
from pathlib import Path
from msgspec.structs import replace
import ael_otel
assert Path(ael_otel.__file__).is_relative_to(Path.cwd()), ael_otel.__file__
from ael_otel.store import MemoryStore, RunQuery
from ael_otel.store.sqlite import SqliteStore
from tests.support.store_columns import sample
run, old = sample(2), sample(1)
if "trial_label" in run.__struct_fields__:
    run = replace(run, trial_label="acme")
for store in (SqliteStore(Path(sys.argv[1])), MemoryStore()):
    store.put([replace(run, status="running"), run])
    store.put([run])
    summary = store.query(RunQuery(limit=1)).runs[0]
    size = len(next(iter(store.bodies(["exec-2"]).values())))
    print(getattr(summary, "trial_label", None), getattr(summary, "trial_bytes", 0) - size, summary.bytes - size,
          summary.tool_calls, summary.trace_id == run.trace_id, store.count(RunQuery()))
"""


@pytest.mark.parametrize("edits", [PLAIN, WORKED], ids=["a field of the record", "worked out"])
def test_new_column_is_three_places(
    scratch: Path, tmp_path: Path, edits: tuple[tuple[str, str, str], ...]
) -> None:
    """With all three edits nothing is missing, and the value comes back under its name, also from an older store."""
    path = tmp_path / "telemetry.db"
    with closing(SqliteStore(path)) as store:
        store.put([sample(1)])
    change(scratch, edits)
    checked = python(scratch, "-m", "tests.support.store_columns")
    assert (checked.returncode, checked.stdout.strip()) == (0, ""), checked.stdout + checked.stderr
    done = python(scratch, "-c", ROUND_TRIP, str(path))
    label, more = ("acme", "None") if edits is PLAIN else ("None", "1")
    sqlite, memory = (line.split() for line in done.stdout.splitlines())
    for found in (sqlite, memory):
        assert found[0] == label
        assert found[2:5] == ["0", "1", "True"]
        assert more == "None" or found[1] == more
    assert (sqlite[5], memory[5]) == ("2", "1")


@pytest.mark.parametrize("forgotten", FORGOTTEN)
def test_forgotten_place_of_a_new_column_is_named(scratch: Path, forgotten: str) -> None:
    """Each place that is left out is reported with the column and the file where it belongs."""
    edits, message = FORGOTTEN[forgotten]
    change(scratch, edits)
    checked = python(scratch, "-m", "tests.support.store_columns")
    assert checked.returncode == 1
    assert message in checked.stdout, checked.stdout + checked.stderr
