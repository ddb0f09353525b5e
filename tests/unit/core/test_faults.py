"""Our own faults: the application never sees them, a person sees the first of each kind, and each is counted."""

import asyncio
import errno
import logging
import time
from pathlib import Path

import pytest

from ael_otel.core.faults import (
    RAISE_FAULTS_VARIABLE,
    count_faults_with,
    fault_barrier,
    forget_reported_faults,
    pause,
    raises_faults,
    report_fault,
)


def fault(where: str = "step", error: BaseException | None = None) -> None:
    """Have a fault of ours inside a barrier."""
    with fault_barrier(where):
        raise error or KeyError("missing")


@pytest.mark.usefixtures("swallowing")
def test_a_fault_stays_inside(caplog: pytest.LogCaptureFixture) -> None:
    """The code after the barrier runs; the log has the place, the remedy and the traceback."""
    fault()
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("ael_otel", "ERROR")
    assert "telemetry fault in step, the workflow is not affected" in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)


@pytest.mark.usefixtures("swallowing")
def test_each_kind_is_logged_once_and_counted_each_time(caplog: pytest.LogCaptureFixture) -> None:
    """A fault on the hot path must not fill the log: one line per place and type, a count for every one."""
    counted: list[int] = []
    stop = count_faults_with(lambda: counted.append(1))
    for _ in range(3):
        fault("step")
        fault("tool_call")
        fault("step", TypeError("other"))
    stop()
    stop()
    fault("step")
    assert len(caplog.records) == 3
    assert len(counted) == 9
    forget_reported_faults()
    fault("step")
    assert len(caplog.records) == 4


@pytest.mark.usefixtures("swallowing")
def test_a_counter_that_fails_does_not_break_the_barrier() -> None:
    """Counting is telemetry too: a counter's own fault goes no further, and the other counters still count."""
    counted: list[int] = []

    def broken() -> None:
        raise RuntimeError("no meter")

    stops = [count_faults_with(broken), count_faults_with(lambda: counted.append(1))]
    fault()
    for stop in stops:
        stop()
    assert counted == [1]


@pytest.mark.usefixtures("swallowing")
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(3), asyncio.CancelledError(), GeneratorExit()], ids=repr
)
def test_exception_of_the_application_passes(error: BaseException) -> None:
    """Interrupts, exits and cancellation are the application's: they go through, uncounted."""
    counted: list[int] = []
    stop = count_faults_with(lambda: counted.append(1))
    with pytest.raises(type(error)) as caught:
        fault(error=error)
    stop()
    assert caught.value is error
    assert counted == []


def test_a_fault_is_raised_under_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A swallowed fault would hide a bug of ours from this suite, so here it is raised."""
    monkeypatch.delenv(RAISE_FAULTS_VARIABLE, raising=False)
    error = KeyError("missing")
    with pytest.raises(KeyError) as caught:
        fault(error=error)
    assert caught.value is error
    with pytest.raises(KeyError):
        report_fault("store", error)


@pytest.mark.parametrize(
    ("value", "raised"),
    [("1", True), ("true", True), (" ON ", True), ("yes", True), ("0", False), ("", False), ("no", False)],
)
def test_a_variable_decides_over_pytest(monkeypatch: pytest.MonkeyPatch, value: str, *, raised: bool) -> None:
    """`AEL_OTEL_RAISE_FAULTS` sets explicitly whether faults are raised."""
    monkeypatch.setenv(RAISE_FAULTS_VARIABLE, value)
    assert raises_faults() is raised


def test_the_barrier_is_silent_when_all_is_well(caplog: pytest.LogCaptureFixture) -> None:
    """No fault, no trace of the barrier."""
    caplog.set_level(logging.DEBUG)
    with fault_barrier("step"):
        pass
    assert caplog.records == []


def test_thread_of_ours_does_not_depend_on_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libfaketime makes `time.sleep` raise; a pause lasts all the same, and no thread of ours sleeps."""

    def fails(_seconds: float) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr("time.sleep", fails)
    before = time.monotonic()
    pause(0.02)
    assert time.monotonic() - before >= 0.02
    package = Path(__file__).parents[3] / "ael_otel"
    sleeping = {path.parent.name for path in package.rglob("*.py") if "sleep(" in path.read_text("utf-8")}
    # A command in the foreground, the demo's tool, an export that a person waits for, and the page's event loop, which
    # does not sleep by `time.sleep`; and `pause` itself.
    assert sleeping <= {"cli", "session", "trace", "demo", "export", "ui", "core"}
