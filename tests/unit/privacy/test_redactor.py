"""The walk: names first, any shape of value, configured names and patterns, and fail closed."""

# ruff: noqa: E501 - tables of texts and names

import dataclasses
import threading
from collections import OrderedDict
from enum import StrEnum

import msgspec
import pytest

from ael_otel.config.patterns import pattern_fault
from ael_otel.errors import ConfigError
from ael_otel.privacy.markers import FAULT
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import MAX_DEPTH, Redactor
from ael_otel.privacy.scan import Scanner

MAIL = "ada@example.org"
REDACTOR = Redactor()


class Mood(StrEnum):
    """An enumeration that is text."""

    MAIL = MAIL
    FINE = "fine"


@dataclasses.dataclass
class Account:
    """A result as a tool may return it."""

    name: str
    password: str = ""


class Struct(msgspec.Struct):
    """The same of msgspec."""

    name: str
    token: str = ""


class Plain:
    """Any object."""

    def __init__(self, **fields):
        self.__dict__.update(fields)


class Broken:
    """An object whose repr raises."""

    def __str__(self):
        raise RuntimeError(MAIL)


def test_objects_are_judged_by_their_fields_and_their_text():
    """Dataclasses, structs, objects, exceptions, enumerations; a clean one comes back itself."""
    assert REDACTOR.value(Account("ada", "hunter2")) == {"name": "ada", "password": "[PASSWORD]"}
    assert REDACTOR.value(Struct("ada", "t")) == {"name": "ada", "token": "[TOKEN]"}
    assert REDACTOR.value(Plain(note=f"by {MAIL}")) == {"note": "by [EMAIL]"}
    assert REDACTOR.value(ValueError(f"refused {MAIL}")) == "refused [EMAIL]"
    assert REDACTOR.value(Mood.MAIL) == "[EMAIL]"
    for clean in (
        Account("ada"),
        Struct("ada"),
        Mood.FINE,
        ValueError("no"),
        Plain(a=1),
        OrderedDict(a=1),
        3 + 4j,
        Mood,
    ):
        assert REDACTOR.value(clean) is clean
    assert REDACTOR.value(msgspec.Raw(b'{"token":"x","n":1}')) == msgspec.Raw(b'{"token":"[TOKEN]","n":1}')


def test_bytes_are_read_as_text():
    """UTF-8, any other encoding of one byte, and two bytes a character."""
    assert REDACTOR.value(f"é {MAIL}".encode()) == "é [EMAIL]".encode()
    assert REDACTOR.value(f"\xe9 {MAIL}".encode("latin-1")) == b"\xe9 [EMAIL]"
    assert REDACTOR.value(f"mail {MAIL}".encode("utf-16-le")) == b"[REDACTED]"
    clean = bytes(range(256))
    assert REDACTOR.value(clean) is clean


def test_keys_are_redacted_and_may_be_of_any_type():
    """A text, bytes, a number, a tuple; two that become the same stay two."""
    clean = REDACTOR.value(
        {MAIL: 1, "bob@example.org": 2, b"c@example.org": 3, (MAIL, 1): 4, 4111111111111111: 5, None: 6}
    )
    assert MAIL not in repr(clean)
    assert "4111111111111111" not in repr(clean)
    assert sorted(clean.values()) == [1, 2, 3, 4, 5, 6]
    assert clean["[EMAIL]"] == 1
    assert REDACTOR.value(clean) == clean


def test_containers_inside_themselves_and_very_deep_ones():
    """They end, and hold no secret."""
    ring = {"mail": MAIL}
    ring["self"] = ring
    clean = REDACTOR.value(ring)
    assert clean == {"mail": "[EMAIL]", "self": "[REDACTED]"}
    shared = [MAIL]
    assert REDACTOR.value([shared, shared]) == [["[EMAIL]"], ["[EMAIL]"]]
    many = [MAIL]
    for _ in range(60):
        many = [many, many]  # 2 to the 60th leaves for a walk that does not remember
    REDACTOR.value(many)
    deep = MAIL
    for _ in range(100_000):
        deep = [deep]
    clean = REDACTOR.value(deep)
    for _ in range(MAX_DEPTH):
        clean = clean[0]
    assert FAULT in repr(clean)
    assert "hunter2" not in REDACTOR.text('{"a":' * 5000 + '{"password": "hunter2"}' + "}" * 5000)


def test_attributes_are_judged_by_the_last_words_of_their_names():
    """Dotted names as OpenTelemetry writes them; sequences too."""
    clean = REDACTOR.attributes(
        {
            "http.request.header.authorization": ("Basic x",),
            "ael.tool.name": "echo",
            "gen_ai.usage.input_tokens": 5,
            "process.command_args": ("--token", "x", f"--mail={MAIL}"),
        }
    )
    assert clean == {
        "http.request.header.authorization": "[TOKEN]",
        "ael.tool.name": "echo",
        "gen_ai.usage.input_tokens": 5,
        "process.command_args": ("--token", "x", "--mail=[EMAIL]"),
    }


