"""Lists of secrets below one name: YAML, arrays in text, codes for recovery, accounts of cloud-init and Oracle."""

# ruff: noqa: E501 - tables of texts

import pytest

from ael_otel.privacy.redactor import Redactor

REDACTOR = Redactor()


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("passwords:\n  - bl4ckTulip\n  - n0rthStar7\nnext: 1\n", "passwords:\n  - [PASSWORD]\nnext: 1\n"),
        ("db_passwords:\n- bl4ckTulip\n- word\n- x: y\nport: 2", "db_passwords:\n- [PASSWORD]\nport: 2"),
        ("a:\n      api_keys:\n        - 'r7Tk20Qz9w'\n        - x", "a:\n      api_keys:\n        - [API_KEY]"),
        ("passwords:\r\n - word\r\n - n0rthStar7\r\nnext: 1", "passwords:\r\n - [PASSWORD]\r\nnext: 1"),
        ("- passwords:\n  - bl4ckTulip\n- other: x", "- passwords:\n  - [PASSWORD]\n- other: x"),
        ('{"api_keys": ["r7Tk20Qz9w", "Wm41xLp8sa", "x"], "b": ["x"]} ..', '{"api_keys": ["[API_KEY]"], "b": ["x"]} ..'),
        ("recovery_codes: ['abcd-1234', 'efgh-5678']", "recovery_codes: ['[TOKEN]']"),
    ],
)  # fmt: skip
def test_list_below_a_secret_name_is_redacted(text, redacted):
    """All items go as one, up to the first line that is none."""
    assert REDACTOR.text(text) == redacted


SPREAD = ["\n", "# since March\n", "\n\n  # since March\n \n", "    of ada\n"]


@pytest.mark.parametrize("between", SPREAD)
@pytest.mark.parametrize("above", ["", "\n", "  # all of them\n", "# in use\n\n"])
@pytest.mark.parametrize("indent", ["", "  "])
def test_list_continues_behind_empty_lines_and_comments(indent, above, between):
    """Items behind an empty line, a comment or the second line of one belong to the list."""
    items = between.join(f"{indent}- b1rch{number}-lane\n" for number in range(4))
    clean = REDACTOR.text(f"passwords:\n{above}{items}\n# other\nhost: a\n")
    assert clean == f"passwords:\n{above}{indent}- [PASSWORD]\n\n# other\nhost: a\n"
    assert REDACTOR.text(clean) == clean


@pytest.mark.parametrize("comment", [" # two", "   # two of them\n  # and more"])
def test_list_below_a_comment_on_the_line_of_its_name_is_redacted(comment):
    """The comment stays."""
    clean = REDACTOR.text(f"passwords:{comment}\n  - b1rch-lane\n  - b2rch-lane\n")
    assert clean == f"passwords:{comment}\n  - [PASSWORD]\n"


def test_list_whose_first_item_is_redacted_already_is_redacted():
    """A marker does not hide the item behind it."""
    assert REDACTOR.text("passwords:\n- [TOKEN]\n- b2rch-lane\nx: y") == "passwords:\n- [PASSWORD]\nx: y"


@pytest.mark.parametrize(
    "text",
    [
        "secrets:\n  - db_password\n  - api_token_2\n",
        "secrets:\n  - source: db\n    target: x\n",
        "passwords:\n  - must have 8 characters\n  - no words\n",
        "credentials:\n  - read\n  - write2\n",
        "api_keys:\n- https://example.org/a1\n- ${KEY_1}\n",
        "passwords:\n- [PASSWORD]\n- <password1>\n",
        "storage_key:\n- word\n- n0rthStar7\n",
        "tokens = ['r7Tk20Qz9w', 'next']",
        "backup codes are sent to you in 2 days, 24 hours",
        "We store recovery codes: see 2024-01-01 and 2024-01-02",
        "recovery codes: 10 codes, 8-digit numbers",
        "connect to host/path2@v1",
        "connect ada/x1y2",
        "password: {{ item.password2 }}",
        "token: {{ steps2.x4Y.output }}",
        "chpasswd:\n  list: |\n    root:RANDOM\n    ada:R\n",
        '"gitlab-token": {"gitlab.example.org": "<your-token-here>"} ...',
    ],
)
def test_list_without_secrets_stays(text):
    """Names of secrets, rules for passwords, placeholders and words."""
    assert REDACTOR.text(text) == text


