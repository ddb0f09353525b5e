"""Check TraceQL against the registry, by the names in it; its grammar is left to Tempo."""

import re

from tools.telemetry_schema.query.grafana import candidates
from tools.telemetry_schema.query.known import Known, wrong_values

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')
_ATTRIBUTE = re.compile(r"(?<![\w.])(?:span|resource|event|parent|link|instrumentation)?\.([A-Za-z][\w.]*)")
_COMPARED = re.compile(
    r"(?<![\w.])((?:(?:span|resource|event|parent)?\.)?[A-Za-z][\w.:]*)\s*(=~|!~|!=|>=|<=|=|>|<)\s*(\"(?:[^\"\\]|\\.)*\"|`[^`]*`)?"
)
_SPAN_NAMES = ("name", "span:name", "rootName", "trace:rootName")
_EVENT_NAMES = ("event:name",)
_PLACEHOLDER = re.compile(r"\\\{[^}]*\\\}")


def check_traceql(text: str, known: Known) -> list[str]:
    """Return the problems of the attributes, span names and values that a query uses."""
    query = next(candidates(text))
    problems: list[str] = []
    for key in dict.fromkeys(_ATTRIBUTE.findall(_STRING.sub('""', query))):
        if key not in known.traced:
            where = "is on no span" if key in known.attributes else "does not exist"
            problems.append(f"attribute {key} {where}")
    for left, operator, quoted in _COMPARED.findall(query):
        value = quoted[1:-1]
        if not value:
            continue
        if left in _SPAN_NAMES:
            problems += _wrong_span(value, operator, known)
        elif left in _EVENT_NAMES:
            problems += [
                f"span event {word!r} is not emitted"
                for word in wrong_values(operator, value, known.span_events)
            ]
        else:
            key = re.sub(r"^(?:span|resource|event|parent)?\.", "", left)
            attribute = known.attributes.get(key)
            if attribute is not None and attribute.values:
                problems += [
                    f"{key} is never {word!r}; the closed set is {', '.join(attribute.values)}"
                    for word in wrong_values(operator, value, attribute.values)
                ]
    return problems


def _wrong_span(value: str, operator: str, known: Known) -> list[str]:
    if "$" in value:
        return []
    if operator in ("=~", "!~"):
        # Names with a number in them are asked for by a pattern: it must fit the name with some number.
        try:
            pattern = re.compile(value)
        except re.error:
            return [f"span name {value!r} is not a regular expression"]
        samples = [re.sub(r"\{[^}]*\}", "1", name) for name in known.spans]
        return [] if any(pattern.search(name) for name in samples) else [f"no span has a name like {value!r}"]
    patterns = [_PLACEHOLDER.sub(".+", re.escape(name)) for name in known.spans]
    if any(re.fullmatch(pattern, value) for pattern in patterns):
        return []
    return [f"span {value!r} is not emitted; the registry has {', '.join(sorted(known.spans))}"]
