"""The tables of docs/explanation/privacy.md."""

from collections.abc import Iterable
from typing import Final

from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor
from ael_otel.privacy.rules import DETECTORS, FORMATS, RULES, collector_formats, left_out

FILE: Final = "docs/explanation/privacy.md"


def tables() -> dict[str, str]:
    """Return the text between each pair of marks, by the name in the marks."""
    return {"rules": _rules(), "formats": _formats(), "detectors": _detectors(), "collector": _collector()}


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _code(text: str) -> str:
    return f"`{_cell(text).replace('`', '')}`"


def _rules() -> str:
    redactor = Redactor()
    return _table(
        ("rule", "finds", "an example becomes", "left alone"),
        (
            (f"`{rule.name}`", _cell(rule.summary), _code(redactor.text(rule.example)), _code(rule.counter))
            for rule in RULES
        ),
    )


def _formats() -> str:
    names: dict[str, list[str]] = {}
    for each in FORMATS:
        names.setdefault(each.rule, []).append(f"{each.name} {_code(' '.join(each.prefixes))}")
    return _table(
        ("rule", "formats and what they begin with"),
        ((f"`{rule}`", ", ".join(listed)) for rule, listed in names.items()),
    )


def _detectors() -> str:
    rows: list[tuple[str, str, str]] = []
    for name, rule in DETECTORS.items():
        redactor = Redactor(Policy(pii=(name,)))
        rows.append((f"`{name}`", _cell(rule.summary), _code(redactor.text(rule.example))))
    return _table(("detector", "finds", "an example becomes"), rows)


def _collector() -> str:
    rows: list[tuple[str, str]] = []
    for rule in RULES:
        if rule.collector:
            total = sum(each.rule == rule.name for each in FORMATS)
            found = collector_formats(rule.name)
            missing = [each.name for each in FORMATS if each.rule == rule.name and each not in found]
            without = f", not {', '.join(missing)}" if missing else ""
            rows.append((f"`{rule.name}`", f"{len(found)} of {total} formats{without}" if total else "yes"))
        else:
            rows.append((f"`{rule.name}`", f"no: {left_out(rule)}"))
    return _table(("rule", "in the Collector"), rows)
