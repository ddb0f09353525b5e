"""Judges what a user wrote to match names and paths before it is ever used: can it take forever, does it match all?"""

import re
from typing import Final

LONGEST: Final = 500
"""Characters that a pattern may have."""

MOST_OPEN: Final = 4
"""Quantifiers without a bound that a pattern may have: each one more multiplies the worst time by a name's length."""

_TOKEN: Final = re.compile(
    r"\\(?P<back>[1-9]|k)|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<named>\(\?P=)|(?P<open>\((?:\?(?:[aiLmsux-]*:|P<\w+>|<?[=!]|>|#))?)"
    r"|(?P<close>\))|(?P<alt>\|)|(?P<loop>[*+]|\{\d*,\d*\}|\{\d+\})(?P<how>[?+]?)|(?P<maybe>\?\??)|.",
    re.DOTALL,
)
_BIG: Final = 16
_NO_BOUND: Final = 1 << 30
_EVERY_PATH: Final = frozenset({"*", "**", "/", "/*"})


def pattern_fault(pattern: str) -> str | None:
    """Return why a pattern cannot be used, None if it can.

    Refused are what is no regular expression, a pattern of more than 500 characters, a reference back to a group, a
    repeated group that holds a repetition or a choice (`(a+)+`, `(a|aa)*`), and more than four repetitions without a
    bound: these take exponential time, or a high power of it, on a name made for it. So is one that finds nothing in
    particular: it would blank every field.
    """
    if len(pattern) > LONGEST:
        return f"is longer than {LONGEST} characters"
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is not a regular expression: {error.msg if isinstance(error, re.error) else 'too large'}"
    if re.search(pattern, ""):
        return "matches every name"
    return _slow(pattern)


MOST_WAYS: Final = 10_000
"""Ways in which a pattern for texts may be tried at one place: the product of what its repetitions leave open."""


def text_pattern_fault(pattern: str) -> str | None:
    """Return why a pattern cannot be searched for in texts, None if it can.

    As `pattern_fault`, and every repetition has an upper bound: `a+b` takes quadratic time on a text of `a` alone.
    """
    if fault := pattern_fault(pattern):
        return fault.replace("every name", "every text")
    ways = 1
    for token in _TOKEN.finditer(pattern):
        loop = token["loop"]
        if not loop:
            continue
        if _most(loop) == _NO_BOUND:
            return f"repeats without a bound ({loop}), which can take quadratic time: write one, such as {{1,100}}"
        ways *= _most(loop) - _least(loop) + 1
    if ways > MOST_WAYS:
        return f"can be tried in more than {MOST_WAYS} ways at one place: lower the bounds of its repetitions"
    return None


def path_fault(path: str) -> str | None:
    """Return why an excluded path cannot be used, None if it can."""
    if not path.strip() or "\0" in path:
        return "is empty or holds a NUL character"
    return "matches every path" if path.strip() in _EVERY_PATH else None


def field_fault(name: str) -> str | None:
    """Return why a name of a field, with `*` and `?`, cannot be used, None if it can."""
    return None if name.strip(" *?") else "matches every field"


def _slow(pattern: str) -> str | None:
    # Of each open group: whether it holds a repetition or a choice. The bottom one is the pattern itself.
    groups = [False]
    closed = False
    unbounded = 0
    for token in _TOKEN.finditer(pattern):
        was_closed, closed = closed, False
        if token["back"] or token["named"]:
            return "refers back to a group, which can take exponential time"
        if token["open"]:
            groups.append(False)
        elif token["close"]:
            closed = groups.pop() if len(groups) > 1 else False
            groups[-1] = groups[-1] or closed
        elif token["alt"]:
            groups[-1] = True
        elif token["loop"]:
            times = _most(token["loop"])
            if was_closed and times > 1:
                return "repeats a group that holds a repetition or a choice, which can take exponential time"
            if times > _BIG:
                unbounded += 1
            if times > 1:
                groups[-1] = True
        elif token["maybe"]:
            groups[-1] = True
    if unbounded > MOST_OPEN:
        return f"has more than {MOST_OPEN} repetitions without a bound, which can take too long"
    return None


def _most(loop: str) -> int:
    """Return how often a quantifier repeats at most; a number that no bound reaches when there is none."""
    if loop in "*+":
        return _NO_BOUND
    inside = loop[1:-1]
    last = inside.rpartition(",")[2]
    return int(last) if last else _NO_BOUND


def _least(loop: str) -> int:
    """Return how often a quantifier with bounds repeats at least."""
    inside = loop[1:-1]
    first, comma, _ = inside.partition(",")
    return int(first or 0) if comma else int(inside)
