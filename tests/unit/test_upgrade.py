"""What 0.1.0 registered, read and emitted works with this version (its store: cli/trace/test_first_version.py)."""

import json
import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from ael_otel._generated import events, metrics, spans
from ael_otel._generated.events import LOG_EXTRA_FIELDS, LOG_FIELDS
from ael_otel.cli import cli
from ael_otel.config import settings_from_mapping
from ael_otel.config.parse import settings_as_mapping
from ael_otel.prometheus import prometheus_label
from tests.support.version_0_1_0 import document

ROOT = Path(__file__).parents[2]
CONFIGURATION = document("configuration.yaml")
COMMANDS = document("commands.yaml")
QUERIED = document("queried.yaml")

# --- entry points and commands ----------------------------------------------------------------------------------------

FIRST = [
    ("console_scripts", "ael"),
    ("opentelemetry_instrumentor", "ael"),
    ("opentelemetry_post_instrument", "ael"),
    ("opentelemetry_environment_variables", "ael"),
    ("opentelemetry_traces_sampler", "ael_record"),
    ("opentelemetry_resource_detector", "ael"),
]


@pytest.mark.parametrize(("group", "name"), FIRST)
def test_entry_points_of_the_first_version_remain(group: str, name: str) -> None:
    """Each name that 0.1.0 registered is registered by this package and can be loaded."""
    (found,) = (
        each
        for each in entry_points(group=group, name=name)
        if each.dist is not None and each.dist.name == "ael-otel"
    )
    assert found.load() is not None


@pytest.mark.parametrize("verb", COMMANDS)
def test_commands_of_the_first_version_keep_their_options(verb: str) -> None:
    """A script that calls `ael` as 0.1.0 documented it is not refused."""
    command: click.Command | None = cli
    for name in verb.split():
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), name)
    assert command is not None
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert {*COMMANDS[verb]} <= {name for each in options for name in (*each.opts, *each.secondary_opts)}


# --- the configuration ------------------------------------------------------------------------------------------------


def _section(key: str, value: object) -> dict[str, object]:
    for name in reversed(key.split(".")):
        value = {name: value}
    return value  # type: ignore[return-value]  # a key has at least one name


REPORTED = {
    "sampling.keep": "has no effect: every trace is exported at rate 100",
    "redaction.tools": "is full for echo",
    "tracing.export_to_otlp": "has no effect here",
    "logging.include_trace_context": "has no effect here",
}
"""Keys of which 0.1.0 reported a value."""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param(key, value, id=f"{key}-{value}")
        for kind in ("keys", "aliases")
        for key, values in CONFIGURATION[kind].items()
        for value in values
    ],
)
def test_keys_of_the_first_version_are_valid(key: str, value: object) -> None:
    """Each value that 0.1.0 accepted is accepted, and reported once at most, only where 0.1.0 reported it."""
    notices = settings_from_mapping(_section(key, value)).notices
    assert len(notices) <= 1
    for notice in notices:
        assert f"telemetry.{key} {REPORTED[key]}" in notice


def test_defaults_of_the_first_version_are_in_force() -> None:
    """A setting that the user never wrote means the same; a new default would change it without a word."""
    now = settings_as_mapping(settings_from_mapping({}))
    for key, values in CONFIGURATION["keys"].items():
        value: Any = now
        for name in key.split("."):
            value = value[name]
        assert json.loads(json.dumps(value)) == values[0], key


# --- boards and alerts ------------------------------------------------------------------------------------------------


def _series() -> dict[str, frozenset[str]]:
    """Return every series of the registry's metrics by its Prometheus name, with its labels."""
    return {
        metric.prometheus + part: frozenset(map(prometheus_label, metric.labels))
        for metric in metrics.ALL
        for part in (("_bucket", "_count", "_sum") if metric.instrument == "histogram" else ("",))
    }


def _recorded() -> set[str]:
    return {
        rule["record"]
        for path in (ROOT / "prometheus" / "rules").glob("*.rules.yml")
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
        if "record" in rule
    }


