"""Shortcuts find the same secrets: small values in one search, long texts near changes only."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ael_otel.privacy.budget import Budget
from ael_otel.privacy.key_value import may_name
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor
from tests.unit.privacy.secrets import any_secret, benign_name, scalars, structures

THOROUGH = settings(max_examples=300, suppress_health_check=list(HealthCheck))
POLICIES = (
    Policy(),
    Policy(scrub_pii=False),
    Policy(excluded_paths=["/private/*", "~/.ssh"], sensitive_field_patterns=["^pet$"]),
    Policy(excluded_paths=["*.pem", "/private/*"], allow_fields=["note"]),
)
FIELDS = st.sampled_from(
    ["value", "name", "key", "password", "pet", "note", "token", "text", "header", "argv"]
)
TEXTS = st.sampled_from(
    ["--token", "hunter2xyz", "password", "X-Api-Key", "/private/a", "~/.ssh/id", "a.pem", '{"password":"x1y2z3"}\n',
     '["--token","abc123"]', "", "ok", "[EMAIL]", "password: [PASSWORD]", "4111 1111 1111 1111", "x" * 300]
)  # fmt: skip
LEAVES = st.one_of(TEXTS, any_secret, scalars, st.just(4111111111111111), st.just(4111111111111111.0))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(FIELDS, benign_name, TEXTS), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("policy", POLICIES, ids=["defaults", "no personal data", "paths", "names of files"])
@THOROUGH
@given(value=VALUES)
def test_value_that_the_quick_check_passes_is_clean_for_the_walk(policy: Policy, value: object) -> None:
    """Proves for each policy: nothing that the walk finds is missed, in names, texts, numbers, pairs and options."""
    redactor = Redactor(policy)
    redactor.value(value)  # names are cached from now on; the quick check needs them
    if redactor._is_clean(value):
        assert redactor.explain(value) == []
        assert redactor.value(value) is value


@THOROUGH
@given(structures(scalars))
def test_ordinary_small_values_come_back_as_they_are(value: object) -> None:
    """Proves that the quick check passes only values that the walk leaves unchanged."""
    redactor = Redactor()
    found = redactor.explain(value)
    assert found or redactor.value(value) is value


def test_ordinary_content_needs_no_walk() -> None:
    """Proves that typical parameters and results pass the quick check from the second time on."""
    redactor = Redactor()
    for value in (
        {},
        {"text": "hello, world"},
        {"content": [{"type": "text", "text": "hello, world"}], "isError": False},
        [1, 2.5, None, True],
    ):
        redactor.value(value)
        assert redactor._is_clean(value), value


@pytest.mark.parametrize(
    "value",
    [
        ["--token", "abc123", "x"],
        ["password", "abc123xy"],
        {"name": "api_key", "value": "abc123"},
        {"text": '{"password": "x1y2"}'},
        {"text": '{"password": "x1y2"}\n'},
        {"password": "x"},
        {"number": 4111111111111111},
        {"at": "/private/a"},
        {"text": b"password=abc123"},
        {1: "password=abc123"},
    ],
)
def test_value_that_needs_the_walk_does_not_pass_the_quick_check(value: object) -> None:
    """Proves that each shape that needs more than a look at single texts goes the long way, and loses its secret."""
    redactor = Redactor(Policy(excluded_paths=["/private/*"]))
    changed = redactor.value(value)
    assert not redactor._is_clean(value)
    assert changed != value


FILLER = st.sampled_from(
    ["lorem ipsum dolor sit amet, ", "a=1; b=2\n", "key: value, ", "--flag on ", "x" * 40 + " ", "/srv/data/a.json ",
     "password was reset. ", "0123456789 ", "token "]
)  # fmt: skip


@THOROUGH
@given(parts=st.lists(st.tuples(FILLER, st.integers(0, 120), any_secret), min_size=1, max_size=5))
def test_second_search_near_changes_equals_a_full_search(
    parts: list[tuple[str, int, str]],
) -> None:
    """Proves that a redacted long text with secrets far apart is clean for a full search, and returned unchanged."""
    redactor = Redactor()
    clean = redactor.text("".join(filler * times + secret for filler, times, secret in parts))
    assert not redactor._scanner.spans(clean)
    assert redactor.text(clean) is clean


@THOROUGH
@given(
    texts=st.lists(
        st.one_of(TEXTS, any_secret, FILLER, st.builds("{}{}".format, FILLER, any_secret)), max_size=12
    )
)
def test_texts_that_are_clean_in_one_search_are_clean_one_by_one(texts: list[str]) -> None:
    """Proves that searching the texts of a value together misses nothing that a search of each would find."""
    redactor = Redactor(Policy(excluded_paths=["/private/*", "~/.ssh"]))
    clean, unnamed = redactor._texts.clean_among(texts, Budget())
    for text in clean:
        assert redactor.explain(text) == []
    for text in unnamed:
        assert not may_name(text)


@pytest.mark.parametrize(
    "secret", ["219-09-9999", "4111 1111 1111 1111", "password=hunter2x", "a@example.org"]
)
@pytest.mark.parametrize("before", ["phone", "order number", "call", "the token is", "ghp_", "-----BEGIN"])
def test_text_is_judged_without_the_texts_beside_it(before: str, secret: str) -> None:
    """Proves that the neighbours of a text in its list do not change its result."""
    around = [f"{before}{n}" for n in range(12)]
    clean = Redactor().value([*around, {"x": secret}, *around])
    assert secret not in str(clean)


@pytest.mark.parametrize("policy", POLICIES, ids=["defaults", "no personal data", "paths", "names of files"])
@settings(THOROUGH, max_examples=100)
@given(value=VALUES)
def test_mapping_among_many_texts_passes_only_if_it_is_clean_for_the_walk(
    policy: Policy, value: object
) -> None:
    """Proves that mappings whose texts were searched in advance hold nothing that a walk without that would find."""
    redactor = Redactor(policy)
    records = [{"note": f"the line {n}", "value": value, "inner": {"text": value}} for n in range(9)]
    redactor.value(records)  # names are cached from now on
    for many in (records, [{"inner": {"text": value, "list": [value, "a", "b"]}} for _ in range(9)]):
        clean = redactor.value(many)
        assert (clean is many) == (redactor.explain(many) == [])


WORDS = st.one_of(
    st.sampled_from(
        ["net user", "ada", "hunter2x", "echo", "identified by", "ssn", "219-09-9999", "219099999", "/add", "itin",
         "snmp-server community", "PRIVATE KEY", "4111 1111 1111 1111", "4111111111111111", "password", "social",
         "--token", "-p", "mysql", "exec-7f3a91c2d4", "a.b", "/srv/x", "Basic", "login", "set sid", "kind"]
    ),
    st.text(st.sampled_from("abekops019_.,/- "), max_size=14),
)  # fmt: skip


@THOROUGH
@given(parts=st.lists(WORDS, max_size=8))
def test_short_text_of_plain_words_passes_only_if_no_rule_matches(parts: list[str]) -> None:
    """Proves that the first test of a short text misses nothing that the rules find in it."""
    quick, thorough = Redactor()._scanner, Redactor()._scanner
    thorough._any_word = None
    for text in (" ".join(parts), " ".join(parts).upper()):
        assert list(quick.spans(text)) == list(thorough.spans(text))


def test_ordinary_short_texts_are_passed_by_the_first_test() -> None:
    """Proves that states, ids and sentences are judged by that test alone, so it cannot rot unnoticed."""
    scanner = Redactor()._scanner
    assert scanner._any_word is not None
    for text in ("completed", "hello world", "exec-7f3a91c2d4", "gpt-5.2-mini", "/srv/data/7.json"):
        assert scanner._is_plain(text, scanner._any_word), text
