"""Secrets that only their name gives away, in text: `password=...`, `"api_key": "..."`, `--token ...`, `Cookie: ...`.

A word such as `token` anywhere in the text is where to look; the whole name around it is then judged as a field's name
is, so that `max_tokens=5` and `primary_key: id` stay. What is not in quotes must also look like a value: `token = f()`
is code, not a secret.
"""

import re
from typing import Final

from ael_otel.privacy import markers
from ael_otel.privacy.field_names import a_set, kind_of
from ael_otel.privacy.validators import entropy, is_random, is_ssn

WORDS: Final = (
    "pass", "pwd", "secret", "token", "key", "cred", "auth", "cookie", "jwt", "ssn", "cv", "otp", "srf", "sig",
    "phrase",
)  # fmt: skip
"""In lower case. Names of numbers that are found by their shape need none: cards and social security numbers."""

_MOST: Final = 65_536
_DECIDING: Final = 120
_BEFORE: Final = re.compile(r"[\w.-]{0,48}(?: [A-Za-z][\w.-]{0,23})?")
# Behind the word: the rest of the name, what closes its quotes or brackets, and the sign between name and value.
_SIGN: Final = re.compile(
    r"(?P<rest>[\w.-]{0,40}+)(?P<close>\\{0,3}[\"'`]?\]?\*{0,2})"
    r"(?P<sign>\s{0,3}(?:=>|->|:=|==|[:=\uff1a\uff1d]|%3[aAdD])\*{0,2}\s{0,4}(?:[\[(]{1,2}(?=[\"']))?"
    r"|[ \t]{1,2}(?:is|was)[ \t]{1,2}:?[ \t]{0,2}|[ \t]{0,3}\|[ \t]{0,3}(?=[^\s\"'`|])|>(?=[^\s<])|\((?=[\"'])"
    r"|\s{1,3}value\s{0,2}=\s{0,2}(?=[\"'])|[ \t]{1,3}(?=[^\s\"'`&,;<>|(){}\[\]\\]{8}))"
)
_QUOTE: Final = re.compile(r"(?:[rbuRBU]{1,2})?(\\{0,3}[\"'`])")
_IN_DOUBLE: Final = re.compile(r'(?:[^"\\\n]|\\.){0,65536}', re.DOTALL)
_IN_SINGLE: Final = re.compile(r"(?:[^'\\\n]|\\.){0,65536}", re.DOTALL)
# What decides is the beginning; were all of a long run looked at, each name inside it would look at it again.
_BARE: Final = re.compile(r"[^\s\"'`&,;<>|(){}\[\]\\]{1,128}")
_MORE: Final = re.compile(r"[^\s\"'`&,;<>|(){}\[\]\\]{0,65536}+")
_MIXED: Final = re.compile("(?=[^a-z]{0,64}[a-z])(?=[^A-Z]{0,64}[A-Z])(?=[^0-9]{0,64}[0-9])")
_ANY_DIGIT: Final = re.compile("[0-9]")
_TO_LINE_END: Final = re.compile(r"[^\r\n\"'\\]{1,65536}")
_SCHEME: Final = re.compile(
    r"(?i)(?:bearer|basic|token|digest|apikey|api-key|negotiate|ntlm|aws4-hmac-sha256|hmac|signature|key|sharedkey)\s+\S"
)
_COOKIES: Final = re.compile(
    r"[^\s=;,\"'\\]{1,256}=(?:\"(?:[^\"\\\r\n]|\\.){0,4096}\"?|[^\s;\"'\\]{1,8192})"
    r"(?:;[^\r\n\"'\\]{0,65536}+(?:\"(?:[^\"\\\r\n]|\\.){0,4096}\")?){0,64}"
)
_MARKER: Final = re.compile(
    r"\[(?:EMAIL|SSN|API_KEY|TOKEN|PASSWORD|PRIVATE_KEY|CREDIT_CARD|URL_CREDENTIALS|EXCLUDED_PATH|REDACTED"
    r"|REDACTION_ERROR)\]"
)
_PLACEHOLDER: Final = re.compile(
    r"\$\{?[A-Za-z_][\w.:-]*\}?|\$\(.*|%\(?\w+\)?s?%?|\{\{?[^{}]*\}?\}?|<[^<>]*>?|[*.xX#_-]+|\.\.\..*"
)
_IDENTIFIER: Final = re.compile(r"[A-Za-z_]+(?:[.\-/:_][A-Za-z_]*)*")
_PATH: Final = re.compile(r"(?:~|\.{0,2})/[\w.~-]+(?:/[\w.~*-]*)+|[a-z][a-z0-9+.-]*://.*")
_NO_VALUE: Final = a_set(
    "none null nil true false str string bytes int integer number bool boolean any object self cls optional required "
    "undefined empty missing unset set invalid valid expired secret password passwd token key value text unknown yes "
    "no and or not in is the a an this that used disabled enabled redacted hidden masked option options flag flags "
    "argument arguments parameter parameters default const final var let type for from to with must should may can "
    "will has have was were are be as at by on if of it"
)


