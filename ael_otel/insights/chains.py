"""Candidates for a workflow: tools that clients repeatedly call directly, one after another."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from math import prod
from typing import Final, NamedTuple

from ael_otel.insights.finding import Finding
from ael_otel.insights.history import Direct

MAX_GAP_S: Final = 60.0
"""Maximum seconds between the end of a call and the start of the next one in a chain."""

MAX_CHAIN: Final = 5
MIN_CHAINS: Final = 10
"""Minimum number of times that a chain was called."""

MIN_CALLERS: Final = 3
"""Minimum number of sessions, or clients, that called it."""

MIN_TIMES_EXPECTED: Final = 2.0
"""Minimum factor by which it is more frequent than its tools in random order."""

type _Chain = tuple[str, ...]


class _Found(NamedTuple):
    chain: _Chain
    places: list[tuple[int, int]]
    """Sequence and position of each occurrence, not overlapping."""

    @property
    def saved(self) -> int:
        """Calls that a workflow would save."""
        return (len(self.chain) - 1) * len(self.places)


def candidates(calls: Sequence[Direct]) -> Iterator[Finding]:
    """Yield the chains of different tools that would save most calls as workflows; no call is in two of them."""
    sequences = _sequences(calls)
    shares = Counter(call.tool for calls_of in sequences for call in calls_of)
    total = sum(shares.values())
    places: dict[_Chain, list[tuple[int, int]]] = defaultdict(list)
    for number, sequence in enumerate(sequences):
        for at in range(len(sequence)):
            for length in range(2, min(MAX_CHAIN, len(sequence) - at) + 1):
                chain = tuple(call.tool for call in sequence[at : at + length])
                if len(set(chain)) < len(chain):
                    break
                places[chain].append((number, at))
    taken: set[tuple[int, int]] = set()
    ordered = sorted(places.items(), key=lambda item: (-len(item[1]) * (len(item[0]) - 1), item[0]))
    for chain, everywhere in ordered:
        starts = sum(max(0, len(sequence) - len(chain) + 1) for sequence in sequences)
        expected = starts * prod(shares[tool] / total for tool in chain)
        if len(everywhere) < max(MIN_CHAINS, MIN_TIMES_EXPECTED * expected):
            continue
        free = [
            (number, at)
            for number, at in everywhere
            if not any((number, at + more) in taken for more in range(len(chain)))
        ]
        found = _Found(chain, free)
        callers = {sequences[number][0].caller for number, _ in free}
        if len(free) < MIN_CHAINS or len(callers) < MIN_CALLERS:
            continue
        taken |= {(number, at + more) for number, at in free for more in range(len(chain))}
        yield _finding(found, sequences, len(callers), len(free) / expected)


def _finding(found: _Found, sequences: Sequence[Sequence[Direct]], callers: int, times: float) -> Finding:
    length = len(found.chain)
    between = sum(
        max(0.0, sequences[number][at + more + 1].started - sequences[number][at + more].ended)
        for number, at in found.places
        for more in range(length - 1)
    )
    newest = sorted(found.places, key=lambda place: sequences[place[0]][place[1]].started)[-2:]
    return Finding(
        kind="candidate",
        workflow="",
        text=f"direct calls: {', '.join(found.chain)} were called one after another {len(found.places):,} times by"
        f" {callers:,} callers, {times:.1f} times as often as in random order; one workflow would save"
        f" {found.saved:,} calls and {between:,.3g} s between them",
        figure=float(len(found.places)),
        unit="chains",
        sample=sum(map(len, sequences)),
        lost_seconds=between,
        runs=tuple(sequences[number][at].execution_id for number, at in reversed(newest)),
    )


def _sequences(calls: Sequence[Direct]) -> list[list[Direct]]:
    """Return the calls of each caller in their order, split where more than `MAX_GAP_S` passed."""
    by_caller: dict[str, list[Direct]] = defaultdict(list)
    for call in calls:
        by_caller[call.caller].append(call)
    found: list[list[Direct]] = []
    for own in by_caller.values():
        own.sort(key=lambda call: (call.started, call.execution_id))
        for call in own:
            last = found[-1][-1] if found else None
            if last is None or last.caller != call.caller or call.started - last.ended > MAX_GAP_S:
                found.append([])
            found[-1].append(call)
    return found
