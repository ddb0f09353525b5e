"""docs/reference/configuration.md says what the structs say."""

from pathlib import Path

import pytest
import yaml

from ael_otel.config import load_settings, settings_from_mapping
from ael_otel.config.aliases import ALIASES
from ael_otel.config.keys import KEYS
from ael_otel.errors import ConfigError
from tools.settings_reference import TABLES, renew

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"


def test_the_tables_are_those_of_the_structs() -> None:
    """A key that is added, changed or removed without its documentation fails here."""
    text = DOCUMENT.read_text("utf-8")
    assert text == renew(text), "run `make generate`"
    for name in (*KEYS, *ALIASES):
        assert f"| `{name}` |" in text


def test_the_documented_defaults_are_the_values_in_force() -> None:
    """A default of 1.5 is not shown as 1."""
    rows = [line.split(" | ") for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("| `")]
    shown = {row[0].strip("| `"): row[2].strip("`") for row in rows if row[0].strip("| `") in KEYS}
    numbers = {name: key.default for name, key in KEYS.items() if isinstance(key.default, int | float)}
    assert {name: float(shown[name]) for name, each in numbers.items() if not isinstance(each, bool)} == {
        name: float(each) for name, each in numbers.items() if not isinstance(each, bool)
    }


def test_the_example_loads_as_it_stands() -> None:
    """The YAML shown first is valid and gives no notice."""
    example = DOCUMENT.read_text("utf-8").partition("```yaml\n")[2].partition("```")[0]
    settings = settings_from_mapping(yaml.safe_load(example)["telemetry"])
    assert settings.service_name == "billing-agents"
    assert settings.sampling.rate == 10
    assert settings.notices == ()


def test_the_errors_shown_are_the_errors_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The messages in the document come out of a file that has these mistakes on these lines."""
    monkeypatch.chdir(tmp_path)  # the message names the file as it was passed
    mistakes = {
        7: "telemetry:\n" + "\n" * 4 + "  metrics:\n    prot: 1\n",
        9: "telemetry:\n" + "\n" * 6 + "  sampling:\n    rate: 0.5\n",
        4: "telemetry:\n\n  admin:\n    token: ${ADMIN_TOKEN}\n",
    }
    text = DOCUMENT.read_text("utf-8")
    for line, content in mistakes.items():
        Path("ael-config.yaml").write_text(content)
        with pytest.raises(ConfigError) as caught:
            load_settings("ael-config.yaml", {})
        assert str(caught.value).startswith(f"ael-config.yaml:{line}: ")
        assert str(caught.value) in text


@pytest.mark.parametrize("name", TABLES)
def test_a_missing_marker_is_an_error(name: str) -> None:
    """The tables cannot vanish from the document unnoticed."""
    text = DOCUMENT.read_text("utf-8").replace(f"<!-- {name}: generated -->", "")
    with pytest.raises(ValueError, match=name):
        renew(text)
