"""Telemetry of tests does not reach a stack that a developer runs beside them."""

import os
import socket
import sys
from pathlib import Path

import pytest

from ael_otel.config import Settings, with_environment
from tests.support.interpreters import answer
from tests.support.variables import ENDPOINT, EXPORT_NOTHING, NOWHERE, clean_variables, keep_bytecode

ASK = """
import os
from ael_otel.config import Settings, with_environment
print(with_environment(Settings(), os.environ).exporters.otlp.endpoint)
"""


def test_endpoint_of_tests_has_no_listener() -> None:
    """Proves that the endpoint of tests refuses connections, here and in the programs that tests start."""
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", int(NOWHERE.rpartition(":")[2]))) != 0
    assert with_environment(Settings(), os.environ).exporters.otlp.endpoint == NOWHERE
    assert answer(ASK) == NOWHERE


def test_programs_write_bytecode_outside_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that where the environment forbids bytecode, programs of tests keep it in a folder of the tests' own."""
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    for name in ("pycache_prefix", "dont_write_bytecode"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    keep_bytecode(tmp_path)
    assert "PYTHONPYCACHEPREFIX" not in clean_variables()
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    keep_bytecode(tmp_path)
    answer("import ael_otel.version")
    assert [path.name.partition(".")[0] for path in tmp_path.rglob("version.*.pyc")] == ["version"]


def test_programs_get_no_variables_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that variables which configure a program are not passed on, and that a test's own are."""
    for name in (ENDPOINT, *EXPORT_NOTHING, "AEL_CONFIG_PATH", "PLOSTON_REDIS_URL", "FORCE_COLOR"):
        monkeypatch.setenv(name, "http://mine:1")
    assert "http://mine:1" not in clean_variables().values()
    assert ENDPOINT not in clean_variables(endpoint=None)
    assert clean_variables("http://there:2", HOME="/there")[ENDPOINT] == "http://there:2"
    assert clean_variables(HOME="/there").items() >= {"HOME": "/there", "PATH": os.environ["PATH"]}.items()
