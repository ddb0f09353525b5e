"""Limit the work of redacting one value, so that a hostile value does not block the event loop.

Reading a text takes about 0.1 us per character. A candidate (the value beside a name, an address, a number) takes
several microseconds, and a hostile text has one in every ten characters. Each is counted with the microseconds that it
takes on an ordinary machine; no clock is read, so a value has the same result everywhere.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from ael_otel.privacy.turns import worked

FREE: Final = 6_000
"""Microseconds that any value may take in addition to being read."""
CHARS_EACH: Final = 4
"""Number of characters of a value that allow one more microsecond."""
LATER: Final = 0.5
"""Additional share of that for the search near replaced texts."""

HIT: Final = 2
"""A possible name of a secret in a text."""
NEW_NAME: Final = 7
"""A name in a text that is judged for the first time."""
VALUE: Final = 7
"""The value beside the name of a secret, or of an option; an argument of a command."""
REPLACED: Final = 3
"""A secret, which is replaced."""
ROW: Final = 3
"""A line of a table with a column for secrets, or a possible heading of one."""
COMMAND: Final = 4
"""A possible option of a command in a text."""
ARGUMENT: Final = 30
"""An argument in a list of arguments: the command before it is searched for."""
EMAIL: Final = 5
"""An e-mail address."""
USER: Final = 5
"""User and password in an address."""
NUMBER: Final = 6
"""A number in the form of a payment card's or of a social security number."""
RUN: Final = 3
"""A word in which a key or token is searched for."""
TOKEN: Final = 10
"""A text that begins like a key or token."""
LINE: Final = 4
"""A text that begins like a call, or a command line, with a secret."""
DECODED: Final = 20
"""A word of Base64 that encodes a text."""
CHARS_READ: Final = 10
"""Number of characters of a text that are read in a microsecond."""
STEP: Final = 0.3
"""A step of a loop over many texts that only checks each of them."""
CHARS_AGAIN: Final = 4
"""Number of characters of a part with escapes that are decoded, and searched again, in a microsecond."""
MANIFEST: Final = 8
"""A Kubernetes manifest of a secret, or a field of it."""
TEXT: Final = 15
"""A text of a container that is searched separately."""
NAMED_TEXT: Final = 4
"""A text of a container that is searched for names of secrets only."""
NEIGHBOUR: Final = 5
"""An item of a list that may name the secret in the next one."""
ROW_IN_LIST: Final = 6
"""A list that is a row of a table with a column for secrets."""
CONTAINER: Final = 4
"""A list or mapping."""
NAMED: Final = 4
"""The name of a field that contains a word of a secret's name."""
NEW_FIELD: Final = 15
"""The name of a field that is judged for the first time and searched like a text."""
_CHARS_OF_ITEM: Final = 8
_CHARS_OF_FIELD: Final = 12
"""Number of characters that an item or a field of a container counts as, in addition to those of its text."""

_SHIFT: Final = 12


class Outer(NamedTuple):
    """The state of the search of a text when an inner text is entered: the cut so far, and the position."""

    cut: int | None
    offset: int


class Budget:
    """The remaining work for one value: a text, or a container with all its texts.

    Repeated texts are judged once and cost nothing here. The limit depends on how far the search has come, not on the
    size of the value, so that redacting a result again has the same limit. Rules search a text one after another, each
    from its beginning; so their cost is recorded for each 4,096 characters.

    Args:
        share: the share of the usual limit.

    Attributes:
        cut: the position at which the search of a text stopped; None if it was searched completely.
        was_spent: whether any text was cut.
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
        """Count a place of the text that is searched, and return whether it exceeds the limit.

        Args:
            at: the position.
            cost: its cost in microseconds.
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
        """Begin an inner text at a position; return the argument for `leave`."""
        outer = Outer(self.cut, self._offset)
        self.cut = None
        self._offset += at
        return outer

    def leave(self, outer: Outer, place: Callable[[int], int]) -> None:
        """End an inner text: its cut becomes the cut of its position in the outer text."""
        inner, self.cut = self.cut, outer.cut
        self._offset = outer.offset
        if inner is not None:
            at = place(inner)
            self.cut = at if self.cut is None else min(at, self.cut)

    def is_too_much(self, items: int, *, fields: bool) -> bool:
        """Count a container, and return whether it exceeds the limit.

        Args:
            items: the number of its items.
            fields: whether these are fields with a name.
        """
        self.pass_over(items * (_CHARS_OF_FIELD if fields else _CHARS_OF_ITEM))
        return self.is_spent_between(CONTAINER)

    def are_too_many(self, mappings: int, fields: int) -> bool:
        """Count several mappings and their fields together, and return whether they exceed the limit."""
        self.pass_over(fields * _CHARS_OF_FIELD)
        return self.is_spent_between(mappings * CONTAINER)

    def is_spent_between(self, cost: int) -> bool:
        """Count work between texts, and return whether it exceeds the limit."""
        worked(cost)
        self._earlier += cost
        if self._earlier <= self._free + self._before / self._chars_each:
            return False
        self.was_spent = True
        return True

    def pass_over(self, size: int) -> None:
        """Count a text of `size` characters that is clean without being searched."""
        self._before += size

    def end_text(self, size: int) -> int | None:
        """Count a text of `size` characters that was searched; return where it was cut, None if it was not."""
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
    """A budget without a limit: for work that a first search has bounded."""

    __slots__ = ()

    def is_spent(self, at: int, cost: int = VALUE) -> bool:  # noqa: ARG002 - as above
        """Return False."""
        return False

    def is_spent_between(self, cost: int) -> bool:  # noqa: ARG002 - as above
        """Return False."""
        return False
