"""Faults of this package and of the store do not reach the engine, which behaves as without telemetry."""

from collections.abc import Iterator

import pytest

from tests.engine.lab import view
from tests.engine.lab.client import Lab, Taken
from tests.engine.outcomes import OUTCOMES

PLACES = {
    "Execution": "execution",
    "Step": "step",
    "ToolCall": "tool_call",
    "CodeBlock": "code_block",
}
EXPECTED = {outcome.workflow: outcome for outcome in OUTCOMES}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A process that swallows our faults, as in production."""
    folder = tmp_path_factory.mktemp("faults") / "home"
    with Lab(folder, environment={"AEL_OTEL_RAISE_FAULTS": "0"}) as running:
        running.ask("execute", workflow="code", inputs={})
        yield running


@pytest.fixture(autouse=True)
def _mended(lab: Lab) -> Iterator[None]:
    lab.collect()
    yield
    lab.ask("mend")


def _faults(taken: Taken) -> list[str]:
    return [line["message"] for line in taken.lines if line["message"].startswith("telemetry fault in")]


def _still_whole(lab: Lab) -> None:
    """Check that a broken run leaves no state: the next one is a new, complete trace."""
    lab.ask("mend")
    lab.collect()
    lab.ask("execute", workflow="success", inputs={})
    taken = lab.collect()
    assert view.tree(taken.spans) == EXPECTED["success"].tree
    view.check_tree(taken.spans)
    assert view.counts(taken.metrics) == EXPECTED["success"].counts


@pytest.mark.parametrize("method", ["_begin", "_end", "failed"])
@pytest.mark.parametrize("frame", PLACES)
def test_a_fault_in_a_frame_never_reaches_the_engine(lab: Lab, frame: str, method: str) -> None:
    """Proves for each frame that when it breaks, runs end as they would, it is logged once and each time counted."""
    lab.ask("break_frame", frame=frame, method=method)
    good = lab.ask("execute", workflow="success", inputs={})
    assert (good["status"], good["outputs"]) == ("completed", {"sum": 3.0})
    nested = lab.ask("execute", workflow="nested_ok", inputs={})
    assert (nested["status"], nested["outputs"]) == ("completed", {"total": 6.0})
    code = lab.ask("execute", workflow="code", inputs={})
    assert (code["status"], code["outputs"]) == ("completed", {"answer": 42})
    bad = lab.ask("execute", workflow="tool_error", inputs={})
    assert (bad["status"], bad["error"]) == ("failed", "TOOL_FAILED")
    late = lab.ask("execute", workflow="slow", inputs={}, timeout_s=0.3)
    assert (late["raised"], late["code"]) == ("AELError", "WORKFLOW_TIMEOUT")
    taken = lab.collect()
    counted = taken.metrics.get("ael.errors", {}).get("component=telemetry,type=internal", 0)
    if method == "failed" and frame == "CodeBlock":
        assert counted == 0, "the sandbox never raises"
    else:
        assert counted >= 2
        faults = _faults(taken)
        # `failed` is called in two places: when the engine returns a failure, and when it raises one.
        assert len(set(faults)) == len(faults) <= (2 if method == "failed" else 1)
        assert any(f"telemetry fault in {PLACES[frame]}." in fault for fault in faults)
    _still_whole(lab)


def test_a_tracer_that_breaks_never_reaches_the_engine(lab: Lab) -> None:
    """Proves that runs end as they would when no span can be started, and that nothing of them is left behind."""
    lab.ask("break_frame", frame="Frame", method="_enter_context")
    nested = lab.ask("execute", workflow="nested_ok", inputs={})
    assert (nested["status"], nested["outputs"]) == ("completed", {"total": 6.0})
    assert lab.ask("execute", workflow="retry_exhausted", inputs={})["error"] == "TOOL_FAILED"
    taken = lab.collect()
    assert [span["scope"] for span in taken.spans if span["scope"] != "fastmcp"] == []
    assert len(_faults(taken)) == len(PLACES)
    _still_whole(lab)


def test_a_failing_store_never_reaches_the_workflow(lab: Lab) -> None:
    """Proves that with every store call failing runs end as they would, spans and metrics are whole, each counted."""
    lab.ask("break_store")
    assert lab.ask("execute", workflow="success", inputs={})["status"] == "completed"
    first = lab.collect()
    assert view.tree(first.spans) == EXPECTED["success"].tree
    assert len(_faults(first)) == 1
    lost = 1 + 2 * 2 + 2 + 1  # the run's start, both ends of two steps, two calls, the run's end
    assert first.metrics["ael.errors"] == {"component=store,type=internal": lost}
    assert first.metrics["ael.telemetry.dropped"] == {"reason=store_error,signal=store": lost}
    assert lab.ask("execute", workflow="tool_error", inputs={})["error"] == "TOOL_FAILED"
    second = lab.collect()
    assert _faults(second) == []
    assert second.metrics["ael.errors"]["component=tool,type=TOOL_FAILED"] == 1
    _still_whole(lab)
