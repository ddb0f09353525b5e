"""The rules of OCEL 2.0 in JSON: what a file must be so that tools of process mining can read it."""

from datetime import datetime
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "time": (str,),
    "integer": (int,),
    "float": (float, int),
    "boolean": (bool,),
}


def check(log: dict[str, Any]) -> None:
    """Fail unless names are declared once, ids are unique, values have their type, and relations lead to objects.

    Raises:
        AssertionError: with the first thing that breaks a rule.
    """
    assert log.keys() == {"eventTypes", "objectTypes", "events", "objects"}
    ids = [each["id"] for each in log["objects"]]
    assert len(set(ids)) == len(ids), "ids of objects are unique"
    numbers = [each["id"] for each in log["events"]]
    assert len(set(numbers)) == len(numbers), "ids of events are unique"
    objects = set(ids)
    kinds = _declared(log["objectTypes"])
    for each in log["objects"]:
        assert set(each) <= {"id", "type", "attributes", "relationships"}
        _values(kinds[each["type"]], each["attributes"], timed=True)
        _relations(objects, each["relationships"])
    kinds = _declared(log["eventTypes"])
    for each in log["events"]:
        assert set(each) <= {"id", "type", "time", "attributes", "relationships"}
        _moment(each["time"])
        assert each["relationships"], f"event {each['id']} is about no object"
        _values(kinds[each["type"]], each["attributes"], timed=False)
        _relations(objects, each["relationships"])


def _declared(types: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    names = [each["name"] for each in types]
    assert len(set(names)) == len(names), "types are declared once"
    found: dict[str, dict[str, str]] = {}
    for each in types:
        assert set(each) == {"name", "attributes"}
        assert all(attribute["type"] in TYPES for attribute in each["attributes"])
        found[each["name"]] = {attribute["name"]: attribute["type"] for attribute in each["attributes"]}
    return found


def _values(declared: dict[str, str], attributes: list[dict[str, Any]], *, timed: bool) -> None:
    for each in attributes:
        assert set(each) == ({"name", "value", "time"} if timed else {"name", "value"})
        assert isinstance(each["value"], TYPES[declared[each["name"]]])
        if timed:
            _moment(each["time"])


def _relations(objects: set[str], relations: list[dict[str, str]]) -> None:
    for each in relations:
        assert set(each) == {"objectId", "qualifier"}
        assert each["objectId"] in objects
    pairs = [(each["objectId"], each["qualifier"]) for each in relations]
    assert len(set(pairs)) == len(pairs), "relations are listed once"


def _moment(text: str) -> None:
    assert text.endswith("Z")
    assert datetime.fromisoformat(text).utcoffset() is not None
