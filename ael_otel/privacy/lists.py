"""Find lists of secrets under one name in a text: `passwords:` above `- ...`, `"tokens": ["...", "..."]`."""

import re
from typing import Final

from ael_otel.privacy import markers
from ael_otel.privacy.budget import STEP
from ael_otel.privacy.turns import worked
from ael_otel.privacy.validators import is_placeholder, looks_secret

_ITEM: Final = re.compile(
    r"(?P<indent>[ \t]{0,40})-[ \t]{1,4}(?P<item>\"[^\"\n]{3,96}\"|'[^'\n]{3,96}'|\[[A-Z][A-Z0-9_]{1,31}\]"
    r"|[^\s\"'|>{\[&*!-]\S{2,96})(?:[ \t]{1,8}#[^\n]{0,96})?[ \t\r]{0,8}(?=\n|\Z)"
)
# Empty lines and comments, before the first item and before the second.
_GAP: Final = re.compile(r"(?:[ \t]{0,40}(?:#[^\n]{0,96})?\r?\n){1,4}")
# A value alone in the line below a name and a comment.
_BELOW_COMMENT: Final = re.compile(
    r"#[ \t][^\n]{0,96}\n[ \t]{0,40}(?:\"(?P<double>[^\"\n]{3,96})\"|'(?P<single>[^'\n]{3,96})'"
    r"|(?P<bare>(?![\w.-]{1,40}[:=])[^\s\"'#|>{\[&*!-]\S{2,95}))[ \t\r]{0,8}(?=\n|\Z)"
)
_OTHER_LINE: Final = re.compile(r"[ \t\r]*+(?:#[^\n]*+)?(?=\n|\Z)")
_NEXT_QUOTED: Final = re.compile(
    r"(?P<close>\\{0,3}[\"'])\s{0,3},\s{0,40}(?:[+~-][ \t]{1,3})?(?P=close)(?=[^\"'\\\n])"
)
_WORD_WITH_DIGIT: Final = re.compile(r"(?=[^0-9]{0,96}[0-9])[^\s:/=.]{6,96}")


def block(text: str, at: int, kind: str) -> tuple[int, int, str] | None:
    """Return the items of a YAML list as one secret, None if neither of the first two looks like one.

    The first two items, of at most 97 characters each, decide; the others are read only if the list is a secret. Empty
    lines and comments between items belong to the list.

    Args:
        text: the whole text.
        at: where the list begins: after the line end and some or all blanks, or at a comment.
        kind: the kind of the name above the list.
    """
    first = _ITEM.match(text, _behind_gap(text, at))
    if first is None:
        return None
    second = _ITEM.match(text, _behind_gap(text, first.end() + 1))
    if not _is_secret(first["item"], kind) and (second is None or not _is_secret(second["item"], kind)):
        return None
    dash = first.end("indent")
    line = text.rfind("\n", max(0, dash - 48), dash) + 1
    indent = text[line:dash]
    if not line or indent.strip(" \t"):
        return None
    return first.start("item"), _last_of(text, first.end(), indent), kind


def below_comment(text: str, at: int, kind: str) -> tuple[int, int, str] | None:
    """Return the value in the line below a comment, as in `password: # note`; None if it does not look like a secret.

    Args:
        text: the whole text.
        at: where the comment begins.
        kind: the kind of the name before the comment.
    """
    line = _BELOW_COMMENT.match(text, at)
    if line is None or line.lastgroup is None:
        return None
    value = line[line.lastgroup]
    if not _is_secret(value, kind) and not (
        len(value) >= 16 and value.isalnum() and any(map(str.isdigit, value))
    ):
        return None
    return (*line.span(line.lastgroup), kind)


def begins_with_gap(text: str, at: int) -> bool:
    """Return whether empty lines or comments separate a name and its possible list."""
    return _GAP.match(text, at) is not None


def _behind_gap(text: str, at: int) -> int:
    gap = _GAP.match(text, at)
    return at if gap is None else gap.end()


def _last_of(text: str, end: int, indent: str) -> int:
    """Return where the last item of a list ends; `end` is a line end in it, `indent` the text before each dash."""
    item, deeper = f"{indent}- ", (f"{indent} ", f"{indent}\t")
    last = end
    while 0 <= end < len(text):
        worked(STEP)
        start = end + 1
        if text.startswith(item, start) or (
            text.startswith(deeper, start) and _OTHER_LINE.match(text, start) is None
        ):
            end = text.find("\n", start)
            last = len(text) if end < 0 else end
        else:
            other = _OTHER_LINE.match(text, start)
            end = -1 if other is None else other.end()
    while text[last - 1].isspace():
        last -= 1
    return last


def _is_secret(item: str, kind: str) -> bool:
    value = item.strip("\"'")
    if is_placeholder(value) or markers.MARKER.fullmatch(value) or value.endswith(":"):
        return False
    if looks_secret(value):
        return True
    return kind == markers.PASSWORD and _WORD_WITH_DIGIT.fullmatch(value) is not None


def rest_of_array(text: str, end: int) -> int:
    """Return where the last of several quoted texts separated by commas ends; `end` is the end of the first."""
    following = _NEXT_QUOTED.match(text, end)
    while following is not None:
        close = following["close"]
        behind = text.find(close, following.end())
        line = text.find("\n", following.end(), behind if behind >= 0 else len(text))
        if behind < 0 or line >= 0:
            return end
        end = behind
        following = _NEXT_QUOTED.match(text, end)
    return end
