"""Names in queries that are not ours: metrics of other programs, and labels of the stores; read from `foreign.yaml`."""

from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
import yaml

from tools.telemetry_schema.model import Strict

FOREIGN = Path(__file__).parent / "foreign.yaml"


class ForeignMetric(Strict, frozen=True):
    """A metric of another program: its kind in Prometheus, and its labels besides those of every series."""

    instrument: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...] = ()


class Foreign(Strict, frozen=True):
    """Foreign names: see foreign.yaml."""

    every_series: tuple[str, ...]
    metrics: dict[str, ForeignMetric]
    logs: tuple[str, ...]
    spans: tuple[str, ...]


@cache
def read_foreign() -> Foreign:
    """Return the table of foreign names; the same object each time, not to be changed."""
    return msgspec.convert(yaml.safe_load(FOREIGN.read_text("utf-8")), Foreign)
