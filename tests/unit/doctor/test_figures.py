"""Figures that the stack's services report, without the services."""

from pathlib import Path

import pytest

from ael_otel.doctor.grafana_server import disk_finding
from ael_otel.doctor.prometheus_server import clock_finding
from ael_otel.doctor.stack_place import find_stack
from ael_otel.errors import ConfigError
from tests.support.findings import assert_found, assert_well


def test_difference_of_clocks_decides() -> None:
    """Above 5 s a warning, above a minute a failure; the time of the request itself does not count."""
    assert_well([clock_finding(4.0, 0.0), clock_finding(-4.0, 0.0), clock_finding(8.0, 4.0)])
    assert_found(
        [clock_finding(9.0, 1.0)], "warning", cause="9.0 s ahead of this machine's", remedy="synchronise"
    )
    assert_found(
        [clock_finding(-90.0, 1.0)], "failure", cause="90.0 s behind this machine's", remedy="synchronise"
    )


def test_full_disk_of_the_stack_decides() -> None:
    """From 80 % a warning, from 90 % a failure."""
    assert_well([disk_finding(0.79)])
    assert_found([disk_finding(0.85)], "warning", cause="85% full", remedy="AEL_LOGS_RETENTION")
    assert_found([disk_finding(0.95)], "failure", cause="Loki accepts no lines", remedy="free disk space")


def checkout(folder: Path) -> Path:
    """Make the files of a checkout that are looked at."""
    (folder / "deploy" / ".secrets").mkdir(parents=True)
    (folder / "compose.yaml").write_text("")
    (folder / "deploy" / ".secrets" / "grafana.env").write_text("GF_SECURITY_ADMIN_PASSWORD=horse-battery\n")
    (folder / ".env").write_text("# ports\nAEL_GRAFANA_PORT='3100'\nexport AEL_PROMETHEUS_PORT=9190\n")
    rules = folder / "prometheus" / "rules"
    rules.mkdir(parents=True)
    (rules / "a.rules.yml").write_text("groups:\n  - rules:\n      - alert: One\n      - alert: Two\n")
    (folder / "dashboards").mkdir()
    (folder / "dashboards" / "ael-one.json").write_text("{}")
    return folder


def test_checkout_is_found_from_a_folder_in_it(tmp_path: Path) -> None:
    """Its `.env`, its password, its alerts and boards count; the environment comes first."""
    place = find_stack({"AEL_PROMETHEUS_PORT": "9290"}, checkout(tmp_path) / "dashboards")
    assert (place.grafana, place.prometheus) == ("http://127.0.0.1:3100", "http://127.0.0.1:9290")
    assert place.login == ("admin", "horse-battery")
    assert (place.alerts(), place.boards()) == (frozenset({"One", "Two"}), frozenset({"ael-one"}))
    assert "horse" not in repr(place)


def test_outside_a_checkout_the_defaults_count(tmp_path: Path) -> None:
    """No password is known, unless a variable has it."""
    place = find_stack({}, tmp_path)
    assert (place.grafana, place.login, place.alerts()) == ("http://127.0.0.1:3000", None, frozenset())
    assert find_stack({"GF_SECURITY_ADMIN_PASSWORD": "x-y-z"}, tmp_path).login == ("admin", "x-y-z")


@pytest.mark.parametrize("port", ["0", "70000", "grafana", "3000 "])
def test_port_that_is_not_a_number_is_an_error(tmp_path: Path, port: str) -> None:
    """The variable is named."""
    with pytest.raises(ConfigError, match=r"AEL_GRAFANA_PORT=.* is not a port"):
        find_stack({"AEL_GRAFANA_PORT": port}, tmp_path)
