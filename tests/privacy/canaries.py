"""Canaries: made-up secrets, a new one of each kind each time, and a search for them in bytes of any form."""

import base64
import json
import string
from collections.abc import Iterable, Mapping
from random import SystemRandom
from urllib.parse import quote

_RANDOM = SystemRandom()


def _letters(number: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(_RANDOM.choice(alphabet) for _ in range(number))


def _card() -> str:
    digits = [4, *(_RANDOM.randrange(10) for _ in range(14))]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[::2]]
    check = -(sum(doubled) + sum(digits[1::2])) % 10
    return "".join(map(str, [*digits, check]))


def _pem() -> str:
    lines = "\n".join(_letters(64) for _ in range(6))
    begin, end = ("-----" + word + " RSA PRIVATE KEY-----" for word in ("BEGIN", "END"))
    return f"{begin}\n{lines}\n{end}"


def made_up() -> dict[str, str]:
    """Return one canary of each kind.

    `keyed` has no shape: only the name of its field says that it is secret. `plain` is no secret by shape or name, but
    an input. `contents` is what an excluded file holds, `environment` a value of a variable.
    """
    jwt = ".".join(
        base64.urlsafe_b64encode(part).decode().rstrip("=")
        for part in (b'{"alg":"HS256","typ":"JWT"}', json.dumps({"sub": _letters(12)}).encode())
    )
    word = string.ascii_lowercase
    return {
        "email": f"{_letters(9, word)}@{_letters(7, word)}.example.com",
        "ssn": f"{_RANDOM.randrange(100, 600)}-{_RANDOM.randrange(10, 99)}-{_RANDOM.randrange(1000, 9999)}",
        "card": _card(),
        "github": f"ghp_{_letters(36)}",
        "aws": f"AKIA{_letters(16, string.ascii_uppercase + '234567')}",
        "jwt": f"{jwt}.{_letters(43)}",
        "pem": _pem(),
        "url": f"{_letters(8, word)}:{_letters(14)}",
        "bearer": _letters(40),
        "keyed": f"{_letters(7, word)}-{_letters(6, word)}-{_letters(8, word)}",
        "plain": f"{_letters(8, word)} {_letters(9, word)} {_letters(8, word)}",
        "contents": f"{_letters(24, word)} {_letters(24, word)}",
        "environment": f"{_letters(24)}",
    }


def in_place(canaries: Mapping[str, str]) -> dict[str, str]:
    """Return the canaries as they stand in texts: some are secrets only beside a word that marks them."""
    return {
        **canaries,
        "url": f"postgresql://{canaries['url']}@db.internal:5432/orders",
        "bearer": f"Authorization: Bearer {canaries['bearer']}",
    }


def needles(canary: str) -> dict[str, bytes]:
    """Return the forms in which a canary may lie in bytes: as it is, in JSON, in a URL, in base64, a part of it."""
    raw = canary.encode()
    forms = {
        "plain": raw,
        "json": json.dumps(canary)[1:-1].encode(),
        "url": quote(canary, safe="").encode(),
        "part": max(canary.split("\n"), key=len).encode()[:40],
    }
    for shift in range(3):
        # At any position of the encoded text, its middle has one of three forms.
        encoded = base64.b64encode(b"x" * shift + raw)
        forms[f"base64+{shift}"] = encoded[4 : len(encoded) - 4]
    return forms


def found(canaries: Mapping[str, str], where: Mapping[str, bytes]) -> Iterable[tuple[str, str, str]]:
    """Yield (canary, form, place) of each one that is found; never the canary itself."""
    for kind, canary in canaries.items():
        for form, needle in needles(canary).items():
            for place, content in where.items():
                at = content.find(needle)
                if at >= 0:
                    around = content[max(0, at - 150) : at] + b"<HERE>" + content[at + len(needle) :][:60]
                    yield kind, form, f"{place}: {around!r}"
