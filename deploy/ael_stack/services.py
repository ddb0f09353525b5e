"""The services of the stack, and which image each one gets."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ael_stack.docker import Docker
from ael_stack.errors import Exit, StackError
from ael_stack.settings import ROOT, VERSIONS, read_env_file

BUILDABLE = ("collector", "prometheus", "loki", "alertmanager")
"""The services whose image `images` can build; the others are not published as Go modules."""

SERVICES = ("collector", "prometheus", "loki", "tempo", "alertmanager", "grafana")


CONFIGURATION: Mapping[str, Sequence[str]] = {
    "collector": ["collector/*.yaml"],
    # A file that is mounted alone is the old one to a container when an editor has put a new one in its place.
    "prometheus": ["prometheus/prometheus.yml", "prometheus/rules/*.rules.yml", "prometheus/RUNBOOK.md"],
    "loki": ["loki/loki.yaml"],
    "tempo": ["tempo/tempo.yaml"],
    "alertmanager": ["prometheus/alertmanager.yml"],
    "grafana": ["deploy/grafana/provisioning/*/*.yaml"],
}
"""The files that a service sees anew at its start only. Grafana's dashboards are not among them: it watches those."""


class Source(StrEnum):
    """Where the image of a service comes from."""

    OVERRIDE = "override"
    PINNED = "pinned"
    BUILT = "built"


@dataclass(frozen=True)
class Choice:
    """The image that a service gets, and whether this machine has it already."""

    service: str
    image: str
    source: Source
    present: bool


def image_variable(service: str) -> str:
    """Return the variable that overrides the image of a service."""
    return f"AEL_{service.upper()}_IMAGE"


def pinned_images() -> dict[str, str]:
    """Return the pinned image of each service, from `deploy/versions.env`."""
    values = read_env_file(VERSIONS)
    return {service: values[image_variable(service)] for service in SERVICES}


def version_of(image: str) -> str:
    """Return the bare version of an image reference: `prom/prometheus:v3.14.0@sha256:...` is 3.14.0."""
    tag = image.partition("@")[0].rpartition(":")[2]
    return tag.removeprefix("v")


def built_image(service: str) -> str:
    """Return the name under which the image built from source is kept."""
    return f"ael/{service}:{version_of(pinned_images()[service])}"


def choose(service: str, environment: Mapping[str, str], docker: Docker) -> Choice:
    """Choose the image of a service: a person's own, else the pinned one, else the one built here.

    The pinned image is also the answer when neither is on this machine: it can be pulled.
    """
    override = environment.get(image_variable(service), "")
    if override:
        return Choice(service, override, Source.OVERRIDE, docker.has_image(override))
    pinned = pinned_images()[service]
    if docker.has_image(pinned):
        return Choice(service, pinned, Source.PINNED, present=True)
    if service in BUILDABLE:
        built = built_image(service)
        if docker.has_image(built):
            return Choice(service, built, Source.BUILT, present=True)
    return Choice(service, pinned, Source.PINNED, present=False)


def configuration_settings() -> dict[str, str]:
    """Return the variables by which Compose notices that a configuration file has changed."""
    settings: dict[str, str] = {}
    for service, patterns in CONFIGURATION.items():
        digest = hashlib.sha256()
        for file in sorted(file for pattern in patterns for file in ROOT.glob(pattern)):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        settings[f"AEL_{service.upper()}_CONFIG"] = digest.hexdigest()[:16]
    return settings


def check_names(names: Sequence[str], allowed: Sequence[str] = SERVICES) -> list[str]:
    """Return the services asked for in the stack's own order; none means all.

    Raises:
        StackError: a name is not a service.
    """
    unknown = [name for name in names if name not in allowed]
    if unknown:
        raise StackError(
            f"no such service: {', '.join(unknown)}; choose from {', '.join(allowed)}", Exit.USAGE
        )
    return [service for service in allowed if not names or service in names]
