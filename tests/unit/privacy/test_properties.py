"""What holds of every value: no secret survives, nothing else changes, twice is once, and time grows with length only."""

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
    """Neither in what is written of the result nor in its repr, whatever it is put into."""
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
def test_what_holds_no_secret_comes_back_itself(value):
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
    """What is redacted is not redacted again, nor changed."""
    once = REDACTOR.value(value)
    assert REDACTOR.value(once) == once


PIECES = st.sampled_from(
    "password token key : = \" ' [ ] { } @ :// bearer basic 219-09-9999 a@b.co x1 \\ , ; & ? -- eyJ . _ - [TOKEN] [EMAIL] "
    "4111111111111111 hunter22abc authorization cookie sid=1 %40 %3d is was secret /".split()
    + [" ", "\n", "  "]
)


@settings(QUIET, max_examples=600)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_twice_is_once_for_texts_made_of_what_rules_look_for(text):
    """Markers beside anything do not make something new that looks like a secret."""
    once = REDACTOR.text(text)
    assert REDACTOR.text(once) == once


@QUIET
@given(st.one_of(st.text(), st.binary(), st.text(alphabet="\ud800\udfff\x00İK@")))
def test_any_text_is_taken(value):
    """Lone surrogates, NUL, letters that grow in lower case, bytes of no encoding."""
    REDACTOR.value(value)


@QUIET
@given(structures(st.one_of(scalars, any_secret)))
def test_what_is_counted_is_of_the_closed_set_and_only_when_something_went(value):
    """Kinds are those of the markers, numbers are positive, and nothing is told of a clean value."""
    told = []
    clean = Redactor(on_redacted=lambda kind, number: told.append((kind, number))).value(value)
    assert all(kind in KINDS and number > 0 for kind, number in told)
    assert bool(told) == (clean is not value)


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


def test_what_is_too_long_to_search_is_cut_before_a_secret_on_the_edge():
    """Nothing behind the cap passes, and no half of a secret that lies over it."""
    secret = "ghp_" + "a1B2c3D4e5F6" * 3
    for shift in (0, 1, 10, 39):
        text = ("word " * (MAX_CHARS // 5 + 1))[: MAX_CHARS - shift] + " " + secret + " tail-behind-the-cap"
        clean = REDACTOR.text(text)
        assert "ghp_a" not in clean
        assert "tail-behind" not in clean
        assert clean.endswith("[REDACTED]")
        assert REDACTOR.text(clean) == clean
