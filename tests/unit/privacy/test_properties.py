"""Properties of every value: no secret survives, the rest is unchanged, redaction is idempotent and linear in time."""

# ruff: noqa: E501, RUF005, SIM905 - tables of texts and names

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ael_otel.privacy.markers import KINDS
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import MAX_CHARS, Redactor
from tests.unit.privacy.secrets import SHAPES, any_secret, benign_name, core, scalars, structures

QUIET = settings(max_examples=150, suppress_health_check=list(HealthCheck))
REDACTOR = Redactor()
AROUND = st.sampled_from(["", " ", "\n", "see ", "failed: ", " (", "x=1, ", "é ", "日本 "])


@pytest.mark.parametrize("kind", sorted(SHAPES))
@settings(QUIET, max_examples=60)
@given(data=st.data())
def test_a_secret_in_a_text_does_not_survive(kind, data):
    """Each kind, with words around it, alone, at the beginning and at the end."""
    secret = data.draw(SHAPES[kind])
    text = data.draw(AROUND) + secret + data.draw(st.sampled_from(["", " ", "\n", ", then", " end"]))
    assert core(secret) not in REDACTOR.text(text)


def planted(value, secret, choose):
    """The value with the secret somewhere in it: as a leaf, a name, an item, JSON in a text, bytes, part of a sentence."""
    forms = [
        secret, f"result: {secret} ok", secret.encode(), {secret: 1}, [secret], (1, secret), {"note": {"deep": [secret]}},
        json.dumps({"a": [secret]}), json.dumps(json.dumps([secret])), {frozenset([secret]): 2},
    ]  # fmt: skip
    form = forms[choose % len(forms)]
    if isinstance(value, dict):
        return {**value, "extra": form}
    if isinstance(value, list):
        return [*value, form]
    return {"first": value, "second": form} if choose % 2 else [form, value]


@QUIET
@given(structures(scalars), any_secret, st.integers(0, 1000))
def test_a_secret_anywhere_in_a_value_does_not_survive(value, secret, choose):
    """Neither in the encoded result nor in its repr, inside any structure."""
    clean = REDACTOR.value(planted(value, secret, choose))
    hidden = core(secret)
    assert hidden not in repr(clean)
    assert (
        hidden not in json.dumps(clean, default=repr, ensure_ascii=False, skipkeys=False)
        if _plain(clean)
        else True
    )


def _plain(value):
    try:
        json.dumps(value, default=repr)
    except TypeError:
        return False
    return True


@QUIET
@given(structures(scalars))
def test_clean_value_is_returned_as_the_same_object(value):
    """The same object: ids, hashes, times, prices, names of models, counts of tokens, paths."""
    assert REDACTOR.value(value) is value


@QUIET
@given(st.dictionaries(benign_name, scalars))
def test_attributes_without_secrets_come_back_themselves(attributes):
    """The same mapping, by names that only resemble secret ones."""
    assert REDACTOR.attributes(attributes) is attributes


@QUIET
@given(structures(st.one_of(scalars, any_secret, st.text())))
def test_twice_is_once(value):
    """A redacted value is neither redacted again nor changed."""
    once = REDACTOR.value(value)
    assert REDACTOR.value(once) == once


PIECES = st.sampled_from(
    "password token key : = \" ' [ ] { } @ :// bearer basic 219-09-9999 a@b.co x1 \\ , ; & ? -- eyJ . _ - [TOKEN] [EMAIL] "
    "4111111111111111 hunter22abc authorization cookie sid=1 %40 %3d is was secret /".split()
    + [" ", "\n", "  "]
)


@settings(QUIET, max_examples=600)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_redaction_is_idempotent_for_texts_made_of_rule_parts(text):
    """Markers do not form a new secret with the text beside them."""
    once = REDACTOR.text(text)
    assert REDACTOR.text(once) == once


