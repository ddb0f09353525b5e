"""Text that must not be in telemetry: what looks like a secret, and canaries that a test has planted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tools.telemetry_schema.live.samples import Value

# The same families as the Collector redacts. A key of its own is needed for what no pattern can tell from a word.
_VALUES: dict[str, re.Pattern[str]] = {
    "a bearer or basic credential": re.compile(r"(?i)\b(?:bearer|basic)\s+[a-z0-9._~+/=-]{8,}"),
    "an API key": re.compile(
        r"\b(?:sk-[A-Za-z0-9_-]{16,}|(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{20,}"
        r"|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeoprs]-[A-Za-z0-9-]{10,}"
        r"|AIza[A-Za-z0-9_-]{30,}|npm_[A-Za-z0-9]{30,})"
    ),
    "a signed token": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\."),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a password in an address": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/@]+@"),
}
_KEY = re.compile(
    r"(?i)(?:^|[._-])(?:authorization|cookie|set[_-]cookie|passw(?:or)?d|passphrase|(?:client[_-])?secret"
    r"|(?:x[_-])?api[_-]?key|(?:access|refresh|id|auth)[_-]token|private[_-]key)$"
)
_REDACTED = re.compile(r"\[[A-Z_]+\]|\*+")


def secrets_in(
    values: Iterable[tuple[str, Value]], canaries: Iterable[str] = ()
) -> Iterator[tuple[str, str]]:
    """Key and kind of each value that looks like a secret; never the value itself."""
    planted = tuple(canaries)
    for key, value in values:
        for text in _texts(value):
            if any(canary in text for canary in planted):
                yield key, "a planted canary"
            elif _KEY.search(key) and text and not _REDACTED.fullmatch(text):
                yield key, "a value under the name of a secret"
            else:
                yield from ((key, kind) for kind, pattern in _VALUES.items() if pattern.search(text))


def _texts(value: Value) -> Iterator[str]:
    match value:
        case str():
            yield value
        case bytes():
            yield value.decode("utf-8", errors="replace")
        case list():
            for item in value:
                yield from _texts(item)
        case dict():
            for key, item in value.items():
                yield key
                yield from _texts(item)
        case _:
            return
