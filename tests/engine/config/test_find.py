"""Which file is found: the one that the engine itself finds."""

from pathlib import Path

import pytest

from ael_otel.config import find_config

ORDER = (
    "asked.yaml",
    "by-ploston.yaml",
    "by-ael.yaml",
    "ploston-config.yaml",
    "ael-config.yaml",
    "~/.ploston/config.yaml",
    "~/.ael/config.yaml",
)


def test_the_order_is_the_engine_s(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's own loader picks the same file, for every subset of places that exist."""
    loader = pytest.importorskip("ploston_core.config.loader").ConfigLoader()
    monkeypatch.setenv("HOME", str(home))
    for variable in ("PLOSTON_CONFIG_PATH", "AEL_CONFIG_PATH"):
        monkeypatch.delenv(variable, raising=False)
    names = ORDER[3:]
    for subset in range(1, 2 ** len(names)):
        for bit, name in enumerate(names):
            path = home / name[2:] if name.startswith("~") else Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            if subset >> bit & 1:
                path.write_text("a: 1")
        assert find_config(None, {"HOME": str(home)}) == loader._resolve_config_path()
