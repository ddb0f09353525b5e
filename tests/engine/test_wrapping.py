"""The table of targets against the real engine: exceptions pass unchanged, and every original is restored."""

import asyncio
import importlib
import inspect
import json
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ael_otel import AelInstrumentor
from ael_otel.core.faults import forget_reported_faults
from ael_otel.instrument.targets import TARGETS, Target
from ael_otel.lifecycle import Execution
from tests.engine.lab import by_arguments, disabled, view
from tests.engine.lab.client import clean_environment
from tests.engine.lab.files import write_configuration
from tests.engine.lab.host import metric_values
from tests.engine.outcomes import OUTCOMES

# The MCP library has that module from version 2 on; the suite of engine versions runs with it.
PRESENT = [
    target
    for target in TARGETS
    if target.module.split(".")[0] != "mcp" or not version("mcp").startswith("1.")
]
NAMES = [f"{target.module}:{target.attribute}" for target in PRESENT]


def _owner(target: Target) -> tuple[Any, str]:
    owner: Any = importlib.import_module(target.module)
    *path, name = target.attribute.split(".")
    for part in path:
        owner = getattr(owner, part)
    return owner, name


class Instrumented:
    """The active instrumentor, with its own spans and metrics."""

    def __init__(self) -> None:
        self.spans, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self.meters = TracerProvider(), MeterProvider([self.reader])
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))

    def start(self) -> None:
        """Instrument."""
        AelInstrumentor().instrument(
            tracer_provider=self.tracers, meter_provider=self.meters, skip_dep_check=True
        )

    def metrics(self) -> dict[str, dict[str, float]]:
        """The values of all metrics."""
        return metric_values(self.reader.get_metrics_data())


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instrumented]:
    """An instrumentor that is switched off again afterwards, before a test's patches are undone."""
    instrumented = Instrumented()
    yield instrumented
    if AelInstrumentor().is_instrumented_by_opentelemetry:
        AelInstrumentor().uninstrument()


class UnmarkableError(Exception):
    """Takes no attributes but Python's own."""

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("__"):
            raise AttributeError(name)
        super().__setattr__(name, value)


class SpeechlessError(Exception):
    """An object whose repr and str raise."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class CodedError(Exception):
    """An exception with a code of an unknown kind."""

    code = 42


RAISED: tuple[Callable[[], BaseException], ...] = (
    lambda: ValueError("of the application"),
    TimeoutError,
    asyncio.CancelledError,
    KeyboardInterrupt,
    SystemExit,
    StopAsyncIteration,
    lambda: UnmarkableError("fixed"),
    SpeechlessError,
    CodedError,
    lambda: ExceptionGroup("several", [ValueError("one")]),
)


@pytest.mark.parametrize("target", PRESENT, ids=NAMES)
def test_exception_of_a_target_passes_unchanged(
    target: Target, ours: Instrumented, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves for each target and kind of exception that the caller gets the very object that was raised."""
    owner, name = _owner(target)
    original = vars(owner)[name]
    pending: list[BaseException] = []

    def fail(*_: Any, **__: Any) -> None:
        raise pending[-1]

    async def fail_later(*_: Any, **__: Any) -> None:
        fail()

    is_async = inspect.iscoroutinefunction(original)
    monkeypatch.setattr(owner, name, fail_later if is_async else fail)
    ours.start()
    wrapped = getattr(owner if inspect.ismodule(owner) else object.__new__(owner), name)
    for make in RAISED:
        pending.append(make())
        # A coroutine cannot raise StopAsyncIteration or KeyboardInterrupt through a loop: it is driven by hand.
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - identity is checked below
            wrapped().send(None) if is_async else wrapped()
        assert caught.value is pending[-1]
        assert caught.value.__context__ is None


