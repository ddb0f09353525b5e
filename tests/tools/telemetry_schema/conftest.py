"""A small registry that keeps every rule, as data that a test can spoil."""

import copy
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.telemetry_schema import render
from tools.telemetry_schema.__main__ import main
from tools.telemetry_schema.load import load
from tools.telemetry_schema.model import Registry, Sources
from tools.telemetry_schema.project import load_sources
from tools.telemetry_schema.resolve import resolve

ROOT = Path(__file__).parents[3]

type Document = dict[str, Any]
type Spoil = Callable[[Document], object]

GOOD: Document = {
    "file_format": "definition/2",
    "attributes": [
        {
            "key": "ael.fruit.name",
            "type": "string",
            "stability": "stable",
            "brief": "Name of the fruit.",
            "examples": ["apple"],
            "annotations": {"ael": {"sensitivity": "named", "max_values": 10}},
        },
        {
            "key": "ael.fruit.id",
            "type": "string",
            "stability": "stable",
            "brief": "One piece of fruit.",
            "examples": ["f-1"],
            "annotations": {"ael": {"sensitivity": "system", "cardinality": "unbounded"}},
        },
        {
            "key": "ael.fruit.state",
            "stability": "stable",
            "brief": "State it is in.",
            "type": {
                "members": [
                    {"id": "ripe", "value": "ripe", "stability": "stable", "brief": "Can be eaten."},
                    {"id": "rotten", "value": "rotten", "stability": "stable", "brief": "Cannot be eaten."},
                ]
            },
            "annotations": {"ael": {"sensitivity": "system"}},
        },
        {
            "key": "ael.basket.size",
            "type": "int",
            "stability": "development",
            "brief": "Places in the basket.",
            "examples": [12],
            "annotations": {"ael": {"sensitivity": "system"}},
        },
        {
            "key": "state",
            "type": "string",
            "stability": "stable",
            "brief": "State it is in.",
            "examples": ["ripe"],
            "annotations": {
                "ael": {
                    "sensitivity": "system",
                    "values_of": "ael.fruit.state",
                    "bare_key": "fixed by a contract",
                }
            },
        },
    ],
    "entities": [
        {
            "type": "ael.basket",
            "stability": "development",
            "requirement_level": "recommended",
            "brief": "The basket.",
            "annotations": {"ael": {"goal": "operation"}},
            "identity": [{"ref": "service.name"}],
            "description": [{"ref": "ael.basket.size"}],
        }
    ],
    "imports": {"entities": ["shop"]},
    "metrics": [
        {
            "name": "ael.fruit.eaten",
            "instrument": "counter",
            "unit": "{fruit}",
            "stability": "stable",
            "requirement_level": "recommended",
            "brief": "Fruit that was eaten.",
            "entity_associations": ["ael.basket"],
            "annotations": {
                "ael": {
                    "goal": "operation",
                    "metric_set": "ael.fruit",
                    "max_series": 20,
                    "query": "sum by (state) (ael_fruit_eaten_total)",
                }
            },
            "attributes": [
                {"ref": "ael.fruit.name", "requirement_level": "required"},
                {"ref": "state", "requirement_level": "required"},
            ],
        },
        {
            "name": "ael.fruit.ripening",
            "instrument": "histogram",
            "unit": "s",
            "stability": "stable",
            "requirement_level": "recommended",
            "brief": "Time it took to ripen.",
            "annotations": {
                "ael": {
                    "goal": "performance",
                    "metric_set": "ael.ripening",
                    "max_series": 1,
                    "buckets": [1, 10],
                    "query": "rate(ael_fruit_ripening_seconds_sum[5m])",
                }
            },
        },
    ],
    "spans": [
        {
            "type": "ael.fruit",
            "kind": "internal",
            "name": {"note": "Eat {ael.fruit.name}"},
            "stability": "stable",
            "requirement_level": "recommended",
            "brief": "One piece of fruit, eaten.",
            "annotations": {"ael": {"goal": "operation", "query": '{ span.ael.fruit.state = "rotten" }'}},
            "attributes": [
                {"ref": "ael.fruit.name", "requirement_level": "required"},
                {"ref": "ael.fruit.state", "requirement_level": "recommended"},
                {"ref": "error.type", "requirement_level": {"conditionally_required": "if it was not eaten"}},
            ],
        }
    ],
    "events": [
        {
            "name": "ael.fruit.drop",
            "stability": "development",
            "requirement_level": "recommended",
            "brief": "A piece of fruit fell.",
            "annotations": {
                "ael": {
                    "goal": "operation",
                    "query": '{service_name="ael"} | event_name="ael.fruit.drop" | state="ripe"',
                    "span_event": {"name": "drop", "spans": ["ael.fruit"], "attributes": ["ael.fruit.id"]},
                }
            },
            "attributes": [
                {"ref": "ael.fruit.id", "requirement_level": "required"},
                {"ref": "state", "requirement_level": "required"},
            ],
        }
    ],
    "attribute_groups": [
        {
            "id": "ael.log.fields",
            "visibility": "public",
            "stability": "stable",
            "brief": "Fields of a line.",
            "annotations": {
                "ael": {
                    "goal": "operation",
                    "query": '{service_name="ael"} | state="ripe" | event_name="ael.fruit.drop"',
                }
            },
            "attributes": [
                {"ref": "state", "requirement_level": "required"},
                {"ref": "event_name", "requirement_level": "opt_in"},
            ],
        }
    ],
}
GOOD["attributes"].append(
    {
        "key": "event_name",
        "type": "string",
        "stability": "stable",
        "brief": "Name of the event.",
        "examples": ["ael.fruit.drop"],
        "annotations": {
            "ael": {
                "sensitivity": "system",
                "max_values": 5,
                "otlp": "event_name",
                "bare_key": "fixed by a contract",
            }
        },
    }
)

