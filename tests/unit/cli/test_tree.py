"""The tree of one run, as text, at the widths that terminals have."""

from textwrap import dedent

import pytest
from rich.console import Console

from ael_otel.cli.render.tree import MAX_WIDTH, tree
from ael_otel.store import ErrorRecord, ExecutionRecord
from tests.unit.cli.conftest import call, run, step

# Bars at a fixed width are the point of these pictures, so they are compared whole.
PICTURES = {
    "mixed": """
        mixed  completed in 41.2 ms          execution exec-7f3a91c20001  trace 11111111
        ├─ 1 greet   tool_call  echo@demo          4.1 ms  ▆▆▆
        ├─ 2 crunch  code                         21.7 ms      ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆
        │  ├─ add@demo (called from the code)      3.0 ms              ▆▆
        │  └─ charge@demo                          3.0 ms                 ▆▆
        │       TOOL_FAILED "card declined"
        └─ 3 report  tool_call  echo@demo          3.9 ms                       ▆▆▆
    """,
    "flaky": """
        flaky_tool  completed in 118 ms      execution exec-7f3a91c20002  trace 22222222
        └─ 1 greet  tool_call  flaky@demo         117 ms  ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆
           ├─ attempt 1                           4.0 ms  ▆
           │    TOOL_FAILED "connection reset by peer"
           ├─ attempt 2                           4.0 ms               ▆
           │    TOOL_FAILED "connection reset by peer"
           └─ attempt 3                           4.0 ms                             ▆
    """,
    "skips": """
        skips  completed in 20.0 ms          execution exec-7f3a91c20003  trace 33333333
        ├─ 1 start    tool_call  echo@demo    4.1 ms  ▆▆▆▆▆▆▆
        ├─ 2 notify   tool_call  echo         skipped: not when inputs.notify
        ├─ 3 pay      tool_call  charge@demo  skipped on error: card declined
        ├─ 4 receipt  tool_call  echo         skipped: dependency 'pay' did not complete
        └─ 5 finish   tool_call  echo@demo    8.0 ms                   ▆▆▆▆▆▆▆▆▆▆▆▆▆▆
    """,
    "tool_fails": """
        tool_fails  failed after 20.2 ms     execution exec-7f3a91c20004  trace 44444444
        ├─ 1 price   tool_call  add@demo      4.1 ms  ▆▆▆▆▆▆▆
        └─ 2 charge  tool_call  charge@demo  12.0 ms            ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆
             TOOL_FAILED "card declined"
    """,
    "too_slow": """
        too_slow  failed after 2.00 s        execution exec-7f3a91c20005  trace 55555555
        └─ 1 dawdle  tool_call  wait@demo  2.00 s  ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆
             cancelled
    """,
    "needs_input": """
        needs_input  failed after 0.4 ms     execution exec-7f3a91c20006  trace 66666666
        INPUT_INVALID "Missing input: order"
    """,
    "direct": """
        (direct call)  completed in 5.0 ms   execution exec-7f3a91c20007  trace 77777777
        └─ echo@demo  5.0 ms  ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆
    """,
}


@pytest.mark.parametrize("name", PICTURES)
def test_each_way_a_run_can_go_is_drawn_at_80_columns(name, request):
    """Steps, attempts, calls from code, skips and errors are all there, each bar where its work was."""
    record = request.getfixturevalue(name)
    assert tree(record, width=80).plain.strip() == dedent(PICTURES[name]).strip()


def test_a_wide_terminal_gets_longer_bars_and_errors_beside_the_call(mixed):
    """At 120 columns an error has room next to its call, and the picture uses the width."""
    lines = tree(mixed, width=120).plain.splitlines()
    assert any('charge@demo TOOL_FAILED "card declined"   3.0 ms' in line for line in lines)
    assert len(lines[0]) == 120
    assert max(map(len, lines)) == 120


