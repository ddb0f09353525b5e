"""Errors that a person can act on: one line each that says what is wrong, where, and what to set."""

from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "AelOtelError",
    "ConfigError",
    "EngineUnavailableError",
    "RunNotFoundError",
    "WorkflowNotFoundError",
]


class AelOtelError(Exception):
    """Base of every error this package raises on purpose.

    Line breaks in the message are folded to spaces, so `str(error)` can be printed or logged as one line.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


class ConfigError(AelOtelError):
    """The configuration is absent, unreadable or wrong.

    `path` is the file concerned and `key` the dotted key, where known. The message never holds a secret.
    """

    def __init__(self, message: str, *, path: Path | None = None, key: str | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.key = key


class WorkflowNotFoundError(AelOtelError):
    """No workflow has this name; `known` holds the names that exist."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known: tuple[str, ...] = tuple(sorted(known))
        from difflib import get_close_matches

        near = get_close_matches(name, self.known, n=1)
        if near:
            hint = f"did you mean {near[0]!r}?"
        elif self.known:
            hint = "known: " + ", ".join(self.known)
        else:
            hint = "none is loaded; check `workflows.directory` in the configuration file"
        super().__init__(f"no workflow is named {name!r}; {hint}")


class RunNotFoundError(AelOtelError):
    """No stored run has this id, or one that begins so."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        super().__init__(
            f"no run has an execution or trace id that begins with {wanted!r}; `ael trace list` shows the latest"
        )


class EngineUnavailableError(AelOtelError):
    """The engine cannot be used here: it is not installed, too old, or did not start."""
