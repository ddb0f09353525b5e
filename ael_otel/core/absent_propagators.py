"""Stand-ins for propagators that OpenTelemetry's specification names but that come in separate packages.

`opentelemetry.propagate` loads the propagators in OTEL_PROPAGATORS when it is imported, and raises for a name that no
installed package provides. Under `opentelemetry-instrument` that happens before any code of this package or of the
application can run, so an application with `OTEL_PROPAGATORS=tracecontext,b3` copied from a guide would not start. The
stand-ins are registered under those names (entry points `opentelemetry_propagator`). Where the real propagator is
installed too, it is used.
"""

import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import PurePath
from typing import Final, cast

from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator

__all__ = ["GROUP", "PACKAGES", "b3", "b3multi", "is_stand_in", "jaeger", "ottrace", "xray"]

GROUP: Final = "opentelemetry_propagator"

PACKAGES: Final = {
    "b3": "opentelemetry-propagator-b3",
    "b3multi": "opentelemetry-propagator-b3",
    "jaeger": "opentelemetry-propagator-jaeger",
    "ottrace": "opentelemetry-propagator-ot-trace",
    "xray": "opentelemetry-propagator-aws-xray",
}
"""The package of each propagator, by its name in OTEL_PROPAGATORS."""

_WRAPPER: Final = "opentelemetry-instrument"


def is_stand_in(entry: EntryPoint) -> bool:
    """Return whether an entry point is a stand-in of this module."""
    return entry.value.partition(":")[0] == __name__


def _propagator(name: str) -> TextMapPropagator:
    """Return the installed propagator with this name, or a stand-in that propagates nothing."""
    for entry in entry_points(group=GROUP, name=name):
        if not is_stand_in(entry):
            return cast("Callable[[], TextMapPropagator]", entry.load())()
    # `opentelemetry-instrument` reports the name itself, and removes it from the environment of the application.
    if PurePath(sys.argv[0] if sys.argv else "").name != _WRAPPER:
        print(  # noqa: T201 - no log is set up when this is loaded
            f"ael-otel: warning: OTEL_PROPAGATORS: {name} is not installed; it is left out"
            f" (pip install {PACKAGES[name]})",
            file=sys.stderr,
        )
    return CompositePropagator([])


b3 = partial(_propagator, "b3")
b3multi = partial(_propagator, "b3multi")
jaeger = partial(_propagator, "jaeger")
ottrace = partial(_propagator, "ottrace")
xray = partial(_propagator, "xray")
