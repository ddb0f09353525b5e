"""Values that stand apart from their names: below them, behind many blanks, in tags, a fence or a reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.privacy.redactor import Redactor

REDACTOR = Redactor()
_PIECE = st.text("abcdefghXYZ0123456789", min_size=2, max_size=8)
_INDENT = st.integers(0, 40).map(" ".__mul__) | st.integers(1, 4).map("\t".__mul__)


@given(
    _INDENT, st.integers(0, 12), st.lists(_PIECE, min_size=2, max_size=4), st.sampled_from("&;,"), st.data()
)
def test_value_below_its_name_is_redacted_whole(
    before: str, deeper: int, pieces: list[str], sign: str, data: st.DataObject
) -> None:
    """With signs in it at which a value in a line may end."""
    value = "Zq7" + sign.join(pieces) + "8k"
    end = data.draw(st.sampled_from(["", "\n", "\r\n", "\nuser: ada\n"]))
    indent = (before + " " * deeper)[:40]
    gap = data.draw(st.sampled_from(["\n", "\r\n", "\n\n"]))
    text = f"{before}password:{gap}{indent}{value}{end}"
    if not indent.strip(" ") and gap == "\n\n" and not indent:
        return  # an empty line, and no indentation: another paragraph
    assert REDACTOR.text(text) == f"{before}password:{gap}{indent}[PASSWORD]{end}"


@pytest.mark.parametrize("indent", [2, 4, 8, 16])
@pytest.mark.parametrize(
    "below",
    [
        "description: how the door is opened",
        "type: string",
        "$ref: '#/definitions/door'",
        "string",
        "{}",
        "valueFrom:\n  secretKeyRef: db-login",
        "- read",
        "getpass()",
        "z.string().min(8),",
        "PasswordField(max=3),",
        "form.text(max_length=64),",
        "The password that was chosen at the first start.",
    ],
)
def test_description_below_a_name_stays(indent: int, below: str) -> None:
    """Schemas, mappings, words of a program, and sentences."""
    text = "password:\n" + "\n".join(" " * indent + line for line in below.split("\n")) + "\n"
    assert REDACTOR.text(text) == text


@pytest.mark.parametrize("blanks", [" ", " " * 17, " " * 60, " " * 150, "\t" * 9])
@pytest.mark.parametrize("sign", [":", "="])
@given(before=st.sampled_from(["", " ", " " * 30]))
def test_value_in_a_column_is_redacted(blanks: str, sign: str, before: str) -> None:
    """As programs align them, however wide the column is."""
    text = f"user{before}{sign}{blanks}ada\npassword{before}{sign}{blanks}Wd7&qTz,81\n"
    assert REDACTOR.text(text) == text.replace("Wd7&qTz,81", "[PASSWORD]")


@pytest.mark.parametrize(
    "text",
    [
        "Password:\n\n```\n{}\n```\n",
        "Password:\n```text\n{}\n```\n",
        "Password:\n> {}\n",
        "Password:\n    > {}\n",
        "The password is:\n\n    {}\n",
        "<p>Password: <b>{}</b></p>",
        "Password:<br>{}<br>",
        'Password:<br/>\n  <span class="x">{}</span>',
        "password[]={}&a=1",
        "password[0] = {}\n",
        "password%5B%5D={}",
        "password was reset to {}",
        "the password is set to {}.",
        "password equals {}",
    ],
)
def test_value_behind_markup_or_words_is_redacted(text: str) -> None:
    """Text around it stays."""
    assert REDACTOR.text(text.format("Wd7qTz81k")) == text.format("[PASSWORD]")


@pytest.mark.parametrize("name", ["passphrase", "seed_phrase", "MNEMONIC"])
@pytest.mark.parametrize("sign", [": ", " = ", "="])
@given(
    words=st.lists(
        st.sampled_from(["copper", "lantern", "ridge", "velvet", "orbit", "maple", "quartz"]),
        min_size=4,
        max_size=24,
    )
)
def test_phrase_is_redacted_whole(name: str, sign: str, words: list[str]) -> None:
    """A secret of several words has no quotes in configuration files."""
    clean = REDACTOR.text(f"{name}{sign}{' '.join(words)}\nnext: 1\n")
    assert not set(words) & set(clean.replace("\n", " ").split())
    assert clean.endswith("\nnext: 1\n")


@pytest.mark.parametrize(
    "text",
    [
        "passphrase: the words that protect your key",
        "seed: use from four to six words",
        "tokens[i] = values[j]",
        "passwords[0] = None",
        "token: <b>required</b>",
        "token:\n```python\ndef main():\n```",
        "password:\n> never share it",
        "password: <code>string</code>",
        "password:<br>min. 8 characters",
        "password = first & second;",
        "token = first|second\n",
        "api_key = settings['A'],\n",
        "the password was changed to something stronger",
        "password set to expire in 90 days",
        "password is:\n\n    at least 8 characters",
    ],
)
def test_words_apart_from_a_name_stay(text: str) -> None:
    """Code, descriptions and sentences."""
    assert REDACTOR.text(text) == text
