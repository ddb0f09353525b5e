"""Count how often each signal was emitted and when last, without locks; for the live schema."""

import os
from itertools import count
from time import time
from typing import Final, Literal

type Kind = Literal["spans", "events"]
type Unknown = Literal["spans", "events", "metrics", "attributes"]

MAX_UNKNOWN: Final = 100
"""Maximum number of unknown names that are recorded: other code chooses them, so their number is not bounded."""

MAX_NAME: Final = 200


class Activity:
    """The use of one signal: the number of emissions, and the Unix time of the last one (0 for never)."""

    __slots__ = ("_next", "emitted", "last", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.emitted = 0
        self.last = 0.0
        self._next = count(1)

    def note(self) -> None:
        """Count one emission; advancing an `itertools.count` is atomic, `+=` is not."""
        self.emitted = next(self._next)
        self.last = time()

    def reset(self) -> None:
        """Start from zero."""
        self.emitted = 0
        self.last = 0.0
        self._next = count(1)


_known: dict[Kind, dict[str, Activity]] = {"spans": {}, "events": {}}
_unknown: dict[Unknown, dict[str, Activity]] = {"spans": {}, "events": {}, "metrics": {}, "attributes": {}}


def activity(kind: Kind, name: str) -> Activity:
    """Return the activity of a signal in the registry, the same object for each caller."""
    return _known[kind].setdefault(name, Activity(name))


def activities(kind: Kind) -> dict[str, Activity]:
    """Return the activity of each signal that `activity` was called for, by name."""
    return dict(_known[kind])


def note_unknown(kind: Unknown, name: str) -> None:
    """Count a name that is not in the registry; beyond `MAX_UNKNOWN` names, further ones are ignored."""
    name = name[:MAX_NAME]
    seen = _unknown[kind]
    found = seen.get(name)
    if found is None:
        if len(seen) >= MAX_UNKNOWN:
            return
        found = seen.setdefault(name, Activity(name))
    found.note()


def unknown(kind: Unknown) -> dict[str, Activity]:
    """Return the activity of each unknown name."""
    return dict(_unknown[kind])


def reset() -> None:
    """Reset all counts, as a forked child does, since its parent's emissions are not its own."""
    for signals in _known.values():
        for signal in signals.values():
            signal.reset()
    for signals in _unknown.values():
        signals.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=reset)
