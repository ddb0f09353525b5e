"""What is generated is reproducible, formatted, typed, linked, and guarded against edits by hand."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.telemetry_schema.conftest import run
from tools.telemetry_schema.document import read_document, render_document
from tools.telemetry_schema.load import load
from tools.telemetry_schema.model import Registry
from tools.telemetry_schema.render import TARGETS, render_all
from tools.telemetry_schema.resolve import resolve

ROOT = Path(__file__).parents[3]
CODE = [name for name in TARGETS if name.endswith(".py")]
PAGES = [name for name in TARGETS if name.endswith(".md")]


def test_the_tree_matches_the_registry(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody forgot to generate, and nobody edited a generated file."""
    status, out, err = run(capsys, "generate", "--check")
    assert (status, err) == (0, "")
    assert f"{len(TARGETS)} generated files match ael_otel/registry." in out


def test_check_counts_what_it_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    """A passing check says how many items it saw, so that an empty one cannot pass for a good one."""
    status, out, _ = run(capsys, "check")
    assert status == 0
    counted = {name: int(count) for count, name in re.findall(r"(\d+) (\w+)", out.partition(";")[0])}
    at_least = {"attributes": 40, "entities": 7, "metrics": 8, "spans": 5, "events": 4, "scopes": 7}
    assert {name: counted[name] for name in at_least if counted[name] < at_least[name]} == {}


