"""A PostgreSQL server for one test run: unprivileged, on a free loopback port, removed afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_port
from tests.support.processes import end


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """Start a server with the programs in that folder; yields its connection string."""
    import psycopg

    folder = Path(tempfile.mkdtemp(prefix="ael-postgres-"))
    user = _unprivileged()
    try:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        data = folder / "data"
        own = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": str(folder)}
        initdb = [programs / "initdb", "-D", data, "-U", "ael", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(
            initdb, check=True, capture_output=True, cwd=folder, env=environment, timeout=120, **own
        )
        port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 50,
        }
        command = [programs / "postgres", "-D", data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment, **own)
        dsn = f"host=127.0.0.1 port={port} user=ael dbname=postgres"
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    psycopg.connect(dsn, connect_timeout=2).close()
                    break
                except psycopg.OperationalError:
                    if server.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError((folder / "log").read_text("utf-8", "replace")) from None
                    time.sleep(0.05)
            yield dsn
        finally:
            end(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom to run as: the server refuses to be root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("no user to run PostgreSQL as")
