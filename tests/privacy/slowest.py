"""Search for the values that take longest: `python -m tests.privacy.slowest [--size N] [--seconds N] [--seed N] [--each]`.

The pieces are generated from the tables of rules and names, so a new rule is searched too. A `#` in a piece stands for a
counter, so that nothing repeats and nothing that was judged before helps. A value repeats pieces: in a text, in lists, in
the names or the values of mappings, in JSON. `--each` goes through all literals instead of drawing pieces at random.
Times are the processor's; a plain text is measured in between, because machines differ and are shared.
"""

# ruff: noqa: E501, T201 - tables of texts; prints

import argparse
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from functools import cache
from math import log
from typing import Any, NamedTuple

from ael_otel.config import Settings
from ael_otel.privacy.field_names import ANCHORS
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor
from ael_otel.privacy.rules import RULES

SIGNS = ["", " ", "=", ": ", "='", '="', "\\", '\\"', "(", "[", "{", "<", ">", "|", ",", ";", "&", "%3D", "&#61;", "\n", "-", ".", "/", "@", "1"]  # fmt: skip
LITERALS = sorted({anchor for rule in RULES for anchor in rule.anchors} | set(ANCHORS))
WHOLE = sorted({rule.example for rule in RULES} | {rule.counter for rule in RULES})
OTHERS = [
    "sk-", '\\"', "password='\\", "password: |\n  a\n", "key=<<A\n", "curl -u ", " -p", "~/.ssh/", ":~/.ssh", "%2e", "%41", "&amp;",
    "\\u0041", "eyJ", "://", "://:", "://a:b@", "a@b.co ", "4111 ", "123 45 6789 ", "[TOKEN] ", "[", '{"a":', "'", '"', "\0", "\ufffd", "é",
    "pass,", "pass,\n", "(pass) values (", 'cookie: a=b;c="', "authorization: digest a=b,", "../", "/a ", "*/", "--token ", "IQoJ", "a" * 30,
    "passwords:\n- a9\n", "passwords:\n- hunter2#\n", "- passwords:\n", "backup codes\n", "backup codes\nab12-cd34 ", "connect a/b#@c ", "conn ", "connect ",
    "chpasswd:\n list: |\n  a:b#\n", "chpasswd:\n", '"api_keys": ["a9b8c7d6e5#", ', '"bearer": {"a":"', "password: {{ a9#", "'-p','x',", '["-p","a9",', '["mysql","-p","a9b8c7d6e5"', "password=''a", "password='a''", "pass='a'\"'\"'", '\npassword=a"b', "password=<a", 'password=(a"',
    "'(pass) values (\\", "stripe_key=<<A\n", "pass: |\n  a\n", "pass  a\n", "| pass |\n", "pass |\n---+--\n", "\u2502 pass \u2502\n", "sid=", "sid=a9", "\tTRUE\t/\tTRUE\t0\ta\t", "a_key=a9B8", '"--token",\n', "- --pass\n- a",
    "kind: Secret\n", "kind: Secret\ndata:\n  a: b\n", "kind: Secret\ndata:\n a: |\n  b\n---\n", "COPY x (pass, a) FROM stdin;\n", "copy (pass,a)", '"a\n', 'pass,b\n"a\n',
    '"pass"=>string(1) "', ';s:4:"pass";s:1:"', "pass: !a |\n b\n", 'pass=f("', "(b'pass', b'", "curl -su a:b9 ", "password=!a !b ",
    "-----BEGIN=#a_key=a9B8", "my#_token=#Qz9 ", "://a:b@# glpat-#", "Basic #QQ=# Bearer # ", "%3Dpw%3D#", "[#pass='#Q", "curl -u ~/.ssh/#", "%2e'#",
    ":5433:&#61;#;/#salasana>#", "pass#:", "[TOKEN] #", "the token # is at ", "- --pass\n- a#", "@#", "def f(*, signature=#)",
    "pdo('a','b',", "connect('a',", 'auth=("a", "b9', "bind_s(\\'a\\',", "securestring -string ", '"a" | securestring', "echo a|chpasswd ", "chpasswd <<a\na:b\n",
    "chpasswd <<<", "sudo -s ", "community ", "com2sec a b ", "net user a ", "sqlplus a/b", 'send "a\\r"', "secrets set a=b", "?code=abcdefg9&state=a ", "&st=abcdefg9",
    "?code=a&", "- -pa\n", "- mysql\n- -pa9b8\n", "- -p\n- a9b8c7d6\n", "snmpget -c ", "key 2: ", "password for a: ", "a is the password", "password >", "\npass,", "CURLOPT_PASSWORD,", "pwd='4f7Gh2Kq9ZtB' 4f7Gh2Kq9ZtB ", "identified by a9;",
    "key: |\n  a\n", "A LOGIN b c9 ", "security code 1234 ", "1234 is your code ", "creds=('a','b9", "://a:b@/", "acl setuser a >b ", "outlook.office.com/webhook/", "$krb5tgs$1$", "openssl -k a9b8 ", "pass\u0301",
    "a:b9c8d7e6@", "a:b9c8d7e6@h ", ":a@", " -u a -p a9b8c7d6 ", " -u a -p x", " /p a9 /u", " /p:", "username a secret a9 ", "yes a|passwd ", "--totp -b ",
    'password = "a" -> "', 'pass = null -> "b9c8"\n', 'variable "pass" {', "pass [a9", "pass[a9B8c7D6", "::add-mask::", "issecret=true", "pass .....", "pass" + " " * 150, "<td>pass</td><td>", "<b>pass:</b><i>",
    "password for a ", "token is generated for a ", "\\tpass\\t", "pass\\ta\\n", "net use \\\\a ", "jwt.sign(a,", "nuget push ", "ssh-keygen ", "etcdctl ", "pass: !a ", "key [a", "pass . ", "| pass | `", "passwords:\n- a9b8c7#\n\n# pass\n", "passwords: #\n", "pass:\n #\n", 'passwords = [\n  - "a9#" -> "', 'pass = "a#" -> "b#"\n',
    "chpasswd <<a\na:b9c8#\n", '"bearer":{"a.b":"c9d8e7f6","', "token=#\0", "\ufffdpass", "334 ugfzc3dvcmq6 ", "bundle_a__a",
]  # fmt: skip
PLAIN = "lorem ipsum dolor sit amet, consectetur adipiscing elit; "
COUNTERS = ["", "", "#", "#Q", "a9B8#", '"#"']
ENDS = ["", "", " ", ";", "\n", '"', ","]
BELOW = 2_000_000  # characters a second


