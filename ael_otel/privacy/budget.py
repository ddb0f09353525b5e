"""Bound the time that redacting one value takes, so that a hostile value does not hold the event loop.

Reading a text takes some 0.1 us a character. A candidate (the value beside a name, an address, a number) takes several
microseconds, and a hostile text has one in every ten characters. Each is counted with the microseconds that it takes on
an ordinary machine; no clock is read, so a value has the same result everywhere.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from ael_otel.privacy.turns import worked

FREE: Final = 6_000
"""Microseconds that any value may take besides being read."""
CHARS_EACH: Final = 4
"""Characters of a value that allow one microsecond more."""
LATER: Final = 0.5
"""How much of that is allowed, once more, to the search near what was replaced."""

HIT: Final = 2
"""What can be the name of a secret, in a text."""
NEW_NAME: Final = 7
"""A name in a text that has not been judged before, whatever it says."""
VALUE: Final = 7
"""The value beside the name of a secret, or of an option; an argument of a command."""
REPLACED: Final = 3
"""A secret, which is replaced."""
ROW: Final = 3
"""A line of a table that has a column for secrets, or that may be the heading of one."""
COMMAND: Final = 4
"""What can be an option of a command, in a text."""
ARGUMENT: Final = 30
"""An argument in a list of arguments: the command before it is searched for."""
EMAIL: Final = 5
"""An e-mail address."""
USER: Final = 5
"""User and password in an address."""
NUMBER: Final = 6
"""A number that has the form of a payment card's or of a social security number."""
RUN: Final = 3
"""A word in which a key or token is searched for."""
TOKEN: Final = 10
"""What begins like a key or token."""
LINE: Final = 4
"""What begins like a call, or a line of a command, that holds a secret."""
DECODED: Final = 20
"""A word of Base64 that holds a text."""
CHARS_READ: Final = 10
"""Characters of a text that are read in a microsecond."""
STEP: Final = 0.3
"""A step of a loop over many texts that only looks at each."""
CHARS_AGAIN: Final = 4
"""Characters of a part with escapes that are decoded, and searched a second time, in a microsecond."""
MANIFEST: Final = 8
"""A manifest of Kubernetes that is of a secret, or a field of it."""
TEXT: Final = 15
"""A text of a container that is searched by itself."""
NAMED_TEXT: Final = 4
"""A text of a container in which names of secrets are searched for, and nothing else."""
NEIGHBOUR: Final = 5
"""An item of a list that may name what is in the next."""
ROW_IN_LIST: Final = 6
"""A list that is a row of a table with a column for secrets."""
CONTAINER: Final = 4
"""A list or mapping."""
NAMED: Final = 4
"""The name of a field that has in it what names of secrets have."""
NEW_FIELD: Final = 15
"""The name of a field that has not been judged before and is searched as a text is."""
_CHARS_OF_ITEM: Final = 8
_CHARS_OF_FIELD: Final = 12
"""Characters that an item or a field of a container counts as, besides those of its text."""

_SHIFT: Final = 12


class Outer(NamedTuple):
    """Where the search of a text was when it entered one inside: the cut so far, and the place."""

    cut: int | None
    offset: int


class Budget:
    """What the search of one value, a text or a container with all texts in it, may still judge.

    What repeats is judged once and costs nothing here. The limit depends on how far the search has come, not on the
    size of the value, so that redacting a result again finds the same limit. Rules search a text one after the other,
    each from its beginning; so what they have used is noted for each 4,096 characters of it.

    Args:
        share: how much of the usual is allowed.

    Attributes:
        cut: where a text stopped being searched; None if all of it was.
        was_spent: whether some text was cut.
    """

    __slots__ = (
        "_before", "_bucket", "_chars_each", "_costs", "_earlier", "_free", "_limit", "_offset", "_used",
        "cut", "was_spent",
    )  # fmt: skip

    def __init__(self, share: float = 1) -> None:
        self._free = FREE * share
        self._chars_each = CHARS_EACH / share
        self._before = self._earlier = self._used = self._offset = 0
        self._limit = 0.0
        self._bucket = -1
        self._costs: list[int] = []
        self.cut: int | None = None
        self.was_spent = False

    def is_spent(self, at: int, cost: int = VALUE) -> bool:
        """Count a place of the text that is searched, and return whether it is one too many.

        Args:
            at: the place.
            cost: what it takes, in microseconds.
        """
        bucket = (at + self._offset) >> _SHIFT
        if bucket != self._bucket:
            self._move(bucket)
        self._costs[bucket] += cost
        self._used += cost
        if self._used <= self._limit:
            return False
        self.cut = at if self.cut is None else min(at, self.cut)
        self.was_spent = True
        return True

    def _move(self, bucket: int) -> None:
        costs = self._costs
        worked((1 << _SHIFT) / CHARS_READ)
        if bucket >= len(costs):
            costs += [0] * (bucket + 1 - len(costs))
        self._bucket = bucket
        self._used = self._earlier + sum(costs[: bucket + 1])
        self._limit = self._free + (self._before + (bucket << _SHIFT)) / self._chars_each

    def enter(self, at: int) -> Outer:
        """Begin a text inside the text, at a place; returns what `leave` needs."""
        outer = Outer(self.cut, self._offset)
        self.cut = None
        self._offset += at
        return outer

    def leave(self, outer: Outer, place: Callable[[int], int]) -> None:
        """End a text inside the text: its cut becomes that of its place in the outer text."""
        inner, self.cut = self.cut, outer.cut
        self._offset = outer.offset
        if inner is not None:
            at = place(inner)
            self.cut = at if self.cut is None else min(at, self.cut)

    def is_too_much(self, items: int, *, fields: bool) -> bool:
        """Count a container, and return whether it is one too many.

        Args:
            items: how many items it has.
            fields: whether these are fields with a name.
        """
        self.pass_over(items * (_CHARS_OF_FIELD if fields else _CHARS_OF_ITEM))
        return self.is_spent_between(CONTAINER)

    def are_too_many(self, mappings: int, fields: int) -> bool:
        """Count mappings with some fields together, and return whether these are too many."""
        self.pass_over(fields * _CHARS_OF_FIELD)
        return self.is_spent_between(mappings * CONTAINER)

    def is_spent_between(self, cost: int) -> bool:
        """Count what is judged between texts, and return whether it is one too many."""
        worked(cost)
        self._earlier += cost
        if self._earlier <= self._free + self._before / self._chars_each:
            return False
        self.was_spent = True
        return True

    def pass_over(self, size: int) -> None:
        """Note a text of a size that is clean without being judged."""
        self._before += size

    def end_text(self, size: int) -> int | None:
        """Note that a text of a size is searched; returns where it was cut, None if it was not."""
        self._before += size
        used = sum(self._costs)
        worked(used + size / CHARS_READ)
        if self._costs:
            self._earlier += used
            self._costs = []
            self._bucket = -1
        cut, self.cut = self.cut, None
        return cut


class Unlimited(Budget):
    """A budget without an end: for what a first search has bounded."""

    __slots__ = ()

    def is_spent(self, at: int, cost: int = VALUE) -> bool:  # noqa: ARG002 - as above
        """Return False."""
        return False

    def is_spent_between(self, cost: int) -> bool:  # noqa: ARG002 - as above
        """Return False."""
        return False
