"""The short texts about a run."""

import pytest

from ael_otel.cli.render import text as words
from ael_otel.cli.render import tree
from ael_otel.store import ErrorRecord
from tests.unit.cli.conftest import run, step


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, "..."),
        (0, "0.0 ms"),
        (0.04, "0.0 ms"),
        (4.14, "4.1 ms"),
        (41.25, "41.2 ms"),
        (99.94, "99.9 ms"),
        (99.96, "100 ms"),
        (118.4, "118 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (2001.5, "2.00 s"),
        (9994, "9.99 s"),
        (9996, "10.0 s"),
        (59_949, "59.9 s"),
        (59_951, "1 m 00 s"),
        (65_000, "1 m 05 s"),
        (3_600_000, "60 m 00 s"),
    ],
)
def test_a_duration_has_about_three_digits_and_its_unit(milliseconds, text):
    """Also next to the limits, where rounding would otherwise give `100.0 ms` or `60.0 s`."""
    assert words.duration(milliseconds) == text


def test_steps_are_counted_by_how_they_ended(mixed, skips, tool_fails, needs_input):
    """All well, some skipped, one failed, none begun."""
    assert [words.steps(record) for record in (mixed, skips, tool_fails, needs_input)] == [
        "3 ok",
        "2 ok, 3 skip",
        "1 of 2",
        "-",
    ]


def test_column_error_names_the_step_and_the_reason(
    mixed, flaky, skips, tool_fails, too_slow, needs_input, direct
):
    """Handled errors, retries and skips of a run that went well; step, code and message of one that failed."""
    assert [
        words.what_happened(r) for r in (mixed, flaky, skips, tool_fails, too_slow, needs_input, direct)
    ] == [
        "crunch: handled a failed charge",
        "greet: 2 retries",
        "notify, pay, receipt skipped",
        'charge: TOOL_FAILED "card declined"',
        "WORKFLOW_TIMEOUT after 2.00 s",
        'INPUT_INVALID "Missing input: order"',
        "",
    ]


def test_a_step_is_blamed_only_for_its_own_error():
    """The error record's own step wins; a step with another code is not named."""
    named = ErrorRecord(code="TOOL_FAILED", category="TOOL", message="no", step_id="pay")
    assert words.what_happened(run(1, "w", 1, status="failed", error=named)) == 'pay: TOOL_FAILED "no"'


def test_an_error_without_a_message_is_its_code():
    """No empty pair of quotes."""
    assert words.error(ErrorRecord(code="internal", category="", message="")) == "internal"


def test_skip_with_an_unknown_reason_is_printed_in_the_engines_words():
    """Reasons of a newer engine are printed in full."""
    assert words.skip_reason(step(0, "s", 0, 0, status="skipped", skip_reason="of a new\nkind")) == (
        "skipped: of a new kind"
    )
    assert words.skip_reason(step(0, "s", 0, 0, status="skipped")) == "skipped"


def test_counts_have_their_plural():
    """One run, two runs, two retries."""
    assert [words.plural(1, "run"), words.plural(2000, "run"), words.plural(2, "retry")] == [
        "1 run",
        "2,000 runs",
        "2 retries",
    ]


def test_a_run_that_ended_unseen_does_not_look_as_if_it_went_on():
    """Three dots mark running work; a run whose process died has a dash, and its headline no time."""
    assert [words.lasted(status, None) for status in ("pending", "running", "failed", "cancelled")] == [
        "...",
        "...",
        "-",
        "-",
    ]
    assert words.lasted("failed", 12.0) == "12.0 ms"
    assert tree.headline("order", "failed", None).plain == "order  failed"
    assert tree.headline("order", "running", None).plain.endswith("...")