@pytest.mark.parametrize("target", PRESENT, ids=NAMES)
def test_result_of_a_target_passes_unchanged(
    target: Target, ours: Instrumented, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves for each target that it is called once, with its own arguments, and that its result is handed on."""
    owner, name = _owner(target)
    calls: list[tuple[Any, ...]] = []
    answer = object()

    def succeed(*args: Any, **kwargs: Any) -> object:
        calls.append((args, kwargs))
        return answer

    async def succeed_later(*args: Any, **kwargs: Any) -> object:
        return succeed(*args, **kwargs)

    is_async = inspect.iscoroutinefunction(vars(owner)[name])
    monkeypatch.setattr(owner, name, succeed_later if is_async else succeed)
    monkeypatch.setenv("AEL_OTEL_RAISE_FAULTS", "0")
    ours.start()
    instance = None if inspect.ismodule(owner) else object.__new__(owner)
    wrapped = getattr(owner if instance is None else instance, name)
    assert inspect.iscoroutinefunction(wrapped) == is_async
    given = (logging.INFO, "first", "second", {})
    if name == "_log":
        # The one target whose arguments change on purpose: ids are added, callers' values removed.
        wrapped(*given)
        assert len(calls) == 1
        return
    result = asyncio.run(wrapped(*given)) if is_async else wrapped(*given)
    assert result is answer
    assert calls == [((*([] if instance is None else [instance]), *given), {})]


def test_uninstrumenting_brings_every_original_back(ours: Instrumented) -> None:
    """Proves that each target's own attribute is the same object as before, also after a second round."""
    before = {name: vars(owner)[attribute] for name, (owner, attribute) in _owners().items()}
    for _ in range(2):
        ours.start()
        during = {name: vars(owner)[attribute] for name, (owner, attribute) in _owners().items()}
        assert all(during[name] is not before[name] for name in before)
        AelInstrumentor().uninstrument()
        after = {name: vars(owner)[attribute] for name, (owner, attribute) in _owners().items()}
        assert all(after[name] is before[name] for name in before)


def _owners() -> dict[str, tuple[Any, str]]:
    return {name: _owner(target) for name, target in zip(NAMES, PRESENT, strict=True)}


@pytest.mark.parametrize("by", ["file", "environment"])
@pytest.mark.parametrize("how", ["host", "command"])
def test_disabled_telemetry_wraps_nothing(tmp_path: Path, how: str, by: str) -> None:
    """Proves that with telemetry disabled each target is the engine's own function, once an engine has opened and at
    the end, and that the engine runs as ever.
    """
    variables = {"OTEL_SDK_DISABLED": "true"} if by == "environment" else {}
    file = write_configuration(tmp_path / "ael", telemetry={"enabled": by != "file"})
    done = subprocess.run(
        [sys.executable, disabled.__file__, str(file), how],
        cwd=tmp_path,
        env=clean_environment(HOME=str(tmp_path), AEL_OTEL_RAISE_FAULTS="1", **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["targets"] >= len(PRESENT)
    assert (found["opened"], found["ended"]) == ([], [])
    runs = {"host": ("completed", "failed"), "command": ("completed", "failed", "completed")}
    assert found["runs"] == dict(zip(disabled.WORKFLOWS, runs[how], strict=False))
    assert (tmp_path / "data").exists() == (how == "host"), "the engine's own database"


def test_disabled_by_the_environment_nothing_is_wrapped_for_a_moment(
    ours: Instrumented, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that with OTEL_SDK_DISABLED the instrumentor does not change any function that is already imported."""
    before = {name: vars(owner)[attribute] for name, (owner, attribute) in _owners().items()}
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    ours.start()
    during = {name: vars(owner)[attribute] for name, (owner, attribute) in _owners().items()}
    assert all(during[name] is before[name] for name in before)
    assert AelInstrumentor().is_instrumented_by_opentelemetry


def test_the_public_arguments_are_enough(tmp_path: Path) -> None:
    """Proves that an application's own providers get spans, metrics and records, without our runtime and its SDK."""
    done = subprocess.run(
        [sys.executable, by_arguments.__file__, str(write_configuration(tmp_path / "ael"))],
        cwd=tmp_path,
        env=clean_environment(HOME=str(tmp_path), AEL_OTEL_RAISE_FAULTS="1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    root = view.check_tree(found["spans"])
    assert view.tree(found["spans"]) == next(each.tree for each in OUTCOMES if each.workflow == "success")
    assert found["metrics"]["ael.workflow.executions"]["status=success,workflow=success"] == 1
    view.check_record(found["record"], found["spans"], root)


def test_missing_target_of_an_older_engine_is_reported_once(
    ours: Instrumented, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Proves that a target that the engine lacks costs one warning that names the missing telemetry only."""
    from ploston_core.mcp_frontend.server import MCPFrontend

    monkeypatch.delattr(MCPFrontend, "_execute_runner_tool")
    with caplog.at_level(logging.WARNING, logger="ael_otel"):
        ours.start()
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    (warning,) = warnings
    assert "MCPFrontend._execute_runner_tool" in warning
    assert "runner tools" in warning
    assert hasattr(vars(MCPFrontend)["_handle_tools_call"], "__wrapped__")
    assert "_execute_runner_tool" not in vars(MCPFrontend)


def test_a_fault_is_raised_under_pytest(ours: Instrumented, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that a test run does not hide a bug of ours: here it is raised, and elsewhere logged once and counted."""
    from ploston_core.engine.engine import WorkflowEngine

    async def succeed(*_: Any, **__: Any) -> str:
        return "done"

    def fail(*_: Any) -> None:
        raise RuntimeError("a fault of our own")

    monkeypatch.setattr(WorkflowEngine, "execute", succeed)
    monkeypatch.setattr(Execution, "_end", fail)
    ours.start()
    engine = object.__new__(WorkflowEngine)
    with pytest.raises(RuntimeError, match="a fault of our own"):
        asyncio.run(engine.execute("hello", {}))
    monkeypatch.setenv("AEL_OTEL_RAISE_FAULTS", "0")
    forget_reported_faults()
    for _ in range(2):
        assert asyncio.run(engine.execute("hello", {})) == "done"
    assert ours.metrics()["ael.errors"] == {"component=telemetry,type=internal": 2}


class _Spied:
    """A pattern of the engine's redactor that records its arguments."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def sub(self, _replacement: str, text: str) -> str:
        """Note a text."""
        self.lengths.append(len(text))
        return text


def _collector(config: Any, store: Any = None) -> Any:
    """Return what keeps the engine's own records, in memory unless there is a store."""
    from ploston_core.telemetry.store import MemoryTelemetryStore, TelemetryCollector, TelemetryStoreConfig

    return TelemetryCollector(store or MemoryTelemetryStore(), TelemetryStoreConfig(redaction=config))


def test_long_texts_of_the_engine_are_redacted_in_linear_time(ours: Instrumented) -> None:
    """Proves that the engine's patterns, one of them quadratic, see short texts only, and long ones lose secrets."""
    from ploston_core.telemetry.store.config import RedactionConfig, RedactionPattern
    from ploston_core.telemetry.store.redactor import Redactor

    spied = _Spied()
    config = RedactionConfig(patterns=[RedactionPattern(spied, "")])  # type: ignore[arg-type]
    long = "sk-" * 20_000 + " write to ada@example.org"
    assert Redactor(config).redact({"text": long}) == {"text": long}
    ours.start()
    redactor = _collector(config)._redactor
    spied.lengths.clear()
    found = redactor.redact({"text": long, "short": "ada@example.org"})
    assert spied.lengths == [len("ada@example.org")]
    assert found["text"].endswith(" write to [EMAIL]")


def test_records_of_the_engine_are_redacted_as_the_engine_does_it(ours: Instrumented) -> None:
    """Proves that values of each kind have the same result, without the engine's own walk through them."""
    from ploston_core.telemetry.store.config import RedactionConfig
    from ploston_core.telemetry.store.redactor import Redactor

    redactor = Redactor(RedactionConfig.default())
    value = {
        "Password": "four words in clear",
        "rows": [["ada@example.org", 7, None], {"key": f"sk-{'k' * 32} 4111111111111111", "token": [1]}],
        "long": "write to ada@example.org. " * 400,
        "pair": ("ada@example.org",),
    }
    alone = redactor.redact(value)
    ours.start()
    redactor = _collector(RedactionConfig.default())._redactor
    redactor._redact_patterns = None  # type: ignore[method-assign,assignment]
    found = redactor.redact(value)
    assert found == alone
    assert found["rows"] is not value["rows"]
    with pytest.raises(AttributeError):
        redactor.redact({7: "a name that is no text"})


def test_records_in_a_database_of_the_engine_are_redacted_by_our_rules(
    ours: Instrumented, tmp_path: Path
) -> None:
    """Proves that what the engine writes to its database lost secrets that only our rules find."""
    from ploston_core.telemetry.store import (
        ExecutionStatus,
        ExecutionType,
        RedactionConfig,
        RedactionPattern,
        SQLiteTelemetryStore,
    )

    path = tmp_path / "engine.db"
    ours.start()

    async def record() -> None:
        collector = _collector(
            RedactionConfig(patterns=[RedactionPattern.from_string("internal-[0-9]+", "[INTERNAL]")]),
            SQLiteTelemetryStore(str(path)),
        )
        run = await collector.start_execution(
            ExecutionType.WORKFLOW,
            inputs={"said": "use password=a9B8c7D6 now", "deep": [[{"note": "internal-7"}]]},
        )
        await collector.end_execution(
            run, ExecutionStatus.COMPLETED, {"large": [f"item {at}" for at in range(9_000)]}
        )
        await collector._store.close()

    asyncio.run(record())
    with closing(sqlite3.connect(path)) as database:
        ((inputs, outputs),) = database.execute("SELECT inputs, outputs FROM executions")
    assert json.loads(inputs) == {"said": "use password=[PASSWORD] now", "deep": [[{"note": "[INTERNAL]"}]]}
    assert json.loads(outputs) == {"large": "[REDACTED]"}
