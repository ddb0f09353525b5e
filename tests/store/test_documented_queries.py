"""The statements of docs/reference/store-schema.md return the contents of the records on SQLite and PostgreSQL."""

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from ael_otel.store import ExecutionRecord
from tests.unit.insights.shops import shop

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "store-schema.md"
STATEMENTS = re.findall(r"^```sql\n(.*?)^```", PAGE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


pytestmark = pytest.mark.parametrize("make_store", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def filled(make_store: Callable[[], Any]) -> tuple[Any, list[ExecutionRecord]]:
    """A store in a database with runs whose steps were retried, skipped and failed."""
    store = make_store()
    runs = shop(5, runs=60, retried=0.2)
    store.put(runs)
    return store, runs


def test_steps_by_time(filled: tuple[Any, list[ExecutionRecord]]) -> None:
    """Proves counts, means and shares of the first statement, and their order."""
    store, runs = filled
    found: dict[str, list[Any]] = defaultdict(list)
    for run in runs:
        for step in run.steps:
            if step.status != "skipped":
                found[step.step_id].append(step)
    ordered = sorted(found.items(), key=lambda item: -sum(step.duration_ms for step in item[1]))
    rows = store.read(STATEMENTS[0])
    assert [row[1:3] for row in rows] == [(name, len(steps)) for name, steps in ordered]
    for (_, _, _, ms, retried, failed), (_, steps) in zip(rows, ordered, strict=True):
        assert float(ms) == pytest.approx(mean(step.duration_ms for step in steps), abs=0.51)
        assert float(retried) == pytest.approx(mean(step.attempt > 1 for step in steps))
        assert float(failed) == pytest.approx(mean(step.status == "failed" for step in steps))
    assert any(row[4] for row in rows)


def test_versions(filled: tuple[Any, list[ExecutionRecord]]) -> None:
    """Proves the second statement."""
    store, runs = filled
    ((name, version, count, failed, ms),) = store.read(STATEMENTS[1])
    assert (name, version, count) == ("shop", "2.0.0", len(runs))
    assert float(failed) == pytest.approx(mean(run.status == "failed" for run in runs))
    assert float(ms) == pytest.approx(mean(run.duration_ms or 0.0 for run in runs), abs=0.51)