@pytest.mark.parametrize("heading", ["Recovery codes:", "Your backup codes for GitHub:", "**Scratch codes**"])
@pytest.mark.parametrize(
    "lines",
    ["\n  abcd-1234\n  efgh-5678\n", "\n\n1. 4821 9934\n2. 7712 0043\n", "\n- 3f9a1-b72cd\n- 99ab0-11fe2\n", " 12345678, 87654321"],
)  # fmt: skip
def test_recovery_codes_below_a_heading_are_redacted(heading, lines):
    """Codes stand in lines, behind dashes or numbers, or beside each other; the text behind them stays."""
    redacted = REDACTOR.text(f"{heading}{lines}\nStore them well.")
    assert redacted.endswith("Store them well.")
    for code in ("abcd", "5678", "4821", "0043", "3f9a1", "11fe2", "87654321"):
        assert code not in redacted
    assert "[TOKEN]" in redacted


@pytest.mark.parametrize(
    "text",
    [
        "chpasswd:\n  list: |\n    root:RANDOM\n    eve:n0rthStar7\n    ada:n0rthStar7x\n  expire: false\n",
        "chpasswd:\n  expire: false\n  list:\n    - root:n0rthStar7\n    - ada:n0rthStar7x\n",
        "sqlplus -S -L scott/n0rthStar7@//db:1521/orcl",
        "SQL> conn scott/n0rthStar7@orcl",
        "CONNECT sys/n0rthStar7@orcl AS SYSDBA",
        "rman target sys/n0rthStar7@orcl",
        "impdp scott/n0rthStar7@orcl directory=a",
        '  "github-oauth": {\n    "github.com": "n0rthStar7Qwx",\n    "h.example.org": "n0rthStar7Qwy"\n  },',
        {"github-oauth": {"github.com": "n0rthStar7Qwx"}},
        '"bearer": {"repo.example.org": "n0rthStar7Qwx"}, x',
        "password: {{n0r7hSt4r7Kq9wZ}}",
        "token: {{ n0r7hSt4r7Kq9wZ }}",
    ],
)
def test_secret_in_a_nested_form_is_redacted(text):
    """cloud-init, Oracle's clients, Composer, and values in the brackets of a template."""
    redacted = str(REDACTOR.value(text))
    assert "n0rthStar7" not in redacted
    assert "n0r7h" not in redacted


MANY = 200


@pytest.mark.parametrize(
    ("before", "item", "between", "behind"),
    [
        ('x "github-oauth": {\n    ', '"h{n}.example.org": "t0ken{n}Qz9w"', ",\n    ", "\n} ..."),
        ('x {\\"bearer\\": {', '\\"h{n}.example.org\\": \\"t0ken{n}Qz9w\\"', ", ", "}} ..."),
        ("chpasswd:\n  list: |\n", "    user{n}:t0ken{n}Qz9w", "\n", "\nhostname: a\n"),
        ("chpasswd:\r\n  list:\r\n", "    - user{n}:t0ken{n}Qz9w", "\r\n", "\r\nhostname: a\r\n"),
        ("chpasswd <<EOF\n", "user{n}:t0ken{n}Qz9w", "\n", "\nEOF\ntrue\n"),
        ("Recovery codes:\n", "t0ken-{n:05}", "\n", "\n\nNext steps\n"),
    ],
    ids=["Composer", "bearer in JSON", "cloud-init", "cloud-init, list", "here-document", "codes"],
)
def test_list_of_any_length_is_redacted(before, item, between, behind):
    """Items behind the ninth host, or the 32nd account, stayed; what stands behind the list stays."""
    text = f"{before}{between.join(item.format(n=n) for n in range(MANY))}{behind}"
    clean = REDACTOR.text(text)
    assert "t0ken" not in clean
    assert clean.endswith(behind)
    assert len(clean) < len(before) + len(behind) + 64
    assert REDACTOR.text(clean) == clean
