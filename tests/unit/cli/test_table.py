"""The table of runs and the table of sums."""

from textwrap import dedent

from rich.console import Console

from ael_otel.cli.render import table


def printed(renderable, width):
    """Text as a console of that width prints it, without blanks at line ends."""
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def test_the_table_of_runs_at_120_columns(mixed, flaky, skips, tool_fails, too_slow, needs_input):
    """One line per run: when, which, how it ended, how far it got, how long, why, and its trace."""
    records = [mixed, flaky, skips, tool_fails, too_slow, needs_input]
    shown = printed(table.runs(records, width=120), 120)
    clock = f"{mixed.started_at.astimezone():%H:%M:%S}"
    expected = """
        started   workflow     status     steps         duration  what happened                         trace
        HH:MM:SS  mixed        completed  3 ok           41.2 ms  crunch: handled a failed charge       11111111
        HH:MM:SS  flaky_tool   completed  1 ok            118 ms  greet: 2 retries                      22222222
        HH:MM:SS  skips        completed  2 ok, 3 skip   20.0 ms  notify, pay, receipt skipped          33333333
        HH:MM:SS  tool_fails   failed     1 of 2         20.2 ms  charge: TOOL_FAILED "card declined"   44444444
        HH:MM:SS  too_slow     failed     0 of 1          2.00 s  WORKFLOW_TIMEOUT after 2.00 s         55555555
        HH:MM:SS  needs_input  failed     -               0.4 ms  INPUT_INVALID "Missing input: order"  66666666
    """
    assert shown == dedent(expected).strip().replace("HH:MM:SS", clock)


def test_the_table_of_runs_at_80_columns(mixed, tool_fails, needs_input):
    """A narrow terminal does without the time; long reasons are wrapped, ids never."""
    expected = """
        workflow    status    steps  duration what happened                     trace
        mixed       completed 3 ok    41.2 ms crunch: handled a failed charge   11111111
        tool_fails  failed    1 of 2  20.2 ms charge: TOOL_FAILED "card         44444444
                                              declined"
        needs_input failed    -        0.4 ms INPUT_INVALID "Missing input:     66666666
                                              order"
    """
    assert printed(table.runs([mixed, tool_fails, needs_input], width=80), 80) == dedent(expected).strip()


def test_names_are_printed_unchanged(mixed):
    """Square brackets in a name are not markup."""
    mixed.workflow_name = "[red]x[/red]"
    assert "[red]x[/red]" in printed(table.runs([mixed], width=100), 100)


def test_sums_group_runs_by_workflow(mixed, tool_fails):
    """How many, how many failed, the middle and the longest duration, in the order of the names."""
    expected = """
        workflow    runs  failed   median  longest
        mixed          2       0  41.2 ms  41.2 ms
        tool_fails     1       1  20.2 ms  20.2 ms
    """
    assert printed(table.sums([tool_fails, mixed, mixed]), 80) == dedent(expected).strip()
