"""Rules of a registry; each finding names the file, the item and the remedy.

There are two stages: the first checks the definitions and proves that every reference has a target, the second checks
the resolved registry. A rule is one generator; the tuples below list them.
"""

from collections.abc import Callable, Iterator

from tools.telemetry_schema import rules_definitions, rules_resolved
from tools.telemetry_schema.findings import Broken, Finding
from tools.telemetry_schema.model import Registry, Sources
from tools.telemetry_schema.resolve import resolve

SOURCE_RULES: tuple[Callable[[Sources], Iterator[Broken]], ...] = (
    rules_definitions.duplicate_name,
    rules_definitions.redefined_upstream,
    rules_definitions.unknown_ref,
    rules_definitions.invalid_name,
    rules_definitions.bad_brief,
    rules_definitions.closed_set,
    rules_definitions.missing_examples,
    rules_definitions.copied_trace_id,
    rules_definitions.missing_sensitivity,
    rules_definitions.bad_scope,
    rules_definitions.bad_deprecation,
    rules_definitions.missing_namespace,
    rules_definitions.unused_attribute,
)
REGISTRY_RULES: tuple[Callable[[Registry], Iterator[Broken]], ...] = (
    rules_resolved.unit_in_name,
    rules_resolved.bad_unit,
    rules_resolved.name_collision,
    rules_resolved.missing_goal,
    rules_resolved.bad_query,
    rules_resolved.bad_buckets,
    rules_resolved.unbounded_label,
    rules_resolved.max_series,
    rules_resolved.bad_metric_set,
    rules_resolved.unstable_in_stable,
    rules_resolved.resource_on_signal,
    rules_resolved.bad_span_name,
    rules_resolved.bad_event_name,
    rules_resolved.content_on_metric,
    rules_resolved.id_on_metric,
)


def lint(sources: Sources) -> list[Finding]:
    """Return the findings of all rules, in the order of the rules; empty if there is none."""

    def found[T](rules: tuple[Callable[[T], Iterator[Broken]], ...], subject: T) -> list[Finding]:
        return [
            Finding(rule.__name__, sources.where(section, name), name, problem)
            for rule in rules
            for section, name, problem in rule(subject)
        ]

    findings = found(SOURCE_RULES, sources)
    if any(finding.rule == rules_definitions.unknown_ref.__name__ for finding in findings):
        return findings  # a reference without a target cannot be resolved
    return findings + found(REGISTRY_RULES, resolve(sources))
