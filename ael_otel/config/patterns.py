"""Check patterns in the configuration before use: whether they can take too long, and whether they match everything."""

import re
from typing import Final

LONGEST: Final = 500
"""Maximum characters of a pattern."""

MOST_OPEN: Final = 4
"""Maximum number of unbounded quantifiers in a pattern: each one multiplies the worst time by a name's length."""

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

    Invalid are texts that are not a regular expression, patterns of more than 500 characters, backreferences, a
    repeated group that contains a repetition or an alternation (`(a+)+`, `(a|aa)*`), and more than four unbounded
    repetitions: these take exponential time, or polynomial time of a high degree, on a crafted name. A pattern that
    matches an empty text is invalid too: it would redact every field.
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
"""Maximum ways in which a pattern for texts can be tried at one position: the product of its repetitions' ranges."""


def text_pattern_fault(pattern: str) -> str | None:
    """Return why a pattern cannot be searched for in texts, None if it can.

    The rules of `pattern_fault` apply, and every repetition needs an upper bound: `a+b` takes quadratic time on
    `aaaa...`.
    """
    if fault := pattern_fault(pattern):
        return fault.replace("every name", "every text")
    ways = 1
    for token in _TOKEN.finditer(pattern):
        loop = token["loop"]
        if not loop:
            continue
        if _most(loop) == _NO_BOUND:
            return f"has an unbounded repetition ({loop}), which can take quadratic time: bound it, such as {{1,100}}"
        ways *= _most(loop) - _least(loop) + 1
    if ways > MOST_WAYS:
        return (
            f"can be tried in more than {MOST_WAYS} ways at one position: lower the bounds of its repetitions"
        )
    return None


def path_fault(path: str) -> str | None:
    """Return why an excluded path cannot be used, None if it can."""
    if not path.strip() or "\0" in path:
        return "is empty or contains a NUL character"
    return "matches every path" if path.strip() in _EVERY_PATH else None


def field_fault(name: str) -> str | None:
    """Return why the name of a field (with wildcards `*` and `?`) cannot be used, None if it can."""
    return None if name.strip(" *?") else "matches every field"


def _slow(pattern: str) -> str | None:
    # For each open group: whether it contains a repetition or an alternation. The bottom one is the pattern itself.
    groups = [False]
    closed = False
    unbounded = 0
    for token in _TOKEN.finditer(pattern):
        was_closed, closed = closed, False
        if token["back"] or token["named"]:
            return "contains a backreference, which can take exponential time"
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
                return "repeats a group that contains a repetition or an alternation, which can take exponential time"
            if times > _BIG:
                unbounded += 1
            if times > 1:
                groups[-1] = True
        elif token["maybe"]:
            groups[-1] = True
    if unbounded > MOST_OPEN:
        return f"has more than {MOST_OPEN} unbounded repetitions, which can take too long"
    return None


def _most(loop: str) -> int:
    """Return the maximum repetitions of a quantifier; a number above every possible bound if it has none."""
    if loop in "*+":
        return _NO_BOUND
    inside = loop[1:-1]
    last = inside.rpartition(",")[2]
    return int(last) if last else _NO_BOUND


def _least(loop: str) -> int:
    """Return the minimum repetitions of a quantifier with bounds."""
    inside = loop[1:-1]
    first, comma, _ = inside.partition(",")
    return int(first or 0) if comma else int(inside)
