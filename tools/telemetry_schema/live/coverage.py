"""Which declared signals were seen, and whether each unseen one is a declared gap.

A metric that stayed zero and a histogram without a value do not count as seen: rows are exported at zero as soon as
they are bound, for every instrument.
"""

from collections import Counter
from pathlib import Path
from typing import Literal

import msgspec
import yaml

from tools.telemetry_schema.errors import SchemaError
from tools.telemetry_schema.live import samples
from tools.telemetry_schema.model import Metric, Registry, Strict

Section = Literal["metrics", "spans", "events", "span_events", "entities", "scopes"]
SECTIONS: tuple[Section, ...] = ("metrics", "spans", "events", "span_events", "entities", "scopes")
_ELSE = "make it opt_in, or declare the gap in tools/telemetry_schema/gaps.yaml"
_NEVER = f"declared and never seen; emit it, {_ELSE}"
_NEVER_COUNTED = (
    "declared and never seen with a value; call its metric set's `add` or `record` where it happens "
    f"(a zero is exported without a call), {_ELSE}"
)


class Gap(Strict, frozen=True):
    """A recommended signal that is declared as not seen, and the reason."""

    section: Section
    name: str
    reason: str


class Coverage:
    """The seen items of a registry, by section and name."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.seen: dict[Section, Counter[str]] = {section: Counter() for section in SECTIONS}
        self.attributes: Counter[str] = Counter()

    def saw(self, section: Section, name: str) -> None:
        """Count one sighting."""
        self.seen[section][name] += 1

    def saw_metric(self, declared: Metric, points: tuple[samples.Point, ...]) -> None:
        """Count a metric, unless all its values are zero or empty.

        A gauge or up-down counter must be exported once while it is not zero: a run in progress when a reader collects.
        """
        if any(point.value for point in points):
            self.saw("metrics", declared.name)

    def declared(self, *, recommended: bool = True) -> dict[Section, list[str]]:
        """Return the names of emitted items of the registry: by default, or also on request."""

        def wanted(level: str) -> bool:
            return level == "recommended" or not recommended

        registry = self._registry
        return {
            "metrics": [item.name for item in registry.metrics if wanted(item.requirement_level)],
            "spans": [item.type for item in registry.spans if wanted(item.requirement_level)],
            "events": [item.name for item in registry.events if wanted(item.requirement_level)],
            "span_events": [
                f"{span.type}/{name}"
                for span in registry.spans
                if wanted(span.requirement_level)
                for name in span.span_events
            ],
            "entities": [item.type for item in registry.entities if wanted(item.requirement_level)],
            "scopes": [item.name for item in registry.scopes if not item.foreign],
        }

    def missing(self) -> list[tuple[Section, str]]:
        """Return the recommended items that were never seen."""
        return [
            (section, name)
            for section, names in self.declared().items()
            for name in names
            if not self.seen[section][name]
        ]

    def share(self) -> float:
        """Share of the recommended signals that were seen, 0 to 1."""
        total = sum(len(names) for names in self.declared().values())
        return 1 - len(self.missing()) / total if total else 1.0

    def problems(self, gaps: tuple[Gap, ...]) -> list[str]:
        """Return violations: a recommended signal that is neither seen nor a declared gap, and a gap that is seen."""
        missing = self.missing()
        declared = {(section, name) for section, names in self.declared().items() for name in names}
        excused = {(gap.section, gap.name) for gap in gaps}
        return [
            *(
                f"{section}: {name}: {_NEVER_COUNTED if section == 'metrics' else _NEVER}"
                for section, name in missing
                if (section, name) not in excused
            ),
            *(
                f"{section}: {name}: is declared as a gap and was seen; remove the gap"
                for section, name in sorted(excused & declared)
                if (section, name) not in missing
            ),
            *(
                f"{section}: {name}: is declared as a gap but is not a recommended signal; remove the gap"
                for section, name in sorted(excused - declared)
            ),
        ]


def read_gaps(path: Path) -> tuple[Gap, ...]:
    """The declared gaps of a file; a file that is not there declares none."""
    if not path.is_file():
        return ()
    try:
        content: object = yaml.safe_load(path.read_text("utf-8"))
        return tuple(msgspec.convert(content, dict[Literal["gaps"], tuple[Gap, ...]]).get("gaps", ()))
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise SchemaError(path.name, "", f"is not a list of gaps (section, name, reason): {error}") from error
