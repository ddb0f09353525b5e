"""Wrapping by a table, on a fake engine: modules written for the test, which look like the real one's.

Fake: `fakeengine` (classes and functions with the shapes that the real engine has). The real one is in tests/engine.
"""

import asyncio
import importlib
import inspect
import logging
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wrapt

from ael_otel.core.faults import RAISE_FAULTS_VARIABLE, forget_reported_faults
from ael_otel.instrument.targets import TARGETS, Target
from ael_otel.instrument.wrapping import Wrapping

ENGINE = """
    def generate():
        \"\"\"Make an id.\"\"\"
        return "plain"

    class Base:
        def inherited(self):
            return "base"

    class Engine(Base):
        async def execute(self, name: str, *, times: int = 1) -> str:
            \"\"\"Run.\"\"\"
            if name == "fails":
                raise LookupError(name)
            return name * times

        def log(self, text):
            return text

        @staticmethod
        def build():
            return "static"

        @classmethod
        def made(cls):
            return cls.__name__
"""

USER = """
    from fakeengine.engine import generate

    def use():
        return generate()
"""


def passing(wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    """Note the call and pass it on."""
    CALLS.append((wrapped.__name__, type(instance).__name__))
    return wrapped(*args, **kwargs)


CALLS: list[tuple[str, str]] = []

TABLE = (
    Target("fakeengine.engine", "generate", passing, "ids"),
    Target("fakeengine.engine", "Engine.execute", passing, "runs"),
    Target("fakeengine.engine", "Engine.log", passing, "logs"),
    Target("fakeengine.engine", "Engine.build", passing, "building"),
    Target("fakeengine.engine", "Engine.made", passing, "making"),
    Target("fakeengine.user", "generate", passing, "ids"),
)


@pytest.fixture(autouse=True)
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package `fakeengine` that is not imported yet."""
    package = tmp_path / "fakeengine"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = '9.9'\n", "utf-8")
    (package / "engine.py").write_text(textwrap.dedent(ENGINE), "utf-8")
    (package / "user.py").write_text(textwrap.dedent(USER), "utf-8")
    (package / "broken.py").write_text("raise ImportError('half an engine')\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    CALLS.clear()
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "fakeengine"]:
        del sys.modules[name]


@pytest.fixture
def wrap() -> Iterator[Callable[..., Wrapping]]:
    """Apply tables; all are undone afterwards."""
    made: list[Wrapping] = []

    def apply(table: tuple[Target, ...] = TABLE) -> Wrapping:
        wrapping = Wrapping(table)
        made.append(wrapping)
        wrapping.apply()
        return wrapping

    yield apply
    for wrapping in made:
        wrapping.undo()


type Wrap = Callable[..., Wrapping]


def originals() -> dict[str, object]:
    """Return the raw entries in the namespaces of module and class (a static method as such)."""
    module = importlib.import_module("fakeengine.engine")
    user = importlib.import_module("fakeengine.user")
    return {
        "generate": vars(module)["generate"],
        "user": vars(user)["generate"],
        **{name: value for name, value in vars(module.Engine).items() if not name.startswith("__")},
    }


def use() -> list[object]:
    """Call everything once."""
    module = importlib.import_module("fakeengine.engine")
    user = importlib.import_module("fakeengine.user")
    engine = module.Engine()
    return [
        module.generate(),
        user.use(),
        asyncio.run(engine.execute("a", times=2)),
        engine.log("text"),
        module.Engine.build(),
        module.Engine.made(),
        engine.inherited(),
    ]


ANSWERS = ["plain", "plain", "aa", "text", "static", "Engine", "base"]


def test_nothing_is_imported(wrap: Wrap) -> None:
    """Wrapping waits for the application to import its engine: importing it costs a second, or fails."""
    wrap()
    assert "fakeengine" not in sys.modules


@pytest.mark.parametrize("imported", [False, True], ids=["imported later", "imported already"])
def test_every_target_is_wrapped(wrap: Wrap, *, imported: bool) -> None:
    """Functions, methods, static and class methods go through their wrappers, whenever the module was imported."""
    if imported:
        importlib.import_module("fakeengine.engine")
        importlib.import_module("fakeengine.user")
    wrapping = wrap()
    assert use() == ANSWERS
    # `generate` twice: once where it is made, once by the name under which another module took it.
    assert Counter(name for name, _ in CALLS) == {
        "build": 1,
        "execute": 1,
        "generate": 2,
        "log": 1,
        "made": 1,
    }
    assert ("execute", "Engine") in CALLS
    assert wrapping.missing == []


def test_undo_restores_exactly(wrap: Wrap) -> None:
    """Afterwards the very objects that were there are there again, also what was wrapped on a later import."""
    importlib.import_module("fakeengine.engine")
    before = originals()
    wrapping = wrap()
    during = originals()
    assert [name for name in before if during[name] is before[name]] == []
    wrapping.undo()
    assert originals() == before
    assert all(originals()[name] is before[name] for name in before)
    wrapping.undo()
    assert use() == ANSWERS
    assert CALLS == []


def test_undo_restores_targets_imported_later(wrap: Wrap) -> None:
    """A module that was imported in between took a wrapped name: it gets the real one back, not the wrapper."""
    wrapping = wrap()
    during = originals()
    wrapping.undo()
    after = originals()
    assert after["user"] is after["generate"]
    assert not any(isinstance(value, wrapt.ObjectProxy) for value in after.values())
    assert all(after[name] is not during[name] for name in after if name != "inherited")
    assert use() == ANSWERS
    assert CALLS == []


def test_after_undo_a_later_import_stays_plain(wrap: Wrap) -> None:
    """A hook that has not fired yet does nothing once the wrapping is undone."""
    wrap().undo()
    assert use() == ANSWERS
    assert CALLS == []


def test_wrapping_again(wrap: Wrap) -> None:
    """After undoing, a new round wraps once, not twice, and can be undone in turn."""
    importlib.import_module("fakeengine.engine")
    importlib.import_module("fakeengine.user")
    before = originals()
    wrap().undo()
    second = wrap()
    use()
    assert len(CALLS) == len(TABLE)
    second.undo()
    assert originals() == before


def test_a_wrapped_callable_looks_like_itself(wrap: Wrap) -> None:
    """Frameworks that look at signatures, names and docs see the original's."""
    wrap()
    module = importlib.import_module("fakeengine.engine")
    assert inspect.iscoroutinefunction(module.Engine.execute)
    assert str(inspect.signature(module.Engine().execute)) == "(name: str, *, times: int = 1) -> str"
    assert (module.generate.__name__, module.generate.__doc__) == ("generate", "Make an id.")


def test_the_applications_exceptions_pass(wrap: Wrap) -> None:
    """An exception of the engine passes unchanged."""
    wrap()
    module = importlib.import_module("fakeengine.engine")
    with pytest.raises(LookupError, match=r"^fails$"):
        asyncio.run(module.Engine().execute("fails"))


def test_missing_targets_are_reported_once(wrap: Wrap, caplog: pytest.LogCaptureFixture) -> None:
    """Targets that this version lacks: one line for a module, with the telemetry that is missing without them."""
    missing = (
        Target("fakeengine.engine", "Engine.gone", passing, "steps"),
        Target("fakeengine.engine", "Nobody.gone", passing, "steps"),
        Target("fakeengine.engine", "Engine.inherited", passing, "skips"),
    )
    wrapping = wrap((*TABLE, *missing))
    assert use() == ANSWERS
    assert wrapping.missing == list(missing)
    (record,) = [record for record in caplog.records if record.name == "ael_otel"]
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith(
        "has no Engine.gone, Nobody.gone, Engine.inherited: telemetry lacks steps, skips"
    )
    assert ("execute", "Engine") in CALLS


def test_an_absent_module_is_nobodys_business(wrap: Wrap, caplog: pytest.LogCaptureFixture) -> None:
    """A module that does not exist, or cannot be imported, fails for its importer as without instrumentation."""
    wrap((Target("fakeengine.absent", "x", passing, "x"), Target("fakeengine.broken", "x", passing, "x")))
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("fakeengine.absent")
    with pytest.raises(ImportError, match="half an engine"):
        importlib.import_module("fakeengine.broken")
    assert caplog.records == []


def test_a_fault_of_wrapping_stays_here(
    wrap: Wrap, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A target that cannot be wrapped is logged; the import succeeds and the module's other targets are wrapped."""
    monkeypatch.setenv(RAISE_FAULTS_VARIABLE, "0")
    forget_reported_faults()
    real = Wrapping._wrap

    def faulty(self: Wrapping, module: Any, target: Target) -> bool:
        if target.attribute == "Engine.execute":
            raise RuntimeError("cannot be wrapped")
        return real(self, module, target)

    monkeypatch.setattr(Wrapping, "_wrap", faulty)
    wrapping = wrap()
    assert use() == ANSWERS
    assert "telemetry fault in wrapping" in caplog.text
    assert {name for name, _ in CALLS} == {"generate", "log", "build", "made"}
    wrapping.undo()
    CALLS.clear()
    assert use() == ANSWERS
    assert CALLS == []


def test_the_real_table_is_well_formed() -> None:
    """No target is there twice; each names the loss without it; all wrappers have wrapt's four parameters."""
    places = [(target.module, target.attribute) for target in TARGETS]
    assert len(places) == len(set(places))
    for target in TARGETS:
        assert target.feature
        assert target.attribute.count(".") <= 1
        assert list(inspect.signature(target.wrapper).parameters) == ["wrapped", "instance", "args", "kwargs"]
        assert (target.wrapper.__doc__ or "").startswith("`"), "says which callable it wraps"