@pytest.mark.parametrize("width", [1, 20, 40, 60, 80, 100, 120, 300])
@pytest.mark.parametrize("name", PICTURES)
def test_no_line_is_wider_than_the_terminal(name, width, request):
    """A line that the terminal would wrap breaks the picture; below 40 columns it is drawn for 40."""
    text = tree(request.getfixturevalue(name), width=width)
    assert max(len(line) for line in text.plain.splitlines()) <= max(40, min(width, MAX_WIDTH))


def test_plain_ascii_is_enough_for_a_terminal_that_has_no_more(mixed, flaky, skips):
    """With `ascii_only` no character needs an encoding beyond ASCII."""
    for record in (mixed, flaky, skips):
        assert tree(record, width=80, ascii_only=True).plain.isascii()


def test_errors_are_red_and_skips_yellow_on_a_terminal_and_plain_elsewhere(tool_fails, skips):
    """Colour follows the status where the console has colour, and a pipe gets none."""

    def painted(record: ExecutionRecord, *, terminal: bool) -> str:
        console = Console(width=80, force_terminal=terminal, color_system="standard" if terminal else None)
        with console.capture() as capture:
            console.print(tree(record, width=80))
        return capture.get()

    assert '\x1b[31mTOOL_FAILED "card declined"' in painted(tool_fails, terminal=True)
    assert "\x1b[33m  skipped on error: card declined" in painted(skips, terminal=True)
    assert "\x1b" not in painted(tool_fails, terminal=False)


def test_running_run_is_drawn_up_to_its_current_step():
    """Neither the run nor its step has a duration yet."""
    record = run(8, "slow", None, step(0, "work", 1, 0, status="running"), status="running")
    record.steps[0].duration_ms = None
    assert tree(record, width=80).plain.splitlines() == [
        "slow  running after ...              execution exec-7f3a91c20008  trace 88888888",
        "└─ 1 work  tool_call  echo@demo  ...",
    ]


def test_text_of_a_tool_cannot_steer_the_terminal():
    """Control characters of an error message are printed escaped; a new line does not break the tree."""
    nasty = ErrorRecord(code="TOOL_FAILED", category="TOOL", message="a\x1b[2Jb\nc")
    record = run(
        9, "nasty", 5, step(0, "s", 0, 5, status="failed", error=nasty), status="failed", error=nasty
    )
    assert "\x1b" not in tree(record).plain
    assert 'TOOL_FAILED "a\N{REPLACEMENT CHARACTER}[2Jb c"' in tree(record).plain


def test_a_run_without_a_trace_shows_no_trace():
    """With tracing off there is an execution id only."""
    record = run(1, "hello", 5, step(0, "greet", 0, 5, tool_calls=[call("echo", 0, 5)]))
    record.trace_id = ""
    assert tree(record, width=80).plain.splitlines()[0].endswith("execution exec-7f3a91c20001")


def agents_run() -> ExecutionRecord:
    """A run made from an agent's spans: a step that called two tools, and one that is itself a tool call."""
    read, save = call("read_file", 1, 4), call("write_file", 8, 4, 2)
    plan = step(0, "1 plan", 0.5, 20, None, tool_calls=[read, save])
    plan.step_type = "tool"
    return run(
        8,
        "invoke_agent coder",
        40,
        plan,
        step(1, "2 execute_tool save", 22, 5, "save", tool_calls=[call("save", 22, 5)]),
    )


def test_calls_of_an_agents_step_are_calls_and_no_attempts():
    """Each is drawn below its step, which is numbered once; a step that is itself a call has one line."""
    text = tree(agents_run()).plain
    lines = [line.partition("─ ")[2].split("  ")[0] for line in text.splitlines()[1:]]
    assert lines == ["1 plan", "read_file@demo", "write_file@demo", "2 execute_tool save"]
    assert [line.split()[3] for line in text.splitlines()[1:] if " plan" in line] == ["step"]
    assert "attempt" not in text
    assert "from the code" not in text
