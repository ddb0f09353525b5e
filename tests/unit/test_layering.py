"""Imports point one way, and the engine is known to one room only."""

import re
from pathlib import Path

import pytest

from tests.support.layering import BESIDE, RANK, circle, tool_violations, violations

PACKAGE = Path(__file__).parents[2] / "ael_otel"

# Files of a small tree that keeps every rule; each bad case below adds one line to it.
GOOD = {
    "version.py": "__version__ = '1.0'",
    "__init__.py": "from ael_otel.version import __version__\n"
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ael_otel.store import core\n"
    "def f():\n    import ael_otel.runtime",
    "errors.py": "class AelOtelError(Exception): ...",
    "environment_variables.py": "def prepare():\n    from ael_otel.config import ALL",
    "hooks.py": "def post_instrument():\n    from ael_otel.runtime import start\n    start()",
    "_generated/__init__.py": "",
    "_generated/metrics.py": "ALL = ()",
    "_generated/metric_sets.py": "from ael_otel.emit.metric_sets import MetricSet",
    "emit/metric_sets.py": "import weakref\nfrom opentelemetry.metrics import Meter",
    "config/__init__.py": "from ael_otel.errors import AelOtelError\nfrom ael_otel._generated.metrics import ALL",
    "privacy.py": "import ael_otel.config",
    "core/__init__.py": "from ael_otel.config import ALL",
    "sdk/__init__.py": "from opentelemetry.sdk.trace import TracerProvider\nimport ael_otel.core",
    "store/__init__.py": "from ael_otel import core",
    "lifecycle/__init__.py": "from ael_otel.store import core",
    "instrument/__init__.py": "import asyncio, wrapt\nfrom opentelemetry import trace\nimport ael_otel.lifecycle",
    "instrument/engine.py": "def run():\n    import uvicorn\n    from ploston_core.application import PlostApplication",
    "export/__init__.py": "from ael_otel.store import core",
    "admin.py": "",
    "ui/server.py": "def serve():\n    import uvicorn\nimport ael_otel.admin",
    "runtime.py": "import ael_otel.admin, ael_otel.instrument.engine",
    "demo/__init__.py": "",
    "cli/__init__.py": "from ael_otel import demo\nfrom ael_otel.instrument import engine",
}

BAD = [
    ("config/__init__.py", "from ael_otel.core import start", "config must not import core"),
    ("config/__init__.py", "def f():\n    import ael_otel.cli", "config must not import cli"),
    ("core/__init__.py", "from ael_otel import store", "core must not import store"),
    ("store/__init__.py", "from ael_otel.sdk import start", "store must not import sdk"),
    ("instrument/__init__.py", "from ael_otel.sdk import logs", "instrument must not import sdk"),
    (
        "privacy.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ael_otel.store import Run",
        "privacy must not import store",
    ),
    ("export/__init__.py", "from ael_otel.admin import serve", "export must not import admin"),
    ("errors.py", "from ael_otel.config import ALL", "errors must not import config"),
    ("_generated/metrics.py", "from ael_otel.privacy import x", "_generated must not import privacy"),
    ("emit/metric_sets.py", "from ael_otel._generated.metrics import ALL", "emit must not import _generated"),
    (
        "emit/metric_sets.py",
        "from opentelemetry.sdk.metrics import X",
        "emit/ must not import opentelemetry.sdk",
    ),
    ("emit/metric_sets.py", "import msgspec", "emit/ must not import msgspec"),
    ("lifecycle/__init__.py", "from tools.telemetry_schema import load", "lifecycle must not import tools"),
    ("cli/__init__.py", "def f():\n    import tools.telemetry_schema.load", "cli must not import tools"),
    ("store/__init__.py", "from ael_otel.demo import x", "store must not import demo"),
    ("demo/__init__.py", "from ael_otel.cli import main", "demo must not import cli"),
    (
        "instrument/__init__.py",
        "from ael_otel.hooks import post_instrument",
        "instrument must not import hooks",
    ),
    ("hooks.py", "from ael_otel.sdk import start", "hooks must import sdk inside a function"),
    (
        "hooks.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ael_otel.sdk import start",
        "hooks must import sdk inside a function",
    ),
    (
        "environment_variables.py",
        "import ael_otel.config",
        "must import config inside a function",
    ),
    (
        "config/__init__.py",
        "import ael_otel.environment_variables",
        "config must not import environment_variables",
    ),
    ("admin.py", "import ael_otel.runtime", "admin must not import runtime"),
    ("admin.py", "def f():\n    import uvicorn", "only by instrument/engine.py and ui/server.py"),
    ("ui/server.py", "import uvicorn", "only by instrument/engine.py and ui/server.py, inside functions"),
    ("ui/server.py", "def f():\n    import ael_otel.cli", "ui must not import cli"),
    ("__init__.py", "from ael_otel.config import ALL", "__init__ must import config inside a function"),
    ("core/__init__.py", "from ael_otel import redact", "core must not import the front door"),
    ("core/__init__.py", "def f():\n    import ael_otel", "core must not import the front door"),
    ("config/__init__.py", "from .file import read", "relative import"),
    ("store/rows.py", "from ael_otel.store import open_store", "open_store comes from this package"),
    ("store/rows.py", "def f():\n    from ael_otel.store import Run", "Run comes from this package"),
    ("store/rows.py", "FORMATS = 'ael_otel.export.formats'", "store must not name export"),
    ("helpers/__init__.py", "", "helpers is not a room"),
    (
        "instrument/__init__.py",
        "from opentelemetry.sdk.trace import Span",
        "must not import opentelemetry.sdk.trace.Span",
    ),
    ("instrument/__init__.py", "from opentelemetry import sdk", "must not import opentelemetry.sdk"),
    ("instrument/__init__.py", "import opentelemetry.semconv", "must not import opentelemetry.semconv"),
    ("instrument/__init__.py", "import msgspec", "must not import msgspec"),
    (
        "instrument/wraps.py",
        "def f():\n    import ploston_core",
        "only by instrument/engine.py, inside functions",
    ),
    ("instrument/engine.py", "import ploston_core", "only by instrument/engine.py, inside functions"),
    ("cli/__init__.py", "def f():\n    from ploston_core import engine", "only by instrument/engine.py"),
    ("core/__init__.py", "NAME = 'ploston_core.logging'", "engine's ploston_core"),
    ("lifecycle/__init__.py", "def f(x):\n    return x.WorkflowEngine", "engine's WorkflowEngine"),
]


