"""Grafana's generated password, and the folder for the secrets that a person gives to Alertmanager."""

import os
import secrets
from pathlib import Path

from ael_stack.errors import StackError
from ael_stack.settings import DEPLOY, read_env_file

FILE = DEPLOY / ".secrets" / "grafana.env"
FOLDER = DEPLOY / ".secrets" / "alertmanager"
VARIABLE = "GF_SECURITY_ADMIN_PASSWORD"


def ensure(path: Path = FILE) -> str | None:
    """Generate the password if there is none yet; return it only then, so that it is printed once.

    Raises:
        StackError: the file can be read or written by others, or holds no password.
    """
    if path.exists():
        check(path)
        return None
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # token_urlsafe has no `$`, `#` or quote, which mean something in the files of Compose.
    password = secrets.token_urlsafe(18)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{VARIABLE}={password}\n")
    return password


def ensure_folder(path: Path = FOLDER) -> None:
    """Make the folder that Alertmanager reads secrets from: Docker would make it itself, as root.

    Alertmanager's user may look into it; other users of this machine may not, as they cannot pass the folder above.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.mkdir(exist_ok=True)
    path.chmod(0o755)


def check(path: Path) -> None:
    """Make sure that the file is private and complete.

    Raises:
        StackError: it is not.
    """
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise StackError(f"{path} can be read by others (mode {mode:04o}): run `chmod 600 {path}`.")
    if not read_env_file(path).get(VARIABLE):
        raise StackError(f"{path} sets no {VARIABLE}: delete the file, and the next start generates one.")
