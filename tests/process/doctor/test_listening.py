"""Which program has the port of the metrics."""

import socket

import pytest
from msgspec.structs import replace

from ael_otel.config import Settings, default_settings
from ael_otel.doctor.listening import check
from tests.process.doctor.servers import Table, serving
from tests.support.findings import assert_found, assert_well
from tests.support.ports import free_port


def at(port: int, host: str = "127.0.0.1", **more: object) -> Settings:
    """Return settings with metrics at that address."""
    settings = default_settings()
    return replace(settings, metrics=replace(settings.metrics, port=port, host=host, **more))


def test_free_port_is_well() -> None:
    """It is free afterwards too."""
    port = free_port()
    assert_well(check(at(port)))
    assert "is free" in check(at(port))[0].cause


def test_metrics_that_are_not_served_are_well() -> None:
    """The port does not matter then."""
    assert "is not served" in check(at(1, prometheus_enabled=False))[0].cause


def test_port_of_a_running_engine_is_well() -> None:
    """It is recognised by its metrics."""
    with serving(
        Table({"/livez": (200, {"status": "alive"}), "/metrics": (200, "ael_active_workflows 0\n")})
    ) as port:
        found = check(at(port))
    assert_well(found)
    assert "an instrumented engine serves" in found[0].cause


def test_engine_without_our_metrics_is_a_warning() -> None:
    """It runs, but has nothing of AEL on the path of this configuration."""
    with serving(Table({"/livez": (200, {"status": "alive"})})) as port:
        assert_found(
            check(at(port)), "warning", cause="has no metrics of AEL", remedy="telemetry.metrics.endpoint"
        )


@pytest.mark.parametrize("speaks_http", [True, False])
def test_port_of_another_program_is_a_warning(speaks_http: bool) -> None:
    """Whether or not it speaks HTTP."""
    if speaks_http:
        with serving(Table({}, (200, "hello"))) as port:
            found = check(at(port))
    else:
        with socket.create_server(("127.0.0.1", 0)) as other:
            found = check(at(other.getsockname()[1]))
    assert_found(found, "warning", cause="another program has 127.0.0.1:", remedy="telemetry.metrics.port")


def test_address_of_another_machine_is_a_failure() -> None:
    """192.0.2.1 is never an address of this machine (RFC 5737)."""
    found = check(at(free_port(), "192.0.2.1"))
    assert_found(found, "failure", cause="is not an address of this machine", remedy="telemetry.metrics.host")
