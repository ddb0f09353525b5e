"""User and password in an address or a connection string: as in `postgres://user@db/x` with a password.

An address is read once: where its run of characters ends, and where the next `@` stands, is remembered for all `://`
before it.
"""

import re
from collections.abc import Callable
from typing import Final

from ael_otel.privacy.field_names import a_set
from ael_otel.privacy.markers import MARKER
from ael_otel.privacy.validators import is_placeholder, is_words

_RUN_END: Final = re.compile(r"[\s\"'<>`]")
_AUTHORITY_END: Final = re.compile(r"[/?#\\]")
_PORT: Final = re.compile(r"[0-9]{1,5}(?:[/?#]|\Z)")
_HOLE: Final = re.compile(r"[$%]?[{<(][^{}<>()]*[)>}]|\$\w+|\*+|\.{3}|…")
_EXAMPLE_USERS: Final = a_set("user username name login usr")
_EXAMPLE_PASSWORDS: Final = a_set("password passwd pass pwd pw secret token")
_DECIDING: Final = 4096
_HOST: Final = re.compile(r"@[\w\[]")


def search(text: str, start: int, end: int, found: Callable[[int, int, bool], object]) -> None:
    """Report the user information of the addresses whose `://` stands in a part of a text.

    Args:
        text: the whole text.
        start: where the part begins.
        end: where the part ends.
        found: called with the beginning and end of each user information, and whether it is a secret.
    """
    run_end = sign = -1
    at = text.find("://", start, end)
    while at >= 0:
        first = at + 3
        if first > run_end:
            stop = _RUN_END.search(text, first)
            run_end = len(text) if stop is None else stop.start()
        if sign < first:
            host = _HOST.search(text, first)
            if host is None:
                return  # no address behind here names a host
            sign = host.start()
        if sign >= run_end:
            at = text.find("://", run_end, end)  # nothing of this run stands before a host
            continue
        last = _last(text, first, sign, run_end)
        behind = first
        if last > first:
            secret = is_secret(text[first : min(last, first + _DECIDING)])
            found(first, last, secret)
            behind = last if secret else first
        at = text.find("://", behind, end)


def is_secret(user_info: str) -> bool:
    """Return whether the part of an address before its host is one to keep secret.

    A name alone is no secret, but a long one is a key that stands where a name does.
    """
    user, colon, password = user_info.partition(":")
    if not colon:
        return (
            len(user) >= 20 and not user.startswith("[") and not is_placeholder(user) and not is_words(user)
        )
    if user.lower() in _EXAMPLE_USERS and password.lower() in _EXAMPLE_PASSWORDS:
        return False
    return bool(password) and not _HOLE.fullmatch(password) and not MARKER.fullmatch(password)


def _last(text: str, first: int, sign: int, run_end: int) -> int:
    """Return where the `@` behind the user information stands: the last one of the authority, else the next one."""
    stop = _AUTHORITY_END.search(text, first, run_end)
    authority = run_end if stop is None else stop.start()
    if sign < authority:
        last = text.rfind("@", sign, authority)
        while last > sign and not _HOST.match(text, last):
            last = text.rfind("@", sign, last)
        return last
    # A password with `/`, `?` or `#` in it; a port is none, and a path may hold an `@`.
    colon = text.find(":", first, authority)
    return first if colon < 0 or _PORT.match(text, colon + 1, authority + 1) else sign
