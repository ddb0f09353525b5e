"""Replace Grafana's variables in queries by text that a parser accepts."""

import re
from collections.abc import Iterator

PLACEHOLDER = "grafana_variable"
"""Stands for a variable that is an identifier."""

_TIMES = re.compile(r"\$\{?__(?:rate_interval|interval|range)\}?(?![\w])")
_NUMBERS = re.compile(r"\$\{?__(?:interval|range)_(?:ms|s)\}?|\$\{?__(?:from|to)\}?")
_VARIABLE = re.compile(r"\$\{\w+(?::\w+)?\}|\$\w+|\[\[\w+\]\]")
_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`)')
_LABEL_VALUES = re.compile(
    r"\s*label_values\(\s*(?:(?P<selector>.+),\s*)?(?P<label>[\w$]+)\s*\)\s*", re.DOTALL
)
_QUERY_RESULT = re.compile(r"\s*query_result\((?P<query>.+)\)\s*", re.DOTALL)


def candidates(text: str) -> Iterator[str]:
    """Yield the query with its variables replaced, in each way that may be valid; quoted text is not changed."""
    pieces = _QUOTED.split(text)
    for stand_in in (PLACEHOLDER, "1", "5m"):
        yield "".join(
            piece if place % 2 else _VARIABLE.sub(stand_in, _NUMBERS.sub("1", _TIMES.sub("5m", piece)))
            for place, piece in enumerate(pieces)
        )


def variable_query(text: str) -> str:
    """Return PromQL for the query of a dashboard variable: `label_values(metric, label)` uses both names."""
    if match := _LABEL_VALUES.fullmatch(text):
        selector, label = match["selector"], match["label"]
        return f"count by ({label}) ({selector})" if selector else ""
    if match := _QUERY_RESULT.fullmatch(text):
        return match["query"]
    return ""
