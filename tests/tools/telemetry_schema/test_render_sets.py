"""The renderer of metric sets, on shapes that the real registry does not have: several counters, gauges, histograms."""

import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from ael_otel import _generated
from tools.telemetry_schema.metric_sets import metric_sets
from tools.telemetry_schema.model import Metric, Registry
from tools.telemetry_schema.render import render

ADD = '''
    def add(
        self,
        *,
        invocations: int = 0,
        retries: int = 0,
        running: int = 0,
        load: float | None = None,
        context: Context | None = None,
    ) -> None:
        """Update invocations, retries, running and load together; a sampled `context` becomes the exemplar."""
        lock = self.lock
        try:
            lock.acquire()
            slots = self.slots
            slots[0] += invocations
            slots[1] += retries
            slots[2] += running
            if load is not None:
                slots[3] = load
            self.updates += 1
            if context is not None:
                self.context = context
        finally:
            lock.release()
        if self.overflowed is not None:
            self.overflowed((invocations, retries, running, load))
'''


@pytest.fixture
def wide(registry: Registry) -> Registry:
    """The real registry with more metrics in the set of tools, and one set of a histogram alone."""
    by_name = {metric.name: metric for metric in registry.metrics}
    count, time = by_name["ael.tool.invocations"], by_name["ael.tool.duration"]

    def like(metric: Metric, name: str, **changes: Any) -> Metric:
        notes = msgspec.structs.replace(metric.ael, metric_set=changes.pop("metric_set", "ael.tool"))
        return msgspec.structs.replace(metric, name=name, prometheus=name, ael=notes, **changes)

    more = (
        like(count, "ael.tool.retries"),
        like(count, "ael.tool.running", instrument="updowncounter"),
        like(count, "ael.tool.load", instrument="gauge", value_type="double"),
        like(time, "ael.tool.wait"),
        like(time, "ael.queue.wait", metric_set="ael.queue"),
    )
    return msgspec.structs.replace(registry, metrics=(count, time, *more))


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[Registry], types.ModuleType]:
    """Render the sets of a registry and import them."""

    def load_sets(registry: Registry) -> types.ModuleType:
        modules: list[types.ModuleType] = []
        for name in ("metrics", "metric_sets"):
            module = types.ModuleType(f"ael_otel._generated.{name}")
            monkeypatch.setitem(sys.modules, module.__name__, module)
            monkeypatch.setattr(_generated, name, module, raising=False)
            exec(compile(render(registry, f"{name}.py"), name, "exec"), module.__dict__)  # noqa: S102 - what is tested
            modules.append(module)
        return modules[1]

    return load_sets


def test_a_wide_row_is_one_method(wide: Registry) -> None:
    """All slots of a set are parameters of one `add`, under one lock; a gauge is set, the others are added to."""
    assert ADD in render(wide, "metric_sets.py")


def test_rendered_sets_are_formatted_and_typed(wide: Registry, tmp_path: Path) -> None:
    """Whatever the shape, the formatter changes nothing and the type checker is content."""
    path = tmp_path / "wide.py"
    source = render(wide, "metric_sets.py")
    for name in ("TOOL_RETRIES", "TOOL_RUNNING", "TOOL_LOAD"):
        source = source.replace(f"metrics.{name}", "metrics.TOOL_INVOCATIONS")
    source = source.replace("metrics.TOOL_WAIT", "metrics.TOOL_DURATION")
    path.write_text(render(wide, "metric_sets.py"), "utf-8")
    check = [
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--check",
        "--isolated",
        "--no-cache",
        "--line-length=110",
    ]
    done = subprocess.run([*check, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    path.write_text(source.replace("metrics.QUEUE_WAIT", "metrics.TOOL_DURATION"), "utf-8")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file=", str(path)]
    done = subprocess.run(mypy, capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wide_row_counts(wide: Registry, load: Callable[[Registry], types.ModuleType]) -> None:
    """The rendered class does what its signature says, each value in its own metric."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    sets = load(wide).MetricSets(provider.get_meter("wide"))
    row = sets.tool.bind(tool="echo", status="success")
    row.record(duration=0.5, invocations=1, running=2, load=0.5)
    row.record(wait=0.1, duration=0.25, retries=3, running=-1, load=0.25)
    sets.queue.bind(tool="echo").record(wait=2.0)
    data = reader.get_metrics_data()
    assert data is not None
    (scope,) = data.resource_metrics[0].scope_metrics
    found = {metric.name: metric.data.data_points[0] for metric in scope.metrics}
    values = {name: getattr(point, "value", getattr(point, "sum", None)) for name, point in found.items()}
    assert values == {
        "ael.tool.invocations": 1,
        "ael.tool.retries": 3,
        "ael.tool.running": 1,
        "ael.tool.load": 0.25,
        "ael.tool.duration": 0.75,
        "ael.tool.wait": 0.1,
        "ael.queue.wait": 2.0,
    }
    assert (row.invocations, row.retries, row.running, row.load) == (1, 3, 1, 0.25)
    provider.shutdown()


def test_labels_are_known_before_or_after(registry: Registry) -> None:
    """Open labels, and those that follow from them, belong to registration; closed ones to the measurement."""
    found = {
        group.name: (
            [label.key for label in group.registration],
            [label.key for label in group.measurement],
        )
        for group in metric_sets(registry.metrics)
    }
    expected: dict[str, tuple[list[str], list[str]]] = {
        "ael.workflow": (["workflow"], ["status"]),
        "ael.tool": (["tool"], ["status"]),
        "ael.step": (["workflow", "step", "type"], []),
        "ael.engine": ([], []),
        "ael.error": ([], ["type", "component"]),
        "ael.telemetry": ([], ["signal", "reason"]),
    }
    # There may be more sets than the contract's.
    assert expected.items() <= found.items()