UPSTREAM: Document = {
    "file_format": "definition/2",
    "attributes": [
        {
            "key": "service.name",
            "type": "string",
            "stability": "stable",
            "brief": "Service.",
            "examples": ["ael"],
            "annotations": {"ael": {"sensitivity": "system"}},
        },
        {
            "key": "error.type",
            "stability": "stable",
            "brief": "Class of the error.",
            "type": {
                "members": [{"id": "other", "value": "_OTHER", "stability": "stable", "brief": "Any other."}]
            },
            "annotations": {"ael": {"sensitivity": "system"}},
        },
    ],
    "entities": [
        {
            "type": "shop",
            "stability": "stable",
            "requirement_level": "recommended",
            "brief": "The shop.",
            "identity": [{"ref": "service.name", "requirement_level": "required"}],
        }
    ],
}

SCOPES: Document = {
    "scopes": [
        {
            "name": "ael",
            "stability": "stable",
            "goal": "operation",
            "signals": ["spans", "metrics"],
            "brief": "Fruit.",
        },
        {"name": "ael.log", "goal": "operation", "signals": ["logs"], "brief": "Lines."},
        {"name": "market*", "foreign": True, "brief": "Another project."},
    ]
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Document], tuple[Path, Path, Path]]:
    """Write a document as a registry; returns its folder, that of its upstream, and the file of its scopes.

    A document may hold `scopes` and `upstream` instead of the usual ones.
    """

    def write_document(document: Document) -> tuple[Path, Path, Path]:
        document = dict(document)
        scopes = document.pop("scopes", SCOPES)
        upstream = document.pop("upstream", UPSTREAM)
        folders = tmp_path / "registry", tmp_path / "upstream"
        for folder, content in zip(folders, (document, upstream), strict=True):
            folder.mkdir(exist_ok=True)
            manifest = {"schema_url": "https://schemas.example/fruit/1.2.3", "stability": "development"}
            (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest), "utf-8")
            (folder / "all.yaml").write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
        (tmp_path / "scopes.yaml").write_text(yaml.safe_dump(scopes, sort_keys=False), "utf-8")
        return (*folders, tmp_path / "scopes.yaml")

    return write_document


@pytest.fixture
def spoiled(write: Callable[[Document], tuple[Path, Path, Path]]) -> Callable[[Spoil], Sources]:
    """Load the small registry after a function has changed it."""

    def load_spoiled(spoil: Spoil) -> Sources:
        document = copy.deepcopy({**GOOD, "scopes": SCOPES, "upstream": UPSTREAM})
        spoil(document)
        return load(*write(document))

    return load_spoiled


@pytest.fixture(scope="session")
def sources() -> Sources:
    """The definitions of the real registry."""
    return load_sources(ROOT)


@pytest.fixture(scope="session")
def registry(sources: Sources) -> Registry:
    """The real registry, resolved."""
    return resolve(sources)


@pytest.fixture(scope="session", autouse=True)
def _formatted_once() -> Iterator[None]:
    """Have the formatter, a program, lay out each text once: the tests generate the same files dozens of times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "formatted_python", cache(render.formatted_python))
        yield


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the registry and of everything generated from it, to spoil."""
    for name in (
        "ael_otel/registry",
        "tools/telemetry_schema",
        "ael_otel/_generated",
        "docs/reference/telemetry",
    ):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of the command."""
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err
