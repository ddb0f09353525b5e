"""The alerts, their unit tests and their runbook, as the tests of this folder read them."""

import subprocess
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.stack.conftest import in_image

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "prometheus"
RULES = PROMETHEUS / "rules"
TESTS = RULES / "tests"
LABELS_OF_A_RULE = ("window", "severity")
"""The label that distinguishes rules of one name."""


@dataclass(frozen=True)
class Alert:
    """One alerting rule; `key` distinguishes it from others of its name and is empty where there is one only."""

    name: str
    key: str
    rule: dict[str, Any]

    @property
    def title(self) -> str:
        """Its name as the unit tests write it."""
        return f"{self.name} {self.key}".strip()

    def among(self, expected: list[dict[str, Any]]) -> bool:
        """Whether it is among the alerts that a unit test expects."""
        own: dict[str, str] = self.rule["labels"]
        return any(own.items() <= each["exp_labels"].items() for each in expected)


def groups(*files: str) -> list[dict[str, Any]]:
    """The rule groups of the files, by default of all."""
    names = files or tuple(sorted(file.name for file in RULES.glob("*.rules.yml")))
    return [group for name in names for group in deepcopy(_parsed(RULES / name))["groups"]]


def rules() -> list[dict[str, Any]]:
    """Every rule of every file."""
    return [rule for group in groups() for rule in group["rules"]]


def alerts() -> list[Alert]:
    """Every alerting rule."""
    found = [rule for rule in rules() if "alert" in rule]
    names = [rule["alert"] for rule in found]

    def key(rule: dict[str, Any]) -> str:
        if names.count(rule["alert"]) == 1:
            return ""
        return next(str(rule["labels"][label]) for label in LABELS_OF_A_RULE if label in rule["labels"])

    return [Alert(rule["alert"], key(rule), rule) for rule in found]


def unit_tests() -> Iterator[dict[str, Any]]:
    """Every unit test of every file."""
    for file in sorted(TESTS.glob("*.test.yml")):
        yield from deepcopy(_parsed(file))["tests"]


@cache
def _parsed(file: Path) -> dict[str, Any]:
    """Read a file once in a process: to parse one takes up to half a second, and each test asks for all of them."""
    return yaml.safe_load(file.read_text("utf-8"))


def minutes(time: str) -> float:
    """A time as promtool writes it (`2h5m30s`) in minutes."""
    total, number = 0.0, ""
    for sign in time:
        if sign.isdigit():
            number += sign
        else:
            total, number = total + int(number) * {"h": 60, "m": 1, "s": 1 / 60}[sign], ""
    return total


def promtool(*arguments: str, folder: Path = ROOT, seconds: float = 240) -> subprocess.CompletedProcess[str]:
    """Run the promtool of the pinned Prometheus."""
    return in_image("prometheus", "/bin/promtool", *arguments, folder=folder, seconds=seconds)
