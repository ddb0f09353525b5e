"""The public API in separate processes: cost of an import, loading without an SDK, and every example."""

import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import ael_otel
from tests.support.interpreters import ROOT, answer, environment, python
from tests.support.ports import free_port
from tests.support.variables import EXPORT_NOTHING

MOST_MS = 20.0
CONFIG = """
telemetry:
  service_name: examples
  metrics: {{port: {port}}}
  exporters: {{otlp: {{enabled: false}}}}
"""
SEED = """
import ael_otel
ael_otel.configure("ael-config.yaml", logs=False)
with ael_otel.execution("triage", inputs={"ticket": 7}) as run:
    with ael_otel.step("look-up", tool="search"), ael_otel.tool_call("search", params={"query": "printer"}) as call:
        call.returned({"hits": 2})
    run.finished({"answer": "turn it off and on"})
"""
RUN_EXAMPLE = """
import doctest, sys
import ael_otel
name = sys.argv[1]
example = doctest.DocTestParser().get_doctest(getattr(ael_otel, name).__doc__, {}, name, None, 0)
assert example.examples
runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
runner.run(example)
sys.exit(runner.failures)
"""
LIST = "import sys; sys.argv[1:] = 'trace list --output json'.split(); from ael_otel.cli import main; main()"
WITHOUT_SDK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[:2] == ["opentelemetry", "sdk"]:
            raise ModuleNotFoundError(f"no {name} here", name=name)

sys.meta_path.insert(0, Blocked())
import importlib, pkgutil
loaded = []
for room in ("config", "privacy", "core", "store", "lifecycle", "instrument"):
    package = importlib.import_module(f"ael_otel.{room}")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            assert error.name.split(".")[0] == "psycopg", error
        loaded.append(module.name)
from ael_otel.instrument.active import Active, current
from ael_otel.instrument import Instrumentation
from ael_otel.lifecycle import Execution, Recorder
from ael_otel.store import MemoryStore
store = MemoryStore()
instrumentation = Instrumentation()
instrumentation.start(Active(Recorder(store=store)))
with Execution(current().recorder, "without", execution_id="exec-1"):
    pass
