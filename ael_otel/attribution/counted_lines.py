"""Count the lines that changes wrote, by contributor type and agent, for the metric of attributed lines."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from ael_otel._generated.attributes import AttributionContributor
from ael_otel.attribution.changes import Change

ENGINE_AGENT: Final = "ael"
"""The agent of lines that a run without an agent wrote."""

SEVERAL: Final = "several"
"""The agent of lines that overlapping calls of several agents wrote."""


class LineKey(NamedTuple):
    """The labels of the metric."""

    agent: str
    contributor: AttributionContributor


def count_lines(changes: Sequence[Change]) -> Counter[LineKey]:
    """Return the number of lines that changes wrote; lines that several of them share count once.

    Args:
        changes: all changes of the calls that overlapped.
    """
    agents = {change.id: _agent(change) for change in changes}
    found = Counter[LineKey]()
    for change in changes:
        for lines in (each for file in change.files for each in file.ranges):
            if change.id > min(lines.others, default=change.id):
                continue
            among = {agents.get(number, SEVERAL) for number in (change.id, *lines.others)}
            agent = among.pop() if len(among) == 1 else SEVERAL
            kind = lines.contributor or change.contributor
            if kind != "human":  # only imported records have `human`, and they are not counted
                found[LineKey(agent, kind)] += lines.end - lines.start + 1
    return found


def _agent(change: Change) -> str:
    return change.agent or (ENGINE_AGENT if change.source == "engine" else "unknown")
