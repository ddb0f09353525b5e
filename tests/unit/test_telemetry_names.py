"""The registry is the only source of names, and generated code the only way to make telemetry."""

import re
from pathlib import Path

import pytest

from tests.support.telemetry_names import CORE, NOT_OURS, names_of, violations
from tests.unit.test_layering import plant
from tools.telemetry_schema.project import packaged_registry

PACKAGE = Path(__file__).parents[2] / "ael_otel"
NAMES = names_of(packaged_registry())

GOOD = {
    "_generated/attributes.py": 'AEL_STEP_NAME = "ael.step.name"',
    "emit/spans.py": "def start(tracer):\n    return tracer.start_span('x')",
    "schema/lint.py": 'NAMESPACE = "ael."\nNAME = "ael.step.name"',
    "sdk/logs.py": '"""Fields such as `exception.message`."""\ndef send(logger, record):\n    logger.emit(record)',
    "lifecycle/step.py": 'import logging\nlogger = logging.getLogger("ael.lifecycle")\nKEY = "workflow"\n'
    '"""Value of ael.step.name."""',
    "cli/__init__.py": 'PACKAGE = "ael_otel.cli"\nTEXT = "telemetry of ael.step.name is kept"',
    "store/content.py": 'MARK = "ael.type"',
}

BAD = [
    ("lifecycle/step.py", 'KEY = "ael.step.name"', "'ael.step.name' is a telemetry name"),
    ("lifecycle/step.py", 'KEY = "ael.step.colour"', "'ael.step.colour' is a telemetry name"),
    ("lifecycle/step.py", 'KEY = "error.type"', "'error.type' is a telemetry name"),
    ("lifecycle/step.py", 'KEY = "gen_ai.tool.name"', "'gen_ai.tool.name' is a telemetry name"),
    ("sdk/logs.py", 'FIELD = "exception.message"', "'exception.message' is a telemetry name"),
    ("core/metrics.py", 'NAME = "ael.workflow.executions"', "is a telemetry name"),
    ("sdk/prometheus_reader.py", 'NAME = "ael_errors_total"', "'ael_errors_total' is a telemetry name"),
    ("lifecycle/run.py", 'NAME = "Workflow Execution"', "'Workflow Execution' is a telemetry name"),
    ("lifecycle/run.py", "def f(n):\n    return f'Step {n}: tool_call'", "is a span name"),
    ("lifecycle/run.py", 'def f(n):\n    return f"ael.step.{n}"', "'ael.step.' is a telemetry name"),
    ("lifecycle/run.py", 'NAME = "ael.step.retry"', "'ael.step.retry' is a telemetry name"),
    ("sdk/logs.py", 'SCOPE = "ael.log"', "'ael.log' is a telemetry name"),
    ("instrument/serving.py", 'def f(log):\n    log.info("x", extra={"ael_event": "y"})', "call its line()"),
    (
        "core/metrics.py",
        "def f(m):\n    m.create_counter('x')",
        "create_counter() makes telemetry by hand",
    ),
    ("core/metrics.py", "def f(m):\n    m.create_histogram('x')", "create_histogram() makes"),
    ("store/records.py", "def f(m):\n    m.create_observable_gauge('x')", "create_observable_gauge() makes"),
    ("store/records.py", "def f(m):\n    m.create_up_down_counter('x')", "create_up_down_counter() makes"),
    ("instrument/running.py", "def f(t):\n    t.start_span('x')", "start_span() makes"),
    ("instrument/running.py", "def f(t):\n    t.start_as_current_span('x')", "start_as_current_span() makes"),
    ("instrument/running.py", "def f(s):\n    s.set_attribute('x', 1)", "set_attribute() makes"),
    ("instrument/running.py", "def f(s):\n    s.set_attributes({})", "set_attributes() makes"),
    ("instrument/running.py", "def f(s):\n    s.add_event('x')", "add_event() makes"),
    ("instrument/running.py", "def f(s, e):\n    s.record_exception(e)", "record_exception() makes"),
    ("lifecycle/step.py", "def f(log, record):\n    log.emit(record)", "emit() makes telemetry by hand"),
    ("admin/server.py", "from x import y\ny.logger.emit(1)", "emit() makes telemetry by hand"),
]


def test_names_come_from_the_registry_only() -> None:
    """No module outside the generated code says a telemetry name or makes telemetry by hand."""
    assert violations(PACKAGE, NAMES) == []


def test_the_check_knows_the_names() -> None:
    """The registry has been read, and the exemptions are about files and texts that are there."""
    assert {"ael.step.name", "ael_errors_total", "MCP Request", "error.type", "ael.log"} <= NAMES
    assert "workflow" not in NAMES
    for file, text in [*NOT_OURS, *((file, name) for file, names in CORE.items() for name in names)]:
        assert text in (PACKAGE / file).read_text("utf-8"), f"{file} no longer needs its exemption of {text}"


def test_a_tree_that_keeps_the_rules_passes(tmp_path: Path) -> None:
    """The check does not cry wolf: docstrings, logger names, ordinary text and the free rooms are all right."""
    assert violations(plant(tmp_path, GOOD), NAMES) == []


@pytest.mark.parametrize(
    ("name", "text", "message"), BAD, ids=[f"{name}-{message}" for name, _, message in BAD]
)
def test_a_break_is_found_and_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    """Each rule catches its own break, once, with the file, the line and what to use instead."""
    found = violations(plant(tmp_path, GOOD | {name: f"{GOOD.get(name, '')}\n{text}\n"}), NAMES)
    assert len(found) == 1
    assert message in found[0]
    assert re.match(rf"{re.escape(name)}:\d+: ", found[0])


def test_every_scope_states_the_schema(tmp_path: Path) -> None:
    """A tracer, meter or logger of ours says by its schema URL which version of the interface it speaks."""
    asked = [
        (path.relative_to(PACKAGE).as_posix(), line)
        for path in sorted(PACKAGE.rglob("*.py"))
        for line in re.findall(r"get_(?:tracer|meter|logger)\((?!\))[^)]*\)", path.read_text("utf-8"))
        if line != 'get_tracer("probe")'  # its spans go nowhere
    ]
    ours = [(file, line) for file, line in asked if "scopes." in line or "SCOPE" in line]
    assert {file for file, _ in ours} == {
        "lifecycle/recorder.py",
        "sdk/logs.py",
        "core/metrics.py",
    }
    assert asked == ours
    assert all("SCHEMA_URL" in line and "__version__" in line for _, line in ours)
