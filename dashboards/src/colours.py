"""Colours of what has a name: the same on every board, in both themes, and told apart with any kind of colour vision.

They are Grafana's names of shades, of which each theme has its own; tests/dashboards/test_colours.py measures them.
"""

from collections.abc import Mapping
from typing import Final, cast

from grafana_foundation_sdk.models.dashboard import FieldColor, FieldColorModeId

from ael_otel._generated.attributes import AttributionContributor, StepType, WorkflowStatus
from ael_otel._generated.events import STEP_RETRY, STEP_SKIP

GOOD: Final = "green"
WARNING: Final = "orange"
BAD: Final = "red"
NEUTRAL: Final = "text"
"""Colours of a value by its size: never alone, the value stands beside them."""

OUTCOMES: Final[Mapping[WorkflowStatus, str]] = {
    "success": "light-green",
    "error": "dark-red",
    "timeout": "dark-orange",
    "cancelled": "purple",
}

CONTRIBUTORS: Final[Mapping[AttributionContributor, str]] = {
    "ai": "light-blue",
    "mixed": "dark-orange",
    "unknown": "dark-purple",
}

LEVELS: Final[Mapping[str, str]] = {
    "DEBUG": "blue",
    "INFO": OUTCOMES["success"],
    "WARN": OUTCOMES["timeout"],
    "ERROR": OUTCOMES["error"],
    "FATAL": "dark-purple",
}
"""The levels of a log line."""

QUANTILES: Final[Mapping[str, str]] = {"p50": "light-blue", "p95": "orange", "p99": "dark-purple"}

STEP_TYPES: Final[Mapping[StepType, str]] = {
    "tool_call": "light-blue",
    "code": "dark-orange",
    "workflow": "dark-purple",
}

PASSED_OVER: Final[Mapping[str, str]] = {STEP_RETRY.name: "dark-orange", STEP_SKIP.name: "light-blue"}
"""What happened to a step that did not simply run."""

COMPONENTS: Final[Mapping[str, str]] = {
    "direct": "dark-yellow",
    "engine": "semi-dark-green",
    "invoker": "super-light-blue",
    "ploston_core.mcp.connection": "semi-dark-blue",
    "ploston_core.mcp_frontend.server": "light-purple",
    "sandbox": "dark-purple",
    "step": PASSED_OVER[STEP_RETRY.name],
    "workflow_engine": OUTCOMES["error"],
}
"""Who writes most of the log: the engine's loggers, and our lines about failed steps and failed runs.

Eight colours cannot all be told apart by everybody; those that lie on one another, in alphabetical order, can.
"""

OPEN: Final = FieldColor(mode=cast("FieldColorModeId", "palette-colorblind"))
"""Names that nobody knows beforehand: Okabe and Ito's colours in order, so that the names of one panel differ.

Grafana 13's name, which the SDK has not yet; an older Grafana draws such series in one colour. The palette by name
gives two names of one panel the same colour more often than not.
"""
