"""The configuration files load in the pinned programs, and agree with each other."""

import re
from typing import Any

import pytest
import yaml

from ael_otel.privacy.rules import RULES
from dashboards.src.queries import events, total
from tests.stack.conftest import ROOT, deploy_module, image, in_image
from tests.support.needs import require
from tests.support.structure import texts

PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"


def load(*parts: str) -> Any:
    """Return a YAML file of the repository."""
    return yaml.safe_load(ROOT.joinpath(*parts).read_text("utf-8"))


@pytest.mark.docker
def test_the_collector_accepts_its_configuration() -> None:
    """`validate` of the pinned Collector loads every component and setting."""
    done = in_image("collector", "/otelcol-contrib", "validate", "--config=collector/config.yaml")
    assert done.returncode == 0, done.stderr


@pytest.mark.docker
def test_configuration_of_the_health_check_is_valid() -> None:
    """It is valid by itself, so only the response of the health endpoint decides."""
    done = in_image("collector", "/otelcol-contrib", "validate", "--config=collector/probe.yaml")
    assert done.returncode == 0, done.stderr


@pytest.mark.docker
def test_the_health_check_fails_when_the_collector_is_not_there() -> None:
    """The container's health check detects a fault: if nothing answers on the health port, it fails."""
    done = in_image(
        "collector",
        "/otelcol-contrib",
        "validate",
        "--config=collector/probe.yaml",
        "--config=http://127.0.0.1:13133/",
    )
    assert done.returncode != 0
    assert "connection refused" in done.stderr


