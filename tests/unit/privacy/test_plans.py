"""Changes of secrets in plans of Terraform and Pulumi: both values are redacted, whatever stands for the other."""

import pytest

from ael_otel.privacy.redactor import Redactor

REDACTOR = Redactor()


@pytest.mark.parametrize(
    ("change", "redacted"),
    [
        ('null -> "str0ng.one"', 'null -> "[PASSWORD]"'),
        ('(known after apply) -> "str0ng.one"', '(known after apply) -> "[PASSWORD]"'),
        ('(sensitive value) -> "str0ng.one"', '(sensitive value) -> "[PASSWORD]"'),
        ('12345 -> "str0ng.one"', '12345 -> "[PASSWORD]"'),
        ('"" -> "str0ng.one" # forces replacement', '"" -> "[PASSWORD]" # forces replacement'),
        ('"weak.1" -> "str0ng.one"', '"[PASSWORD]"'),
        ('"weak.1" => "str0ng.one"', '"[PASSWORD]"'),
        ('"we\\"ak.1" -> "str0\\"ng.one"', '"[PASSWORD]"'),
        ('\\"weak.1\\" -> \\"str0ng.one\\"', '\\"[PASSWORD]\\"'),
        ('"weak.1" -> (known after apply)', '"[PASSWORD]" -> (known after apply)'),
        ('"weak.1" -> null', '"[PASSWORD]" -> null'),
        ('"[PASSWORD]" -> "str0ng.one"', '"[PASSWORD]" -> "[PASSWORD]"'),
        (f'"{"weak.1" * 40}" -> "{"str0ng.one" * 40}"', '"[PASSWORD]"'),
        (f'null -> "{"str0ng.one" * 40}"', 'null -> "[PASSWORD]"'),
        (
            '\x1b[90mnull\x1b[0m\x1b[0m \x1b[33m->\x1b[0m\x1b[0m "str0ng.one"',
            '\x1b[90mnull\x1b[0m\x1b[0m \x1b[33m->\x1b[0m\x1b[0m "[PASSWORD]"',
        ),
        ('[\n      - "weak.1",\n      + "str0ng.one",\n    ]', '[\n      - "[PASSWORD]",\n    ]'),
        ('[\n      ~ "weak.1" -> "str0ng.one",\n    ]', '[\n      ~ "[PASSWORD]",\n    ]'),
    ],
)
@pytest.mark.parametrize("name", ["master_password  ", '"DB_PASSWORD"'])
def test_both_values_of_a_change_are_redacted(name: str, change: str, redacted: str) -> None:
    """Whatever the old value is, the new one goes too, once, and what is no secret stays."""
    text = f"  ~ db {{\n      ~ {name} = {change}\n        id = 7\n    }}\n"
    clean = REDACTOR.text(text)
    assert clean == text.replace(change, redacted)
    assert REDACTOR.text(clean) == clean


@pytest.mark.parametrize(
    "line",
    [
        "~ password = (sensitive value)",
        "~ password = (sensitive value) -> (sensitive value)",
        '~ password = null -> "${var.password}"',
        '~ password = "<sensitive>" => "<sensitive>"',
        '~ token_count = null -> "12"',
        '~ app_key = null -> "my-app"',
    ],
)
def test_change_without_a_secret_stays(line: str) -> None:
    """What stands for a value, and names that are none of a secret, are left alone."""
    assert REDACTOR.text(line) == line
