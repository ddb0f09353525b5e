"""Mismatches and their samples, in the format of weaver's live check."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from tools.telemetry_schema.live.samples import Value

Level = Literal["violation", "improvement", "information"]
SignalType = Literal["resource", "instrumentation_scope", "span", "metric", "log"]
LEVELS: tuple[Level, ...] = ("information", "improvement", "violation")

# Ids of weaver's findings, with its levels, except that a value outside a closed set is a violation here, since our
# sets are closed. The second part has checks that weaver lacks.
IDS: dict[str, Level] = {
    "missing_attribute": "violation",
    "missing_metric": "violation",
    "missing_event": "violation",
    "deprecated": "violation",
    "type_mismatch": "violation",
    "not_stable": "improvement",
    "unit_mismatch": "violation",
    "unexpected_instrument": "violation",
    "undefined_enum_variant": "violation",
    "required_attribute_not_present": "violation",
    "recommended_attribute_not_present": "improvement",
    "opt_in_attribute_not_present": "information",
    "conditionally_required_attribute_not_present": "information",
    "entity_required_attribute_not_present": "violation",
    "entity_recommended_attribute_not_present": "improvement",
    "entity_opt_in_attribute_not_present": "information",
    "entity_association_not_satisfied": "violation",
    "illegal_namespace": "violation",
    # ours
    "missing_span": "violation",
    "missing_scope": "violation",
    "missing_schema_url": "improvement",
    "schema_url_mismatch": "violation",
    "unexpected_signal": "violation",
    "unexpected_kind": "violation",
    "unexpected_span_event": "violation",
    "unexpected_attribute": "violation",
    "name_mismatch": "violation",
    "bucket_mismatch": "violation",
    "unbounded_attribute": "violation",
    "max_series_exceeded": "violation",
    "error_without_type": "violation",
    "sensitive_value": "violation",
    "unknown_resource_attribute": "information",
}


@dataclass(frozen=True, slots=True)
class LiveFinding:
    """One mismatch."""

    id: str
    message: str
    context: dict[str, str]
    signal_type: SignalType
    signal_name: str

    @property
    def level(self) -> Level:
        """The severity of the finding."""
        return IDS[self.id]

    def as_json(self) -> dict[str, Any]:
        """Return the finding in weaver's format."""
        return {
            "type": "PolicyFinding",
            "id": self.id,
            "context": self.context or None,
            "message": self.message,
            "level": self.level,
            "signal_type": self.signal_type,
            "signal_name": self.signal_name or None,
        }


@dataclass(slots=True)
class Checked:
    """A part of the checked telemetry: its findings, its attributes and the parts inside it.

    `kind` is the name of the part in the report; `facts` further fields of the report.
    """

    kind: str
    signal_type: SignalType
    signal_name: str
    facts: dict[str, Any]
    attributes: dict[str, Value] = field(default_factory=dict[str, Value])
    parts: dict[str, list[Checked]] = field(default_factory=dict[str, "list[Checked]"])
    findings: list[LiveFinding] = field(default_factory=list[LiveFinding])
    attribute_findings: dict[str, list[LiveFinding]] = field(default_factory=dict[str, list[LiveFinding]])

    def add(self, finding_id: str, message: str, **context: str) -> None:
        """Add a finding about the part as a whole."""
        self.findings.append(LiveFinding(finding_id, message, context, self.signal_type, self.signal_name))

    def add_to(self, key: str, finding_id: str, message: str, **context: str) -> None:
        """Add a finding about one attribute of the part."""
        finding = LiveFinding(
            finding_id, message, {"attribute_key": key, **context}, self.signal_type, self.signal_name
        )
        self.attribute_findings.setdefault(key, []).append(finding)

    def all_findings(self) -> list[LiveFinding]:
        """Return the findings on the part, on its attributes and on the parts inside it."""
        found = list(self.findings)
        for some in self.attribute_findings.values():
            found += some
        for inner in self.parts.values():
            for part in inner:
                found += part.all_findings()
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the part in weaver's format."""
        return {
            **self.facts,
            "attributes": [
                {
                    "name": key,
                    "value": value.decode("utf-8", "replace") if isinstance(value, bytes) else value,
                    "type": value_type(value),
                    "live_check_result": _result(self.attribute_findings.get(key, [])),
                }
                for key, value in self.attributes.items()
            ],
            **{name: [part.as_json() for part in inner] for name, inner in self.parts.items()},
            "live_check_result": _result(self.findings),
        }


def highest(findings: list[LiveFinding]) -> Level | None:
    """The worst level among findings."""
    levels = {finding.level for finding in findings}
    return next((level for level in reversed(LEVELS) if level in levels), None)


def value_type(value: Value) -> str | None:
    """The type of an attribute value in the words of the registry; None for a type without a word."""
    match value:
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "int"
        case float():
            return "double"
        case list():
            kinds = {value_type(item) for item in value}
            return f"{kinds.pop()}[]" if len(kinds) == 1 else None
        case _:
            return None


def _result(findings: list[LiveFinding]) -> dict[str, Any]:
    return {
        "all_advice": [finding.as_json() for finding in findings],
        "highest_advice_level": highest(findings),
    }
