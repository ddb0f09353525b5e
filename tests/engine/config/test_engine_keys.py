"""One configuration file serves both: every key of the engine is one of ours, and the other way round."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ael_otel.config import load_settings, settings_as_mapping, settings_from_mapping
from ael_otel.config.aliases import ALIASES
from ael_otel.config.keys import KEYS


def test_every_key_of_the_engine_is_accepted() -> None:
    """Every field of the installed engine's model is a key here, so that no working file is refused."""
    models = pytest.importorskip("ploston_core.config.models")

    def leaves(model: Any, prefix: str) -> list[str]:
        names: list[str] = []
        for field in dataclasses.fields(model):
            inner = getattr(model(), field.name)
            if dataclasses.is_dataclass(inner):
                names += leaves(type(inner), f"{prefix}{field.name}.")
            else:
                names.append(prefix + field.name)
        return names

    assert set(leaves(models.TelemetryConfig, "")) <= {*KEYS, *ALIASES}


def test_the_engine_s_defaults_written_out_are_accepted() -> None:
    """A file that spells out the engine's defaults loads, with a notice of the keys without effect."""
    models = pytest.importorskip("ploston_core.config.models")
    settings = settings_from_mapping(dataclasses.asdict(models.TelemetryConfig()))
    assert settings.store.backend == "memory"
    assert [notice.split()[0] for notice in settings.notices] == ["telemetry.tracing.export_to_otlp"]


def test_the_engine_accepts_a_file_with_every_key_of_ours(write: Callable[[str], Path]) -> None:
    """One file serves both: the engine ignores our keys."""
    loader = pytest.importorskip("ploston_core.config.loader").ConfigLoader()
    section = settings_as_mapping(settings_from_mapping({"service_name": "both"}))
    path = write(yaml.safe_dump({"telemetry": section}))
    assert loader.load(path).telemetry.service_name == load_settings(path, {}).service_name == "both"
