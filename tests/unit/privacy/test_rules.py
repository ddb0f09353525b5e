"""Each rule finds its examples, leaves similar values, and does not change texts not written for the rules."""

# ruff: noqa: E501, SIM905 - tables of texts and names

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.privacy.field_names import kind_of
from ael_otel.privacy.markers import ALL_MARKERS, KINDS
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor
from ael_otel.privacy.rules import RULES

REPO = Path(__file__).parents[3]
REDACTOR = Redactor()


def test_the_table_is_small_and_every_name_in_it_is_its_own():
    """At most 40 rules, each of a known kind, with an example and something to leave alone."""
    assert len(RULES) <= 40
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.kind in KINDS
        assert rule.example
        assert rule.counter


def test_no_two_rules_begin_with_the_same_prefix():
    """Of two rules for keys with one prefix, only the last would be tried."""
    prefixes = [anchor for rule in RULES if rule.in_run for anchor in rule.anchors]
    assert sorted({each for each in prefixes if prefixes.count(each) > 1}) == []


def test_every_repetition_in_a_rule_has_a_bound():
    """No `*`, `+` or `{n,}`: the cost of a match is bounded."""
    for rule in RULES:
        plain = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "x", rule.pattern.pattern)
        # Behind a quantifier, `+` makes it possessive; it is not a repetition.
        plain = re.sub(r"(\{[\d,]+\})[+?]", r"\1", plain)
        assert not re.search(r"[*+]|\{\d*,\}", plain), rule.name


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_a_rule_finds_its_example_and_only_that(rule):
    """The example is found by this rule, replaced by a marker and clean afterwards; the counter-example stays."""
    findings = REDACTOR.explain(rule.example)
    assert [finding.rule for finding in findings] == [rule.name]
    clean = REDACTOR.text(rule.example)
    assert any(marker in clean for marker in ALL_MARKERS)
    assert rule.example[findings[0].start : findings[0].end] not in clean
    assert REDACTOR.text(clean) is clean
    assert REDACTOR.text(rule.counter) is rule.counter


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("mail ada@example.org, bob@example.co.uk.", "mail [EMAIL], [EMAIL]."),
        ("<Ada.Lovelace+x@mail.example.museum>", "<[EMAIL]>"),
        ("user%40example.org", "[EMAIL]"),
        ("jürgen@münchen.de", "[EMAIL]"),
        ('"ada lovelace"@example.org', "[EMAIL]"),
        ("git@github.com:org/repo.git", "git@github.com:org/repo.git"),
        ("219-09-9999 219 09 9999 219\u201109\u20119999", "[SSN] [SSN] [SSN]"),
        ("ssn: 219099999", "ssn: [SSN]"),
        ("000-09-9999 666-09-9999 900-09-9999 219-00-9999 219-09-0000", None),
        ("id-219-09-9999 1219-09-9999 219-09-99991 2026-03-01", None),
        ("4111111111111111, 5500-0000-0000-0004, 3782 822463 10005", "[CREDIT_CARD], [CREDIT_CARD], [CREDIT_CARD]"),
        ("4111111111111112 1767225600000000 0.4111111111111111", None),
        ("password=hunter2&user=ada", "password=[PASSWORD]&user=ada"),
        ("password: changeme", "password: [PASSWORD]"),
        ("Password:  'tr0ub4dor & 3', more", "Password:  '[PASSWORD]', more"),
        ('{"a": {"password": "x1", "b": 1}', '{"a": {"password": "[PASSWORD]", "b": 1}'),
        (r"{\"api_key\": \"abc def\"} x", r"{\"api_key\": \"[API_KEY]\"} x"),
        ("export DB_PASSWORD=hunter2; ls", "export DB_PASSWORD=[PASSWORD]; ls"),
        ("the password is hunter22, he said", "the password is [PASSWORD], he said"),
        ("GET /x?access_token=abc123def456&page=2", "GET /x?access_token=[TOKEN]&page=2"),
        ("x?sv=2024&sig=aB3%2Fxyz123456%3D&se=1", "x?sv=2024&sig=[TOKEN]&se=1"),
        ("X-Amz-Signature=0123456789abcdef0123", "X-Amz-Signature=[TOKEN]"),
        ("Authorization: Basic " + "YWRhOmh1bnRlcjI=", "Authorization: [TOKEN]"),
        ('headers={"Authorization": "Bearer ' + 'abc.def"}', 'headers={"Authorization": "[TOKEN]"}'),
        ("-H 'X-Api-Key: 0123456789abcdef'", "-H 'X-Api-Key: [API_KEY]'"),
        ("Cookie: a=b; c=d\nHost: x", "Cookie: [TOKEN]\nHost: x"),
        ("Set-Cookie: sid=abc123; Path=/; HttpOnly", "Set-Cookie: [TOKEN]"),
        (r"Set-Cookie: a=b\r\nSet-Cookie: c=d", r"Set-Cookie: [TOKEN]\r\nSet-Cookie: [TOKEN]"),
        ("DefaultEndpointsProtocol=https;AccountKey=ab12cd34ef==;x=y", "DefaultEndpointsProtocol=https;AccountKey=[API_KEY];x=y"),
        ("Server=db;User Id=sa;Password=S3cr3t!;", "Server=db;User Id=sa;Password=[PASSWORD];"),
        ("postgres://ada:" + "pa@ss@db.example.org/x", "postgres://[URL_CREDENTIALS]@db.example.org/x"),
        ("https://ada@corp.example:" + "hunter2@db.example.org", "https://[URL_CREDENTIALS]@db.example.org"),
        ("redis://:" + "hunter2@cache:6379", "redis://[URL_CREDENTIALS]@cache:6379"),
        ("postgres://${USER}:${PASSWORD}@db https://h:8080/p@q ssh://git@host/x", None),
        ("mysql --password hunter2 -u root", "mysql --password [PASSWORD] -u root"),
        ("mysql --password=hunter -u root", "mysql --password=[PASSWORD] -u root"),
        ("<password>s3cr3tV4lue</password>", "<password>[PASSWORD]</password>"),
        ('<add key="ApiKey" value="s3cr3tV4lue"/>', '<add key="ApiKey" value="[API_KEY]"/>'),
        ("set_password('s3cr3tV4lue')", "set_password('[PASSWORD]')"),
        ("api_keys: ['s3cr3tV4lue']", "api_keys: ['[API_KEY]']"),
        ("| password | s3cr3tV4lue |", "| password | [PASSWORD] |"),
        ("machine x login ada password s3cr3tV4lue", "machine x login ada password [PASSWORD]"),
        ("otp: 123456, ssn 219099999", "otp: [TOKEN], ssn [SSN]"),
        ("SECRET_KEY_BASE=s3cr3tV4lue", "SECRET_KEY_BASE=[API_KEY]"),
        ("| `password` | `hint` | prompt='Password: ', x | the password | policy", None),
        ("client_secret = 'abcd1234EFGH'", "client_secret = '[API_KEY]'"),
        ("api key: 0123456789abcdef0123", "api key: [API_KEY]"),
        ("aws secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLE", "aws secret [API_KEY]"),
        ("password=$PASSWORD api_key=${KEY} token=<your token> secret=***", None),
        ("def f(token: str = None, password=password): return self.token", None),
        ("token = next(tokens); key = item.key; secret = None", None),
        ("the token limit is 4096 tokens; passwords must be long", None),
        ("primary_key=id sort_key: created_at cache-key=abc123def456 keyboard=qwerty123", None),
        ("tokens: 512, max_tokens=4096, token_count: 17, next_page_token=abc123def456", None),
        ("session_id=3f2a9c1d author=ada trace_id=4bf92f3577b34da6a3ce929d0e0e4736", None),
        ("sk-" + "learn-contrib-imbalanced-learn task-aaaaaaaaaaaaaaaaaaaa disk-usage-of-the-whole-machine-2026", None),
    ],
)  # fmt: skip
def test_texts(text, clean):
    """The text beside a secret stays; None means that nothing may change."""
    assert REDACTOR.text(text) == (text if clean is None else clean)


