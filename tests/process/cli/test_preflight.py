"""Checks before the engine starts: the port."""

import socket

import pytest

from ael_otel.cli import preflight
from ael_otel.errors import ConfigError


def test_a_free_port_passes_and_stays_free():
    """The check itself leaves nothing behind."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    preflight.check_free("127.0.0.1", port)
    preflight.check_free("127.0.0.1", port)


def test_a_port_in_use_is_named_with_the_option_to_change_it():
    """Before the engine spends seconds on starting."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            preflight.check_free("127.0.0.1", port)
    assert (
        str(caught.value)
        == f"port {port} on 127.0.0.1 is in use: stop the program that uses it, or set --port"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_refused(host):
    """With the option to change it."""
    with pytest.raises(ConfigError, match="set --host"):
        preflight.check_free(host, 8082)
