"""Find passwords by the position of an argument, in calls that log in.

`new PDO($dsn, "ada", "hunter2")`, `HTTPBasicAuth("ada", "hunter2")`, `ConvertTo-SecureString "hunter2"`.
"""

# ruff: noqa: E501 - patterns

import re
from typing import Final, NamedTuple

from ael_otel.privacy import markers
from ael_otel.privacy.field_names import NO_VALUE
from ael_otel.privacy.validators import is_placeholder, is_words, looks_secret

_MAYBE, _LIKELY, _SURE = range(3)


class _Callee(NamedTuple):
    """The position of the password in a call: the first and last argument that it can be, and how certain that is."""

    first: int
    last: int
    sure: int


_CALLEES: Final = {
    "pdo(": _Callee(2, 2, _SURE),
    "mysqli(": _Callee(2, 2, _SURE),
    "connect(": _Callee(1, 4, _MAYBE),
    "connection(": _Callee(1, 3, _MAYBE),
    "credential(": _Callee(1, 1, _SURE),
    "credentials(": _Callee(1, 1, _SURE),
    **dict.fromkeys(("creds=(", "creds = (", "credentials=(", "credentials = ("), _Callee(1, 1, _LIKELY)),
    "directoryentry(": _Callee(2, 2, _SURE),
    # Signers of web tokens: the key is the second argument.
    **dict.fromkeys(("jwt.encode(", "jwt.decode(", "jwt.sign(", "jwt.verify("), _Callee(1, 1, _LIKELY)),
    "auth(": _Callee(1, 1, _LIKELY),
    "auth=(": _Callee(1, 1, _LIKELY),
    "auth = (": _Callee(1, 1, _LIKELY),
    "basic(": _Callee(1, 1, _LIKELY),
    "set_password(": _Callee(1, 2, _LIKELY),
    "login(": _Callee(1, 2, _LIKELY),
    "authenticate(": _Callee(1, 2, _LIKELY),
    "bind(": _Callee(1, 2, _MAYBE),
    "bind_s(": _Callee(1, 1, _MAYBE),
}
_STATED: Final = "securestring"
ANCHORS: Final = (*_CALLEES, _STATED)
"""Texts in lower case, one of which begins each match."""

_TEXT: Final = r"[rbuRBUfFN@$]{0,2}(?:\"(?:[^\"\\\n]|\\.){0,256}+\"|'(?:[^'\\\n]|\\.){0,256}+'|\\{1,3}\"[^\"\\\n]{0,256}+\\{1,3}\")"
_ARGUMENT: Final = re.compile(
    rf"\s{{0,24}}[\w$.:=>&\[\] -]{{0,64}}+(?:\([^\"'()\n]{{0,64}}\))?(?:{_TEXT})?[^\"'(),\n]{{0,24}}+,"
)
_PASSWORD: Final = re.compile(
    r"\s{0,24}(?:[\w$.:]{1,32}\(\s{0,2}){0,2}[rbuRBUN@]{0,2}(?P<quote>\\{0,3}[\"'])"
    r"(?P<secret>(?:[^\"'\\\n]|\\[^\n]){3,128})(?P=quote)"
)
_SECURE: Final = re.compile(
    r"securestring(?:\s{1,4}-(?:asplaintext|force|string)[: \t]?){0,3}\s{0,4}"
    r"(?:[\"'](?P<quoted>[^\"'\n]{3,512})[\"']|(?P<bare>[^\s\"'$(|;-][^\s\"'|;)]{3,512}))",
    re.IGNORECASE,
)
_PIPED: Final = re.compile(
    r"[\"'](?P<secret>[^\"'\n]{3,256})[\"']\s{0,4}\|\s{0,4}convertto-\Z", re.IGNORECASE
)
_DIGIT: Final = re.compile("[0-9]")
_LETTER: Final = re.compile("[^\\W\\d_]")
_NAME: Final = re.compile(r"[A-Za-z_]+(?:[.\-/:_ ][A-Za-z_]*)*")
_READS: Final = frozenset({"get_", "find", "read", "load"})
_CHARSET: Final = re.compile(r"(?:utf|ucs|latin|iso|cp|koi)[-_]?[0-9][\w-]{0,12}", re.IGNORECASE)
_SHORTEST: Final = 6
_LONGEST_CALLEE: Final = max(map(len, _CALLEES))


def find(text: str, at: int) -> tuple[int, int, str] | None:
    """Return position and kind of the password in the call at a position; None if nothing is to be redacted."""
    opening = text.find("(", at, at + _LONGEST_CALLEE)
    callee = _CALLEES.get(text[at : opening + 1].lower()) if opening >= 0 else None
    if callee is None:
        return _secure(text, at)
    if text[at - 4 : at].lower() in _READS:
        return None
    place = opening + 1
    for number in range(callee.last + 1):
        if number >= callee.first:
            password = _PASSWORD.match(text, place)
            if password is not None and _is_password(password["secret"], callee.sure):
                return (*password.span("secret"), markers.PASSWORD)
        argument = _ARGUMENT.match(text, place)
        if argument is None:
            return None
        place = argument.end()
    return None


def _secure(text: str, at: int) -> tuple[int, int, str] | None:
    """Judge the text that PowerShell converts to a secure string."""
    stated = _SECURE.match(text, at)
    if stated is not None:
        group = "bare" if stated["quoted"] is None else "quoted"
        value = stated[group]
        return (*stated.span(group), markers.PASSWORD) if _is_stated(value) else None
    low = max(0, at - 300)
    piped = _PIPED.search(text[low:at])
    if piped is None or not _is_stated(piped["secret"]):
        return None
    return piped.start("secret") + low, piped.end("secret") + low, markers.PASSWORD


def _is_stated(value: str) -> bool:
    return not (
        value[0] in "$-" or value.lower() in NO_VALUE or is_placeholder(value) or markers.MARKER.match(value)
    )


def _is_password(value: str, sure: int) -> bool:
    """Return whether a quoted argument can be a password; in an ambiguous position, only one of a clear form."""
    if sure < _SURE and (_DIGIT.search(value) is None or len(value) < _SHORTEST or " " in value):
        return False
    if _NAME.fullmatch(value):
        return sure == _SURE and len(value) >= _SHORTEST and value.isalpha() and _is_stated(value)
    if "{" in value or "://" in value or not _is_stated(value) or _CHARSET.fullmatch(value):
        return False
    if sure == _SURE:
        return (_LETTER.search(value) is not None and " " not in value) or len(value) >= _SHORTEST
    return _LETTER.search(value) is not None and (
        sure == _LIKELY or looks_secret(value) or not is_words(value)
    )
