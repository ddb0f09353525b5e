"""How many lines changes have written, by contributor type and agent, as the metric counts them."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from ael_otel._generated.attributes import AttributionContributor
from ael_otel.attribution.changes import Change

ENGINE_AGENT: Final = "ael"
"""Stands for an agent where a run that no agent has caused wrote the lines."""

SEVERAL: Final = "several"
"""Stands for the agents of lines whose calls overlapped."""


class LineKey(NamedTuple):
    """The labels of attributed lines."""

    agent: str
    contributor: AttributionContributor


def count_lines(changes: Sequence[Change]) -> Counter[LineKey]:
    """Return how many lines changes have written; lines that several of them share count once.

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
            if kind != "human":  # only imported records say so, and they do not count
                found[LineKey(agent, kind)] += lines.end - lines.start + 1
    return found


def _agent(change: Change) -> str:
    return change.agent or (ENGINE_AGENT if change.source == "engine" else "unknown")