@pytest.mark.parametrize(
    "name",
    "password dbPassword DB_PASSWD pgpassword user.pwd passphrase secret client_secret clientSecret apiKey api_key API-KEY "
    "x-api-key aws_secret_access_key AWSSecretAccessKey accessToken access_token refresh-token token auth.token privateKey "
    "ssh_private_key signing_key authorization Authorization http.request.header.authorization cookie Set-Cookie set_cookie "
    "http.request.header.cookie.0 ssn social_security_number credit_card card_number cvv otp csrf_token credentials "
    "db_pass connection_string password_hash sessionToken bot_token service_account_key token.value password2".split(),
)
def test_names_that_give_a_secret_away(name):
    """In every way of writing; also a number, a list or a dict under it goes as a whole."""
    assert kind_of(name) is not None
    for value in ("x", 12345, 1.5, ["a", "b"], {"user": "ada"}, b"raw", ("t",)):
        (clean,) = REDACTOR.value({name: value}).values()
        assert clean in ALL_MARKERS
    for kept in (None, True, False, "", [], {}):
        assert REDACTOR.value({name: kept}) == {name: kept}


@pytest.mark.parametrize(
    "name",
    "session_id sessionId input_tokens max_tokens maxTokens max_token author authority authenticated trace_id key keys "
    "primary_key primaryKey foreign_key public_key cache_key sort-key monkey keyboard hotkey tokenizer tokens token_count "
    "tokenCount token_type total_token next_page_token nextPageToken password_policy password_length secret_name "
    "secretary passed compass passage bypass cookie_policy token_url has_password is_token auth_type number".split(),
)
def test_names_that_only_resemble_one(name):
    """Judged by words, not by letters."""
    assert kind_of(name) is None


def corpus():
    """Lines not written for the rules: the standard library's sources, this repository's documents and data."""
    library = Path(os.__file__).parent
    files = [*library.glob("*.py"), *(library / "json").glob("*.py"), *(library / "http").glob("*.py")]
    files += [path for path in REPO.glob("docs/**/*.md") if path.name != "privacy.md"]
    files += [REPO / "README.md", REPO / "CONTRIBUTING.md", *REPO.glob("dashboards/*.json")]
    files += REPO.glob("ael_otel/registry/*.yaml")
    for path in files:
        yield from path.read_text("utf-8", "replace").splitlines()


