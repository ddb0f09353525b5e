"""Bounds how many places of a value are judged, so that one made to be slow does not hold the event loop."""

from collections.abc import Callable
from typing import Final

FREE: Final = 3_000
"""Places of one value that are judged, whatever its size: names of secrets, arguments of commands, decoded parts."""
CHARS_EACH: Final = 128
"""Characters of a value that allow one more."""
_PARTS: Final = 4
NEW_NAME: Final = 2
"""Quarters of a place that a name costs which has not been judged before, whatever it says."""
NEW_FIELD: Final = 6
"""Quarters of a place that a field's name costs which has signs in it and is searched as a text is."""


class Budget:
    """What the search of one value, a text or a container with all texts in it, may still judge.

    What repeats is judged once and costs nothing here; names that are not a secret's cost half. The limit depends on
    how far the search has come, not on the size of the value, so that redacting a result again finds the same limit.

    Attributes:
        cut: where a text stopped being searched; None if all of it was.
        was_spent: whether some text was cut.
    """

    __slots__ = ("_before", "_used", "cut", "was_spent")

    def __init__(self) -> None:
        self._before = self._used = 0
        self.cut: int | None = None
        self.was_spent = False

    def is_spent(self, at: int, quarters: int = _PARTS) -> bool:
        """Count a place of the text that is searched, and return whether it is one too many.

        Args:
            at: the place.
            quarters: what it costs.
        """
        self._used += quarters
        if self._used <= FREE * _PARTS or self._used <= (FREE + (self._before + at) // CHARS_EACH) * _PARTS:
            return False
        self.cut = at if self.cut is None else min(at, self.cut)
        self.was_spent = True
        return True

    def enter(self) -> int | None:
        """Begin a text inside the text, whose places are its own; returns the cut so far, for `leave`."""
        outer, self.cut = self.cut, None
        return outer

    def leave(self, outer: int | None, place: Callable[[int], int]) -> None:
        """End a text inside the text: its cut becomes that of its place in the outer text."""
        inner, self.cut = self.cut, outer
        if inner is not None:
            at = place(inner)
            self.cut = at if outer is None else min(at, outer)

    def end_text(self, size: int) -> int | None:
        """Note that a text of a size is searched; returns where it was cut, None if it was not."""
        self._before += size
        cut, self.cut = self.cut, None
        return cut


class Unlimited(Budget):
    """A budget without an end: for what a first search has bounded."""

    __slots__ = ()

    def is_spent(self, at: int, quarters: int = _PARTS) -> bool:  # noqa: ARG002 - as above
        """Return False."""
        return False
