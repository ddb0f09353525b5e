"""Searches for the slowest text: time grows with length alone, and no text takes many times as long as a plain one.

The pieces are generated from the tables of rules and names, so a new rule is searched too. A search in CI is short;
`AEL_FUZZ_EXAMPLES=5000 pytest tests/privacy/test_worst_case.py` searches longer. Times are the processor's, compared
with a plain text in the same run, since machines differ and are shared.
"""

# ruff: noqa: E501 - tables of texts

import json
import os
import time
from functools import cache
from math import log

import pytest
from hypothesis import HealthCheck, Phase, given, settings, target
from hypothesis import strategies as st

from ael_otel.config import Settings
from ael_otel.privacy.field_names import ANCHORS
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor
from ael_otel.privacy.rules import RULES

EXAMPLES = int(os.environ.get("AEL_FUZZ_EXAMPLES", "40"))
SMALL, LARGE = 32_768, 262_144
MOST_TIMES_PLAIN = 40
"""A plain text goes at some 15 MB/s on a quiet machine; this is far below what a quadratic search takes."""
MOST_EXPONENT = 1.1

SIGNS = ["", " ", "=", ": ", "='", '="', "\\", '\\"', "(", "[", "{", "<", ">", "|", ",", ";", "&", "%3D", "&#61;", "\n", "-", ".", "/", "@", "1"]  # fmt: skip
LITERALS = sorted({anchor for rule in RULES for anchor in rule.anchors} | set(ANCHORS))
WHOLE = sorted({rule.example for rule in RULES} | {rule.counter for rule in RULES})
OTHERS = [
    "sk-", '\\"', "password='\\", "password: |\n  a\n", "key=<<A\n", "curl -u ", " -p", "~/.ssh/", ":~/.ssh", "%2e", "%41", "&amp;",
    "\\u0041", "eyJ", "://", "://:", "://a:b@", "a@b.co ", "4111 ", "123 45 6789 ", "[TOKEN] ", "[", '{"a":', "'", '"', "\0", "\ufffd", "é",
    "pass,", "pass,\n", "(pass) values (", 'cookie: a=b;c="', "authorization: digest a=b,", "../", "/a ", "*/", "--token ", "IQoJ", "a" * 30,
    "'-p','x',", '["-p","a9",', '["mysql","-p","a9b8c7d6e5"', "password=''a", "password='a''", "pass='a'\"'\"'", '\npassword=a"b', "password=<a", 'password=(a"',
    "'(pass) values (\\", "stripe_key=<<A\n", "pass: |\n  a\n", "pass  a\n", "| pass |\n", "pass |\n---+--\n", "\u2502 pass \u2502\n", "sid=", "sid=a9", "\tTRUE\t/\tTRUE\t0\ta\t", "a_key=a9B8", '"--token",\n', "- --pass\n- a",
    "kind: Secret\n", "kind: Secret\ndata:\n  a: b\n", "kind: Secret\ndata:\n a: |\n  b\n---\n", "COPY x (pass, a) FROM stdin;\n", "copy (pass,a)", '"a\n', 'pass,b\n"a\n',
    '"pass"=>string(1) "', ';s:4:"pass";s:1:"', "pass: !a |\n b\n", 'pass=f("', "(b'pass', b'", "curl -su a:b9 ", "password=!a !b ",
    "pdo('a','b',", "connect('a',", 'auth=("a", "b9', "bind_s(\\'a\\',", "securestring -string ", '"a" | securestring', "echo a|chpasswd ", "chpasswd <<a\na:b\n",
    "chpasswd <<<", "sudo -s ", "community ", "com2sec a b ", "net user a ", "sqlplus a/b", 'send "a\\r"', "secrets set a=b", "?code=abcdefg9&state=a ", "&st=abcdefg9",
    "?code=a&", "- -pa\n", "- mysql\n- -pa9b8\n", "- -p\n- a9b8c7d6\n", "snmpget -c ", "key 2: ", "password for a: ", "a is the password", "password >", "\npass,", "CURLOPT_PASSWORD,", "pwd='4f7Gh2Kq9ZtB' 4f7Gh2Kq9ZtB ", "identified by a9;",
    "a:b9c8d7e6@", "a:b9c8d7e6@h ", ":a@", " -u a -p a9b8c7d6 ", " -u a -p x", " /p a9 /u", " /p:", "username a secret a9 ", "yes a|passwd ", "oathtool -b ",
    "outlook.office.com/webhook/", "$krb5tgs$1$", "openssl -k a9b8 ", "pass\u0301",
]  # fmt: skip
PIECES = st.one_of(
    st.sampled_from(OTHERS),
    st.sampled_from(WHOLE),
    st.builds("{}{}".format, st.sampled_from(LITERALS), st.sampled_from(SIGNS)),
)
PLAIN = "lorem ipsum dolor sit amet, consectetur adipiscing elit; "


