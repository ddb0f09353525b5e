"""Personal data by choice, patterns of the user's own, and which values below a secret name are secrets."""

# ruff: noqa: E501, SIM905 - tables of texts and names

import re
import time
from typing import get_args

import msgspec
import pytest

from ael_otel.config import settings_from_mapping
from ael_otel.config.patterns import text_pattern_fault
from ael_otel.config.settings import Privacy
from ael_otel.errors import ConfigError
from ael_otel.privacy.field_names import _OTHER_SCRIPTS, ALONE, ANCHORS, holds_secret, is_weak, kind_of
from ael_otel.privacy.markers import ALL_MARKERS, KINDS, MARKER, MARKERS
from ael_otel.privacy.policy import DEFAULT_PII, CustomPattern, Policy
from ael_otel.privacy.redactor import Redactor
from ael_otel.privacy.rules import BY_PREFIX, DETECTORS, FORMATS, PII_DETECTORS, PREFIX
from ael_otel.privacy.validators import is_card, is_placeholder, is_ssn, is_words, looks_secret

REDACTOR = Redactor()


def test_configuration_names_every_detector_and_no_other() -> None:
    """The closed set of `privacy.pii` is the table of detectors; its default is that of a policy."""
    (field,) = [field for field in msgspec.structs.fields(Privacy) if field.name == "pii"]
    (words, _) = get_args(get_args(field.type)[0])
    assert get_args(words) == PII_DETECTORS
    assert Privacy().pii == DEFAULT_PII == Policy().pii


@pytest.mark.parametrize("name", DETECTORS)
def test_optional_detector_finds_its_example_only_when_enabled(name) -> None:
    """Its example gets its marker, a number with another check digit stays; without it, or with `scrub_pii: false`, all stays."""
    rule = DETECTORS[name]
    redactor = Redactor(Policy(pii=(name,)))
    assert MARKERS[rule.kind] in redactor.text(rule.example)
    assert redactor.text(rule.counter) is rule.counter
    for text in (rule.example, f"x {rule.example}; y", f"({rule.example})"):
        assert [found.rule for found in redactor.explain(text)][:1] == [name]
    assert not any(found.rule == name for found in REDACTOR.explain(rule.example))
    assert Redactor(Policy(pii=(name,), scrub_pii=False)).text(rule.example) is rule.example
    assert rule.kind in KINDS


@pytest.mark.parametrize(
    ("detector", "valid", "invalid"),
    [
        (
            "iban",
            "DE89 3704 0044 0532 0130 00 FR1420041010050500013M02606",
            "DE88 3704 0044 0532 0130 00 DE8937040044053201300",
        ),
        ("phone", "+4930123456 +1 (212) 555-0100", "1+23456789 +12 a+4930123456"),
        (
            "ip_address",
            "198.51.100.7 ::ffff:198.51.100.7 fe80::1ff:fe23:4567:890a",
            "1.2.3 300.1.1.1 127.0.0.1 12:30:45 0.0.0.0",
        ),
        ("cpf", "52998224725", "52998224724 11111111111"),
        ("uk_nhs", "4010232137", "4010232138"),
        ("aadhaar", "2341-2341-2346", "1341-2341-2346"),
    ],
)
def test_detector_judges_check_digits_and_neighbours(detector, valid, invalid) -> None:
    """In the forms that people write; near misses stay."""
    redactor = Redactor(Policy(pii=(detector,)))
    if detector != "ip_address":
        assert set(re.sub(r"\[[A-Z_]+\]", "", redactor.text(valid))) <= {" "}
    else:
        assert "198.51" not in redactor.text(valid)
        assert "890a" not in redactor.text(valid)
    assert redactor.text(invalid) is invalid


