"""What is generated from the table of rules matches it, and RE2 finds what the rules find."""

import json
import re
from typing import Any

import pytest
import re2
import yaml

from ael_otel.privacy.field_names import kind_of
from ael_otel.privacy.markers import ALL_MARKERS
from ael_otel.privacy.redactor import Redactor
from ael_otel.privacy.rules import (
    COLLECTOR_NAME_ENDS,
    COLLECTOR_NAMES,
    FORMATS,
    RULES,
    NotRe2Error,
    collector_format,
    collector_formats,
    left_out,
    re2_form,
)
from tools.redaction_rules import collector
from tools.redaction_rules.__main__ import ROOT, files

FORMS = [(rule, form) for rule in RULES for form in rule.collector]
REDACTOR = Redactor()


def plain(literal: str) -> str:
    """An OTTL text as the Collector reads it from the configuration."""
    text = json.loads(f'"{literal}"')
    assert isinstance(text, str)
    return text.replace("$$", "$")


def test_generated_files_match_the_rules() -> None:
    """Proves that docs/explanation/privacy.md and collector/config.yaml match the rules; else run `make generate`."""
    for name, text in files().items():
        assert (ROOT / name).read_text("utf-8") == text, f"{name}: run `make generate`"


def test_check_names_the_file_that_a_new_rule_leaves_stale(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rule without `make generate` fails the check with both files and the command."""
    from tools.redaction_rules import __main__ as tool
    from tools.redaction_rules import docs

    # As if a rule had been added: one more than the files have.
    added = (*RULES, RULES[-1]._replace(name="added"))
    monkeypatch.setattr(collector, "RULES", added)
    monkeypatch.setattr(docs, "RULES", added)
    monkeypatch.setattr("sys.argv", ["redaction_rules", "--check"])
    assert tool.main() == 1
    said = capsys.readouterr().err
    assert "collector/config.yaml" in said
    assert "docs/explanation/privacy.md" in said
    assert "make generate" in said


@pytest.mark.parametrize(
    ("rule", "form"), FORMS, ids=[f"{rule.name}-{at}" for at, (rule, _) in enumerate(FORMS)]
)
def test_collector_form_finds_in_re2_the_example_that_the_rule_finds(rule, form) -> None:
    """What the rule finds in the form's example the form replaces, and the Collector's condition holds for it."""
    assert re2.search(form.pattern, form.example), form.pattern
    findings = REDACTOR.explain(form.example)
    assert findings
    replaced = re2.sub(form.pattern, lambda match: _kept(match) + form.marker, form.example)
    assert [found.rule for found in findings if form.example[found.start : found.end] in replaced] == []
    condition = collector._condition(form, run=bool(collector_formats(rule.name)))
    patterns = [
        plain(word) for word in re.findall(r'IsMatch\(cache\["t"\], "((?:[^"\\]|\\.)*)"\)', condition)
    ]
    assert not patterns or any(re2.search(pattern, form.example.lower()) for pattern in patterns)


def _kept(match: Any) -> str:
    """The text before the marker that the form keeps, if it has a group of that name."""
    return match.groupdict().get("keep") or ""


@pytest.mark.parametrize("each", FORMATS, ids=[each.name for each in FORMATS])
def test_format_is_found_by_its_rule_and_in_re2_if_the_collector_has_it(each) -> None:
    """Proves that each row's example is redacted whole, alone and in a sentence; RE2 finds the same characters."""
    for text in (each.example, f"the value {each.example}, as printed", f'"{each.example}"'):
        findings = REDACTOR.explain(text)
        assert [finding.rule for finding in findings] == [each.rule]
        assert text[findings[0].start : findings[0].end] == each.example
        assert any(marker in REDACTOR.text(text) for marker in ALL_MARKERS)
    if (form := collector_format(each)) is not None:
        match = re2.search(form, f"see {each.example} now")
        assert match is not None
        assert match[0] == each.example


def test_every_rule_is_in_the_collector_or_says_why_not() -> None:
    """A rule without a form has a reason, which docs/explanation/privacy.md prints; a rule with one has none."""
    for rule in RULES:
        if rule.collector:
            with pytest.raises(KeyError):
                left_out(rule)
        else:
            assert left_out(rule)


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(?<=a)b", r"(a)\1", r"(?>a)b", r"a(?!b)"])
def test_pattern_without_an_re2_form_is_refused(pattern) -> None:
    """Look-around and references back have no RE2 form."""
    with pytest.raises(NotRe2Error):
        re2_form(pattern)


def test_boundaries_possessive_and_bounded_repetitions_are_translated() -> None:
    """Proves that syntax which RE2 lacks and does not need is removed; counts stay."""
    assert re2_form(r"(?<![A-Za-z0-9])ab[0-9]{2,9}+c{3}d{0,4}(?![A-Za-z0-9])") == r"ab[0-9]{2,}c{3}d*\b"


def test_statements_are_valid_yaml_and_every_pattern_compiles_in_re2() -> None:
    """The generated part parses, and each pattern in it is RE2 once the Collector has read `$$` as `$`."""
    config = yaml.safe_load(collector.statements())
    statements = {
        statement for signal in config.values() for group in signal for statement in group["statements"]
    }
    found = [
        text
        for statement in statements
        for text in re.findall(r'(?:"value", |"key", |"t"\], )"((?:[^"\\]|\\.)*)"', statement)
    ]
    assert len(found) > 100
    for text in found:
        re2.compile(plain(text))


def test_names_that_the_collector_deletes_are_names_of_secrets() -> None:
    """Each is one for the redactor too, apart from `pin` and `dsn`, and ends with a listed end."""
    names = [
        "http.request.header.authorization",
        "db.password",
        "X-Api-Key",
        "clientSecret",
        "auth.token",
        "cookie",
        "passwd",
        "pwd",
        "cvv",
        "ssn",
        "access_key_id",
        "account_key",
        "card_number",
        "connection_string",
        "passphrase",
        "secret_access_key",
        "credentials",
        "private_key",
    ]
    for name in names:
        assert re2.search(COLLECTOR_NAMES, name), name
        assert kind_of(name) or name == "access_key_id", name
        assert name.lower().endswith(COLLECTOR_NAME_ENDS)
    for name in ["session_id", "input_tokens", "author", "token_count", "keyboard"]:
        assert not re2.search(COLLECTOR_NAMES, name)