def test_a_field_is_judged_with_its_name():
    """As if it were the only one of a mapping."""
    assert REDACTOR.field("api_key", 5) == "[API_KEY]"
    assert REDACTOR.field("note", MAIL) == "[EMAIL]"
    value = {"a": 1}
    assert REDACTOR.field("note", value) is value


def test_configured_names_blank_the_value_and_allowed_ones_leave_it():
    """Patterns are searched without regard to case; allowed fields win over everything."""
    redactor = Redactor(
        Policy(sensitive_field_patterns=("^patient_", "iban"), allow_fields=("token", "audit.*"))
    )
    clean = redactor.value(
        {
            "Patient_Name": "Ada",
            "customerIBAN": ["DE00"],
            "token": MAIL,
            "audit.mail": MAIL,
            "x.token": MAIL,
            "impatient_x": 1,
        }
    )
    assert clean == {
        "Patient_Name": "[REDACTED]", "customerIBAN": "[REDACTED]", "token": MAIL, "audit.mail": MAIL, "x.token": MAIL,
        "impatient_x": 1,
    }  # fmt: skip


@pytest.mark.parametrize("pattern", ["(", "[a", "(a+)+", "(a|aa)*$", "(.*)*", r"(a)\1", "(?P<n>a)(?P=n)", "a*" * 5, "x" * 501, "(a?){30}", "((ab)*c)+"])  # fmt: skip
def test_a_pattern_that_is_none_or_takes_forever_is_refused(pattern):
    """The error names it."""
    assert pattern_fault(pattern) is not None
    with pytest.raises(ConfigError) as caught:
        Policy(sensitive_field_patterns=("fine", pattern))
    assert repr(pattern)[1:-1] in str(caught.value)


@pytest.mark.parametrize("pattern", ["^card", "secret|token", "(?i)pin$", "a{2,5}", "[a-z]+_id", "(ab){2}", "x.*y", r"\bpin\b", "[(+*]+", r"\(a\)+"])  # fmt: skip
def test_pattern_of_bounded_cost_is_accepted(pattern):
    """Choices, classes, bounded repetitions."""
    assert pattern_fault(pattern) is None


@pytest.mark.parametrize("name", ["", "*", " ?* "])
def test_allowing_every_field_is_refused(name):
    """It would switch redaction off unseen."""
    with pytest.raises(ConfigError, match="allow_fields"):
        Policy(allow_fields=(name,))


def test_a_fault_takes_the_value_with_it(monkeypatch):
    """On any fault the value is replaced by the marker, the fault is counted, and nothing is raised."""
    counted = []
    redactor = Redactor(on_redacted=lambda kind, number: counted.append((kind, number)))
    assert redactor.value([Broken()]) == FAULT
    assert counted == [("error", 1)]

    def fail(self, text):
        raise RuntimeError(text)

    monkeypatch.setattr(Scanner, "spans", fail)
    fresh = Redactor(
        on_redacted=lambda kind, number: counted.append((kind, number)),
        policy=Policy(excluded_paths=("~/x",)),
    )
    assert fresh.text("any text at all") == FAULT
    assert fresh.value({"a": ["any text"]}) == FAULT
    assert fresh.field("a", "any text") == FAULT
    assert "any text" not in repr(fresh.attributes({"a": "any text"}))
    assert [finding.rule for finding in fresh.explain("any text")] == ["fault"]
    monkeypatch.setattr("ael_otel.privacy.paths.ExcludedPaths._level", fail)
    assert fresh.path("/etc/hosts")
    assert fresh.names_excluded({"a": "/etc/hosts"})


def test_callback_gets_kinds_and_numbers_and_its_fault_is_harmless():
    """Once for a text with two addresses; an exception of the counter is swallowed."""
    counted = []
    Redactor(on_redacted=lambda kind, number: counted.append((kind, number))).value(
        {"a": f"{MAIL} and b@example.org", "password": "x"}
    )
    assert sorted(counted) == [("email", 2), ("password", 1)]

    def fail(kind, number):
        raise RuntimeError

    assert Redactor(on_redacted=fail).text(MAIL) == "[EMAIL]"


def test_findings_are_explained_without_the_secret():
    """Rule, marker, place and characters; names on the way are redacted too."""
    findings = REDACTOR.explain({"a": [{"note": f"by {MAIL}"}], MAIL: {"token": "x"}})
    assert [(each.rule, each.marker, each.where, each.start, each.end) for each in findings] == [
        ("email", "[EMAIL]", "$.a[0].note", 3, 18),
        ("email", "[EMAIL]", "$.(name)", 0, 15),
        ("field_name", "[TOKEN]", '$["[EMAIL]"].token', 0, 0),
    ]
    assert MAIL not in repr(findings)


def test_one_redactor_serves_many_threads():
    """The same answers as alone, with many different names at once."""
    wrong = []

    def work(number):
        for turn in range(300):
            name = f"field_{number}_{turn}"
            if REDACTOR.value({name: MAIL, "password": turn + 2}) != {
                name: "[EMAIL]",
                "password": "[PASSWORD]",
            }:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
