"""Find telemetry names that the package writes by hand, or telemetry created without the generated code.

`violations()` takes the package's folder and the registry's names, so that the rules can be tested on an invalid tree.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.telemetry_schema.model import Registry

# Rooms that may contain the names: generated code, the code that it uses, and the toolchain of the registry.
FREE = frozenset({"_generated", "emit", "schema", "registry"})

# The one place that passes a finished log record to the SDK.
CORE = {"sdk/logs.py": frozenset({"emit"})}

# Text that looks like a name or a call of ours but is not, with the reason.
NOT_OURS: Mapping[tuple[str, str], str] = {
    (
        "instrument/wrap_native_telemetry.py",
        "start_as_current_span",
    ): "passes a caller's span through; creates none",
    ("sdk/run_spans.py", "start_span"): "creates a span without a processor, to read its fields",
    ("store/content.py", "ael.type"): "marker in a stored value, not an attribute",
    ("store/content.py", "ael.cycle"): "marker in a stored value, not an attribute",
    ("store/content.py", "ael.truncated"): "marker in a stored value, not an attribute",
}

# Kinds of events named by the PRD; spans of sessions have these names.
EVENT_KINDS = frozenset({"enforcement.idle", "enforcement.message"})

CALLS = re.compile(
    r"create_(observable_)?(counter|up_down_counter|histogram|gauge)|start_span|start_as_current_span"
    r"|set_attributes?|add_event|record_exception|emit"
)
OWN = re.compile(r"ael\.[a-z]")
SPAN = re.compile(r"Step .*: (tool_call|code_execution)")
EXTRA = re.compile(r"ael_(component|event|fields|error_type|error_message)")


def names_of(registry: Registry) -> frozenset[str]:
    """Return every name of the registry that cannot be ordinary text: with a dot, a space or our prefix."""
    names = {attribute.key for attribute in registry.attributes}
    names |= {name for metric in registry.metrics for name in (metric.name, metric.prometheus)}
    names |= {name for span in registry.spans for name in (span.type, span.name)}
    names |= {event.name for event in registry.events}
    names |= {scope.name for scope in registry.scopes if not scope.foreign and "." in scope.name}
    return frozenset(name for name in names if "." in name or " " in name or name.startswith("ael_"))


def violations(package: Path, names: frozenset[str]) -> list[str]:
    """Return each violation as `file:line: what`, in the order of the files."""
    found: list[str] = []
    for path in sorted(package.rglob("*.py")):
        where = path.relative_to(package)
        if where.parts[0].removesuffix(".py") not in FREE:
            tree = ast.parse(path.read_text("utf-8"), str(path))
            found += [
                f"{where}:{line}: {problem}"
                for line, what, problem in sorted(_breaks(tree, names))
                if not _allowed(where.as_posix(), what)
            ]
    return found


def _allowed(where: str, what: str) -> bool:
    is_kind = where.startswith("sessions/") and what in EVENT_KINDS
    return is_kind or what in CORE.get(where, ()) or (where, what) in NOT_OURS


def _breaks(tree: ast.Module, names: frozenset[str]) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the name or call, and what to do instead."""
    skipped = {id(node) for node in _docstrings(tree)} | {id(node) for node in _logger_names(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            text = node.value
            if text in names or OWN.match(text) or SPAN.fullmatch(text):
                yield node.lineno, text, f"{text!r} is a telemetry name; take it from ael_otel._generated"
            elif EXTRA.fullmatch(text):
                yield node.lineno, text, f"{text!r} is an extra of emit.events; call its line()"
        elif isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            if SPAN.fullmatch(text):
                yield (
                    node.lineno,
                    text,
                    f"{text!r} is a span name; call a starter of ael_otel._generated.emitters",
                )
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            if CALLS.fullmatch(name) and not _on_super(node.func.value):
                yield node.lineno, name, f"{name}() makes telemetry by hand; call ael_otel._generated"


def _docstrings(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield every string that is a statement by itself: docstrings of modules, classes, functions and constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def _logger_names(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield names of Python's loggers, which are not telemetry names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("getLogger"):
            yield from node.args


def _on_super(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "super"