def test_text_that_was_not_written_for_the_rules_stays():
    """At most one line in 200 changes, e-mail addresses of authors included; far fewer do."""
    lines = [line for line in corpus() if line.strip()]
    assert len(lines) > 50_000
    changed = [line for line in lines if REDACTOR.text(line) is not line]
    assert len(changed) <= len(lines) * 0.005
    others = [line for line in changed if any(finding.rule != "email" for finding in REDACTOR.explain(line))]
    assert len(others) <= len(lines) * 0.0005


@given(digits=st.text("0123456789", min_size=28, max_size=28), variant=st.sampled_from("89ab"))
def test_an_id_that_has_digits_only_stays(digits: str, variant: str) -> None:
    """One UUID in two thousand begins with 16 digits: redacted as a card number, it is useless as an id.

    The process looks at the check digit, which one number in ten has; the Collector cannot.
    """
    uuid = f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-{variant}{digits[15:18]}-{digits[18:27]}a0f"
    for text in (uuid, f"execution_id={uuid}", f"run {uuid} has failed", json.dumps({"execution_id": uuid})):
        assert REDACTOR.text(text) is text
        for rule in RULES:
            for form in rule.collector:
                if not form.words:
                    assert not re.search(form.pattern, text), rule.name


@pytest.mark.parametrize("rule", ["us_ssn", "payment_card"])
@pytest.mark.parametrize("separator", ["", " ", "-"])
def test_the_collector_finds_numbers_however_they_are_written(rule: str, separator: str) -> None:
    """The groups of a number stand together or have one separator between them all."""
    (form,) = next(each for each in RULES if each.name == rule).collector
    cards = [
        "4111 1111 1111 1111",
        "5500 0000 0000 0004",
        "2720 9900 0000 0007",
        "6011 0000 0000 0004",
        "3400 000000 00009",
    ]
    numbers = cards if rule == "payment_card" else ["219-09-9999"] if separator == "-" else []
    for number in numbers:
        text = f"paid with {number.replace(' ', separator)}, today"
        assert re.search(form.pattern, text), text


def test_personal_data_can_be_left_in_and_credentials_cannot():
    """`scrub_pii: false` leaves e-mail addresses, social security numbers and cards, by shape and by name."""
    redactor = Redactor(Policy(scrub_pii=False))
    kept = {
        "email": "ada@example.org",
        "ssn": "219-09-9999",
        "n": 4111111111111111,
        "t": "card 4111 1111 1111 1111",
    }
    assert redactor.value(kept) is kept
    assert redactor.value({"token": "abc", "u": "redis://:" + "hunter2@x"}) == {
        "token": "[TOKEN]",
        "u": "redis://[URL_CREDENTIALS]@x",
    }


def test_json_in_a_text_is_read():
    """Names inside count at any depth of wrapping; clean JSON keeps its spelling."""
    inner = json.dumps({"user": "ada", "pin": {"token": 12}, "u\u00e9": 1})
    assert json.loads(REDACTOR.text(inner)) == {"user": "ada", "pin": {"token": "[TOKEN]"}, "u\u00e9": 1}
    wrapped = json.dumps({"body": inner})
    assert (
        json.loads(json.loads(REDACTOR.value({"r": wrapped})["r"])["body"])["pin"]["token"]
        == "[TOKEN]"  # hygiene: made up
    )
    clean = '{"a" :  1.0, "b": [1e5]}'
    assert REDACTOR.text(clean) is clean
    assert "hunter2" not in REDACTOR.text('{"\\u0070assword": "hunter2"}')
    assert "hunter2" not in REDACTOR.text('{"password": "hunter2", "password": null}')


def test_the_document_lists_the_rules_as_they_are():
    """docs/explanation/privacy.md: each rule with its matches, the redacted example and a counterexample."""
    text = (REPO / "docs" / "explanation" / "privacy.md").read_text("utf-8")
    listed = text.partition("<!-- rules: begin -->\n")[2].partition("<!-- rules: end -->")[0].splitlines()

    def cell(words):
        return words.replace("|", "\\|").replace("\n", " ")

    def code(words):
        return f"`{cell(words).replace('`', '')}`"

    assert listed[2:] == [
        f"| `{rule.name}` | {cell(rule.summary)} | {code(REDACTOR.text(rule.example))} | {code(rule.counter)} |"
        for rule in RULES
    ]


def test_page_lists_the_secret_names_correctly():
    """Each name in its table of names."""
    text = (REPO / "docs" / "explanation" / "privacy.md").read_text("utf-8")
    rows = text.partition("| secret | not secret |\n| --- | --- |\n")[2].partition("\n\n")[0].splitlines()
    assert len(rows) >= 6
    for row in rows:
        secret, harmless = (re.findall(r"`([^`]+)`", cell) for cell in row.strip("|").split("|"))
        assert all(kind_of(name) for name in secret), secret
        assert not any(kind_of(name) for name in harmless), harmless
