"""The committed rules and routes, run faster: every span of time divided by one factor, and nothing else changed.

An hour of the rules becomes two minutes, so a test can wait until an alert whose windows are hours or days long has
fired and ended. The order and proportion of all spans stay as they are.
"""

import re
from copy import deepcopy
from typing import Any, Final

FACTOR: Final = 30
"""A minute becomes two seconds, an hour two minutes. With less a busy machine could not keep up."""

_UNITS: Final = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 31_536_000_000,
}
_SPAN: Final = r"(?:\d+(?:ms|[smhdwy]))+"
_IN_EXPRESSION: Final = re.compile(
    rf'"[^"]*"|\[(?P<window>{_SPAN})(?::(?P<step>{_SPAN})?)?\]|\boffset (?P<offset>{_SPAN})'
)
"""Windows, steps of subqueries and offsets; text in quotes is found too, so that nothing is found inside it."""

_IN_RULES: Final = ("interval", "query_offset", "for", "keep_firing_for")
_IN_ROUTES: Final = ("group_wait", "group_interval", "repeat_interval", "resolve_timeout")


def faster(span: str, factor: int = FACTOR) -> str:
    """Divide one span of time.

    Args:
        span: as Prometheus writes it, such as `5m` or `1h30m`.
        factor: what it is divided by.

    Raises:
        ValueError: it is not a span of time, or the result is not a whole number of milliseconds.
    """
    if not re.fullmatch(_SPAN, span):
        raise ValueError(f"{span!r} is no span of time")
    whole = sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", span))
    if whole % factor:
        raise ValueError(f"{span} cannot be divided by {factor}")
    return f"{whole // factor}ms"


def faster_expression(expression: str, factor: int = FACTOR) -> str:
    """Divide every window, step and offset of a PromQL expression."""

    def divided(found: re.Match[str]) -> str:
        text = found[0]
        spans = [name for name in ("offset", "step", "window") if found[name]]
        for name in spans:  # the last first, so that places before it stay where they are
            start, end = (place - found.start() for place in found.span(name))
            text = text[:start] + faster(found[name], factor) + text[end:]
        return text

    return _IN_EXPRESSION.sub(divided, expression)


def faster_rules(document: dict[str, Any], factor: int = FACTOR) -> dict[str, Any]:
    """Divide every span of time of a rule file: also the objectives that are seconds, as their names say."""
    changed = deepcopy(document)
    for group in changed["groups"]:
        _divide(group, _IN_RULES, factor)
        for rule in group["rules"]:
            _divide(rule, _IN_RULES, factor)
            rule["expr"] = faster_expression(rule["expr"], factor)
            if re.fullmatch(r"ael:objective:\w+_seconds", rule.get("record", "")):
                (seconds,) = re.fullmatch(r"vector\((\d+)\)", rule["expr"]).groups()  # type: ignore[union-attr]
                rule["expr"] = f"vector({int(seconds) / factor:g})"
    return changed


def faster_routes(route: dict[str, Any], factor: int = FACTOR) -> dict[str, Any]:
    """Divide every span of time of a route of Alertmanager and of those below it."""
    changed = deepcopy(route)
    _divide(changed, _IN_ROUTES, factor)
    if "routes" in changed:
        changed["routes"] = [faster_routes(below, factor) for below in changed["routes"]]
    return changed


def _divide(place: dict[str, Any], names: tuple[str, ...], factor: int) -> None:
    for name in names:
        if name in place:
            place[name] = faster(place[name], factor)