def _emitted() -> dict[str, set[str]]:
    """Return the names that can be queried today, by the kinds of `QUERIED`."""
    fields = {*LOG_FIELDS, *LOG_EXTRA_FIELDS} | {key for event in events.ALL for key in event.attributes}
    return {
        "rules": _recorded(),
        "log_fields": set(map(prometheus_label, fields)),
        "events": {event.name for event in events.ALL},
        "spans": {span.name for span in spans.ALL},
        "attributes": {key for span in spans.ALL for key in span.attributes},
    }


def gone(queried: Mapping[str, Any], migrations: str) -> set[str]:
    """Return the names in `queried` that nothing emits and that no line of MIGRATIONS.md names in backquotes."""
    series, emitted = _series(), _emitted()
    wanted = {name for name in queried["series"] if name not in series}
    wanted |= {
        f"{name}{{{label}}}"
        for name, labels in queried["series"].items()
        for label in labels
        if label not in series.get(name, ())
    }
    for kind, names in emitted.items():
        wanted |= set(queried[kind]) - names
    written = set(re.findall(r"`([^`]+)`", migrations))
    return wanted - written


def test_names_that_boards_and_alerts_of_the_first_version_query_remain() -> None:
    """A board that a user copied from 0.1.0 has its data, or MIGRATIONS.md has its old names.

    A name is written there as it stands in a query: `ael_errors_total`, `ael_errors_total{type}`, `ael.tool.name`.
    """
    migrations = (ROOT / "ael_otel" / "registry" / "MIGRATIONS.md").read_text("utf-8")
    assert gone(QUERIED, migrations.partition("\n## 0.1.0\n")[0]) == set()


def test_a_name_that_is_gone_is_found() -> None:
    """Of each kind, unless a line names it."""
    old = {
        "series": {"ael_errors_total": ["type", "old_label"], "ael_old_total": ["x"]},
        **{kind: [f"old {kind}"] for kind in _emitted()},
    }
    names = {
        "ael_errors_total{old_label}",
        "ael_old_total",
        "ael_old_total{x}",
        "old rules",
        "old log_fields",
    }
    names |= {"old events", "old spans", "old attributes"}
    assert gone(old, "") == names
    assert gone(old, "- `ael_old_total` is now `ael_new_total`; `old spans` too") == names - {
        "ael_old_total",
        "old spans",
    }


# --- volumes ----------------------------------------------------------------------------------------------------------

VOLUMES = {
    "collector": (
        "65534:65534",
        "collector-queue:/var/lib/otelcol",
        "otel/opentelemetry-collector-contrib:0.159.0",
    ),
    "prometheus": ("65534:65534", "prometheus-data:/prometheus", "prom/prometheus:v3.14.0"),
    "loki": ("10001:10001", "loki-data:/loki", "grafana/loki:3.7.6"),
    "tempo": ("10001:10001", "tempo-data:/var/tempo", "grafana/tempo:3.0.3"),
    "alertmanager": ("65534:65534", "alertmanager-data:/alertmanager", "prom/alertmanager:v0.34.0"),
    "grafana": ("472:0", "grafana-data:/var/lib/grafana", "grafana/grafana:13.2.0"),
}
"""User, volume with its place, and image of each service of 0.1.0 that keeps data."""


def _version(image: str) -> tuple[str, list[int]]:
    name, _, version = image.partition("@")[0].rpartition(":")
    return name, [int(part) for part in version.removeprefix("v").split(".")]


def test_volumes_of_the_first_version_are_mounted_where_they_were() -> None:
    """The same project, volumes, places and users, and no image older than the one that wrote the data."""
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    assert compose["name"] == "ael"
    for service, (user, volume, image) in VOLUMES.items():
        now = compose["services"][service]
        assert now["user"] == user
        assert volume in now["volumes"]
        assert volume.partition(":")[0] in compose["volumes"]
        name, version = _version(re.sub(r"^\$\{\w+:-|\}$", "", now["image"]))
        before, oldest = _version(image)
        assert name == before
        assert version >= oldest
