"""How the suite is spread over processes, and the machine that `make test-hostile` makes up."""

import os
from pathlib import Path

import pytest

from ael_otel.store import RunQuery
from ael_otel.store.sqlite import SqliteStore
from tests import hostile
from tests.support.workers import FIRST, group_of, processes, rank

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("tests/unit/test_x.py::test_a", "tests/unit/test_x.py::test_b[1]", True),
        ("tests/unit/test_x.py::test_a", "tests/unit/test_y.py::test_a", False),
        ("tests/process/test_x.py::test_a", "tests/process/test_x.py::test_b", False),
        ("tests/engine/test_cli.py::test_a", "tests/engine/test_cli.py::test_b", False),
        ("tests/engine/test_matrix.py::test_a", "tests/engine/test_matrix.py::test_b", True),
        ("tests/e2e/test_demo.py::test_a", "tests/e2e/test_serve.py::test_b", True),
        ("tests/e2e/test_demo.py::test_a", "tests/e2e/test_day.py::test_b", True),
        ("tests/rules/test_live.py::test_a", "tests/stack/test_running.py::test_b", True),
        ("tests/rules/test_live.py::test_a", "tests/e2e/test_serve.py::test_b", True),
        ("tests/rules/test_rules.py::test_a[1]", "tests/rules/test_rules.py::test_a[2]", False),
        (
            "tests/packaging/test_versions.py::test_a[1.5.1-x]",
            "tests/packaging/test_versions.py::test_b[1.5.1]",
            True,
        ),
        (
            "tests/packaging/test_versions.py::test_a[1.5.1]",
            "tests/packaging/test_versions.py::test_a[1.7.0]",
            False,
        ),
        (
            "tests/store/test_contract.py::test_a[postgresql]",
            "tests/privacy/test_postgresql.py::test_b",
            True,
        ),
        (
            "tests/store/test_contract.py::test_a[sqlite]",
            "tests/store/test_contract.py::test_a[postgresql]",
            False,
        ),
    ],
)
def test_tests_that_share_a_resource_share_a_process(one: str, other: str, *, together: bool) -> None:
    """A module's fixtures, one stack, one database, one environment; all else may run side by side."""
    assert (group_of(one) == group_of(other)) is together


@pytest.mark.parametrize(
    ("cores", "stacks", "expected"), [(1, False, 1), (2, True, 2), (2, False, 3), (8, False, 12)]
)
def test_processes_fill_the_cores_and_leave_stacks_alone(cores: int, expected: int, *, stacks: bool) -> None:
    """Proves that tests which wait share a core, and that tests of stacks do not."""
    assert processes(cores, stacks=stacks) == expected


def test_longest_suites_start_first() -> None:
    """In the order of the list, and each of its entries is about tests that are there."""
    assert [rank(f"{start}/test_x.py::test_a") for start in FIRST] == list(range(len(FIRST)))
    assert rank("tests/unit/test_x.py::test_a") == len(FIRST)
    assert [start for start in FIRST if not (TESTS.parent / start).exists()] == []


def test_a_home_folder_that_a_test_touched_is_named(tmp_path: Path) -> None:
    """Its store has runs that a test could find by accident; a file that is changed, new or gone is one line each."""
    hostile.make_home(tmp_path)
    store = SqliteStore(tmp_path / ".ael" / "telemetry.db")
    assert len(store.query(RunQuery()).runs) == 5
    store.close()
    before = hostile.contents(tmp_path)
    assert hostile.difference(before, hostile.contents(tmp_path)) == []
    (tmp_path / ".ael" / "telemetry.db").write_bytes(b"changed")
    (tmp_path / ".ael" / "new").write_text("")
    (tmp_path / ".ploston" / "config.yaml").unlink()
    assert hostile.difference(before, hostile.contents(tmp_path)) == [
        "added: ~/.ael/new",
        "changed: ~/.ael/telemetry.db",
        "removed: ~/.ploston/config.yaml",
    ]


def test_the_environment_is_the_hostile_one(tmp_path: Path) -> None:
    """The made-up home, and not the caches of the real one, which are costly to fill."""
    given = hostile.variables(tmp_path)
    assert (given["HOME"], given["TZ"], given["COLUMNS"], given["LC_ALL"]) == (
        str(tmp_path),
        "Asia/Kathmandu",
        "40",
        "C",
    )
    assert not given["UV_CACHE_DIR"].startswith(str(tmp_path))
    assert given["PATH"] == os.environ["PATH"]
