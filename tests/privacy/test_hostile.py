"""Inputs that a hostile reviewer found readable: each stays redacted, and its harmless twin stays as it is."""

from random import Random
from typing import Any

import pytest

from tests.privacy.made_up import fill, text_of
from tests.privacy.measure import default_redactor

# Fields in braces are secrets; see `made_up`.
LEAKS = {
    "token behind an escaped line end": r"first line\nghp_{w:36}\tsecond",
    "token behind an escaped tab": r"a\tghp_{w:36}",
    "token in quoted-printable": "key=3Dghp_{w:36}",
    "token behind a colour": "\x1b[32mghp_{w:36}\x1b[0m",
    "colours around the sign": "password\x1b[0m=\x1b[31m{w:18}\x1b[0m",
    "Python, annotated": "API_KEY: str = '{w:24}'",
    "Python, annotated with a subscript": 'api_key: Optional[str] = "{w:24}"',
    "header whose pairs look like a type": 'Authorization: Digest username="ada", response="{x:32}"',
    "OAuth header": 'Authorization: OAuth realm="x", oauth_token="{w:24}", oauth_signature="{w:24}"',
    "Splunk header": "Authorization: Splunk {w:18}",
    "Swift, annotated": 'let password: String = "{w:18}";',
    "TypeScript, annotated": "const apiKey: string = '{w:24}'",
    "JavaScript, default": "const key = process.env.API_KEY || '{w:24}'",
    "JavaScript, nullish default": "config.apiKey ?? '{w:24}'",
    "PHP, default": "getenv('API_KEY') ?: '{w:24}'",
    "Ruby, default": "ENV.fetch('API_KEY', '{w:24}')",
    "Perl, hash": "$h{password} = '{w:18}';",
    "Base64 before the quote of JSON": 'a {"text": "password: {w:23}="}',
    "Base64 with two signs before a quote": 'a {"text": "password: {w:22}=="}',
    "type of its own without blanks": 'password:MyType="{w:18}"',
    "lines of a diff": "+env:\n+  - name: DB_PASSWORD\n+    value: {w:18}\n",
    "lines taken out by a diff": "-  - name: DB_PASSWORD\n-    value: {w:18}\n",
    "lines of a reply": "> - name: DB_PASSWORD\n>   value: {w:18}\n",
    "lines of a comment": "# - name: DB_PASSWORD\n#   value: {w:18}\n",
    "escaped line ends": r"f.json: - name: DB_PASSWORD\n    value: {w:18}\n---",
    "command behind an escaped line end": r"---\ncurl -u admin:{w:18} https://api.example.org/",
    "R, assignment": 'password <- "{w:18}"',
}
STRUCTURES = {
    "default in a schema": {"properties": {"password": {"type": "string", "default": "{w:18}"}}},
    "example in a schema": {"properties": {"api_key": {"type": "string", "examples": ["{w:32}"]}}},
    "constant in a schema": {"password": {"minLength": 8, "const": "{w:18}"}},
    "text of a token": {"token": {"text": "{w:32}", "id": 4}},
    "choice in a schema": {"token": {"type": "string", "enum": ["none", "{w:32}"]}},
}
HARMLESS = (
    r"first line\nghost_of_a_chance and then some more words",
    "api_key: Optional[str] = None",
    "const apiKey: string = getKey()",
    "config.apiKey ?? 'none'",
    "ENV.fetch('API_KEY', 'unset')",
    "password <- read.password()",
    {"properties": {"token": {"type": "string", "default": "none", "enum": ["none", "env"]}}},
    "def login(password: str = '', token: str | None = None) -> None:",
)


def _filled(value: Any, seed: int, secrets: list[str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, seed, secrets) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, seed, secrets) for each in value]
    if not isinstance(value, str):
        return value
    sample = fill(value, Random(seed))  # noqa: S311 - made up, and the same in each run
    secrets += sample.secrets
    return sample.text


@pytest.mark.parametrize("name", [*LEAKS, *STRUCTURES])
def test_secret_that_was_found_readable_is_redacted(name: str) -> None:
    """No six characters of the secret are left, whatever they are."""
    for seed in range(5):
        secrets: list[str] = []
        value = _filled({**LEAKS, **STRUCTURES}[name], seed, secrets)
        output = text_of(default_redactor().value(value))
        assert secrets
        assert not [
            secret for secret in secrets for at in range(len(secret) - 5) if secret[at : at + 6] in output
        ], output


@pytest.mark.parametrize("value", HARMLESS, ids=range(len(HARMLESS)))
def test_harmless_twin_of_a_leak_is_left_alone(value: Any) -> None:
    """What only looks like the inputs above is returned unchanged."""
    assert default_redactor().value(value) == value


@pytest.mark.parametrize("name", ["token", "password", "api_key"])
def test_long_value_like_a_refused_one_before_it_is_judged_by_itself(name: str) -> None:
    """Values that share their first 140 characters differ: the refusal of one says nothing of the next."""
    harmless = "x" * 140
    secret = "Q7z9K2mP4" + "vT8wR1yB6nD3"
    text = f"{name}={harmless} {name}={harmless} {name}={harmless}{secret} end"
    assert secret not in default_redactor().text(text)


@pytest.mark.parametrize(
    "text",
    ["secret=none password={}", "token=abc, password='{}'", "api_key: None\npassword: {}"],
)
def test_refused_value_in_a_short_text_hides_no_secret_behind_it(text: str) -> None:
    """Where both stand near the beginning, the text around them is the same: it alone does not tell them apart."""
    secret = "Q7z9K2mP4" + "vT8w!"
    assert secret not in default_redactor().text(text.format(secret))
