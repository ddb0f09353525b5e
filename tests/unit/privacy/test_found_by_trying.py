"""Regressions: values that once passed the redactor unmasked, or that it removed without need."""

import os
from collections import deque, namedtuple
from typing import NamedTuple

import pytest

from ael_otel.core.redaction import active_redaction
from ael_otel.errors import ConfigError
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor
from ael_otel.store.content import Capture

REDACTOR = Redactor()
WORD = "hunter2"


class Login(NamedTuple):
    """A row as database drivers return it: only the name of its field marks the secret."""

    user: str
    password: str


class Shown(str):
    """A text that shows another one where it is printed."""

    __slots__ = ()

    def __str__(self):
        """Return the secret."""
        return "token=abcd1234efgh"

    __repr__ = __str__


ROW = namedtuple("ROW", "user api_key")


@pytest.mark.parametrize(
    "value",
    [
        [["X-Api-Key", "abc-9z9z"], ["Accept", "text/html"]],
        [("password", "pass phrase 77")],
        [{"name": "password", "value": "two words"}],
        {"Key": "client_secret", "Value": "two words"},
        ["mysql", "--password", "letmein", "--verbose"],
        "card 4111111111111111.0",
        "--password hunter2",
        "**Password:** hunter2",
        "**Password**: hunter2",
        "ada@example.py",
        "ada@firma.md",
        ExceptionGroup("several", [ValueError("token=abcd1234efgh")]),
        Login("x", "two words"),
        [{"rows": (ROW("x", "two words"), ROW("x", "hunter2"))}],
        deque([Login("x", "letmein")]),
        {"password": "hunter2"}.items(),
        "password -- hunter2hunter2Key",
        Shown("harmless"),
        "\0".join("token=abcd1234efgh"),
        "token=abcd1234efgh".encode("utf-16"),
    ],
    ids=str,
)
def test_secret_in_an_unusual_form_is_redacted(value):
    """Headers and variables as pairs, options in lists, a card as a fraction in a text, Markdown, causes in a group.

    Also rows with names and UTF-16 texts; by the redactor, and in the record of the run store.
    """
    clean = REDACTOR.value(value)
    kept = bytes(Capture(redact=active_redaction().content)(value))
    assert clean is not value
    for secret in ("9z9z", "77", "two words", "letmein", WORD, "4111", "ada", "abcd1234"):
        assert secret not in repr(clean)
        assert secret not in kept.decode()
    assert "a\0b\0c" not in str(clean)
    assert "YQBiAGMAZAA" not in kept.decode(), "in base64"
    assert REDACTOR.explain(value)
    assert REDACTOR.value(clean) == clean


@pytest.mark.parametrize(
    ("before", "behind"),
    [("  | ", ""), ("> ", ""), ("# ", ""), (" * ", ""), ("-", ""), ("- ", ""), ("+", ""), ("//", ""),
     ("  12 | ", ""), ("12:", ""), ('    "', '\\n"'), ("<br>", ""), ("", "\r")],
)  # fmt: skip
@pytest.mark.parametrize("cut", [False, True])
def test_private_key_is_redacted_inside_quoted_text(before, behind, cut):
    """In a group's trace, a reply, a comment, a diff, numbered lines, a program; also cut off."""
    lines = [f"{number}Qr5tUv8wXyZ1a2B3c4D5e6F7g8H9i0JkLmNoPq"[:38] for number in range(5)]
    begin, end = (f"-----{word} RSA " + "PRIVATE KEY-----" for word in ("BEGIN", "END"))
    text = "\n".join(f"{before}{line}{behind}" for line in (begin, *lines, *(() if cut else (end,))))
    clean = REDACTOR.text(f"the key:\n{text}\nand so on")
    if not cut or not before.strip(" |>#*+/0123456789:"):
        assert not [line for line in lines if line in clean]
    assert clean.startswith("the key:\n")
    if not cut:
        assert clean.endswith("\nand so on")
    assert REDACTOR.text(clean) == clean


def test_text_between_two_headings_of_keys_is_not_removed():
    """Where no key is between them, or where each belongs to another."""
    begin, end = ("-----" + word + " PRIVATE KEY-----" for word in ("BEGIN", "END"))
    text = f"write {begin} first, {end} last; {begin} and again {end}"
    assert REDACTOR.text(text) == text


