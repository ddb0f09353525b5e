"""Where `ael schema live` asks: the port that the configuration has."""

from pathlib import Path

import pytest

from ael_otel.cli.live import DEFAULT_URL, configured_url
from ael_otel.errors import ConfigError


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """A working directory and a home folder without configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("AEL_CONFIG_PATH", "PLOSTON_CONFIG_PATH"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_configuration_it_is_the_default():
    """Proves that the command works where there is no file."""
    assert configured_url(None) == DEFAULT_URL


@pytest.mark.parametrize(
    ("metrics", "url"),
    [
        ("{port: 9555}", "http://127.0.0.1:9555"),
        ("{port: 9555, host: 0.0.0.0}", "http://127.0.0.1:9555"),
        ("{port: 9555, host: '::'}", "http://[::1]:9555"),
    ],
)
def test_the_configured_port_is_asked(metrics, url):
    """Proves that the file here, and one that is named, give the address."""
    text = f"telemetry: {{metrics: {metrics}}}"
    for name in ("ael-config.yaml", "other.yaml"):
        Path(name).write_text(text)
    assert configured_url(None) == url
    assert configured_url(Path("other.yaml")) == url


def test_a_file_that_is_named_and_missing_is_an_error():
    """Proves that a mistyped name does not ask another engine."""
    with pytest.raises(ConfigError):
        configured_url(Path("gone.yaml"))
