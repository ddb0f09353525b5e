"""The runs of the demo: every way in which a run can end, some of them at the same time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Literal


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run: the workflow, its inputs, how long the caller waits (seconds, None: no limit), how it must end."""

    workflow: str
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    timeout_s: float | None = None
    expected: Literal["completed", "failed"] = "completed"


_HELLO = Scenario("hello")
_MIXED = Scenario("mixed")
_SLOW = Scenario("too_slow", timeout_s=2, expected="failed")

# The engine runs the steps of a workflow one after the other, so only runs overlap: the runs in one inner tuple start
# together. The first code step comes early and alone, since it also starts the sandbox.
ROUND: Final[tuple[tuple[Scenario, ...], ...]] = (
    (_HELLO,),
    (Scenario("tools_in_code"),),
    (_MIXED, Scenario("mixed", {"count": 20_000}), Scenario("hello", {"name": "Ada"})),
    (Scenario("flaky_tool"), Scenario("skips")),
    (Scenario("tool_fails", expected="failed"),),
    (Scenario("code_fails", expected="failed"),),
    (Scenario("needs_input", expected="failed"),),
    (_SLOW, _MIXED),
)

RUNS_PER_ROUND: Final = sum(len(group) for group in ROUND)
WORKFLOWS: Final = frozenset(scenario.workflow for group in ROUND for scenario in group)


def schedule(runs: int | None) -> Iterator[tuple[Scenario, ...]]:
    """Yield groups of scenarios that start together, `runs` scenarios in all; None yields without end."""
    left = runs
    for number in count():
        group = ROUND[number % len(ROUND)]
        if left is None:
            yield group
            continue
        if left <= 0:
            return
        yield group[:left]
        left -= len(group)
