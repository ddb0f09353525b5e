"""Properties of compose.yaml: pinned, locked down, reachable from this host only, limited, persistent."""

import json
import os
import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.stack.conftest import ROOT, deploy_module
from tests.support.needs import require

SERVICES = ("collector", "prometheus", "loki", "tempo", "alertmanager", "grafana")
ONE_SHOT = {"collector-init"}  # exits at once, so it has neither a health check nor a restart
PINNED = re.compile(r"\$\{(AEL_[A-Z]+_IMAGE):-([a-z0-9./-]+:v?[0-9][0-9.]*@sha256:[0-9a-f]{64})\}")


def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the services that keep running."""
    return {name: service for name, service in compose["services"].items() if name not in ONE_SHOT}


def resolved(*files: str) -> dict[str, Any]:
    """Return the files as Compose itself resolves them."""
    require("compose")
    deploy_module("secret").ensure()
    arguments = [argument for file in files for argument in ("--file", file)]
    done = subprocess.run(
        ["docker", "compose", *arguments, "config", "--format", "json"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("AEL_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert isinstance(loaded, dict)
    return loaded


def test_there_are_six_services(compose: dict[str, Any]) -> None:
    """The stack consists of the six described services, and nothing else keeps running."""
    assert set(services(compose)) == set(SERVICES)


@pytest.mark.parametrize("name", [*SERVICES, *ONE_SHOT])
def test_a_service_is_locked_down(compose: dict[str, Any], name: str) -> None:
    """No root, no capability, no new privilege, no write outside its volume and a small /tmp, no host namespace."""
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:\d+", service["user"])
    assert all("size=" in mount and "noexec" in mount for mount in service["tmpfs"])
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "userns_mode"} & service.keys()
    assert service.get("network_mode", "none") == "none"
    mounts = [volume for volume in service.get("volumes", []) if volume.startswith((".", "/"))]
    assert all(mount.endswith(":ro") for mount in mounts)
    assert not any("docker.sock" in mount for mount in mounts)


@pytest.mark.parametrize("name", [*SERVICES, *ONE_SHOT])
def test_a_service_has_limits(compose: dict[str, Any], name: str) -> None:
    """Memory, processor, processes and log size are bounded; Go's garbage collector is configured with the limit."""
    service = compose["services"][name]
    limits = service["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory", "pids"}
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    if name in ONE_SHOT:
        return
    unit = {"M": 1, "G": 1024}
    memory = int(limits["memory"][:-1]) * unit[limits["memory"][-1]]
    assert 0.5 * memory < int(service["environment"]["GOMEMLIMIT"].removesuffix("MiB")) < 0.95 * memory


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_watched_and_restarted(compose: dict[str, Any], name: str) -> None:
    """Every service has a health check that needs no shell, and restarts after a crash."""
    service = compose["services"][name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= service["healthcheck"].keys()
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "deploy/compose.tail-sampling.yaml"]])
def test_health_check_of_the_collector_does_not_compile_its_rules(files: list[str]) -> None:
    """It reads the health endpoint with a separate configuration: checking config.yaml would cost seconds of CPU."""
    checks = [
        yaml.safe_load((ROOT / file).read_text("utf-8"))["services"]["collector"]
        .get("healthcheck", {})
        .get("test")
        for file in files
    ]
    (test,) = filter(None, checks)
    assert test[1:] == [
        "/otelcol-contrib",
        "validate",
        "--config=/etc/otelcol/probe.yaml",
        "--config=http://127.0.0.1:13133/",
    ]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_keeps_its_data(compose: dict[str, Any], name: str) -> None:
    """A service stores its data in a named volume, which outlives the container."""
    named = [volume.partition(":")[0] for volume in compose["services"][name]["volumes"]]
    assert any(volume in compose["volumes"] for volume in named)


@pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "deploy/compose.e2e.yaml"]])
def test_ports_are_on_the_loopback(files: list[str]) -> None:
    """Compose publishes no port beyond this host, with and without the overlay of the tests."""
    published = {
        name: service["ports"]
        for name, service in resolved(*files)["services"].items()
        if service.get("ports")
    }
    assert {port["host_ip"] for ports in published.values() for port in ports} == {"127.0.0.1"}
    if len(files) == 1:
        found = {(name, int(port["published"])) for name, ports in published.items() for port in ports}
        assert found == {
            ("grafana", 3000),
            ("prometheus", 9090),
            ("collector", 4317),
            ("collector", 4318),
            ("collector", 8889),
        }


def test_images_are_pinned_in_one_place(compose: dict[str, Any]) -> None:
    """Every image has a version and a digest, can be overridden, and is the one of deploy/versions.env."""
    pinned = deploy_module("services").pinned_images()
    for name, service in compose["services"].items():
        match = PINNED.fullmatch(service["image"])
        assert match, f"{name}: {service['image']}"
        owner = "prometheus" if name in ONE_SHOT else name
        assert match.group(1) == f"AEL_{owner.upper()}_IMAGE"
        assert match.group(2) == pinned[owner]