instrumentation.stop()
print(len(loaded), store.get("exec-1").status, any(name.startswith("opentelemetry.sdk") for name in sys.modules))
"""


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration and one run in its store; tests get copies."""
    folder = tmp_path_factory.mktemp("seeded")
    (folder / "ael-config.yaml").write_text(CONFIG.format(port=free_port()), "utf-8")
    done = _python(SEED, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(seeded: Path, tmp_path: Path) -> Path:
    """A folder with a configuration, a free port and one run in its store."""
    shutil.copytree(seeded, tmp_path, dirs_exist_ok=True)
    (tmp_path / "ael-config.yaml").write_text(CONFIG.format(port=free_port()), "utf-8")
    return tmp_path


def _python(code: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment(HOME=str(folder), AEL_OTEL_RAISE_FAULTS="1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "name", [name for name in ael_otel.__all__ if name not in ("__version__", "AelInstrumentor")]
)
def test_example_of_each_name_runs(name: str, folder: Path) -> None:
    """The example in the docstring runs with the printed result (that of the instrumentor runs in `tests/engine`)."""
    done = _python(RUN_EXAMPLE, folder, name)
    assert done.returncode == 0, done.stdout + done.stderr


IN_FLIGHT = """
import ael_otel
ael_otel.configure("ael-config.yaml", logs=False)
reader = ael_otel.open_reader(ael_otel.load_settings("ael-config.yaml"))
def rows():
    ael_otel.flush()
    return sorted((run.execution_id, run.status) for run in reader.query(ael_otel.RunQuery(workflow="long")).runs)
with ael_otel.execution("long") as run:
    with ael_otel.step("look-up", tool="search"), ael_otel.tool_call("search"):
        print(rows() == [(run.execution.execution_id, "running")])
print(rows() == [(run.execution.execution_id, "completed")])
"""


def test_run_has_one_id_from_start_to_end(folder: Path) -> None:
    """A run that is written while it is running leaves no second row without an id (seen in a slow start)."""
    done = _python(IN_FLIGHT, folder)
    assert (done.stdout.split(), done.stderr) == (["True", "True"], "")


@pytest.mark.parametrize(("page", "number"), [("how-to/hosting.md", 1), ("reference/api.md", 0)])
def test_example_of_each_page_runs(page: str, number: int, folder: Path) -> None:
    """Examples of the pages run unchanged (the FastAPI application in `tests/engine`)."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == number + 1
    done = _python(blocks[number], folder)
    assert done.returncode == 0, done.stderr


def test_recorded_run_is_found_by_the_command(folder: Path) -> None:
    """A run that an application records is one of `ael trace list`, with its step and its call."""
    done = _python(LIST, folder)
    assert done.returncode == 0, done.stderr
    assert '"triage"' in done.stdout


def test_exception_of_the_application_is_the_run_s_failure(folder: Path) -> None:
    """An exception that leaves the `with` passes unchanged, and is the failure of the run, the step and the call."""
    done = _python(
        SEED.replace('call.returned({"hits": 2})', "raise LookupError('no printer')")
        .replace("with ael_otel.execution", "try:\n  with ael_otel.execution")
        .replace("    with ael_otel.step", "      with ael_otel.step")
        .replace("        raise", "          raise")
        .replace("    run.finished", "      run.finished")
        + """
except LookupError as error:
    print(error)
ael_otel.flush()
reader = ael_otel.open_reader(ael_otel.load_settings("ael-config.yaml"))
(run,) = reader.iterate(ael_otel.RunQuery(status="failed"))
print(run.status, run.error.message, run.steps[0].status, run.steps[0].tool_calls[0].status)
""",
        folder,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["no printer", "failed no printer failed error"]


def test_second_start_is_refused(folder: Path) -> None:
    """`configure` after telemetry has started raises one of our errors instead of doubling everything."""
    done = _python(SEED + "ael_otel.configure('ael-config.yaml')", folder)
    assert done.returncode == 1
    assert "AelOtelError: telemetry has started already in this process" in done.stderr


def test_start_without_configuration_is_reported_with_the_variable_to_set(tmp_path: Path) -> None:
    """`configure` without a file raises; a run without it continues, and one line reports that no run is stored."""
    done = _python("import ael_otel; ael_otel.configure()", tmp_path)
    assert "ConfigError: no configuration is named: pass one, or set OTEL_PYTHON_AEL_CONFIG" in done.stderr
    run = "import ael_otel\nfor _ in range(3):\n    with ael_otel.execution('alone'): pass"
    done = _python(run, tmp_path)
    assert done.returncode == 0
    assert done.stderr.count("runs are not recorded") == 1
    assert not (tmp_path / ".ael").exists()


def test_variable_names_the_configuration_of_a_run(folder: Path) -> None:
    """The first run of an application that calls nothing else is stored as the variable's file configures."""
    code = "import os; os.environ['AEL_CONFIG_PATH'] = 'ael-config.yaml'\nimport ael_otel\n"
    done = _python(code + "with ael_otel.execution('quiet'): pass", folder)
    assert done.returncode == 0, done.stderr
    assert "not kept" not in done.stderr
    done = _python(LIST, folder)
    assert '"quiet"' in done.stdout


def test_forked_child_ends_and_keeps_its_run(folder: Path) -> None:
    """A child of a recording process stores its own run, leaves the port to the parent, and ends in time."""
    done = _python(
        SEED
        + """
import os, sys, time
ael_otel.flush()  # a module that another thread is importing cannot be imported in a child
def names():
    return [run.workflow_name for run in ael_otel.open_reader(ael_otel.load_settings("ael-config.yaml")).recent()]
before = names()  # other tests of this folder have runs there too
child = os.fork()
if not child:
    with ael_otel.execution("in-the-child"):
        pass
    began = time.monotonic()
    ael_otel.shutdown()
    os._exit(0 if time.monotonic() - began < 2.5 else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
import urllib.request
port = ael_otel.load_settings("ael-config.yaml").metrics.port
print("ael_workflow_executions_total" in urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode())
print(before != [] and names() == ["in-the-child", *before])
""",
        folder,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-3:] == ["0", "True", "True"]


def test_redact_works_with_telemetry_disabled(folder: Path) -> None:
    """`telemetry.enabled: false` stops recording only: `redact` still replaces a secret."""
    with (folder / "ael-config.yaml").open("a") as file:
        file.write("  enabled: false\n")
    code = "import ael_otel; ael_otel.configure('ael-config.yaml', logs=False); "
    done = _python(code + "print(ael_otel.redact({'password': 'correct horse'}))", folder)  # hygiene: made up
    assert done.stdout.strip() == "{'password': '[PASSWORD]'}", done.stderr


def test_import_is_cheap() -> None:
    """Importing the package costs at most 20 ms more than OpenTelemetry's API, and loads none of our subpackages."""
    loaded = answer(
        "import sys, ael_otel; print([name for name in sys.modules if name.startswith('ael_otel.')])"
    )
    assert loaded == "['ael_otel.version']"
    code = (
        "import time, opentelemetry.trace\nbegan = time.process_time()\n"
        "import ael_otel\nprint((time.process_time() - began) * 1e3)"
    )
    assert statistics.median(float(answer(code)) for _ in range(5)) < MOST_MS


def test_instrument_loads_and_records_without_an_sdk() -> None:
    """With `opentelemetry.sdk` not importable every room up to `instrument` loads, and a run is recorded in a store."""
    done = python(WITHOUT_SDK, env=environment(**EXPORT_NOTHING))
    assert done.returncode == 0, done.stderr
    count, status, sdk = done.stdout.split()
    assert int(count) > 60
    assert (status, sdk) == ("completed", "False")