def test_a_row_with_names_stays_a_row():
    """Its other fields stay, at their place, and one without secrets stays the object that it is."""
    assert REDACTOR.value(Login("x", WORD)) == ("x", "[PASSWORD]")
    assert (
        bytes(Capture(redact=active_redaction().content)({"rows": [Login("x", WORD)]}))
        == b'{"rows":[["x","[PASSWORD]"]]}'
    )
    harmless = [ROW("x", "")]
    assert REDACTOR.value(harmless) is harmless


@pytest.mark.parametrize(
    "value",
    [
        {"PWD": "/srv", "OLDPWD": "/a/b"},
        "PWD=/srv",
        {"project_key": "ABC"},
        {"auth": "none"},
        ["password", "user_name"],
        ["Password", "Enter your password"],
        ["--max-tokens", "4096"],
        ["--token", "--verbose"],
        [{"name": "max_tokens", "value": "4096"}],
        {"key": "primary_key", "value": "id"},
        4111111111111111.5,
        {"amount": 4111111111111111.0},
        {"session_id": 6230746554442407.0},
        {"ratio": float("nan"), "most": float("inf")},
        "password: text().shorter(64),",
        "token=Form(max_length=64);",
    ],
    ids=str,
)
def test_value_that_resembles_a_secret_is_not_redacted(value):
    """The working directory, Jira's keys, names beside names, floats and numbers that are not card numbers."""
    assert REDACTOR.value(value) is value


def test_counts_of_redactions_stay_in_a_record():
    """`ael privacy scan` does not report the redaction counts in a store; other values there are scanned."""
    record = {"metadata": {"redactions": {"api_key": 2, "password": 1, "credit_card": 3}}}
    assert REDACTOR.value(record) is record
    assert not REDACTOR.explain(record)
    for other in (
        {"password": WORD},
        {"password": 2**40},
        {"cookie": 1},
        {"password": 1, "text": "ada@example.org"},
    ):
        assert REDACTOR.value({"redactions": other}) != {"redactions": other}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a working directory with an excluded folder, and symbolic links to it."""
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "file.txt").write_text("contents", "utf-8")
    (tmp_path / "link.txt").symlink_to(tmp_path / "private" / "file.txt")
    (tmp_path / "other.txt").write_text("contents", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_bare_name_in_an_excluded_working_directory_counts(folder, monkeypatch):
    """A file that is named without its folder; one behind a symbolic link is compared by the written path."""
    monkeypatch.chdir(folder / "private")
    redactor = Redactor(Policy(excluded_paths=(f"{folder}/private/*",)))
    assert redactor.names_excluded({"file": "file.txt"})
    monkeypatch.chdir(folder)
    redactor = Redactor(Policy(excluded_paths=(f"{folder}/private/*",)))
    assert not redactor.names_excluded({"file": "other.txt", "text": "a sentence", "link": "link.txt"})


@pytest.mark.parametrize(
    "text",
    ["/{0}/private/file.txt", "@{0}/private/file.txt", "**{0}/private/file.txt**", "读取{0}/private/file.txt",
     "“{0}/private/file.txt”。"],
)  # fmt: skip
def test_excluded_file_is_recognised_inside_texts(folder, text):
    """Two slashes first, curl's sign, Markdown, Chinese without blanks."""
    redactor = Redactor(Policy(excluded_paths=(f"{folder}/private/*",)))
    written = text.format(folder)
    assert redactor.names_excluded({"x": written})
    assert "private" not in redactor.text(written)
    assert redactor.text(f"{folder}/privateer {os.sep}") == f"{folder}/privateer {os.sep}"


def test_file_without_wildcard_is_recognised_before_chinese_punctuation(folder):
    """A full stop or a word of another script behind the name is none of the name."""
    redactor = Redactor(Policy(excluded_paths=(f"{folder}/private/file.txt",)))
    for text in (f"读取{folder}/private/file.txt的内容", f"{folder}/private/file.txt。"):
        assert "private" not in redactor.text(text)


@pytest.mark.parametrize("pattern", ["", "x*", ".*", "(?:)"])
def test_pattern_that_matches_almost_everything_is_refused(pattern):
    """It would blank every field there is."""
    with pytest.raises(ConfigError, match="matches every name"):
        Policy(sensitive_field_patterns=(pattern,))
