"""Checks run in order, within their time, and their output contains no secret."""

from threading import Event

import pytest

from ael_otel.doctor.bounded_http import UnreachableError
from ael_otel.doctor.finding import EXIT_CODES, Check, Finding, Level, examine, failure, ok, warning, worst
from tests.support.findings import assert_found


@pytest.mark.parametrize(
    ("levels", "code"),
    [((), 0), (("ok", "ok"), 0), (("ok", "warning"), 1), (("failure", "warning", "ok"), 2)],
)
def test_exit_code_is_that_of_the_most_severe_finding(levels: tuple[Level, ...], code: int) -> None:
    """0 if all is well, 1 with a warning, 2 with a failure."""
    assert EXIT_CODES[worst(Finding("store", level, "x") for level in levels)] == code


def test_findings_come_in_the_order_of_the_checks() -> None:
    """A check that fails does not keep the later ones from running."""

    def breaks() -> list[Finding]:
        raise ValueError("unexpected")

    checks = [
        Check("one", lambda: [ok("one", "fine"), warning("one", "slow", "wait")]),
        Check("two", breaks),
        Check("three", lambda: [failure("three", "gone", "find it")]),
    ]
    found = list(examine(checks))
    assert [each.area for each in found] == ["one", "one", "two", "three"]
    assert_found(found, "failure", area="two", cause="ValueError: unexpected", remedy="report this output")


def test_check_that_hangs_is_abandoned() -> None:
    """The next check runs, and the finding names the limit."""
    released = Event()

    def hangs() -> list[Finding]:
        released.wait(60)
        return []

    found = list(
        examine([Check("store", hangs), Check("ports", lambda: [ok("ports", "free")])], seconds=0.05)
    )
    released.set()
    assert_found(
        found, "failure", area="store", cause="did not end within 0.05 s", remedy="network file system"
    )
    assert found[-1] == ok("ports", "free")


def test_check_whose_server_is_away_is_not_a_bug() -> None:
    """It is reported as not checked, with the reason."""

    def away() -> list[Finding]:
        raise UnreachableError("Connection refused")

    found = examine([Check("clock", away)])
    assert_found(
        found, "warning", cause="not checked: Connection refused", remedy="correct the findings above"
    )


def test_secrets_are_masked_in_cause_and_remedy() -> None:
    """A value of the configuration is masked wherever it is quoted, a known form of secret by its rule; a line feed
    cannot forge a finding, and a text is bounded.
    """
    token = "sk-" + "a1B2" * 8  # hygiene: made up
    text = f"refused horse-battery with {token}\nok python fine"
    ((found),) = examine(
        [Check("x", lambda: [failure("x", text, "horse-battery " * 200)])], secrets=["horse-battery"]
    )
    assert found.cause == "refused [REDACTED] with [API_KEY] ok python fine"
    assert "horse" not in found.remedy
    assert len(found.remedy) <= 1_000


def test_longer_secret_that_begins_with_another_is_masked_whole() -> None:
    """The rest of the longer one does not stay."""
    ((found),) = examine([Check("x", lambda: [ok("x", "value abcd-efgh")])], secrets=["abcd", "abcd-efgh"])
    assert found.cause == "value [REDACTED]"