@pytest.mark.docker
def test_prometheus_accepts_its_configuration() -> None:
    """The promtool of the pinned Prometheus finds no fault in the configuration."""
    done = in_image(
        "prometheus", "/bin/promtool", "check", "config", "--syntax-only", "prometheus/prometheus.yml"
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.docker
def test_loki_accepts_its_configuration() -> None:
    """The pinned Loki loads the file with its variables expanded."""
    done = in_image(
        "loki", "/usr/bin/loki", "-verify-config", "-config.expand-env=true", "-config.file=loki/loki.yaml"
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.docker
def test_tempo_accepts_its_configuration() -> None:
    """The pinned Tempo loads the file with its variables expanded."""
    require("docker")
    require(
        image("tempo"),
        "no image of Tempo on this machine, and it is not a Go module; run `make up`",
        ci=False,
    )
    done = in_image(
        "tempo", "/tempo", "-config.verify=true", "-config.expand-env=true", "-config.file=tempo/tempo.yaml"
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.docker
def test_alertmanager_accepts_its_configuration() -> None:
    """The amtool of the pinned Alertmanager finds no fault in routes and receivers."""
    done = in_image("alertmanager", "/bin/amtool", "check-config", "prometheus/alertmanager.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_go_nowhere_by_default() -> None:
    """No receiver sends anything: an address in a default configuration would belong to somebody."""
    receivers = load("prometheus", "alertmanager.yml")["receivers"]
    assert [set(receiver) for receiver in receivers] == [{"name"}]


def test_pipelines_protect_first_and_queue_last() -> None:
    """Memory limit, then redaction that fails closed, then exporters with a disk queue that retry without end."""
    config = load("collector", "config.yaml")
    pipelines = config["service"]["pipelines"]
    assert set(pipelines) == {"traces", "metrics", "logs"}
    for pipeline in pipelines.values():
        first, *_, last = pipeline["processors"]
        assert (first, last) == ("memory_limiter", "transform/redact")
    assert config["processors"]["transform/redact"]["error_mode"] == "propagate"
    for name, exporter in config["exporters"].items():
        if name == "prometheus":
            continue
        assert exporter["sending_queue"]["storage"] == "file_storage/queue"
        assert exporter["sending_queue"]["sizer"] == "bytes"
        assert "batch" in exporter["sending_queue"]
        assert exporter["retry_on_failure"]["max_elapsed_time"] == 0
    assert not any(name.partition("/")[0] == "batch" for name in config["processors"])


def test_nothing_is_declared_and_unused() -> None:
    """Every component of the Collector is part of a pipeline or of the service."""
    config = load("collector", "config.yaml")
    pipelines = config["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        assert set(config[kind]) == {name for pipeline in pipelines for name in pipeline[kind]}
    assert set(config["extensions"]) == set(config["service"]["extensions"])


def test_every_rule_runs_everywhere() -> None:
    """Every redaction group runs the same rules in the same order, and writes back the fields that it read."""
    redact = load("collector", "config.yaml")["processors"]["transform/redact"]
    groups = [group for kind in ("trace", "metric", "log") for group in redact[f"{kind}_statements"]]
    rules = {
        tuple(statement for statement in group["statements"] if statement.startswith("replace_all_patterns("))
        for group in groups
    }
    assert len(rules) == 1, rules
    assert len(rules.pop()) == sum(1 + form.names for rule in RULES for form in rule.collector) > 40
    keys = {
        each for group in groups for each in group["statements"] if each.startswith("delete_matching_keys(")
    }
    assert {each for each in keys if "ael[.]collector" not in each} == {
        redact["trace_statements"][0]["statements"][2]
    }
    for group in groups:
        assert any("cache" in each and each.startswith("set(") for each in group["statements"][-2:]), group


def test_versions_of_source_and_images_agree() -> None:
    """The versions that `make images` compiles are those that deploy/versions.env pins."""
    services = deploy_module("services")
    versions = {name: services.version_of(reference) for name, reference in services.pinned_images().items()}
    images = ROOT / "deploy" / "images"
    prometheus = versions["prometheus"].split(".")
    expected = {
        "collector": f"go.opentelemetry.io/collector/cmd/builder v{versions['collector']}",
        # Prometheus 3.14.0 is the module v0.314.0.
        "prometheus": f"github.com/prometheus/prometheus v0.{prometheus[0]}{prometheus[1]}.{prometheus[2]}",
        "loki": f"github.com/grafana/loki/v3 v{versions['loki']}",
        "alertmanager": f"github.com/prometheus/alertmanager v{versions['alertmanager']}",
    }
    for service, requirement in expected.items():
        assert requirement in (images / service / "go.mod").read_text("utf-8")
    manifest = load("deploy", "images", "collector", "manifest.yaml")
    assert manifest["dist"]["version"] == versions["collector"]
    kinds = ("receivers", "processors", "exporters", "connectors", "extensions")
    modules = [c["gomod"].split(" ") for kind in kinds for c in manifest[kind]]
    # Not used in our configurations, and not on the module proxy at that version.
    behind = {"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/otlpjsonfilereceiver"}
    assert {version for name, version in modules if name not in behind} == {f"v{versions['collector']}"}


def test_datasources_lead_to_each_other() -> None:
    """Uids are fixed, and each link between log, trace and metric refers to one of them."""
    sources = {
        source["uid"]: source
        for source in load(PROVISIONING.as_posix(), "datasources", "ael.yaml")["datasources"]
    }
    assert set(sources) == {"prometheus", "loki", "tempo"}
    (field,) = sources["loki"]["jsonData"]["derivedFields"]
    assert (field["matcherType"], field["matcherRegex"], field["datasourceUid"]) == (
        "label",
        "trace_id",
        "tempo",
    )
    tempo = sources["tempo"]["jsonData"]
    assert tempo["tracesToLogsV2"]["datasourceUid"] == "loki"
    assert tempo["tracesToMetrics"]["datasourceUid"] == tempo["serviceMap"]["datasourceUid"] == "prometheus"
    (exemplar,) = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert (exemplar["name"], exemplar["datasourceUid"]) == ("trace_id", "tempo")
    assert (
        load("tempo", "tempo.yaml")["overrides"]["defaults"]["metrics_generator"]["trace_id_label_name"]
        == "trace_id"
    )


def _one_line(query: str) -> str:
    return re.sub(r"\s+", " ", query).replace("( ", "(").replace(" )", ")")


@pytest.mark.parametrize("of", ["workflow", "tool"])
def test_a_trace_leads_to_rate_and_latency(of: str) -> None:
    """The links of a span query the rate of its workflow and tool, counted as on the boards, and the latency."""
    sources = load(PROVISIONING.as_posix(), "datasources", "ael.yaml")["datasources"]
    (link,) = (source["jsonData"]["tracesToMetrics"] for source in sources if source["uid"] == "tempo")
    own = f'{{{of}="$${{__span.tags["ael.{of}.name"]}}"}}'
    asked = {_one_line(query["query"]): query["name"] for query in link["queries"] if own in query["query"]}
    counted = {"workflow": "ael_workflow_executions_total", "tool": "ael_tool_invocations_total"}[of]
    rate = _one_line(total(events(counted + own, "$$__rate_interval"), (of, "status")))
    latency = f"histogram_quantile(0.95, sum by (le) (rate(ael_{of}_duration_seconds_bucket{own}[$$__rate_interval])))"
    assert set(asked) == {rate, latency}
    assert "(p95)" in asked[latency]
    assert {"key": f"ael.{of}.name", "value": of} in link["tags"]


def test_grafana_shows_the_alerts() -> None:
    """Grafana is configured explicitly to list the alerts that Prometheus evaluates."""
    sources = load(PROVISIONING.as_posix(), "datasources", "ael.yaml")["datasources"]
    (prometheus,) = (source for source in sources if source["uid"] == "prometheus")
    assert prometheus["jsonData"]["manageAlerts"] is True


def test_intervals_agree() -> None:
    """Grafana computes rates from the interval at which Prometheus scrapes."""
    sources = load(PROVISIONING.as_posix(), "datasources", "ael.yaml")["datasources"]
    (prometheus,) = [source for source in sources if source["uid"] == "prometheus"]
    assert (
        prometheus["jsonData"]["timeInterval"]
        == load("prometheus", "prometheus.yml")["global"]["scrape_interval"]
    )


def test_grafana_variables_survive_provisioning() -> None:
    """Grafana expands `$` in these files, so every `$` for Grafana itself is written twice."""
    for file in PROVISIONING.glob("*/*.yaml"):
        for text in texts(yaml.safe_load(file.read_text("utf-8"))):
            assert "$" not in text.replace("$$", ""), f"{file.name}: {text}"


def test_scrape_targets_are_services(compose: dict[str, Any]) -> None:
    """Prometheus scrapes every service of the stack, but not the port that repeats metrics received by OTLP."""
    targets = {
        job["job_name"]: job["static_configs"][0]["targets"][0]
        for job in load("prometheus", "prometheus.yml")["scrape_configs"]
    }
    assert set(targets) == set(compose["services"]) - {"collector-init"}
    assert targets["collector"] == "collector:8888"