def test_default_detectors_can_be_chosen_one_by_one() -> None:
    """Only named detectors are off; fields and numbers follow."""
    redactor = Redactor(Policy(pii=("email",)))
    kept = {
        "a": "her SSN, 219-09-9999",
        "ssn": "219099999",
        "n": 4111111111111111,
        "t": "4111 1111 1111 1111",
    }
    assert redactor.value(kept) == kept
    assert redactor.text("ada@example.org") == "[EMAIL]"
    assert (
        Redactor(Policy(pii=("payment_card",))).text("ada@example.org 4111 1111 1111 1111")
        == "ada@example.org [CREDIT_CARD]"
    )


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Social Security Number: 219099999", "Social Security Number: [SSN]"),
        ("ITIN 912-70-1234 and 999 88 1234", "ITIN [SSN] and [SSN]"),
        ("912-34-5678 900-09-9999", None),
        ("555-12-3456 is a telephone number; fax 555-12-3457", None),
        ("her SSN 555-12-3456, phone 1", "her SSN [SSN], phone 1"),
        ("4006381333931 4000000000006", None),  # a barcode, and a number of 13 digits with a right check digit
        ("Visa 4222222222222", "Visa [CREDIT_CARD]"),
        ("order 4532015112830366 shipped", None),
        ("card 4532015112830366", "card [CREDIT_CARD]"),
        ("flask@3.0.dev, postgres@db.local, svc@queue.internal", None),
        ("Co-Authored-By: Someone <noreply@example.org>", None),
        ("https://user@example.org/x", None),
        ("https://user:password@example.com/x", None),
        ("mailto:ada@example.org", "mailto:[EMAIL]"),
        ("SK" + "3d9f0b7c2a684e15" * 2, None),
        ("AKIA" + "IOSFODNN7EXAMPLE", None),
        ("the folder /a/xoxo-conference-2018/x", None),
        ("xoxb-" + "your-bot-token-here glpat-" + "X" * 20, None),
        ("https://f.example.org/a.mp4?Expires=1&Signature=" + "aB3~" * 10 + "&Key-Pair-Id=K2", "https://f.example.org/a.mp4?Expires=1&Signature=[TOKEN]&Key-Pair-Id=K2"),
        ("https://b.example.org/o?OSSAccessKeyId=abcd1234efgh&Signature=aB3xyz123456", "https://b.example.org/o?OSSAccessKeyId=[TOKEN]&Signature=[TOKEN]"),
    ],
)  # fmt: skip
def test_numbers_and_addresses_are_judged_with_their_neighbours(text, clean) -> None:
    """None means that nothing may change."""
    assert REDACTOR.text(text) == (text if clean is None else clean)


@pytest.mark.parametrize(
    "name",
    "IRC_PASS dbpasswd GITHUB_PAT TF_TOKEN_app_terraform_io AWS_BEARER_TOKEN_BEDROCK OPENAIAPIKEY myapikey apikey_prod "
    "password_prod DB_PW sonar.login Passwort Kennwort contraseña Contraseña senha mot_de_passe motdepasse mdp пароль 密码 密碼 "
    "口令 数据库密码 パスワード 비밀번호 şifre hasło client-key-data STRIPE_KEY db_password_b64 LAUNCHDARKLY_SDK_KEY clave_secreta "
    "palavra-passe API_KEY_OPENAI secret_key_base PHPSESSID backup_code recovery_codes PRIVKEY code_verifier wg_psk PresharedKey SG_KEY".split(),
)
def test_names_of_other_services_and_languages_are_secret(name) -> None:
    """Also with a suffix and written together; each holds a text that the search for names begins with."""
    assert kind_of(name) is not None
    assert any(anchor in name.lower() for anchor in ANCHORS), name
    assert REDACTOR.value({name: "Tr0ub4dor-and-3x"})[name] in ALL_MARKERS


@pytest.mark.parametrize(("word", "kind"), sorted((ALONE | _OTHER_SCRIPTS).items()))
def test_word_that_is_enough_alone_is_searched_for(word, kind) -> None:
    """A word without a text in `ANCHORS` would never be looked at."""
    assert kind_of(word) == kind
    assert kind_of(f"of_the_{word}") == kind


@pytest.mark.parametrize(
    "name",
    "path pattern patch compatible keypad login logins loginUrl compass bypass passthrough keyword stripe_key_id forgot_password "
    "reset_password nopassword cardinality authorName tokenizer_prod key_prod public_key_prod zipcode signal design pw_count "
    "client-certificate-data certificate-authority-data passé mdpath".split(),
)
def test_names_with_parts_of_such_words_are_not(name) -> None:
    """A part of a word does not make a name secret."""
    assert kind_of(name) is None


@pytest.mark.parametrize(
    "value",
    [
        {"password": {"minLength": 8}},
        {"token": {"type": "string", "description": "page token"}},
        {"token": "Hello", "logprob": -0.12, "bytes": [72]},
        {"current_token": "+"},
        {"design_token": "spacing.4"},
        {"sync_token": "7"},
        {"detected_secrets": 2},
        {"card_number": 3},
        {"otp": "on"},
        {"cookies": {"count": 3}},
        {"authorization": "granted"},
        {"credentials": "same-origin"},
        {"session_key": "agent:main:main"},
        {"storage_key": "ui.theme"},
        {"app_key": "my-app"},
        {"host_key": "ssh-ed25519"},
        {"pass": 12, "fail": 3},
        {"pass": "render"},
        {"api_key": "<your key>"},
        {"token": "${TOKEN}"},
        {"secret": "xxxxxxxx"},
    ],
    ids=str,
)
def test_schemas_counts_states_and_placeholders_stay(value) -> None:
    """Values below a secret's name that cannot be a secret."""
    assert REDACTOR.value(value) is value


