"""The live check: pass telemetry to it, get a report. A library for tests, and the core of the command.

live = LiveCheck(packaged_registry())
live.feed(from_spans(exporter.get_finished_spans()))
report = live.report()
assert report.violations == []
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tools.telemetry_schema.live import samples
from tools.telemetry_schema.live.coverage import Coverage, Gap
from tools.telemetry_schema.live.findings import LEVELS, Checked, LiveFinding, highest
from tools.telemetry_schema.live.index import Index
from tools.telemetry_schema.live.origin import check_resource, check_scope, entities_of
from tools.telemetry_schema.live.signals import SeriesCount, check_log, check_metric, check_span
from tools.telemetry_schema.model import Registry, ScopeDef


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a live check: the samples, their findings, and the seen parts of the registry."""

    checked: tuple[Checked, ...]
    statistics: dict[str, Any]
    coverage: Coverage
    gaps: tuple[Gap, ...]

    @property
    def findings(self) -> list[LiveFinding]:
        """Every finding."""
        return [finding for part in self.checked for finding in part.all_findings()]

    @property
    def violations(self) -> list[LiveFinding]:
        """The findings that fail the check."""
        return [finding for finding in self.findings if finding.level == "violation"]

    @property
    def items(self) -> int:
        """The number of spans, metrics and log records that were checked."""
        return sum(part.kind in ("span", "metric", "log") for part in self.checked)

    def summary(self) -> list[tuple[str, str, str, str, int]]:
        """Level, id, signal, message and number of findings, most severe first."""
        counted = Counter((each.level, each.id, each.signal_name, each.message) for each in self.findings)
        rows = [(*key, count) for key, count in counted.items()]
        return sorted(rows, key=lambda row: (-LEVELS.index(row[0]), row[1:]))

    def as_json(self) -> dict[str, Any]:
        """The report in weaver's shape, with `coverage` beside it."""
        return {
            "samples": [{part.kind: part.as_json()} for part in self.checked],
            "statistics": self.statistics,
            "coverage": {
                "share": round(self.coverage.share(), 4),
                "missing": [{"section": section, "name": name} for section, name in self.coverage.missing()],
                "gaps": [
                    {"section": gap.section, "name": gap.name, "reason": gap.reason} for gap in self.gaps
                ],
                "problems": self.coverage.problems(self.gaps),
            },
        }