@cache
def redactor() -> Redactor:
    """The redactor of a configuration in which nothing is set."""
    return Redactor(Policy.of(Settings()))


def repeated(piece: str, size: int) -> str:
    """A text of a size that repeats a piece, with a counter where it has a `#`."""
    if "#" not in piece:
        return (piece * (size // len(piece) + 1))[:size]
    return "".join(items(piece, size, 0))[:size]


def items(piece: str, size: int, around: int = 4) -> list[str]:
    """Texts with a counter each, which together have a size; `around` is what JSON adds to one."""
    found: list[str] = []
    left = size
    while left > 0:
        counter = f"{len(found) * 7919 % 1_000_003:x}"
        found.append(piece.replace("#", counter) if "#" in piece else piece + counter)
        left -= len(found[-1]) + around
    return found


SHAPES: dict[str, Callable[[str, int], Any]] = {
    "text": repeated,
    "texts": items,
    "names": lambda piece, size: dict.fromkeys(items(piece, size), 1),
    "fields": lambda piece, size: [{"text": each} for each in items(piece, size, 14)],
    "rows": lambda piece, size: [["a", each] for each in items(piece, size, 11)],
    "JSON": lambda piece, size: json.dumps(items(piece, size)),
    "text in JSON": lambda piece, size: json.dumps([repeated(piece, size)]),
}
"""Values that repeat a piece, by kind."""


def seconds(value: object, attempts: int = 2) -> float:
    """The processor's time for a value, the best of some attempts."""
    best = 1e9
    for _ in range(attempts):
        redactor().forget()
        start = time.process_time()
        redactor().value(value)
        best = min(best, time.process_time() - start)
    return max(best, 1e-6)


def size_of(value: object) -> int:
    """The characters of a text, or of the JSON of another value."""
    return len(value) if isinstance(value, str) else len(json.dumps(value))


class Found(NamedTuple):
    """How long a value took: characters a second, seconds, its shape and the piece that it repeats."""

    speed: float
    taken: float
    shape: str
    piece: str


def drawn(chosen: random.Random) -> str:
    """A piece, or several, drawn at random."""
    parts: list[str] = []
    for _ in range(chosen.choice([1, 1, 1, 2, 2, 3])):
        kind = chosen.random()
        if kind < 0.3:
            parts.append(chosen.choice(OTHERS))
        elif kind < 0.4:
            parts.append(chosen.choice(WHOLE))
        elif kind < 0.8:
            parts += map(chosen.choice, (LITERALS, SIGNS, COUNTERS, ENDS))
        else:
            parts.append(chosen.choice(SIGNS) + "#")
    return "".join(parts)


def each() -> Iterator[tuple[str, str]]:
    """Every literal alone, and beside a counter, and every other piece, as a text."""
    for piece in (*LITERALS, *(f"{literal}=#Q " for literal in LITERALS), *OTHERS, *WHOLE):
        yield "text", piece


def at_random(seed: int) -> Iterator[tuple[str, str]]:
    """Shapes and pieces without an end."""
    chosen = random.Random(seed)  # noqa: S311
    while True:
        yield chosen.choice(list(SHAPES)), drawn(chosen)


def measured(shape: str, piece: str, size: int) -> Found:
    """Measure one value; a slow one several times."""
    value = SHAPES[shape](piece, size)
    length = size_of(value)
    taken = seconds(value, 1)
    if length / taken < BELOW * 1.3:
        taken = min(taken, seconds(value, 3))
    return Found(length / taken, taken, shape, piece)


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=262_144)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", action="store_true")
    options = parser.parse_args()
    found: list[Found] = []
    plain: list[float] = []
    start = time.process_time()
    for shape, piece in each() if options.each else at_random(options.seed):
        found.append(measured(shape, piece, options.size))
        if len(found) % 20 == 1:
            plain.append(options.size / seconds(repeated(PLAIN, options.size)) / 1e6)
        if not options.each and time.process_time() - start > options.seconds:
            break
    found.sort()
    print(
        f"{len(found)} values of {options.size:,} characters, {sum(one.speed < BELOW for one in found)} below 2 MB/s; the longest took "
        f"{max(one.taken for one in found) * 1e3:.0f} ms; a plain text {min(plain):.1f} to {max(plain):.1f} MB/s; load {os.getloadavg()[0]:.1f}"
    )
    for one in found[:20]:
        small, large = (seconds(SHAPES[one.shape](one.piece, size)) for size in (65_536, 1_048_576))
        print(
            f"{one.speed / 1e6:.2f} MB/s, {one.taken * 1e3:.0f} ms, exponent 64 kB to 1 MB {log(large / small) / log(16):.2f}: "
            f"{one.shape} of {one.piece!r}"
        )


if __name__ == "__main__":
    main()
