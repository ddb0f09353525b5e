"""Where the Compose stack is: its ports, its checkout, and the login of Grafana."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ael_otel.errors import ConfigError

PASSWORD: Final = "GF_SECURITY_ADMIN_PASSWORD"

_USER: Final = "GF_SECURITY_ADMIN_USER"
_PASSWORD_FILE: Final = "deploy/.secrets/grafana.env"
_LARGEST: Final = 1024 * 1024
_ALERT: Final = re.compile(r"^\s*- alert: (\w+)\s*$", re.MULTILINE)
_PORTS: Final = {
    "AEL_GRAFANA_PORT": 3000,
    "AEL_PROMETHEUS_PORT": 9090,
    "AEL_OTLP_GRPC_PORT": 4317,
    "AEL_OTLP_HTTP_PORT": 4318,
}


@dataclass(frozen=True)
class StackPlace:
    """The stack on this machine.

    Attributes:
        folder: the checkout with its files, None if the command runs outside one.
        ports: host ports by variable.
        login: Grafana's user and password, None if no password was found.
    """

    folder: Path | None
    ports: Mapping[str, int]
    login: tuple[str, str] | None = field(repr=False)

    @property
    def grafana(self) -> str:
        """The address of Grafana."""
        return f"http://127.0.0.1:{self.ports['AEL_GRAFANA_PORT']}"

    @property
    def prometheus(self) -> str:
        """The address of Prometheus."""
        return f"http://127.0.0.1:{self.ports['AEL_PROMETHEUS_PORT']}"

    def alerts(self) -> frozenset[str]:
        """Return the names of the alerts in the checkout's rule files; none outside a checkout."""
        if self.folder is None:
            return frozenset()
        files = (self.folder / "prometheus" / "rules").glob("*.rules.yml")
        return frozenset(name for file in files for name in _ALERT.findall(_text(file)))

    def boards(self) -> frozenset[str]:
        """Return the uids of the boards in the checkout, which are the names of their files; none outside one."""
        if self.folder is None:
            return frozenset()
        return frozenset(file.stem for file in (self.folder / "dashboards").glob("*.json"))


def find_stack(environ: Mapping[str, str], start: Path) -> StackPlace:
    """Return the stack of the checkout around `start`; its `.env` gives way to the environment, as for Compose.

    Raises:
        ConfigError: a variable is not a port number.
    """
    folder = next(
        (
            each
            for each in (start, *start.parents)
            if (each / "compose.yaml").is_file() and (each / "deploy").is_dir()
        ),
        None,
    )
    variables = {**(_env_file(folder / ".env") if folder else {}), **environ}
    ports: dict[str, int] = {}
    for name, default in _PORTS.items():
        text = variables.get(name) or str(default)
        if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535):
            raise ConfigError(f"{name}={text!r} is not a port; set it to a number from 1 to 65535", key=name)
        ports[name] = int(text)
    password = environ.get(PASSWORD) or (_env_file(folder / _PASSWORD_FILE).get(PASSWORD) if folder else None)
    login = (environ.get(_USER) or "admin", password) if password else None
    return StackPlace(folder, ports, login)


def _env_file(path: Path) -> dict[str, str]:
    """Return the `NAME=value` lines of a file; none if it cannot be read."""
    pairs = (line.strip().removeprefix("export ").partition("=") for line in _text(path).splitlines())
    return {
        name.strip(): value.strip().strip("\"'")
        for name, equals, value in pairs
        if equals and not name.startswith("#")
    }


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""
