"""Find changes of a value as Terraform and Pulumi print them: `"old" -> "new"`, `null -> "new"`, `"old" => "new"`."""

import re
from typing import Final

_COLOUR: Final = r"(?:\x1b\[[0-9;]{0,12}m){0,3}"
_ARROW: Final = rf"{_COLOUR}[ \t]{{1,3}}{_COLOUR}[-=]>{_COLOUR}[ \t]{{1,3}}{_COLOUR}"
_UNSTATED: Final = re.compile(
    rf"{_COLOUR}(?:null|true|false|-?[0-9][0-9.eE+-]{{0,24}}|\((?:known after apply|sensitive(?: value)?"
    rf"|write-only attribute|unknown)\)|\[(?:secret|unknown)\]|output<string>){_ARROW}(?=[\\\"'&])"
)
_BEHIND: Final = re.compile(_ARROW)


def behind_unstated(text: str, at: int) -> int | None:
    """Return where the new value of a change begins whose old one is not a text, such as `null`.

    Args:
        text: the whole text.
        at: where the old value begins.

    Returns:
        None if there is no such change; 100 characters decide.
    """
    change = _UNSTATED.match(text, at)
    return None if change is None else change.end()


def behind_old(text: str, at: int) -> int | None:
    """Return where the new value of a change begins whose old one ends at `at`; None if there is none."""
    change = _BEHIND.match(text, at)
    return None if change is None else change.end()
