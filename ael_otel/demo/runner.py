"""Run scenarios on an open engine, group by group, and report unexpected results."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from ael_otel.demo.scenarios import Scenario, schedule

PAUSE_SECONDS: Final = 0.2
"""Seconds between groups if the demo runs for a time: a steady load below the machine's capacity."""


class Outcome(Protocol):
    """The part of a run's outcome that the runner needs."""

    @property
    def status(self) -> str:
        """The final status of the run: `completed` or another one."""
        ...


async def run_scenarios[O: Outcome](
    run: Callable[[Scenario], Awaitable[O]],
    *,
    runs: int | None,
    seconds: float | None,
    on_done: Callable[[O], None],
) -> list[str]:
    """Run scenarios until `runs` are done or `seconds` have passed, whichever is first.

    Args:
        run: runs one scenario.
        runs: number of runs; None means no limit.
        seconds: duration; None means no limit. A group that has begun is finished.
        on_done: called with each run when it ends.

    Returns:
        One line for each run with another status than its scenario expects; empty if all runs are as expected.
    """
    loop = asyncio.get_running_loop()
    deadline = None if seconds is None else loop.time() + seconds
    surprises: list[str] = []

    async def one(scenario: Scenario) -> None:
        outcome = await run(scenario)
        if (outcome.status == "completed") is not (scenario.expected == "completed"):
            surprises.append(f"{scenario.workflow} ended as {outcome.status}, not {scenario.expected}")
        on_done(outcome)

    for group in schedule(runs):
        async with asyncio.TaskGroup() as tasks:
            for scenario in group:
                tasks.create_task(one(scenario))
        if deadline is not None:
            if loop.time() >= deadline:
                break
            await asyncio.sleep(min(PAUSE_SECONDS, max(0.0, deadline - loop.time())))
    return surprises
