"""Assertions on findings of `ael doctor`."""

from collections.abc import Iterable

from ael_otel.doctor.finding import EXIT_CODES, Finding, Level, worst


def assert_found(
    findings: Iterable[Finding], level: Level, *, cause: str, remedy: str, area: str | None = None
) -> None:
    """Assert that one finding of that level has these texts in cause and remedy, and that the exit code follows."""
    __tracebackhide__ = True
    findings = list(findings)
    fitting = [
        each
        for each in findings
        if each.level == level and cause in each.cause and remedy in each.remedy and area in (None, each.area)
    ]
    assert len(fitting) == 1, findings
    assert fitting[0].remedy or level == "ok"
    assert EXIT_CODES[worst(findings)] >= {"ok": 0, "warning": 1, "failure": 2}[level]


def assert_well(findings: Iterable[Finding]) -> None:
    """Assert that there are findings, that none needs a remedy, and that the exit code is 0."""
    __tracebackhide__ = True
    findings = list(findings)
    assert findings, "no finding"
    assert [each for each in findings if each.level != "ok" or each.remedy] == [], findings
    assert EXIT_CODES[worst(findings)] == 0
