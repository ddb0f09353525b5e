"""Check LogQL against the registry, by the names in it; its grammar is left to Loki."""

import re

from tools.telemetry_schema.query.grafana import PLACEHOLDER, candidates
from tools.telemetry_schema.query.known import Known, wrong_values

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')
_LINE_FILTER = re.compile(r'(?:\|=|\|~|\|>|!>|!=|!~)\s*(?:"(?:[^"\\]|\\.)*"|`[^`]*`)')
_ANY_LINE_FILTER = re.compile(r'\|[=~]\s*(?:"(?:[^"\\]|\\.)*"|`[^`]*`)')
_COMPARISON = re.compile(r"(?<![\w.:])([A-Za-z_]\w*)\s*(=~|!~|!=|==|>=|<=|=|>|<)\s*(\x00\d+\x00)?")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_UNWRAP = re.compile(r"\|\s*unwrap\s+(?:\w+\(\s*)?(\w+)")
_KEEP = re.compile(r"\|\s*(?:keep|drop)\s+([\w\s,]+)")
_MADE = re.compile(r"\|\s*label_format\s+([^|]+)")
_TEMPLATE = re.compile(r"\{\{[^}]*?\.(\w+)[^}]*\}\}")
_PARSERS = re.compile(r"\|\s*(?:json|logfmt|pattern|regexp|unpack)\b")
_PARSER_ERRORS = frozenset({"__error__", "__error_details__"})


def check_logql(text: str, known: Known) -> list[str]:
    """Return the problems of the fields, events and values that a query uses."""
    query = next(candidates(text))
    strings: list[str] = []

    def keep(match: re.Match[str]) -> str:
        strings.append(match[0])
        return f"\x00{len(strings) - 1}\x00"

    templates = [field for string in _STRING.findall(query) for field in _TEMPLATE.findall(string)]
    # A filter on a line's text holds no names; label filters follow their own |.
    without_lines = re.sub(r"(\})\s*(?:" + _LINE_FILTER.pattern + r"\s*)+", r"\1 ", query)
    bare = _STRING.sub(keep, _ANY_LINE_FILTER.sub(" ", without_lines))
    fields = known.log_fields | _PARSER_ERRORS | {PLACEHOLDER}
    made = {part.partition("=")[0].strip() for block in _MADE.findall(bare) for part in block.split(",")}
    used: dict[str, None] = {}
    problems: list[str] = []
    for name, operator, string in _COMPARISON.findall(_MADE.sub("", bare)):
        used[name] = None
        value = strings[int(string.strip("\x00"))][1:-1] if string else ""
        if name == "event_name":
            problems += [
                f"event {word} is not emitted; the registry has {', '.join(sorted(known.events))}"
                for word in wrong_values(operator, value, known.events)
            ]
        elif allowed := known.log_values.get(name):
            problems += [
                f"{name} is never {word!r}; the closed set is {', '.join(allowed)}"
                for word in wrong_values(operator, value, allowed)
            ]
    for block in (*_GROUPING.findall(bare), *_KEEP.findall(bare)):
        used |= dict.fromkeys(filter(None, (name.strip() for name in block.split(","))))
    used |= dict.fromkeys((*_UNWRAP.findall(bare), *templates))
    unknown = [name for name in used if name not in fields | made]
    if _PARSERS.search(bare):
        # A parser may take a name out of the line that no list knows.
        unknown = [name for name in unknown if name.startswith("ael")]
    return [*(f"log field {name} is not emitted" for name in unknown), *problems]