def find(text: str, at: int) -> tuple[int, int, str] | None:
    """Return where the value of the name around `text[at:]` is, and its kind; None if there is none to hide."""
    signed = _SIGN.match(text, at)
    if signed is None:
        return None
    before = _BEFORE.match(text[max(0, at - 72) : at][::-1])
    assert before is not None  # it matches nothing too
    head = before[0][::-1]
    name = (head + signed["rest"]).strip("-.")
    kind = kind_of(name)
    if kind is None:
        if not (name.lower().endswith("sig") and head[-1:] == "" and text[at - 1 : at] in {"&", "?"}):
            return None
        kind = markers.TOKEN
    sign = signed["sign"]
    if not sign.strip():
        # A blank between them: a name and something that nobody types.
        sign = " "
    elif sign.strip()[:1] in {"i", "w", "|"}:
        sign = "is"
    elif sign == ">":
        sign = "="
    return _value(text, signed.end(), kind, name, sign, quoted=bool(signed["close"]))


_OPTION: Final = re.compile(r"--(?P<name>[A-Za-z][\w-]{0,60}+)(?:=|[ \t]{1,3})(?=[^\s-])")


def option(text: str, at: int) -> tuple[int, int, str] | None:
    """Return where the value of a command's option is, `--db-password hunter2`, and its kind."""
    match = _OPTION.match(text, at)
    kind = kind_of(match["name"]) if match is not None else None
    if match is None or kind is None:
        return None
    return _value(text, match.end(), kind, match["name"], "=", quoted=False)


def _value(
    text: str, at: int, kind: str, name: str, sign: str, *, quoted: bool
) -> tuple[int, int, str] | None:
    if _MARKER.match(text, at):
        return None
    quote = _QUOTE.match(text, at)
    if quote is not None and sign != " ":
        start = quote.end()
        end = _closing(text, start, quote[1])
        value = text[start:end]
        # The name was in quotes as well: that is data, where a word is enough; in code it may be a word of the program.
        return (start, end, kind) if _meant(value, kind, data=quoted) else None
    if name in {"PWD", "OLDPWD"} and text.startswith("/", at):
        return None  # the shell's working directory
    lowered = name.lower()
    if lowered.endswith("authorization") and _SCHEME.match(text, at):
        return _to(_TO_LINE_END, text, at, kind)
    if "cookie" in lowered:
        return _to(_COOKIES, text, at, kind)
    bare = _BARE.match(text, at)
    if bare is None:
        return None
    value = bare[0].rstrip(".:!?") if sign != "=" else bare[0].rstrip(".")
    end = at + len(value)
    if not _looks(value, kind, sign, text[end : end + 1], text, end, once=lowered.endswith("otp")):
        return None
    more = _MORE.match(text, end) if end - at >= _DECIDING else None
    return at, end if more is None else more.end(), kind


def _to(pattern: re.Pattern[str], text: str, at: int, kind: str) -> tuple[int, int, str] | None:
    match = pattern.match(text, at)
    if match is None or _MARKER.fullmatch(match[0].strip()):
        return None
    return at, at + len(match[0].rstrip()), kind


def _closing(text: str, start: int, quote: str) -> int:
    """Return where a quoted value ends; where nothing closes it, at the end of the line."""
    if len(quote) > 1:
        end = text.find(quote, start, start + _MOST)
        return end if end >= 0 else min(len(text), start + _MOST)
    if quote == "`":
        end = text.find(quote, start, start + _MOST)
        return end if end >= 0 else start
    match = (_IN_DOUBLE if quote == '"' else _IN_SINGLE).match(text, start)
    return match.end() if match is not None else start


def _meant(value: str, kind: str, *, data: bool) -> bool:
    """Return whether a value in quotes is one to keep secret."""
    plain = value.strip()
    if not plain or _MARKER.fullmatch(plain) or plain.lower() in _NO_VALUE or _PLACEHOLDER.fullmatch(plain):
        return False
    if not data and plain[0] in "),]":
        return False  # the quote closes a text that ends with the name, as in `getpass("Password: ")`
    if data or kind in {markers.PASSWORD, markers.SSN, markers.CREDIT_CARD}:
        return True
    if _PATH.fullmatch(plain) or " " in plain:
        return False
    return len(plain) >= 8 and (not _IDENTIFIER.fullmatch(plain) or entropy(plain) > 3.9)


def _looks(value: str, kind: str, sign: str, following: str, text: str, end: int, *, once: bool) -> bool:
    """Return whether a value without quotes looks like a secret and not like a word of a sentence or of a program."""
    if (
        len(value) < 4
        or value.lower() in _NO_VALUE
        or _PLACEHOLDER.fullmatch(value)
        or _PATH.fullmatch(value)
        or following in {"(", "[", "{"}
    ):
        return False
    if sign == " ":
        if kind == markers.SSN:
            return value.isdigit() and is_ssn(value)
        if kind == markers.PASSWORD and _MIXED.match(value):
            return True
        return len(value) >= 16 and is_random(value)
    word = _IDENTIFIER.fullmatch(value)
    digit = _ANY_DIGIT.search(value) is not None
    if sign == "is":
        return len(value) >= 6 and digit and not word
    if kind in {markers.PASSWORD, markers.FIELD}:
        if word is None:
            return True
        if sign.strip() != sign or not sign:
            # `password: changeme`, alone on its line
            return (
                len(value) >= 6
                and "." not in value
                and text[end : end + 1] in {"", "\n", "\r"}
                and ":" in sign
            )
        return following not in {",", ")", "."} and "." not in value and not value.endswith(":")
    if kind in {markers.SSN, markers.CREDIT_CARD}:
        return digit
    if value.isdigit():
        return len(value) >= 6 and (sign == "=" or (once and len(value) <= 8))
    if word is not None:
        return len(value) >= 20 and entropy(value) > 3.9 and "." not in value
    return len(value) >= 8 and digit
