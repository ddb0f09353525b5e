"""The pinned images expose the foreign metrics that alerts query, with their labels."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.rules.rules import rules
from tools.telemetry_schema.query.foreign import read_foreign
from tools.telemetry_schema.query.promql import parse, selectors

SCRAPES = Path(__file__).parent / "scrapes"
OWNERS = {"otelcol_": "collector", "loki_": "loki", "prometheus_": "prometheus"}
MADE_BY_PROMETHEUS = {"up"}


def exposed(owner: str) -> dict[str, set[str]]:
    """Labels of each series in a captured scrape, by name as a scrape without OpenMetrics stores it."""
    text = (SCRAPES / f"{owner}.txt").read_text("utf-8")
    names = set(re.findall(r"^([a-z_]+)[ {]", text, flags=re.MULTILINE))
    found: dict[str, set[str]] = {name: set() for name in names}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            # The parser gives a counter the suffix that the Collector leaves out.
            name = sample.name if sample.name in names else sample.name.removesuffix("_total")
            found[name] |= set(sample.labels)
    return found


def asked() -> set[str]:
    """Every metric in a rule that is neither ours nor recorded."""
    names = {str(found.name) for rule in rules() for found in selectors(parse(rule["expr"]))}
    return {name for name in names if not name.startswith("ael_") and ":" not in name} - MADE_BY_PROMETHEUS


@pytest.mark.parametrize("name", sorted(asked()))
def test_a_metric_of_another_program_exists(name: str) -> None:
    """It is in the captured scrape, and so are the labels that queries may use of it."""
    owner = next(owner for prefix, owner in OWNERS.items() if name.startswith(prefix))
    found = exposed(owner)
    assert name in found
    declared = set(read_foreign().metrics[name].labels)
    optional = {"server_address", "server_port", "url_path"}  # of stores that are reached by HTTP
    assert declared - optional <= found[name]


def test_the_collector_adds_no_total() -> None:
    """Its counters are pulled and keep their names; alert collections on the net have them with a suffix."""
    assert not any(name.endswith("_total") for name in exposed("collector"))
