"""Variables that nothing reads, or whose values cannot be used, are found."""

import re
from pathlib import Path

import pytest

from ael_otel.doctor.variables import KNOWN, check, known_otel
from tests.support.findings import assert_found, assert_well

ROOT = Path(__file__).parents[3]
_ASKED = re.compile(r"""["'](AEL_[A-Z0-9_]+)["']""")
_STACK = re.compile(r"\$\{(?:env:)?(AEL_[A-Z0-9_]+)|^#?(AEL_[A-Z0-9_]+)=", re.MULTILINE)


def test_misspelled_variable_of_opentelemetry_is_a_warning() -> None:
    """The nearest name is suggested; the value is not quoted."""
    found = check({"OTEL_EXPORTER_OTLP_ENPOINT": "http://user:horse-battery@host:4317"})  # hygiene: made up
    assert_found(
        found,
        "warning",
        cause="OTEL_EXPORTER_OTLP_ENPOINT",
        remedy="did you mean OTEL_EXPORTER_OTLP_ENDPOINT?",
    )
    assert "horse" not in repr(found)


def test_misspelled_variable_of_ours_is_a_warning() -> None:
    """Also one of the stack; a name that is near none is reported without a suggestion."""
    assert_found(
        check({"AEL_TELEMTRY_DB": "x"}), "warning", cause="AEL_TELEMTRY_DB", remedy="AEL_TELEMETRY_DB"
    )
    assert_found(
        check({"AEL_GRAFNA_PORT": "1"}), "warning", cause="AEL_GRAFNA_PORT", remedy="AEL_GRAFANA_PORT"
    )
    assert_found(check({"AEL_QQQ": "1"}), "warning", cause="AEL_QQQ", remedy="unset it")


def test_value_that_is_ignored_is_a_warning() -> None:
    """The message has variable, value and what is used instead."""
    found = check({"OTEL_BSP_SCHEDULE_DELAY": "5s"})
    assert_found(
        found, "warning", cause="'5s' is not a whole number of milliseconds", remedy="OTEL_BSP_SCHEDULE_DELAY"
    )


def test_value_without_a_default_is_a_failure() -> None:
    """An endpoint that is not an address has no sensible replacement."""
    found = check({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector"})
    assert_found(
        found, "failure", cause="is not an address with its port", remedy="OTEL_EXPORTER_OTLP_ENDPOINT"
    )


def test_variables_that_are_read_are_well() -> None:
    """Of the SDK, of this package, of other programs, and those that the configuration file refers to."""
    assert_well(
        check(
            {
                "OTEL_SERVICE_NAME": "a",
                "OTEL_BSP_MAX_QUEUE_SIZE": "100",
                "OTEL_JAVAAGENT_LOGGING": "simple",
                "OTEL_NODE_DISABLED_INSTRUMENTATIONS": "fs",
                "OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT": "http://profiles:4317",
                "AEL_CONFIG_PATH": "a.yaml",
                "AEL_GRAFANA_PORT": "3001",
                "AEL_MY_TOKEN": "x",
                "HOME": "/",
            },
            "headers: {authorization: '${AEL_MY_TOKEN:-none}'}",
        )
    )


@pytest.mark.parametrize(
    "name",
    [
        "OTEL_SDK_DISABLED",
        "OTEL_PYTHON_AEL_CONFIG",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
        "OTEL_TRACES_SAMPLER",
    ],
)
def test_names_of_each_package_are_known(name: str) -> None:
    """Of the SDK, of `opentelemetry-instrument`, and ours."""
    assert name in known_otel()


def test_known_variables_are_those_that_the_sources_read() -> None:
    """The package, its hooks, and the files of the stack; a new one must be added to the list."""
    sources = [*(ROOT / "ael_otel").rglob("*.py"), ROOT / "ael_hook.py", ROOT / "ael_snapshot.py"]
    sources = [each for each in sources if "_generated" not in each.parts and "doctor" not in each.parts]
    stack = [ROOT / "compose.yaml", ROOT / "deploy" / ".env.example", *ROOT.glob("deploy/*.yaml")]
    stack += [*ROOT.glob("collector/*.yaml"), *ROOT.glob("tempo/*.yaml"), *ROOT.glob("loki/*.yaml")]
    read = {
        found if isinstance(found, str) else next(filter(None, found))
        for files, pattern in ((sources, _ASKED), (stack, _STACK))
        for file in files
        for found in pattern.findall(file.read_text("utf-8"))
    }
    assert len(read) > 30
    assert read - KNOWN == set()
