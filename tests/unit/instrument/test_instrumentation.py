"""Instrumentation with telemetry disabled: nothing stays wrapped."""

import logging

from ael_otel.core import baggage
from ael_otel.instrument.active import Active, current
from ael_otel.instrument.instrumentation import (
    ARGUMENT_LOGGERS,
    BRIDGE_LOGGER,
    ContextFilter,
    Instrumentation,
    engine_opening,
    leave_engine_alone,
)
from ael_otel.lifecycle import Recorder


def filters() -> dict[str, list[str]]:
    """The filters of the engine's loggers, by their kinds."""
    names = (*ARGUMENT_LOGGERS, BRIDGE_LOGGER)
    return {name: [type(each).__name__ for each in logging.getLogger(name).filters] for name in names}


def test_disabled_leaves_the_engines_loggers_and_baggage_alone() -> None:
    """No filter, no propagator of ours; a command of ours, which writes the log, maps the engine's context."""
    before = filters()
    active, instrumentation = Active(Recorder(store=None)), Instrumentation()
    instrumentation.start(active)
    assert filters() == {
        name: [*found, *(["ArgumentFilter"] if name in ARGUMENT_LOGGERS else [])]
        for name, found in before.items()
    }
    leave_engine_alone()
    assert filters() == before
    assert baggage.install(), "it was removed"
    baggage.remove()
    leave_engine_alone(owns_log=True)
    leave_engine_alone(owns_log=True)
    assert filters() == before | {BRIDGE_LOGGER: [*before[BRIDGE_LOGGER], "ContextFilter"]}
    assert current() is active
    instrumentation.stop()
    assert filters() == before
    assert current() is None


def test_disabled_from_the_start_leaves_everything_alone() -> None:
    """The same if the environment disables it before anything was wrapped."""
    before = filters()
    instrumentation = Instrumentation()
    instrumentation.start(Active(Recorder(store=None)), enabled=False)
    assert filters() == before
    assert instrumentation.leaves_engine_alone
    with engine_opening():
        pass
    instrumentation.stop()
    leave_engine_alone()  # there is none


def test_the_engines_context_becomes_fields() -> None:
    """Extras that would count as ours are fields, ids among them; the component stays an extra."""
    extras = {
        "ael_component": "engine",
        "ael_event": "workflow_failed",
        "ael_error_type": "AELError",
        "ael_fields": {"a": 1},
        "ael_execution_id": "exec-1",
        "other": 1,
    }
    record = logging.makeLogRecord({"msg": "call echo params=1", **extras})
    assert ContextFilter().filter(record) is True
    assert record.getMessage() == "call echo params=1"
    assert {name: value for name, value in vars(record).items() if name.startswith("ael_")} == {
        "ael_component": "engine",
        "ael_fields": {
            "event": "workflow_failed",
            "error_type": "AELError",
            "fields": {"a": 1},
            "execution_id": "exec-1",
        },
    }
    assert record.other == 1