def test_every_variable_is_described(compose: dict[str, Any]) -> None:
    """Every variable for users is in deploy/.env.example with its default, and each of them has an effect."""
    files = (ROOT / "compose.yaml", ROOT / "deploy" / "compose.tail-sampling.yaml")
    written = "".join(file.read_text("utf-8") for file in files)
    used = dict(re.findall(r"\$\{(AEL_[A-Z_]+):-([^}]*)\}", written))
    used = {name: default for name, default in used.items() if not name.endswith("_CONFIG")}
    described = dict(
        re.findall(
            r"^#(AEL_[A-Z_]+)=(.*)$", (ROOT / "deploy" / ".env.example").read_text("utf-8"), re.MULTILINE
        )
    )
    assert described.keys() == used.keys()
    for name, default in used.items():
        assert described[name] in {default, ""}, name


def test_an_alert_has_a_link_to_its_runbook_by_default(compose: dict[str, Any]) -> None:
    """The default address of the runbook opens in a browser on this host, and Prometheus serves that one file."""
    prometheus = compose["services"]["prometheus"]
    (folder,) = (
        flag.partition("=")[2] for flag in prometheus["command"] if flag.startswith("--web.user-assets=")
    )
    (mounted,) = (volume for volume in prometheus["volumes"] if f":{folder}" in volume)
    assert mounted == f"./prometheus/RUNBOOK.md:{folder}/RUNBOOK.md:ro"
    assert "prometheus/RUNBOOK.md" in deploy_module("services").CONFIGURATION["prometheus"]
    # Prometheus serves that folder as /user.
    served = "http://localhost:${AEL_PROMETHEUS_PORT:-9090}/user/RUNBOOK.md"
    assert prometheus["environment"]["AEL_RUNBOOK_URL"] == f"${{AEL_RUNBOOK_URL:-{served}}}"


def test_retention_of_every_signal_is_set(compose: dict[str, Any]) -> None:
    """Metrics, logs and traces each have one retention variable, and all three are applied."""
    assert (
        "--storage.tsdb.retention.time=${AEL_METRICS_RETENTION:-720h}"
        in compose["services"]["prometheus"]["command"]
    )
    loki = yaml.safe_load((ROOT / "loki" / "loki.yaml").read_text("utf-8"))
    assert loki["limits_config"]["retention_period"] == "${AEL_LOGS_RETENTION:-720h}"
    assert loki["compactor"]["retention_enabled"] is True
    tempo = yaml.safe_load((ROOT / "tempo" / "tempo.yaml").read_text("utf-8"))
    scheduler = tempo["backend_scheduler"]["provider"]["compaction"]["compaction"]["block_retention"]
    assert (
        scheduler
        == tempo["backend_worker"]["compaction"]["block_retention"]
        == "${AEL_TRACES_RETENTION:-720h}"
    )
    for service, variable in (("loki", "AEL_LOGS_RETENTION"), ("tempo", "AEL_TRACES_RETENTION")):
        assert variable in compose["services"][service]["environment"]


def test_grafana_is_closed_and_silent(compose: dict[str, Any]) -> None:
    """No anonymous access, no sign-up, no default password, and no request to other hosts."""
    grafana = compose["services"]["grafana"]
    environment = grafana["environment"]
    off = {name for name, value in environment.items() if value == "false"}
    assert {
        "GF_AUTH_ANONYMOUS_ENABLED",
        "GF_USERS_ALLOW_SIGN_UP",
        "GF_ANALYTICS_REPORTING_ENABLED",
        "GF_ANALYTICS_CHECK_FOR_UPDATES",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES",
        "GF_NEWS_NEWS_FEED_ENABLED",
        "GF_PLUGINS_PLUGIN_ADMIN_ENABLED",
    } <= off
    assert environment["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert environment["GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED"] == "true"
    assert "GF_SECURITY_ADMIN_PASSWORD" not in environment
    assert grafana["env_file"] == [{"path": "deploy/.secrets/grafana.env", "required": True}]


def test_stores_report_nothing_home() -> None:
    """Loki and Tempo send no usage statistics."""
    loki = yaml.safe_load((ROOT / "loki" / "loki.yaml").read_text("utf-8"))
    tempo = yaml.safe_load((ROOT / "tempo" / "tempo.yaml").read_text("utf-8"))
    assert loki["analytics"]["reporting_enabled"] is False
    assert tempo["usage_report"]["reporting_enabled"] is False


def test_the_collector_waits_for_no_store(compose: dict[str, Any]) -> None:
    """It starts without Tempo, Loki or Prometheus: a store that is down must not stop data from being accepted."""
    assert set(compose["services"]["collector"]["depends_on"]) == ONE_SHOT


def test_health_checks_and_images_agree(compose: dict[str, Any]) -> None:
    """The images that are built here have the programs of the health checks, in the folders of the upstream images."""
    for name in ("collector", "prometheus", "loki", "alertmanager"):
        dockerfile = (ROOT / "deploy" / "images" / name / "Dockerfile").read_text("utf-8")
        program = compose["services"][name]["healthcheck"]["test"][1]
        folder, _, file = program.rpartition("/")
        assert re.search(rf"^COPY .*\b{file}\b.* {folder}/", dockerfile, re.MULTILINE), program
        assert f"USER {compose['services'][name]['user']}" in dockerfile
