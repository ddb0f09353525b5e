"""The configuration file is searched where the engine searches; if there is none, the message lists these places."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ael_otel.config import default_settings, find_config, load_settings
from ael_otel.config.file import PATH_VARIABLES
from ael_otel.errors import ConfigError

ORDER = (
    "asked.yaml",
    "by-otel.yaml",
    "by-ael.yaml",
    "by-ploston.yaml",
    "ploston-config.yaml",
    "ael-config.yaml",
    "~/.ploston/config.yaml",
    "~/.ael/config.yaml",
)


def test_the_first_place_that_has_a_file_counts(home: Path) -> None:
    """With every place filled the first one wins; taking away one after the other walks down the whole order."""
    places: dict[str, Path] = {}
    for name in ORDER:
        path = home / name[2:] if name.startswith("~") else Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a: 1")
        places[name] = path
    environ = {
        "HOME": str(home),
        "OTEL_PYTHON_AEL_CONFIG": "by-otel.yaml",
        "AEL_CONFIG_PATH": "by-ael.yaml",
        "PLOSTON_CONFIG_PATH": "by-ploston.yaml",
    }
    found = [find_config("asked.yaml", environ)]
    for variable in ("OTEL_PYTHON_AEL_CONFIG", "AEL_CONFIG_PATH", "PLOSTON_CONFIG_PATH"):
        found.append(find_config(None, environ))
        environ[variable] = ""
    for name in ORDER[4:]:
        found.append(find_config(None, environ))
        places[name].unlink()
    assert found == list(places.values())


def test_missing_file_is_reported_with_a_remedy(home: Path) -> None:
    """The one line names each place and both ways to give a file."""
    with pytest.raises(ConfigError) as caught:
        find_config(None, {"HOME": str(home)})
    assert str(caught.value) == (
        "no configuration file (looked for ./ploston-config.yaml, ./ael-config.yaml, ~/.ploston/config.yaml, "
        "~/.ael/config.yaml); name one with -c FILE or AEL_CONFIG_PATH=FILE"
    )


@pytest.mark.parametrize("variable", PATH_VARIABLES)
def test_a_variable_that_names_no_file_is_an_error(variable: str, write: Callable[[str], Path]) -> None:
    """A wrong variable is not passed over in favour of another file, as it would be hard to notice."""
    write("a: 1")
    with pytest.raises(ConfigError) as caught:
        find_config(None, {variable: "absent.yaml"})
    assert str(caught.value) == f"absent.yaml: no such file (named by {variable})"


@pytest.mark.parametrize(
    "text", ["server: {port: 1}", "telemetry:\n", "telemetry: {metrics: }\n", "telemetry: {}"]
)
def test_file_without_settings_gives_the_defaults(text: str, write: Callable[[str], Path]) -> None:
    """No section, an empty section and an empty part of it all mean the defaults; the path is returned."""
    settings = load_settings(write(text), {})
    assert settings.path == "ael-config.yaml"
    assert settings.notices == ()
    assert settings.exporters == default_settings().exporters
    assert settings.metrics == default_settings().metrics
