"""Loopback ports for servers in tests."""

import random
import socket
from contextlib import suppress

# Seeded by the system: parallel processes whose `random` a plugin seeded equally must not draw the same numbers.
_draw = random.SystemRandom()


def free_port() -> int:
    """Return a port of the loopback that is free now.

    It is below the ports of outgoing connections, one of which could use it before the server does.
    """
    while True:
        number = _draw.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", number))
            return number
