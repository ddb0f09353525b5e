"""Outcomes and overlap with the queues of notes full, their threads paused, and random thread switches.

The short version of `make stress`: lines and spans go through this package's own threads, not foreign processors.
"""

from pathlib import Path

import pytest

from tests.engine.checks import check_outcome
from tests.engine.lab import view
from tests.engine.lab.client import Lab
from tests.engine.outcomes import OUTCOMES
from tests.support.stress import KINDS, PLACES, SWITCH_SECONDS, VARIABLE

SECRET = "s3cr3t-under-stress"  # hygiene: made up
RUNS = 20
WITH_SECRET = ("secrets", "tool_error", "code")


@pytest.mark.parametrize("kind", KINDS)
def test_telemetry_under_stress_is_complete_and_redacted(kind: str, tmp_path: Path) -> None:
    """Proves for each kind that each outcome has its spans, metrics, lines and record, that runs do not mix, that no
    secret is in any of them, and that the stress took place.
    """
    with Lab(tmp_path / "home", environment={VARIABLE: kind}) as lab:
        lab.ask("execute", workflow="code", inputs={})
        lab.collect()
        for outcome in OUTCOMES:
            lab.ask("execute", workflow=outcome.workflow, inputs=outcome.inputs)
            taken = lab.collect()
            check_outcome(taken, outcome)
        for workflow in WITH_SECRET:
            lab.ask("execute", workflow=workflow, inputs={"password": SECRET, "text": f"use {SECRET} now"})
        taken = lab.collect()
        assert SECRET not in str(vars(taken))
        assert all("[PASSWORD]" in str(record["inputs"]) for record in taken.records)
        assert len(taken.records) == len(WITH_SECRET)
        assert len(lab.ask("many", workflow="overlap", count=RUNS)["runs"]) == RUNS
        taken = lab.collect()
        by_trace = view.by_trace(taken.spans)
        for record in taken.records:
            spans = view.of_the_run(by_trace[record["trace_id"]])
            view.check_record(record, spans, view.check_tree(spans))
        assert len(taken.records) == RUNS
        stressed = lab.ask("stressed")
    assert {
        "limits": stressed["full"] > RUNS and stressed["most"] <= PLACES,
        "paused": stressed["most"] > RUNS,
        "switches": stressed["switch_s"] == pytest.approx(SWITCH_SECONDS),
    }[kind], stressed
