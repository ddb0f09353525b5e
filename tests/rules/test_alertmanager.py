"""The configuration of Alertmanager and the examples of receivers: valid, equal except for the receiver, no secrets."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rules.rules import PROMETHEUS, ROOT, alerts
from tests.stack.conftest import in_image

OWN = PROMETHEUS / "alertmanager.yml"
EXAMPLES = sorted((PROMETHEUS / "alertmanager.examples").glob("*.yml"))


def load(path: Path) -> dict[str, Any]:
    """A configuration."""
    loaded = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.docker
@pytest.mark.parametrize("path", [OWN, *EXAMPLES], ids=lambda path: path.name)
def test_it_is_valid(path: Path) -> None:
    """The amtool of the pinned Alertmanager finds no fault."""
    done = in_image("alertmanager", "/bin/amtool", "check-config", str(path.relative_to(ROOT)))
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_an_example_of_each_kind() -> None:
    """Webhook, e-mail and Slack."""
    assert {path.stem for path in EXAMPLES} == {"webhook", "email", "slack"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_differs_in_its_receiver_only(path: Path) -> None:
    """Routes and inhibitions are the committed ones; the secret is in a file under the folder that is mounted."""
    example, own = load(path), load(OWN)
    assert example["route"].pop("receiver") == "people"
    assert own["route"].pop("receiver") == "nobody"
    nobody, people = example.pop("receivers")
    assert [nobody] == own.pop("receivers") == [{"name": "nobody"}]
    assert example == own
    (settings,) = next(value for key, value in people.items() if key.endswith("_configs"))
    files = {key: value for key, value in settings.items() if key.endswith("_file")}
    assert len(files) == 1
    assert all(value.startswith("/etc/alertmanager/secrets/") for value in files.values())
    assert not settings.keys() & {"url", "api_url", "auth_password"}
    assert Path(next(iter(files.values()))).name in path.read_text("utf-8").partition("route:")[0]


def test_inhibitions_name_alerts_that_exist() -> None:
    """A cause or symptom that no rule has any more would hold nothing back."""
    names = {alert.name for alert in alerts()}
    text = " ".join(
        matcher
        for rule in load(OWN)["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
        if matcher.startswith("alertname")
    )
    named = text.replace("AelTelemetry(Silent|Dropped)", "AelTelemetrySilent|AelTelemetryDropped").replace(
        "AelCollector(ExportFailing|QueueFilling|Refusing)",
        "AelCollectorExportFailing|AelCollectorQueueFilling|AelCollectorRefusing",
    )
    assert {word for part in named.split('"')[1::2] for word in part.split("|")} <= names