WIDE = st.sampled_from(
    [
        "\0",
        "\ufffd",
        "\0\0",
        "token=abcd1234efgh",
        "\0".join("pw=hunter2"),
        "password",
        "=",
        "hunter2x",
        "ada@example.org",
    ]
)


@settings(QUIET, max_examples=600)
@given(st.lists(st.one_of(WIDE, PIECES), max_size=12).map("".join))
def test_redaction_is_idempotent_for_texts_with_characters_of_no_width(text):
    """A secret that NULs hide is looked for also where another one was found."""
    once = REDACTOR.text(text)
    assert REDACTOR.text(once) == once


def test_text_with_two_secrets_one_of_them_between_nuls_is_replaced_as_a_whole():
    """The explanation names both."""
    text = f"ada@example.org {chr(0).join('token=abcd1234efgh')}"
    assert REDACTOR.text(text) == "[REDACTED]"
    assert [finding.rule for finding in REDACTOR.explain(text)] == ["email", "wide_text"]


@QUIET
@given(st.one_of(st.text(), st.binary(), st.text(alphabet="\ud800\udfff\x00İK@")))
def test_any_text_is_accepted(value):
    """Lone surrogates, NUL, letters that grow in lower case, bytes of no encoding."""
    REDACTOR.value(value)


@QUIET
@given(structures(st.one_of(scalars, any_secret)))
def test_counted_kinds_are_of_the_closed_set_and_only_for_redactions(value):
    """Kinds are those of the markers, numbers are positive, and a clean value has no counts."""
    counted = []
    clean = Redactor(on_redacted=lambda kind, number: counted.append((kind, number))).value(value)
    assert all(kind in KINDS and number > 0 for kind, number in counted)
    assert bool(counted) == (clean is not value)


HOSTILE = {
    "a": "a", "@": "@", "a@": "a@", "a.a@a.": "a.a@a.", "digits": "4", "groups": "4111 ", "1-": "123-", "eyJ": "eyJ", "-eyJ": "-eyJ",
    "sk-": "sk-", "token=": "token=", "key: ": "key: ", 'token="': 'token="', "quotes": '\\"', "BEGIN": "-----BEGIN PRIVATE " + "KEY-----",
    "BEGIN-": "-----BEGIN", "://": "://", "://a:": "://a:", "bearer ": "bearer ", "basic a": "basic aaaaaaaa", "cookie:": "cookie: a=",
    "braces": "[", "objects": '{"a":', "slash": "/", "paths": "/a ", "secret is ": "secret is ", "--token ": "--token ", "xoxb-": "xoxb-a",
    "8Q~": "8Q~", "é": "É", "İ": "İpassword", "%40": "%40", "authorization": "authorization: Bearer ",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_time_grows_with_length_alone(piece):
    """Eight times as much hostile text, up to 1 MB, takes about eight times as long, not sixty-four times.

    A ratio of processor times, of the best of some attempts, since this machine is shared.
    """
    redactor = Redactor(Policy(excluded_paths=("~/.ssh/*",)))
    small, large = (piece * (size // len(piece)) for size in (131_072, 1_048_576))

    def taken(text):
        start = time.process_time()
        redactor.text(text)
        return time.process_time() - start

    ratios = []
    for _ in range(4):
        ratios.append(taken(large) / max(taken(small), 0.002))
        if ratios[-1] < 20:
            return
    pytest.fail(f"eight times the text took {min(ratios):.0f} times as long")


def test_text_too_long_to_search_is_cut_before_a_secret_on_the_edge():
    """Nothing behind the cap passes, and no half of a secret that lies over it."""
    secret = "ghp_" + "a1B2c3D4e5F6" * 3
    for shift in (0, 1, 10, 39):
        text = ("word " * (MAX_CHARS // 5 + 1))[: MAX_CHARS - shift] + " " + secret + " tail-behind-the-cap"
        clean = REDACTOR.text(text)
        assert "ghp_a" not in clean
        assert "tail-behind" not in clean
        assert clean.endswith("[REDACTED]")
        assert REDACTOR.text(clean) == clean