@pytest.mark.parametrize(
    "value",
    [
        {"pass": "tr0ub4dor&3x"},
        {"session_key": "4f7Gh2Kq9ZtB5xW8nRj3"},
        {"app_key": "3d9f0b7c2a684e153d9f0b7c2a684e15"},
        {"token": {"type": "bearer", "value": "abc"}},
        {"password": {"user": "ada"}},
        {"token": "x", "type": "bearer"},
        {"secrets": 123456},
        {"token": 12},
        {"current_token": "4f7Gh2Kq9ZtB5xW8nRj3"},
        {"password": "changeme"},
    ],
    ids=str,
)
def test_secrets_below_the_same_names_go(value) -> None:
    """Weak names with a value that looks like a secret, and strong names with any value that can be one."""
    (name, *_) = value
    assert REDACTOR.value(value)[name] in ALL_MARKERS


def test_weak_names_are_those_that_need_a_value() -> None:
    """A strong name is not weak."""
    assert all(map(is_weak, ("session_key", "pass", "GITHUB_PAT", "current_token")))
    assert not any(map(is_weak, ("api_key", "password", "token", "name")))
    assert holds_secret("password", "password", "hunter2")


OWN = (
    CustomPattern("ticket", r"\bTCK-[0-9]{4,8}\b", "TICKET"),
    CustomPattern("badge", r"badge (?P<secret>[A-Z]{2}[0-9]{3})", "[BADGE]"),
)


def test_own_patterns_replace_their_matches_and_are_counted_as_custom() -> None:
    """The whole match or its group `secret`, in texts, names and JSON; twice is once."""
    counted = []
    redactor = Redactor(Policy(patterns=OWN), on_redacted=lambda kind, number: counted.append((kind, number)))
    text = "see TCK-123456, badge AB123"
    assert redactor.text(text) == "see [TICKET], badge [BADGE]"
    assert counted == [("custom", 2)]
    assert redactor.text("see [TICKET], badge [BADGE]") == "see [TICKET], badge [BADGE]"
    assert redactor.value({"TCK-1234": ['{"a": "TCK-99999"}']}) == {"[TICKET]": ['{"a": "[TICKET]"}']}
    assert [(each.rule, each.marker) for each in redactor.explain(text)] == [
        ("patterns.ticket", "[TICKET]"),
        ("patterns.badge", "[BADGE]"),
    ]
    assert all(MARKER.fullmatch(each.marker) for each in redactor.explain(text))


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("patient_id: A1234-77", "patient_id: [REDACTED]"),
        ('{"Patient_ID" = "x y"', '{"Patient_ID" = "[REDACTED]"'),
        ("GET /x?patientid=foo1bar&page=2", "GET /x?patientid=[REDACTED]&page=2"),
        ("patient id A1234-77", None),
    ],
)
def test_sensitive_field_patterns_act_in_texts(text, clean) -> None:
    """On `name: value` and `name=value`, upper or lower case; not on words of a sentence."""
    redactor = Redactor(Policy(sensitive_field_patterns=("patient_?id",)))
    assert redactor.text(text) == (text if clean is None else clean)
    assert REDACTOR.text(text) is text


def test_own_pattern_that_fits_its_marker_ends() -> None:
    """A marker is not matched by its own pattern."""
    redactor = Redactor(Policy(patterns=(CustomPattern("word", "[A-Z]{4,8}", "SECRET"),)))
    assert redactor.text("the HEARTS of KINGS") == "the [SECRET] of [SECRET]"


@pytest.mark.parametrize(
    "regex", ["a+b", "(", ".*", "x{2,}", "(a+)+", "", "[a-z]{1,200}[a-z]{1,200}x", "y{0,5}"]
)
def test_own_pattern_that_is_not_linear_is_refused(regex) -> None:
    """By the check of the configuration and by a policy."""
    assert text_pattern_fault(regex) is not None
    with pytest.raises(ConfigError, match="patterns"):
        Policy(patterns=(CustomPattern("mine", regex, "MINE"),))


@pytest.mark.parametrize(
    "regex", [r"\bTCK-[0-9]{4,8}\b", "(?i)case[ _-]{0,2}[0-9]{5}", r"[A-Z]{2}\d{6,40}", "a{500}"]
)
def test_own_pattern_with_bounds_is_accepted_and_linear(regex) -> None:
    """Twice the text takes about twice the time, on a text of the pattern's own characters."""
    assert text_pattern_fault(regex) is None
    pattern = re.compile(regex)
    took = []
    for size in (50_000, 200_000):
        text = ("TCK-1aA0" * size)[:size]
        began = time.process_time()
        list(pattern.finditer(text))
        took.append(time.process_time() - began)
    assert took[1] < max(took[0], 0.01) * 16


