"""Findings, and the loop that runs the checks: bounded in time, redacted."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Thread
from typing import Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from ael_otel.doctor.bounded_http import UnreachableError
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor

type Level = Literal["ok", "warning", "failure"]

EXIT_CODES: Final[dict[Level, int]] = {"ok": 0, "warning": 1, "failure": 2}
CHECK_SECONDS: Final = 20.0
"""Seconds after which a check is abandoned; its own requests end sooner."""

_SHORTEST_SECRET: Final = 4
_LONGEST_TEXT: Final = 1_000
_MASK: Final = "[REDACTED]"


class Finding(Struct, frozen=True):
    """The result of one check.

    Attributes:
        area: the part that was checked.
        level: whether it works.
        cause: one sentence on the state, and on what is wrong.
        remedy: one sentence on what to do; empty if nothing is wrong.
    """

    area: str
    level: Level
    cause: str
    remedy: str = ""


class Check(NamedTuple):
    """A check: its area, and the function that returns its findings."""

    area: str
    run: Callable[[], Iterable[Finding]]


def ok(area: str, cause: str) -> Finding:
    """Return a finding of something that works."""
    return Finding(area, "ok", cause)


def warning(area: str, cause: str, remedy: str) -> Finding:
    """Return a finding of something that works in part, or soon will not."""
    return Finding(area, "warning", cause, remedy)


def failure(area: str, cause: str, remedy: str) -> Finding:
    """Return a finding of something that does not work."""
    return Finding(area, "failure", cause, remedy)


def worst(findings: Iterable[Finding]) -> Level:
    """Return the most severe level of the findings."""
    levels = {each.level for each in findings}
    return "failure" if "failure" in levels else "warning" if "warning" in levels else "ok"


def examine(
    checks: Iterable[Check], *, secrets: Sequence[str] = (), seconds: float = CHECK_SECONDS
) -> Iterator[Finding]:
    """Run the checks in order and yield their findings, redacted.

    Args:
        checks: the checks.
        secrets: values of the configuration that no output may contain.
        seconds: time limit of each check.
    """
    redactor = Redactor(Policy(scrub_pii=False))
    # Longer values first: one may begin with another.
    masked = sorted({each for each in secrets if len(each) >= _SHORTEST_SECRET}, key=len, reverse=True)

    def clean(text: str) -> str:
        for secret in masked:
            text = text.replace(secret, _MASK)
        line = "".join(each if each.isprintable() else " " for each in redactor.text(text))
        return " ".join(line.split())[:_LONGEST_TEXT]

    for check in checks:
        for found in _bounded(check, seconds):
            yield replace(found, cause=clean(found.cause), remedy=clean(found.remedy))


def _bounded(check: Check, seconds: float) -> list[Finding]:
    """Run a check within a time limit; an error in it is a finding."""

    def run() -> list[Finding]:
        try:
            return list(check.run())
        except UnreachableError as error:
            return [warning(check.area, f"not checked: {error}", "correct the findings above first")]
        except Exception as error:  # noqa: BLE001 - any fault in one check must leave the others
            cause = f"the check failed: {type(error).__name__}: {error}"
            return [failure(check.area, cause, "report this output as a bug of ael-otel")]

    found = within(seconds, run)
    return [late(check.area, seconds)] if found is None else found


def within[T](seconds: float, work: Callable[[], T]) -> T | None:
    """Return the result of `work`, None after a time limit, so that a slow file system or resolver cannot block.

    `work` runs on another thread, which continues after the limit; it must not raise.
    """
    results: list[T] = []
    thread = Thread(target=lambda: results.append(work()), name="ael-doctor", daemon=True)
    thread.start()
    thread.join(seconds)
    return results[0] if results else None


def late(area: str, seconds: float = CHECK_SECONDS) -> Finding:
    """Return the failure of a check that did not end in time."""
    cause = f"the check did not end within {seconds:g} s"
    return failure(area, cause, "look for a network file system, resolver or server that hangs")
