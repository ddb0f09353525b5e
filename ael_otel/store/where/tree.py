"""The parts of an expression; `parsing` creates them and `scope` arranges them.

Each is equal only to itself: compared by value, 1 and true would be the same key of a cache.
"""

from dataclasses import dataclass
from typing import Literal

type Of = Literal["run", "step", "call"]
type Operator = Literal["=", "!=", "<", "<=", ">", ">=", "~"]
type Key = str | int
"""One part of a path into a JSON value: a key of an object, or an index of a list, -1 for its last item."""

type Value = str | int | float | bool | None


@dataclass(frozen=True, eq=False, slots=True)
class Term:
    """A comparison of one value with a literal.

    `column` is set if the value is in a column (of runs, or of calls), `path` if it is inside the document of the run,
    step or call; a call's tool, status and duration have both.
    """

    of: Of
    operator: Operator
    value: Value
    path: tuple[Key, ...] = ()
    column: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Code:
    """Whether an error of the run, of a step or of a call has this code."""

    value: str


@dataclass(frozen=True, eq=False, slots=True)
class And:
    """True if all parts are."""

    parts: "tuple[Part, ...]"


@dataclass(frozen=True, eq=False, slots=True)
class Or:
    """True if any part is."""

    parts: "tuple[Part, ...]"


@dataclass(frozen=True, eq=False, slots=True)
class Sentence:
    """`has (...)` or, negated, `not (...)`: refers to the run, with its own choice of a step and a call."""

    part: "Part"
    negated: bool


@dataclass(frozen=True, eq=False, slots=True)
class Not:
    """The opposite of a part that refers to no step and no call outside its own `Exists`."""

    part: "Part"


@dataclass(frozen=True, eq=False, slots=True)
class Exists:
    """Whether the run has a step, or a call, for which the part is true.

    `indexed` is whether the part needs only the columns of calls.
    """

    of: Literal["step", "call"]
    part: "Part"
    indexed: bool


@dataclass(frozen=True, eq=False, slots=True)
class Constant:
    """True or false for every run."""

    value: bool


type Part = Term | Code | And | Or | Sentence | Not | Exists | Constant
