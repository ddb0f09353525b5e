"""Whether a port can be listened on, asked before the engine spends seconds on starting."""

import errno
import socket

from ael_otel.errors import ConfigError


def check_free(host: str, port: int) -> None:
    """Check that `host:port` can be listened on.

    Raises ConfigError that names the port and the option to change it with: the port is in use, or may not be used;
    the host is not an address of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}: {error.strerror or error}; set --host") from None
    family, kind, protocol, _name, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        # As the server does it: a port whose last connections are just closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except PermissionError:
            raise ConfigError(
                f"port {port} may not be used by this user; set --port to one above 1023"
            ) from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                reason = f"port {port} on {host} is in use: stop what listens there, or set --port"
            else:
                reason = f"cannot listen on {host}:{port}: {error.strerror}; set --host and --port"
            raise ConfigError(reason) from None
