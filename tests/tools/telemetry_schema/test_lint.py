"""Each rule of the registry has a case that breaks it, and the finding tells what to set."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from tools.telemetry_schema.lint import REGISTRY_RULES, SOURCE_RULES, lint
from tools.telemetry_schema.model import Sources

type Document = dict[str, Any]
type Spoil = Callable[[Document], object]
type Spoiled = Callable[[Spoil], Sources]


def attribute(document: Document, key: str) -> Document:
    """The attribute of that key."""
    return next(item for item in document["attributes"] if item["key"] == key)


def notes(item: Document) -> Document:
    """Its annotations of ours, made if absent."""
    return item.setdefault("annotations", {}).setdefault("ael", {})


def metric(document: Document) -> Document:
    """The counter."""
    return document["metrics"][0]


def use(key: str, **more: object) -> Document:
    """A reference to the attribute."""
    return {"ref": key, "requirement_level": "required", **more}


def scope(document: Document) -> Document:
    """The first scope."""
    return document["scopes"]["scopes"][0]


def deprecate(item: Document, *, remove_in: str, **deprecated: str) -> None:
    """Put an item on its way out."""
    item["deprecated"] = deprecated
    notes(item)["remove_in"] = remove_in


# rule, item the finding must name, part of what it must say, how to break the rule
BROKEN: list[tuple[str, str, str, Spoil]] = [
    (
        "duplicate_name",
        "ael.fruit.name",
        "defined twice",
        lambda d: d["attributes"].append(d["attributes"][0]),
    ),
    ("duplicate_name", "ael.fruit.eaten", "defined twice", lambda d: d["metrics"].append(metric(d))),
    (
        "duplicate_name",
        "ael.fruit.eaten",
        "refers to state twice",
        lambda d: metric(d)["attributes"].append(use("state")),
    ),
    (
        "duplicate_name",
        "ael.fruit.state",
        "member ripe",
        lambda d: attribute(d, "ael.fruit.state")["type"]["members"].append(
            attribute(d, "ael.fruit.state")["type"]["members"][0]
        ),
    ),
    (
        "redefined_upstream",
        "error.type",
        "remove the definition",
        lambda d: attribute(d, "state").update(key="error.type"),
    ),
    (
        "unknown_ref",
        "ael.fruit.eaten",
        "refers to colour",
        lambda d: metric(d)["attributes"].append(use("colour")),
    ),
    (
        "unknown_ref",
        "ael.basket",
        "refers to host.name",
        lambda d: d["entities"][0]["identity"].append({"ref": "host.name"}),
    ),
    (
        "unknown_ref",
        "ael.fruit.eaten",
        "names ael.bag",
        lambda d: metric(d).update(entity_associations=["ael.bag"]),
    ),
    (
        "unknown_ref",
        "state",
        "values_of names ael.fruit.colour",
        lambda d: notes(attribute(d, "state")).update(values_of="ael.fruit.colour"),
    ),
    (
        "unknown_ref",
        "ael.fruit.eaten",
        "values_of names ael.fruit.name",
        lambda d: notes(metric(d)["attributes"][1]).update(values_of="ael.fruit.name"),
    ),
    (
        "unknown_ref",
        "ael.fruit.eaten",
        "follows_from ael.fruit.id",
        lambda d: notes(metric(d)["attributes"][1]).update(follows_from=["ael.fruit.id"]),
    ),
    (
        "unknown_ref",
        "ael.fruit.drop",
        "span ael.tree",
        lambda d: notes(d["events"][0])["span_event"].update(spans=["ael.tree"]),
    ),
    (
        "unknown_ref",
        "ael.fruit.drop",
        "refers to ael.tree",
        lambda d: notes(d["events"][0])["span_event"].update(attributes=["ael.tree"]),
    ),
    ("invalid_name", "ael.Fruit.eaten", "lowercase", lambda d: metric(d).update(name="ael.Fruit.eaten")),
    ("invalid_name", "ael.fruit..eaten", "single dots", lambda d: metric(d).update(name="ael.fruit..eaten")),
    (
        "invalid_name",
        "ael.fruit.max__state",
        "single dots",
        lambda d: d["attributes"].append({**attribute(d, "ael.fruit.state"), "key": "ael.fruit.max__state"}),
    ),
    ("missing_namespace", "fruit.eaten", "start with ael.", lambda d: metric(d).update(name="fruit.eaten")),
    ("missing_namespace", "state", "bare_key", lambda d: notes(attribute(d, "state")).pop("bare_key")),
    (
        "missing_namespace",
        "ael.fruit.name",
        "remove bare_key",
        lambda d: notes(attribute(d, "ael.fruit.name")).update(bare_key="x"),
    ),
    (
        "missing_namespace",
        "size",
        "neither a metric label nor a log field",
        lambda d: (
            attribute(d, "ael.basket.size").update(key="size"),
            d["entities"][0]["description"][0].update(ref="size"),
            notes(attribute(d, "size")).update(bare_key="x"),
        ),
    ),
    (
        "unit_in_name",
        "ael.fruit.eaten_total",
        "remove total",
        lambda d: metric(d).update(name="ael.fruit.eaten_total"),
    ),
    (
        "unit_in_name",
        "ael.fruit.seconds",
        "remove seconds",
        lambda d: d["metrics"][1].update(name="ael.fruit.seconds"),
    ),
    ("bad_unit", "ael.fruit.eaten", "has no unit", lambda d: metric(d).update(unit="")),
    ("bad_unit", "ael.fruit.ripening", "'ms' is not known", lambda d: d["metrics"][1].update(unit="ms")),
    (
        "name_collision",
        "ael.fruit_eaten",
        "ael_fruit_eaten_total",
        lambda d: d["metrics"].append({**metric(d), "name": "ael.fruit_eaten"}),
    ),
    (
        "name_collision",
        "ael.fruit.eaten",
        "label ael_fruit_name twice",
        lambda d: (
            d["attributes"].append({**attribute(d, "ael.fruit.name"), "key": "ael.fruit_name"}),
            metric(d)["attributes"].append(use("ael.fruit_name")),
        ),
    ),
    ("bad_brief", "ael.fruit.eaten", "full stop", lambda d: metric(d).update(brief="Fruit")),
    (
        "bad_brief",
        "ael.fruit.name",
        "100 characters",
        lambda d: attribute(d, "ael.fruit.name").update(brief="x" * 100 + "."),
    ),
    (
        "bad_brief",
        "ael.fruit.state",
        "no quote",
        lambda d: attribute(d, "ael.fruit.state")["type"]["members"][0].update(brief='"Ripe".'),
    ),
    ("missing_goal", "ael.fruit", "operation, performance", lambda d: notes(d["spans"][0]).pop("goal")),
    ("bad_query", "ael.fruit", "set annotations.ael.query", lambda d: notes(d["spans"][0]).pop("query")),
    (
        "bad_query",
        "ael.fruit.eaten",
        "query: ael_fruit_eaten has no series of that name; add _total",
        lambda d: notes(metric(d)).update(query="ael_fruit_eaten"),
    ),
    (
        "bad_query",
        "ael.fruit.eaten",
        "sum by (colour): nothing in it has the label colour",
        lambda d: notes(metric(d)).update(query="sum by (colour) (ael_fruit_eaten_total)"),
    ),
    (
        "bad_query",
        "ael.fruit.eaten",
        "sum by (le): nothing in it has the label le",
        lambda d: notes(metric(d)).update(query="sum by (le) (ael_fruit_eaten_total)"),
    ),
    (
        "bad_query",
        "ael.fruit.eaten",
        "query: ael_fruit_eaten_total has no label colour",
        lambda d: notes(metric(d)).update(query='ael_fruit_eaten_total{colour="red"}'),
    ),
    (
        "bad_query",
        "ael.fruit.eaten",
        "does not use",
        lambda d: notes(metric(d)).update(query="ael_fruit_ripening_seconds_sum"),
    ),
    (
        "bad_query",
        "ael.fruit",
        "query: attribute ael.fruit.colour does not exist",
        lambda d: notes(d["spans"][0]).update(query="{ span.ael.fruit.colour = 1 }"),
    ),
    (
        "bad_query",
        "ael.fruit",
        "query: span 'Peel' is not emitted",
        lambda d: notes(d["spans"][0]).update(query='{ name = "Peel" }'),
    ),
    (
        "bad_query",
        "ael.fruit.drop",
        "query: log field colour is not emitted",
        lambda d: notes(d["events"][0]).update(query='{service_name="ael"} | colour="red"'),
    ),
    (
        "bad_query",
        "ael.fruit.drop",
        "query: event ael.fruit.fall is not emitted",
        lambda d: notes(d["events"][0]).update(query='{service_name="ael"} | event_name="ael.fruit.fall"'),
    ),
    ("bad_buckets", "ael.fruit.ripening", "rising bounds", lambda d: notes(d["metrics"][1]).pop("buckets")),
    (
        "bad_buckets",
        "ael.fruit.ripening",
        "rising bounds",
        lambda d: notes(d["metrics"][1]).update(buckets=[10, 1]),
    ),
    ("bad_buckets", "ael.fruit.ripening", "above 0", lambda d: notes(d["metrics"][1]).update(buckets=[0, 1])),
    ("bad_buckets", "ael.fruit.eaten", "not a histogram", lambda d: notes(metric(d)).update(buckets=[1])),
    (
        "unbounded_label",
        "ael.fruit.eaten",
        "ael.fruit.id is unbounded",
        lambda d: metric(d)["attributes"].append(use("ael.fruit.id")),
    ),
    (
        "unbounded_label",
        "ael.fruit.eaten",
        "set annotations.ael.max_values",
        lambda d: metric(d)["attributes"].append(use("ael.basket.size")),
    ),
    (
        "unbounded_label",
        "ael.fruit.eaten",
        "error.type has no bound",
        lambda d: metric(d)["attributes"].append(use("error.type")),
    ),
    (
        "content_on_metric",
        "ael.fruit.eaten",
        "what a person wrote",
        lambda d: notes(attribute(d, "ael.fruit.name")).update(sensitivity="content"),
    ),
    (
        "id_on_metric",
        "ael.fruit.eaten",
        "ael.fruit.id is an id",
        lambda d: (
            notes(attribute(d, "ael.fruit.id")).update(cardinality="bounded", max_values=2),
            metric(d)["attributes"].append(use("ael.fruit.id")),
        ),
    ),
    (
        "id_on_metric",
        "ael.fruit.eaten",
        "ael.fruit.session is an id",
        lambda d: (
            d["attributes"].append({**attribute(d, "ael.fruit.name"), "key": "ael.fruit.session"}),
            metric(d)["attributes"].append(use("ael.fruit.session")),
        ),
    ),
    (
        "missing_sensitivity",
        "ael.fruit.name",
        "system, named or content",
        lambda d: notes(attribute(d, "ael.fruit.name")).pop("sensitivity"),
    ),
    (
        "missing_sensitivity",
        "service.name",
        "system, named or content",
        lambda d: d["upstream"]["attributes"][0].pop("annotations"),
    ),
    (
        "unused_attribute",
        "ael.basket.size",
        "is used by no signal",
        lambda d: d["entities"][0].pop("description"),
    ),
    ("missing_goal", "ael.basket", "change_impact or trend", lambda d: d["entities"][0].pop("annotations")),
    ("missing_goal", "ael.log.fields", "operation", lambda d: notes(d["attribute_groups"][0]).pop("goal")),
    ("unknown_ref", "shed", "no such entity", lambda d: d["imports"].update(entities=["shed"])),
    ("bad_scope", "fruit", "must be ael", lambda d: scope(d).update(name="fruit")),
    ("bad_scope", "ael.*", "without wildcard", lambda d: scope(d).update(name="ael.*")),
    ("bad_scope", "ael", "set goal", lambda d: scope(d).pop("goal")),
    ("bad_scope", "ael", "set signals", lambda d: scope(d).update(signals=[])),
    ("bad_scope", "spans", "no scope emits spans", lambda d: scope(d).update(signals=["metrics"])),
    ("bad_scope", "ael", "appears twice", lambda d: d["scopes"]["scopes"].append(scope(d))),
    (
        "bad_scope",
        "market*",
        "not ours to declare",
        lambda d: d["scopes"]["scopes"][2].update(signals=["spans"]),
    ),
    ("bad_scope", "ael.log", "a name of ours", lambda d: d["scopes"]["scopes"][1].update(foreign=True)),
    (
        "bad_deprecation",
        "ael.fruit.eaten",
        "renamed_to is nothing",
        lambda d: deprecate(metric(d), remove_in="2.0.0", reason="renamed"),
    ),
    (
        "bad_deprecation",
        "ael.fruit.eaten",
        "renamed_to is ael.fruit.bitten",
        lambda d: deprecate(metric(d), remove_in="2.0.0", reason="renamed", renamed_to="ael.fruit.bitten"),
    ),
    (
        "bad_deprecation",
        "ael.fruit.eaten",
        "set reason to renamed",
        lambda d: deprecate(
            metric(d), remove_in="2.0.0", reason="obsoleted", renamed_to="ael.fruit.ripening"
        ),
    ),
    (
        "bad_deprecation",
        "ael.fruit.eaten",
        "a version after 1.2.3",
        lambda d: deprecate(metric(d), remove_in="1.2.3", reason="obsoleted"),
    ),
    (
        "bad_deprecation",
        "ael.fruit.eaten",
        "is not deprecated",
        lambda d: notes(metric(d)).update(remove_in="2.0.0"),
    ),
    (
        "max_series",
        "ael.fruit.eaten",
        "set annotations.ael.max_series",
        lambda d: notes(metric(d)).pop("max_series"),
    ),
    ("max_series", "ael.fruit.eaten", "can make 20 series", lambda d: notes(metric(d)).update(max_series=19)),
    (
        "max_series",
        "ael.fruit.eaten",
        "must be 1 to 2000",
        lambda d: notes(metric(d)).update(max_series=2001),
    ),
    (
        "closed_set",
        "ael.fruit.state",
        "no members",
        lambda d: attribute(d, "ael.fruit.state").update(type={"members": []}),
    ),
    (
        "closed_set",
        "ael.fruit.state",
        "RIPE must be lowercase",
        lambda d: attribute(d, "ael.fruit.state")["type"]["members"][0].update(value="RIPE"),
    ),
    (
        "closed_set",
        "ael.fruit.state",
        "member id Ripe",
        lambda d: attribute(d, "ael.fruit.state")["type"]["members"][0].update(id="Ripe"),
    ),
    ("closed_set", "state", "set type to string", lambda d: attribute(d, "state").update(type="int")),
    (
        "missing_examples",
        "ael.fruit.name",
        "set examples",
        lambda d: attribute(d, "ael.fruit.name").pop("examples"),
    ),
    (
        "unstable_in_stable",
        "ael.fruit.eaten",
        "state is development",
        lambda d: attribute(d, "state").update(stability="development"),
    ),
    (
        "resource_on_signal",
        "ael.fruit",
        "service.name is on the resource",
        lambda d: d["spans"][0]["attributes"].append(use("service.name")),
    ),
    (
        "copied_trace_id",
        "ael.fruit.trace_id",
        "OTLP carries",
        lambda d: attribute(d, "ael.basket.size").update(key="ael.fruit.trace_id"),
    ),
    (
        "bad_span_name",
        "ael.fruit",
        "not a required attribute",
        lambda d: d["spans"][0]["name"].update(note="Eat {ael.fruit.state}"),
    ),
    (
        "bad_span_name",
        "ael.fruit",
        "no bound",
        lambda d: notes(attribute(d, "ael.fruit.name")).pop("max_values"),
    ),
    (
        "bad_event_name",
        "ael.fruit.fell",
        "must end in one of",
        lambda d: d["events"][0].update(name="ael.fruit.fell"),
    ),
    (
        "bad_metric_set",
        "ael.fruit.eaten",
        "set annotations.ael.metric_set",
        lambda d: notes(metric(d)).pop("metric_set"),
    ),
    (
        "bad_metric_set",
        "ael.fruit.ripening",
        "another entity",
        lambda d: notes(d["metrics"][1]).update(metric_set="ael.fruit"),
    ),
    (
        "bad_metric_set",
        "ael.fruit.thrown.eaten",
        "same word",
        lambda d: d["metrics"].append({**metric(d), "name": "ael.fruit.thrown.eaten"}),
    ),
    (
        "bad_metric_set",
        "ael.fruit.thrown",
        "labels of the set ael.fruit (ael.fruit.name, state)",
        lambda d: d["metrics"].append(
            {**metric(d), "name": "ael.fruit.thrown", "attributes": metric(d)["attributes"][:1]}
        ),
    ),
    (
        "bad_metric_set",
        "ael.fruit.thrown",
        "another max_series than ael.fruit.eaten",
        lambda d: (
            d["metrics"].append({**copy.deepcopy(metric(d)), "name": "ael.fruit.thrown"}),
            notes(d["metrics"][-1]).update(max_series=21),
        ),
    ),
]


def test_the_registry_keeps_every_rule(sources: Sources) -> None:
    """What this project emits is declared without a single finding, and the check looked at all of it."""
    assert [str(finding) for finding in lint(sources)] == []
    assert len(sources.attributes) >= 40
    assert len(sources.metrics) >= 8
    assert len(sources.spans) >= 5
    assert len(sources.events) >= 4


def test_a_good_registry_passes(spoiled: Spoiled) -> None:
    """The rules raise no alarm on the small registry that every case below spoils."""
    assert [str(finding) for finding in lint(spoiled(lambda document: None))] == []


@pytest.mark.parametrize(
    ("rule", "item", "says", "spoil"),
    BROKEN,
    ids=[f"{rule}-{says.replace(' ', '_')}" for rule, _, says, _ in BROKEN],
)
def test_a_broken_rule_is_found_and_named(
    rule: str, item: str, says: str, spoil: Spoil, spoiled: Spoiled
) -> None:
    """Breaking a rule gives a finding of that rule that names the file, the item and what to do."""
    findings = [finding for finding in lint(spoiled(spoil)) if finding.rule == rule]
    assert any(finding.item == item and says in finding.problem for finding in findings), findings
    # An item of OpenTelemetry's excerpt has no file of ours to name.
    wanted = {"bad_scope": "scopes.yaml", "missing_sensitivity": findings[0].source}.get(rule, "all.yaml")
    assert {finding.source for finding in findings} == {wanted}
    assert all(str(finding).startswith(f"{wanted}: ") for finding in findings)


def test_every_rule_has_a_case() -> None:
    """No rule goes unproved: a new one needs a case above."""
    rules = {rule.__name__ for rule in (*SOURCE_RULES, *REGISTRY_RULES)}
    assert rules == {rule for rule, *_ in BROKEN}
    assert all(inspect.getdoc(rule) for rule in (*SOURCE_RULES, *REGISTRY_RULES))


def test_a_label_that_follows_from_others_adds_no_series(spoiled: Spoiled) -> None:
    """A label that its siblings determine is left out of the product, which max_series bounds."""

    def spoil(document: Document) -> None:
        notes(metric(document)).update(max_series=10)
        notes(metric(document)["attributes"][1]).update(follows_from=["ael.fruit.name"])

    assert lint(spoiled(spoil)) == []
