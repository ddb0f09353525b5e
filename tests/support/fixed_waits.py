"""Find fixed waits in test sources that could wait for a condition instead.

A wait is a call of `sleep`, of Playwright's `wait_for_timeout`, or of `wait` on an event that no other code can set.
Inside a `while` loop it is the pause between two checks, unless the loop only ends by the clock. The text of programs
that a test starts is searched too. A line whose subject is the time itself ends in `# wait: ` and the reason.
"""

import ast
import re
from collections.abc import Iterator

LONGEST_S = 0.5
"""A shorter wait is accepted, except in unit tests."""

MARK = re.compile(r"# wait: \w+ \w+")
_WAITS = re.compile(r"\bsleep\(|wait_for_timeout|Event\(\)\.wait")
_IN_TEXT = re.compile(r"\b(?:time|asyncio|anyio)\.sleep\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_LOOP_IN_TEXT = re.compile(r"\bwhile\b")
_CLOCKS = frozenset({"monotonic", "perf_counter", "time"})


def fixed_waits(source: str, longest_s: float = LONGEST_S) -> list[int]:
    """Return the lines with a wait of `longest_s` seconds or more, or of a length that is not a number, without a mark.

    Args:
        source: Python; also that of one test file of this repository.
        longest_s: 0 finds every wait except `sleep(0)`, which only yields.
    """
    if not _WAITS.search(source):
        return []  # most files; parsing them would take seconds
    lines = source.splitlines()
    tree = ast.parse(source)
    found = {*_calls(tree, longest_s), *_texts(tree, lines, longest_s)}
    return sorted(number for number in found if not MARK.search(lines[number - 1]))


def _calls(node: ast.AST, longest_s: float, *, looks: bool = False) -> Iterator[int]:
    """Yield the lines of waits; `looks` says whether a loop around them checks a condition."""
    for child in ast.iter_child_nodes(node):
        inside = looks
        if isinstance(child, ast.While):
            inside = not _ends_by_the_clock(child)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inside = False
        if isinstance(child, ast.Call) and (seconds := _seconds(child)) is not None:
            too_long = seconds > 0 if longest_s == 0 else seconds >= longest_s
            if too_long and (longest_s == 0 or not looks):
                yield child.lineno
        yield from _calls(child, longest_s, looks=inside)


def _seconds(call: ast.Call) -> float | None:
    """Return the seconds of a wait: infinite if they are only computed at run time, None if the call is not a wait."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    own_event = (
        name == "wait"
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Call)
        and ast.unparse(call.func.value.func).endswith("Event")
    )
    if not (call.args and (name in {"sleep", "wait_for_timeout"} or own_event)):
        return None
    length = call.args[0]
    if not (isinstance(length, ast.Constant) and isinstance(length.value, int | float)):
        return float("inf")
    return length.value / 1000 if name == "wait_for_timeout" else length.value


def _ends_by_the_clock(loop: ast.While) -> bool:
    """Return whether only the time ends a loop."""
    leaves = any(isinstance(each, ast.Break | ast.Return | ast.Raise | ast.Assert) for each in ast.walk(loop))
    test = loop.test
    clock = isinstance(test, ast.Compare) and any(
        isinstance(each, ast.Call) and ast.unparse(each.func).rpartition(".")[2] in _CLOCKS
        for each in (test.left, *test.comparators)
    )
    return clock and not leaves


def _texts(tree: ast.AST, lines: list[str], longest_s: float) -> Iterator[int]:
    """Yield the lines of waits in programs that are string literals."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.end_lineno):
            continue
        for number in range(node.lineno, node.end_lineno + 1):
            for match in _IN_TEXT.finditer(lines[number - 1]):
                if _LOOP_IN_TEXT.search(" ".join(lines[max(node.lineno - 1, number - 3) : number])):
                    continue
                try:
                    seconds = float(match[1])
                except ValueError:
                    seconds = float("inf")
                if seconds >= longest_s and seconds > 0:
                    yield number