@pytest.mark.parametrize("name", TARGETS)
def test_an_edit_by_hand_is_found(name: str, checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One changed byte in any generated file fails the check, which names it; generating repairs it."""
    edited = checkout / name
    original = edited.read_bytes()
    edited.write_bytes(original + b"\n")
    status, _, err = run(capsys, "generate", "--check", "--root", str(checkout))
    assert status == 1
    assert f"1 files do not match ael_otel/registry\n  {name}\n" in err
    assert "Edit ael_otel/registry, not these files" in err
    assert edited.read_bytes() == original + b"\n"
    assert run(capsys, "generate", "--root", str(checkout))[0] == 0
    assert edited.read_bytes() == original


def test_line_ends_of_another_system_are_found(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The comparison is byte by byte: a checkout that turned the line ends is detected."""
    page = checkout / PAGES[0]
    page.write_bytes(page.read_bytes().replace(b"\n", b"\r\n"))
    assert run(capsys, "generate", "--check", "--root", str(checkout))[0] == 1


def test_a_left_over_module_is_found_and_removed(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A module that nothing generates any more does not stay behind to be imported."""
    left_over = checkout / "ael_otel/_generated/old.py"
    left_over.write_text("OLD = 1\n", "utf-8")
    status, _, err = run(capsys, "generate", "--check", "--root", str(checkout))
    assert status == 1
    assert "ael_otel/_generated/old.py" in err
    run(capsys, "generate", "--root", str(checkout))
    assert not left_over.exists()


def test_an_edit_of_the_registry_is_found(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed unit reaches code, document and page, and the check fails until they are generated."""
    path = checkout / "ael_otel/registry/metrics.yaml"
    path.write_text(path.read_text("utf-8").replace('unit: "{error}"', 'unit: "{fault}"'), "utf-8")
    status, _, err = run(capsys, "generate", "--check", "--root", str(checkout))
    assert status == 1
    for name in ("metrics.py", "registry.json", "metrics.md"):
        assert name in err
    assert run(capsys, "generate", "--root", str(checkout))[0] == 0
    assert 'unit="{fault}"' in (checkout / "ael_otel/_generated/metrics.py").read_text("utf-8")


def test_a_broken_registry_generates_nothing(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A registry that breaks a rule stops the generator before it writes, with the rule in the message."""
    path = checkout / "ael_otel/registry/metrics.yaml"
    path.write_text(path.read_text("utf-8").replace("max_series: 240", "max_series: 2"), "utf-8")
    before = {name: (checkout / name).read_bytes() for name in TARGETS}
    status, _, err = run(capsys, "generate", "--root", str(checkout))
    assert status == 1
    assert (
        "metrics.yaml: ael.errors: labels can make 238 series, above max_series 2; lower max_values [max_series]"
        in err
    )
    assert {name: (checkout / name).read_bytes() for name in TARGETS} == before


def test_an_unreadable_registry_is_one_line(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A registry that does not load ends in one line on standard error, not in a traceback."""
    (checkout / "ael_otel/registry/metrics.yaml").write_text(
        "file_format: definition/2\nmetrics: 1\n", "utf-8"
    )
    status, out, err = run(capsys, "check", "--root", str(checkout))
    assert (status, out, err) == (1, "", "metrics.yaml: metrics: must be a list\n")


def test_the_command_runs_as_a_module() -> None:
    """`python -m tools.telemetry_schema` is the command, and a missing verb is wrong usage."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.telemetry_schema"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 2
    assert "Usage: python -m tools.telemetry_schema" in done.stderr


def test_generation_is_deterministic(registry: Registry, tmp_path: Path) -> None:
    """A second process with another hash seed writes the same bytes, so that the check never flickers."""
    script = (
        "import sys; from pathlib import Path\n"
        "from tools.generated_files import write\n"
        "from tools.telemetry_schema.render import render_all\n"
        "from tools.telemetry_schema.document import read_document\n"
        "write(Path(sys.argv[2]), render_all(read_document(Path(sys.argv[1]).read_text())))"
    )
    document = tmp_path / "registry.json"
    document.write_text(render_document(registry), "utf-8")
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", script, str(document), str(tmp_path / seed)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            check=True,
        )
    for name, text in render_all(registry).items():
        texts = {(tmp_path / seed / name).read_bytes() for seed in ("1", "2")}
        assert texts == {text.encode()}


def test_the_order_of_files_does_not_matter(registry: Registry, tmp_path: Path) -> None:
    """Attributes are the same wherever they are defined: moving a file's content leaves the code as it is."""
    folder = tmp_path / "registry"
    shutil.copytree(ROOT / "ael_otel/registry", folder)
    (folder / "labels.yaml").rename(folder / "zz_labels.yaml")
    moved = resolve(
        load(folder, ROOT / "tools/telemetry_schema/upstream", ROOT / "tools/telemetry_schema/scopes.yaml")
    )
    assert render_all(moved) == render_all(registry)


def test_the_document_reads_back(registry: Registry) -> None:
    """The shipped document holds the whole registry: reading it gives the same values."""
    text = (ROOT / "ael_otel/_generated/registry.json").read_text("utf-8")
    assert read_document(text) == registry


@pytest.mark.parametrize("name", CODE)
def test_generated_code_says_so(name: str) -> None:
    """A person who opens the file reads at its top what made it and not to edit it."""
    docstring = ast.get_docstring(ast.parse((ROOT / name).read_text("utf-8")))
    assert docstring is not None
    assert "Generated by `make generate`" in docstring
    assert "do not edit" in docstring


def test_generated_code_is_formatted_and_lints() -> None:
    """The formatter would change nothing and the linter has nothing to say, whatever the settings of the repository."""
    ruff = [sys.executable, "-m", "ruff"]
    files = [str(ROOT / name) for name in CODE]
    options = ["--isolated", "--no-cache", "--line-length=110"]
    for command in (
        [*ruff, "format", "--check", *options, *files],
        [*ruff, "check", *options, "--select=E,F,I,UP,RUF,D1", *files],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


MISUSE = """
from ael_otel._generated.attributes import ErrorType, WorkflowStatus
from ael_otel._generated import metrics, spans

good: WorkflowStatus = "success"
status: WorkflowStatus = "sucess"
kind: ErrorType = "TOOL_BROKEN"
metrics.ERRORS.name = "x"
spans.step_tool_call_name("first")
"""


def test_a_misuse_is_a_type_error(tmp_path: Path) -> None:
    """A value outside a closed set, a changed description and a wrong argument fail under mypy; right use does not."""
    path = tmp_path / "misuse.py"
    path.write_text(MISUSE, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file=", str(path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert [int(line) for line in re.findall(r"misuse\.py:(\d+): error", done.stdout)] == [6, 7, 8, 9], (
        done.stdout
    )


@pytest.mark.parametrize("name", PAGES)
def test_links_of_the_pages_lead_somewhere(name: str) -> None:
    """Every link of a page leads to a file and a heading that are there."""
    page = ROOT / name
    links = re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", page.read_text("utf-8"))
    assert links or name.endswith("resource.md")
    for file, anchor in links:
        target = page.parent / file if file else page
        assert target.is_file()
        if not anchor:
            continue
        headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), flags=re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert anchor in anchors


@pytest.mark.parametrize("name", PAGES)
def test_every_signal_has_an_example_query(name: str, registry: Registry) -> None:
    """The pages show one query for each metric, span, event and group, in the language of its backend."""
    text = (ROOT / name).read_text("utf-8")
    language, items = {
        "metrics.md": ("promql", len(registry.metrics)),
        "spans.md": ("traceql", len(registry.spans)),
        "logs.md": ("logql", len(registry.events) + len(registry.attribute_groups)),
    }.get(Path(name).name, ("promql", 0))
    assert len(re.findall(rf"^```{language}\n.+\n```$", text, flags=re.MULTILINE)) == items
