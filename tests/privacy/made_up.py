"""Make up values of a credential's format, and write them where credentials turn up.

A template is literal text with fields in braces: `{w:36}` stands for 36 random characters of the alphabet `w`, and is a
secret; `{~d:12}` is random and no secret (an account number, a key's id). No value that looks like a credential stands
in a file this way, and a scanner of this repository has nothing to find.
"""

import base64
import binascii
import json
import re
import shlex
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote, unquote

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
WORD = DIGITS + UPPER + LOWER
ALPHABETS = {
    "d": DIGITS,
    "x": DIGITS + "abcdef",
    "X": DIGITS + "ABCDEF",
    "a": LOWER,
    "A": UPPER,
    "l": UPPER + LOWER,
    "n": DIGITS + LOWER,
    "N": DIGITS + UPPER,
    "w": WORD,
    "u": WORD + "_-",  # base64url
    "b": WORD + "+/",  # base64
    "c": "qpzry9x8gf2tvdw0s3jn54khce6mua7l",  # bech32
    "C": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "s": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",  # base58
    "t": UPPER + "234567",  # base32
    "h": WORD + "./",  # crypt(3)
    "q": WORD,  # passwords: see _password
    "p": WORD + "!#%^*+-_.",
}
FIELD = re.compile(r"\{(~?)([a-zA-Z]|uuid|user|host|word):?(\d*)\}")
WORDS = ("river", "copper", "lantern", "meadow", "orbit", "puzzle", "saddle", "timber", "velvet", "walnut")
USERS = ("ada", "grace", "linus", "svc_billing", "deploy", "reporting")
WINDOW = 6  # consecutive secret characters that must not be left


@dataclass(frozen=True)
class Sample:
    """A made-up credential: its text, and the runs of characters in it that are secret."""

    text: str
    secrets: tuple[str, ...]

    def is_left_in(self, output: str) -> bool:
        """Return whether WINDOW consecutive characters of a secret (all of a shorter one) are readable in the output.

        The output is searched as it is, with percent-encoding undone (twice), and with JSON's escapes undone.
        """
        once = unquote(output)
        views = {
            output,
            once,
            unquote(once),
            output.replace("\\n", "\n").replace('\\"', '"').replace("\\/", "/"),
        }
        return any(piece in view for view in views for secret in self.secrets for piece in _pieces(secret))


def _pieces(secret: str) -> Iterator[str]:
    if len(secret) <= WINDOW:
        yield secret
    else:
        yield from (secret[at : at + WINDOW] for at in range(len(secret) - WINDOW + 1))


def _run(alphabet: str, length: int, chance: Random) -> str:
    """Return that many characters; from 8 on, each class of the alphabet's characters occurs, as in real tokens."""
    letters = ALPHABETS[alphabet]
    while True:
        made = "".join(chance.choices(letters, k=length))
        if alphabet in {"p", "q"} and not (made[0] in WORD and made[-1] in WORD):
            continue
        if alphabet == "p" and not set(made) & set("!#%^*+-_."):
            continue
        classes = [each for each in (DIGITS, UPPER, LOWER) if set(each) & set(letters)]
        if length < 8 or all(set(each) & set(made) for each in classes):
            return made


def _uuid(chance: Random) -> str:
    bits = chance.getrandbits(128) & ~(0xF << 76) | (4 << 76)
    made = f"{bits & ~(3 << 62) | (2 << 62):032x}"
    return "-".join((made[:8], made[8:12], made[12:16], made[16:20], made[20:]))


def fill(template: str, chance: Random) -> Sample:
    """Return a sample of a template: each field filled, each secret field's text in `secrets`."""
    secrets: list[str] = []

    def filled(found: re.Match[str]) -> str:
        public, what, length = found.groups()
        match what:
            case "uuid":
                made = _uuid(chance)
            case "user":
                return chance.choice(USERS)
            case "host":
                return f"{chance.choice(WORDS)}.example.org"
            case "word":
                return chance.choice(WORDS)
            case _:
                made = _run(what, int(length), chance)
        if not public:
            secrets.append(made)
        return made

    return Sample(FIELD.sub(filled, template), tuple(secrets))