def plant(folder: Path, files: dict[str, str]) -> Path:
    """Write the files as a package of that name and return its folder."""
    package = folder / "ael_otel"
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return package


def test_imports_point_one_way() -> None:
    """No module of the package imports a higher room or one beside it, and only instrument/ knows the engine."""
    assert violations(PACKAGE) == []


def test_modules_import_each_other_in_no_circle() -> None:
    """Also not for type checkers only, or inside functions."""
    assert circle(PACKAGE) == []


def test_circle_of_imports_is_named(tmp_path: Path) -> None:
    """Modules of one room that import each other, one of them lazily, are listed in the order of their imports."""
    files = {
        "store/rows.py": "import json\ndef f():\n    from ael_otel.store.query import Query",
        "store/query.py": "from ael_otel.store import base",
        "store/base.py": "import ael_otel.store.rows",
        "store/alone.py": "from ael_otel.store.rows import f",
    }
    found = circle(plant(tmp_path, files))
    assert found[0] == found[-1]
    assert set(found) == {"ael_otel.store.rows", "ael_otel.store.query", "ael_otel.store.base"}


def test_the_check_sees_the_package() -> None:
    """The rooms that the rules name are the ones on disk, so that the check above cannot pass by looking elsewhere."""
    rooms = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if not path.name.startswith("__p")}
    assert {"config", "core", "sdk", "lifecycle", "instrument", "cli"} <= rooms & (set(RANK) | set(BESIDE))
    assert len(list(PACKAGE.rglob("*.py"))) > 20


def test_a_tree_that_keeps_the_rules_passes(tmp_path: Path) -> None:
    """The checker does not cry wolf: docstrings, lazy engine imports and downward imports are all right."""
    good = GOOD | {
        "config/file.py": '"""Reads what ploston_core.WorkflowEngine reads."""\nimport ael_otel.errors',
        "store/reader.py": "from ael_otel.store import rows\nFORMATS = 'ael_otel.export.formats'",
        "store/rows.py": "LOWER = 'ael_otel.config.file'",
    }
    assert violations(plant(tmp_path, good)) == []


@pytest.mark.parametrize(
    ("name", "line", "message"), BAD, ids=[f"{name}-{message}" for name, _, message in BAD]
)
def test_a_break_is_found_and_named(tmp_path: Path, name: str, line: str, message: str) -> None:
    """Each rule catches its own break, once, with the file and the line."""
    before = GOOD.get(name, "")
    found = violations(plant(tmp_path, GOOD | {name: f"{before}\n{line}\n"}))
    assert len(found) == 1
    assert message in found[0]
    assert re.match(rf"{re.escape(name)}:\d+: ", found[0])


def test_tools_import_only_the_rooms_they_may() -> None:
    """The tools use the package's registry, errors, translation of names and redaction, and nothing above those."""
    tools = PACKAGE.parent / "tools"
    assert len(list(tools.rglob("*.py"))) > 10
    assert tool_violations(tools) == []


@pytest.mark.parametrize(
    ("line", "room"),
    [
        ("from ael_otel._generated.metrics import ALL", "_generated"),
        ("def f():\n    import ael_otel.store.sqlite", "store"),
        ("from ael_otel import demo", "demo"),
    ],
)
def test_tool_that_imports_a_higher_room_is_found(tmp_path: Path, line: str, room: str) -> None:
    """An import of a room that tools may not use is reported with its file and line; allowed ones are not."""
    (tmp_path / "good.py").write_text("import ael_otel\nfrom ael_otel.privacy import rules\n", "utf-8")
    (tmp_path / "bad.py").write_text(f"{line}\n", "utf-8")
    (found,) = tool_violations(tmp_path)
    assert re.fullmatch(rf"bad\.py:\d: tools must not import {room}", found)
