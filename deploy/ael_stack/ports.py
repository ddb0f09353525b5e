"""Find the ports that are in use, and the processes that use them."""

import shutil
import socket
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from ael_stack.errors import Exit, StackError
from ael_stack.settings import PORTS, Port, port_number

LISTEN = "0A"


def is_free(number: int) -> bool:
    """Whether a service could listen on this port of the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As Docker's own listener does: connections that are only waiting to be forgotten do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


def listening_inodes(number: int) -> set[str]:
    """Return the socket inodes that listen on a port, from Linux's tables; empty elsewhere."""
    inodes: set[str] = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.is_file():
            continue
        for line in table.read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == number:
                inodes.add(fields[9])
    return inodes


def process_with(inodes: set[str]) -> str:
    """Return `name (pid)` of the process that holds one of the sockets, empty when it cannot be seen."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(link.readlink()) in wanted for link in (folder / "fd").iterdir()):
                return f"{(folder / 'comm').read_text(encoding='utf-8').strip()} (pid {folder.name})"
        except OSError:  # another user's process, or one that has just ended
            continue
    return ""


def holder(number: int) -> str:
    """Name the process that listens on a port, empty when that cannot be determined."""
    inodes = listening_inodes(number)
    if inodes:
        return process_with(inodes)
    if shutil.which("lsof") is None:
        return ""
    command = ["lsof", "-nP", f"-iTCP:{number}", "-sTCP:LISTEN", "-Fpc"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = {line[0]: line[1:] for line in said.splitlines() if line}
    return f"{found['c']} (pid {found['p']})" if {"c", "p"} <= found.keys() else ""


def taken_message(port: Port, number: int) -> str:
    """Return the line for a port that is in use."""
    who = holder(number)
    by = f" by {who}" if who else ""
    return f"Port {number} ({port.what}) is in use{by}: stop it, or set {port.variable} to a free port."


def require_free(services: Iterable[str], environment: Mapping[str, str]) -> None:
    """Make sure that the ports of these services can be had.

    Raises:
        StackError: one line for each port that is configured twice or in use.
    """
    wanted = set(services)
    ports = [(port, port_number(port, environment)) for port in PORTS if port.service in wanted]
    problems: list[str] = []
    seen: dict[int, Port] = {}
    for port, number in ports:
        if number in seen:
            problems.append(f"Port {number} is set twice: by {seen[number].variable} and {port.variable}.")
        elif not is_free(number):
            problems.append(taken_message(port, number))
        seen[number] = port
    if problems:
        raise StackError("\n".join(problems), Exit.MISSING)