Maker = Callable[[Random], Sample]


@dataclass(frozen=True)
class Kind:
    """A kind of credential.

    `field` is the name that it has in a program. `make` is a template or a function. A `named` kind has no form of its
    own (a password, 32 hexadecimal digits): wherever it is written, its name stands beside it, and `label` is that name
    in a sentence. All others are written bare, under harmless names.
    """

    name: str
    field: str
    make: str | Maker
    named: bool = False
    label: str = ""

    def sample(self, seed: int) -> Sample:
        """Return the sample of that number: the same one each time."""
        chance = Random(f"{self.name}:{seed}")  # noqa: S311 - made up, and the same in each run
        return fill(self.make, chance) if isinstance(self.make, str) else self.make(chance)

    @property
    def sentence_name(self) -> str:
        """The name of the value in a sentence."""
        return self.label or self.field.replace("_", " ")


def _prose(kind: Kind, text: str) -> Iterator[Any]:
    if kind.named:
        yield f"Hi all, please use {kind.field}={text} until Friday and tell nobody."
        yield f"For the nightly build, the {kind.sentence_name}: {text}\nThanks!"
    else:
        yield f"The deployment stopped at {text} so I rotated it."
        yield f"I copied `{text}` into the form ({text})."


def _json(kind: Kind, text: str) -> Iterator[Any]:
    written = f"{kind.field}={text}" if kind.named else text
    yield {"rows": [{"id": 7, "value": written}]}
    yield json.dumps({"status": "ok", "items": [{"content": written, "n": 3}]})


def _environment(kind: Kind, text: str) -> Iterator[Any]:
    if not kind.named:
        yield f"export SETTING_7={shlex.quote(text)}"
    yield f'{kind.field.upper()}="{_one_line(text)}"\nLOG_LEVEL=info\n'
    yield f"PATH=/usr/bin\nexport {kind.field.upper()}={shlex.quote(text)}\n"


def _query(kind: Kind, text: str) -> Iterator[Any]:
    name = kind.field if kind.named else "q"
    yield f"GET https://api.example.org/v1/items?page=2&{name}={quote(text, safe='')}&sort=asc HTTP/1.1"


def _shell(kind: Kind, text: str) -> Iterator[Any]:
    if kind.named:
        yield f"deploy --region eu --{kind.field.replace('_', '-')} {shlex.quote(text)} --dry-run"
        yield f"{kind.field.upper()}={shlex.quote(text)} deploy run"
    else:
        yield f"deploy run {shlex.quote(text)} --dry-run"
        yield f"echo {shlex.quote(text)} | deploy login --stdin"


def _field(kind: Kind, text: str) -> Iterator[Any]:
    yield {"id": 7, kind.field: text}
    yield json.dumps({kind.field: text, "id": 7})


def _one_line(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


# Where a credential is looked for. A kind is gone in a place when it is gone in each form of the place.
PLACES: dict[str, Callable[[Kind, str], Iterator[Any]]] = {
    "prose": _prose,
    "JSON, neutral key": _json,
    "environment": _environment,
    "URL query": _query,
    "shell command": _shell,
    "field of its name": _field,
}


def text_of(value: object) -> str:
    """Return a redacted value as one text to search."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def b64(data: bytes, *, url: bool = False, pad: bool = True) -> str:
    """Return the Base64 form of bytes."""
    made = (base64.urlsafe_b64encode if url else base64.b64encode)(data).decode()
    return made if pad else made.rstrip("=")


def crc32_base62(text: str) -> str:
    """Return the six characters of check sum that end the tokens of GitHub and npm."""
    number, made = binascii.crc32(text.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        made = WORD[digit] + made
    return made.rjust(6, "0")
