"""Find user and password in an address or a connection string, such as `postgres://user@db/x` with a password.

An address is read once: the end of its run of characters and the position of the next `@` are cached for all `://`
before them.
"""

import re
from collections.abc import Callable
from typing import Final

from ael_otel.privacy.budget import HIT, USER, Budget
from ael_otel.privacy.field_names import a_set
from ael_otel.privacy.markers import ALL_MARKERS, MARKER
from ael_otel.privacy.validators import is_placeholder, is_words, looks_secret

_RUN_END: Final = re.compile(r"[\s\"'<>`]")
_AUTHORITY_END: Final = re.compile(r"[/?#\\]")
_PORT: Final = re.compile(r"[0-9]{1,5}(?:[/?#]|\Z)")
_HOLE: Final = re.compile(r"[$%]?[{<(][^{}<>()]*[)>}]|\$\w+|\*+|\.{3}|…")
_EXAMPLE_USERS: Final = a_set("user username name login usr")
_EXAMPLE_PASSWORDS: Final = a_set("password passwd pass pwd pw secret token")
_DECIDING: Final = 4096
_HOST: Final = re.compile(r"@[\w\[/]")


def search(
    text: str, start: int, end: int, found: Callable[[int, int, bool], object], budget: Budget
) -> None:
    """Report the user information of the addresses whose `://` is in a part of a text.

    Args:
        text: the whole text.
        start: where the part begins.
        end: where the part ends.
        found: called with the beginning and end of each user information, and whether it is a secret.
        budget: counts each user information; the search stops when it is spent.
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
                return  # no later address has a host
            sign = host.start()
        if sign >= run_end:
            at = text.find("://", run_end, end)  # nothing in this run precedes a host
            continue
        last = _last(text, first, sign, run_end)
        behind = first
        if text[first:last] in ALL_MARKERS:
            found(first, last, False)
        elif last > first:
            if budget.is_spent(first, USER):
                return
            secret = is_secret(text[first : min(last, first + _DECIDING)])
            found(first, last, secret)
            behind = last if secret else first
        at = text.find("://", behind, end)


_BARE: Final = re.compile(
    r"(?P<password>[^\s\"'`/:@,;=()<>\[\]{}|]{6,128}):(?P<name>[\w.\\-]{1,64})(?![\w.:@])"
)
_BARE_HOST: Final = re.compile(
    r"@(?!sha[0-9]|[0-9]{1,4}(?:\.[0-9]{1,4}){0,2}(?![0-9.]))[A-Za-z0-9][\w.-]{0,252}(?![\w@])"
)
_NO_ACCOUNTS: Final = a_set("mailto sip sips xmpp acct npm im http https ssh git scp file tel urn")
_LONGEST_BARE: Final = 196
_ANY_DIGIT: Final = re.compile("[0-9]")


def search_bare(text: str, start: int, end: int, found: Callable[[int, int], object], budget: Budget) -> None:
    """Report user and password before a host without a scheme, as in `corp/ada:gr33nT3aPot@10.0.0.1`."""
    at = text.find("@", start, end)
    while at >= 0:
        if text[at - 1 : at].isalnum() or text[at - 1 : at] in "!#$%^*+-_.~?":
            if budget.is_spent(at, HIT):
                return
            before = _BARE.match(text[max(0, at - _LONGEST_BARE) : at][::-1])
            if before is not None and _BARE_HOST.match(text, at) is not None:
                if budget.is_spent(at, HIT):
                    return
                password = before["password"][::-1]
                known = before["name"][::-1].lower() in _NO_ACCOUNTS
                if not known and _ANY_DIGIT.search(password) and looks_secret(password):
                    found(at - before.end(), at)
        at = text.find("@", at + 1, end)


def is_secret(user_info: str) -> bool:
    """Return whether the part of an address before its host is a secret.

    A name alone is not a secret, but a long one is a key in the place of a name.
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
    """Return the position of the `@` after the user information: the last one of the authority, else the next one."""
    stop = _AUTHORITY_END.search(text, first, run_end)
    authority = run_end if stop is None else stop.start()
    if sign < authority:
        last = text.rfind("@", sign, authority)
        while last > sign and not _HOST.match(text, last):
            last = text.rfind("@", sign, last)
        return last
    # A password may contain `/`, `?` or `#`; a port may not, and a path may contain an `@`.
    colon = text.find(":", first, authority)
    return first if colon < 0 or _PORT.match(text, colon + 1, authority + 1) else sign
