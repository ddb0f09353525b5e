"""Ports of the loopback for servers of tests, and where none is."""

import random
import socket
from contextlib import suppress

# Seeded by the system: parallel processes whose `random` a plugin seeded alike must not draw the same numbers.
_draw = random.SystemRandom()


def free_port() -> int:
    """Return a port of the loopback that nobody uses now.

    It is below those that the system gives to outgoing connections, one of which could take it before its server does.
    """
    while True:
        number = _draw.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", number))
            return number