@cache
def redactor() -> Redactor:
    """The redactor of a configuration in which nothing is set."""
    return Redactor(Policy.of(Settings()))


def repeated(piece: str, size: int) -> str:
    """A text of a size that repeats a piece."""
    return (piece * (size // len(piece) + 1))[:size]


def seconds(value: object, attempts: int = 2) -> float:
    """The processor's time for a value, the best of some attempts."""
    best = 1e9
    for _ in range(attempts):
        redactor().forget()
        start = time.process_time()
        redactor().value(value)
        best = min(best, time.process_time() - start)
    return max(best, 1e-6)


# Without the phase that explains failures: it traces each line, and what it traces takes several times as long.
PHASES = [phase for phase in Phase if phase is not Phase.explain]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)
@given(st.lists(PIECES, min_size=1, max_size=3).map("".join))
def test_no_repetition_takes_many_times_as_long_as_a_plain_text(piece):
    """Searches, guided by the time taken, for the piece whose repetition is slowest."""
    plain = seconds(repeated(PLAIN, SMALL), 3)
    taken = seconds(repeated(piece, SMALL)) / plain
    target(taken)
    assert taken < MOST_TIMES_PLAIN or seconds(repeated(piece, SMALL), 5) / plain < MOST_TIMES_PLAIN


@pytest.mark.parametrize("piece", OTHERS, ids=range(len(OTHERS)))
def test_time_grows_with_length_alone(piece):
    """The exponent between 32 kB and 256 kB is that of a straight line, for the pieces that once were slow."""
    exponents = []
    for _ in range(5):
        small, large = seconds(repeated(piece, SMALL)), seconds(repeated(piece, LARGE), 1)
        exponents.append(log(large / max(small, 2e-4)) / log(LARGE / SMALL))
        if exponents[-1] <= MOST_EXPONENT:
            return
    pytest.fail(f"the time grows with an exponent of {min(exponents):.2f}")


def nested(depth: int) -> str:
    """JSON in a text of JSON, each time in quotes."""
    text = "word"
    for _ in range(depth):
        text = json.dumps([text])
    return text


@pytest.mark.parametrize(
    "value",
    [
        {f"name{number}": number for number in range(100_000)},
        {f"token{number}": "abc" for number in range(20_000)},
        ["word"] * 100_000,
        nested(14),
        "[" * 100_000,
        [[[["a@example.org"]]]] * 5_000,
        ["password="] * 20_000,
        [{"text": "- name: DB_PASSWORD"}, {"text": "value: x"}] * 10_000,
        ["-p", "a9b8c7d6e5"] * 10_000,
        [["user", "password"]] * 20_000,
        {"columns": ["user", "password"], "rows": [["a", "b"]] * 20_000},
    ],
    ids=[
        "names",
        "secret names",
        "items",
        "JSON in JSON",
        "brackets",
        "secrets",
        "open ends",
        "names and values",
        "options",
        "rows",
        "table",
    ],
)
def test_values_of_many_parts_take_no_longer_than_texts_of_their_size(value):
    """Names are judged one by one; 100,000 of them took 5 s."""
    size = max(len(json.dumps(value)), SMALL)
    assert seconds(value) < MOST_TIMES_PLAIN * seconds(repeated(PLAIN, size))