class LiveCheck:
    """Compares telemetry with a registry as it comes in.

    Args:
        registry: the declared telemetry.
        canaries: texts that must not be in any attribute, name or message.
        gaps: recommended signals that are declared as not seen.
    """

    def __init__(self, registry: Registry, *, canaries: Iterable[str] = (), gaps: Iterable[Gap] = ()) -> None:
        self._index = Index(registry)
        self._canaries = tuple(canaries)
        self._gaps = tuple(gaps)
        self._coverage = Coverage(registry)
        self._series = SeriesCount()
        self._checked: list[Checked] = []
        self._resources: set[str] = set()
        self._scopes: set[str] = set()

    def feed(self, batches: Iterable[samples.Batch]) -> None:
        """Check some telemetry."""
        for batch in batches:
            if not batch.items:
                continue
            resource = self._resource(batch.resource)
            scope = self._scope(batch)
            own = scope is not None and not scope.foreign
            for item in batch.items:
                part = self._item(item, resource, own=own)
                if own:
                    self._associated(part, batch.resource)
                self._checked.append(part)

    def report(self) -> Report:
        """Return the report on everything checked so far."""
        return Report(tuple(self._checked), self._statistics(), self._coverage, self._gaps)

    def _item(self, item: samples.Item, resource: str, *, own: bool) -> Checked:
        coverage, index = self._coverage, self._index
        match item:
            case samples.Span():
                declared = index.span(item.name) if own else None
                if declared is not None:
                    coverage.saw("spans", declared[0].type)
                    for event in item.events:
                        coverage.saw("span_events", f"{declared[0].type}/{event.name}")
                return check_span(index, item, self._canaries, own=own)
            case samples.Metric():
                if own and item.name in index.metrics:
                    coverage.saw_metric(index.metrics[item.name], item.points)
                return check_metric(index, item, resource, self._series, self._canaries, own=own)
            case samples.Log():
                if own and item.event_name:
                    coverage.saw("events", item.event_name)
                return check_log(index, item, self._canaries, own=own)

    def _resource(self, resource: samples.Resource) -> str:
        key = repr(sorted(resource.attributes.items(), key=lambda pair: pair[0]))
        if key not in self._resources:
            self._resources.add(key)
            self._checked.append(check_resource(self._index, resource, self._canaries))
        for entity in entities_of(self._index, resource):
            self._coverage.saw("entities", entity)
        return key

    def _scope(self, batch: samples.Batch) -> ScopeDef | None:
        part, declared = check_scope(self._index, batch, self._canaries)
        key = repr((batch.scope, sorted({type(item).__name__ for item in batch.items})))
        if key not in self._scopes:
            self._scopes.add(key)
            self._checked.append(part)
        if declared is not None:
            self._coverage.saw("scopes", declared.name)
        return declared

    def _associated(self, part: Checked, resource: samples.Resource) -> None:
        """Check that the resource identifies the entities that a signal is about."""
        index = self._index
        match part.kind:
            case "span":
                found = index.span(part.signal_name)
                wanted = found[0].entity_associations if found is not None else ()
            case "metric":
                metric = index.metrics.get(part.signal_name)
                wanted = metric.entity_associations if metric is not None else ()
            case _:
                event = index.events.get(part.signal_name)
                wanted = event.entity_associations if event is not None else ()
        for entity in sorted(set(wanted) - entities_of(index, resource)):
            part.add(
                "entity_association_not_satisfied",
                f"It is about the entity '{entity}', which the resource does not identify.",
                entity_type=entity,
            )

    def _statistics(self) -> dict[str, Any]:
        registry, seen = self._index.registry, self._coverage.seen
        findings = [finding for part in self._checked for finding in part.all_findings()]
        parts = [each for part in self._checked for each in _all_parts(part)]
        attributes = Counter(key for part in parts for key in part.attributes)
        levels = Counter(level for part in parts if (level := highest(part.findings)) is not None)
        names = {
            kind: Counter(part.signal_name for part in self._checked if part.kind == kind)
            for kind in ("span", "metric")
        }
        names["log"] = Counter(
            name for part in self._checked if part.kind == "log" and (name := str(part.facts["event_name"]))
        )
        known = {item.key for item in registry.attributes}
        return {
            "total_entities": len(parts) + attributes.total(),
            "total_entities_by_type": {
                **Counter(part.kind for part in parts),
                "attribute": attributes.total(),
            },
            "total_advisories": len(findings),
            "advice_level_counts": dict(Counter(finding.level for finding in findings)),
            "highest_advice_level_counts": dict(levels),
            "no_advice_count": sum(not part.findings for part in parts),
            "advice_type_counts": dict(Counter(finding.id for finding in findings)),
            "advice_message_counts": dict(Counter(finding.message for finding in findings)),
            "seen_registry_attributes": {key: attributes[key] for key in sorted(known)},
            "seen_non_registry_attributes": {
                key: attributes[key] for key in sorted(attributes.keys() - known)
            },
            "seen_registry_metrics": {item.name: names["metric"][item.name] for item in registry.metrics},
            "seen_non_registry_metrics": _others(names["metric"], self._index.metrics),
            "seen_registry_events": {item.name: seen["events"][item.name] for item in registry.events},
            "seen_non_registry_events": _others(names["log"], self._index.events),
            # weaver does not match spans, entities and scopes.
            "seen_registry_spans": {item.type: seen["spans"][item.type] for item in registry.spans},
            "seen_non_registry_spans": {
                name: count for name, count in names["span"].items() if self._index.span(name) is None
            },
            "seen_registry_entities": {item.type: seen["entities"][item.type] for item in registry.entities},
            "seen_registry_scopes": {item.name: seen["scopes"][item.name] for item in registry.scopes},
            "registry_coverage": round(self._coverage.share(), 4),
        }


def _all_parts(part: Checked) -> list[Checked]:
    return [part, *(each for inner in part.parts.values() for some in inner for each in _all_parts(some))]


def _others(counted: Counter[str], known: Iterable[str]) -> dict[str, int]:
    names = set(known)
    return {name: count for name, count in sorted(counted.items()) if name not in names}