def test_patterns_are_read_from_the_configuration() -> None:
    """With and without a marker; they reach the policy."""
    settings = settings_from_mapping(
        {"privacy": {"pii": ["email", "iban"], "patterns": [{"name": "ticket", "regex": "TCK-[0-9]{6}"}]}}
    )
    policy = Policy.of(settings)
    assert policy.pii == ("email", "iban")
    assert Redactor(policy).text("TCK-123456 219-09-9999") == "[CUSTOM] 219-09-9999"


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ("TCK", "telemetry.privacy.patterns must be a list of mappings with name, regex and optionally marker, not text"),
        (["TCK"], "telemetry.privacy.patterns must be a list of mappings; item 1 is text"),
        ([{"name": "a"}], "telemetry.privacy.patterns has an item (1) without the key regex"),
        ([{"name": "a", "regex": "x", "kind": "y"}], "telemetry.privacy.patterns has an item (1) with the key kind; valid there: name, regex, marker"),
        ([{"name": "A b", "regex": "x"}], "telemetry.privacy.patterns has an item (1) whose name must be small letters, digits and _"),
        ([{"name": "a", "regex": "x", "marker": "no"}], "telemetry.privacy.patterns has an item (1) whose marker must be capital letters, digits and _, such as TICKET"),
        ([{"name": "a", "regex": 7}], "telemetry.privacy.patterns has an item (1) whose regex is a number; it must be text"),
        ([{"name": "a", "regex": "x"}, {"name": "a", "regex": "y"}], "telemetry.privacy.patterns contains two items with the name a"),
        ([{"name": "a", "regex": "x+y"}], "telemetry.privacy.patterns has an item (1, a) whose regex 'x+y' has an unbounded repetition (+), which can take quadratic time: bound it, such as {1,100}"),
    ],
)  # fmt: skip
def test_faulty_patterns_are_refused_with_key_and_remedy(patterns, message) -> None:
    """One line each."""
    with pytest.raises(ConfigError) as caught:
        settings_from_mapping({"privacy": {"patterns": patterns}})
    assert message in str(caught.value)


def test_unknown_detector_is_refused_with_the_nearest() -> None:
    """As for any other closed set."""
    with pytest.raises(ConfigError, match=r"privacy\.pii .* did you mean iban\?"):
        settings_from_mapping({"privacy": {"pii": ["ibann"]}})


def test_formats_have_names_of_their_own_and_the_longest_prefix_decides() -> None:
    """More than 200 rows; each prefix in a run leads to the rule of its row."""
    assert len({each.name for each in FORMATS}) == len(FORMATS) > 200
    for prefix, rule in BY_PREFIX.items():
        match = PREFIX.match(prefix + "0")
        assert match is not None
        assert match[0] == prefix
        assert prefix in rule.anchors


def test_checks_of_values() -> None:
    """Placeholders, words and secrets."""
    assert all(
        map(
            is_placeholder,
            (
                "<token>",
                "${TOKEN}",
                "$(get token)",
                "%TOKEN%",
                "{{ token }}",
                "xxxx",
                "YOUR_API_KEY",
                "insert-key-here",
                "...",
            ),
        )
    )
    assert not any(map(is_placeholder, ("changeme", "hunter2", "x", "Gr33n{T3a}Pot", "4f7Gh2Kq9Z")))
    assert all(map(is_words, ("my-app", "metric-learning-book-2nd-edition", "v1.2.3", "agent:main")))
    assert not any(map(is_words, ("4f7Gh2Kq9ZtB5", "a1b2c3d4e5f6")))
    assert all(map(looks_secret, ("4f7Gh2Kq9ZtB5xW8", "3d9f0b7c2a684e153d9f0b7c2a684e15")))
    assert not any(
        map(looks_secret, ("short1", "ssh-ed25519", "/usr/lib/x86", "https://x.org/a1", "$TOKEN1234"))
    )
    assert is_card("4222222222222")
    assert is_ssn("912-70-1234")
    assert not is_ssn("912-34-5678")


def test_private_parts_of_a_json_web_key_go_and_public_ones_stay() -> None:
    """In a value and in JSON text; a mapping without `kty` keeps its `d` and `p`."""
    key = {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1f",
    }
    assert REDACTOR.value(key) == {**key, "d": "[PRIVATE_KEY]"}
    assert REDACTOR.value({"keys": [{"kty": "oct", "k": "4f7Gh2Kq9Z"}]}) == {
        "keys": [{"kty": "oct", "k": "[PRIVATE_KEY]"}]
    }
    assert REDACTOR.value({"d": 1, "p": "x"}) == {"d": 1, "p": "x"}
