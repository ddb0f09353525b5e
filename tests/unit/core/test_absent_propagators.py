"""Stand-ins for propagators that are not installed: an application starts, and a real one is used where it is."""

import sys
import tomllib
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from opentelemetry.context import Context
from opentelemetry.propagate import _load_propagators
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ael_otel.config.variables import check_variables
from ael_otel.core import absent_propagators as ours

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


def test_each_has_its_entry_point():
    """`opentelemetry.propagate` finds them by the names that the specification lists."""
    declared = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["entry-points"][ours.GROUP]
    assert declared.keys() == ours.PACKAGES.keys()
    for name, value in declared.items():
        assert value == f"{ours.__name__}:{name}"
        assert ours.is_stand_in(EntryPoint(name, value, ours.GROUP))


@pytest.mark.parametrize("name", sorted(ours.PACKAGES))
def test_absent_one_carries_nothing_and_is_reported(name, monkeypatch, capsys):
    """The others in the list work on; one line names the package."""
    monkeypatch.setenv("OTEL_PROPAGATORS", f"tracecontext,{name}")
    propagator = _load_propagators()
    assert propagator.fields == TraceContextTextMapPropagator().fields
    carrier = {}
    propagator.inject(carrier)
    assert carrier == {}
    assert propagator.extract({"b3": "1-1"}) == {}
    assert getattr(ours, name)().extract({}, Context({"x": 1})) == {"x": 1}
    assert (
        f"{name} is not installed; it is left out (pip install {ours.PACKAGES[name]})"
        in capsys.readouterr().err
    )


def test_wrapper_reports_it_once(monkeypatch, capsys):
    """It checks the variables itself before it starts the application."""
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/opentelemetry-instrument", "python", "app.py"])
    ours.b3()
    assert capsys.readouterr().err == ""


def test_installed_one_is_used_in_any_order(monkeypatch, capsys):
    """The order of distributions on the path is not ours to choose."""
    real = EntryPoint(
        "b3", "opentelemetry.trace.propagation.tracecontext:TraceContextTextMapPropagator", ours.GROUP
    )
    own = EntryPoint("b3", f"{ours.__name__}:b3", ours.GROUP)
    for order in ([own, real], [real, own]):
        monkeypatch.setattr(ours, "entry_points", lambda order=order, **_named: order)
        assert isinstance(ours.b3(), TraceContextTextMapPropagator)
    assert capsys.readouterr().err == ""


def test_stand_in_does_not_count_as_installed():
    """The check of the variables names the missing package."""
    assert "b3" in {entry.name for entry in entry_points(group=ours.GROUP)}
    (fault,) = check_variables({"OTEL_PROPAGATORS": "b3,baggage"})
    assert (fault.instead, "'b3' is not an installed propagator" in fault.message) == ("baggage", True)
