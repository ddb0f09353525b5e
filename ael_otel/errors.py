"""Errors that a person can act on: one line each that says what is wrong, where, and what to set."""

from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = [
    "AelOtelError",
    "ConfigError",
    "EngineUnavailableError",
    "ExportError",
    "ImportFormatError",
    "QueryError",
    "RunNotFoundError",
    "SchemaTooNewError",
    "StoreBusyError",
    "StoreDamagedError",
    "StoreError",
    "StoreFullError",
    "StoreNotFoundError",
    "StoreReadOnlyError",
    "WorkflowNotFoundError",
]


class AelOtelError(Exception):
    """Base of every error this package raises on purpose.

        >>> import ael_otel
        >>> try:
        ...     ael_otel.load_settings("absent.yaml")
        ... except ael_otel.AelOtelError as error:
        ...     print(error)
        absent.yaml: no such file (the configuration that was asked for)

    Line breaks in the message are folded to spaces, so `str(error)` can be printed or logged as one line.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


class ConfigError(AelOtelError):
    """The configuration is absent, unreadable or wrong.

    `path` is the file concerned and `key` the dotted key, where known. The message never holds a secret. Several
    mistakes are one error: `all_of` joins their messages with semicolons, and `mistakes` holds each as an error.
    """

    def __init__(self, message: str, *, path: Path | None = None, key: str | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.key = key
        self.mistakes: tuple[ConfigError, ...] = (self,)

    @classmethod
    def all_of(cls, mistakes: "Sequence[ConfigError]") -> "ConfigError":
        """Return one error for all of `mistakes`, one at least; its path and key are those of the first."""
        first = mistakes[0]
        if len(mistakes) == 1:
            return first
        joined = cls("; ".join(map(str, mistakes)), path=first.path, key=first.key)
        joined.mistakes = tuple(mistakes)
        return joined


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
            if wanted != "latest"
            else "no runs are stored yet: `ael run` and `ael serve` record them"
        )


class SessionNotFoundError(AelOtelError):
    """No stored run is of this session."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        super().__init__(
            f"no run is of session {wanted!r}; `ael trace list --output json` shows the session of each run"
        )


class EngineUnavailableError(AelOtelError):
    """The engine cannot be used here: it is not installed, too old, or did not start."""


class StoreError(AelOtelError):
    """The store cannot be opened, read or written; the message says which and what to do."""


class StoreNotFoundError(StoreError):
    """There is no store to read yet: nothing has been recorded here."""


class SchemaTooNewError(StoreError):
    """A newer version of this package wrote the store; the message names the version that can read it."""


class StoreBusyError(StoreError):
    """The store cannot be used now but may be later: another process holds it, the disk is full, the server is away."""


class StoreFullError(StoreBusyError):
    """The disk takes no more, or fails: the store cannot be written until there is room."""


class StoreReadOnlyError(StoreBusyError):
    """The store may not be written by this user, or is on a file system that nobody can write to."""


class StoreDamagedError(StoreError):
    """The store's file is malformed or not a database; the message names the command that copies what can be read."""


class QueryError(StoreError):
    """A filter, time or cursor is not one: the message says what it must look like."""


class ExportError(AelOtelError):
    """Runs could not be written or sent; the message says where to and why."""


class ImportFormatError(AelOtelError):
    """A file is not what can be read; the message says in which line and what is expected."""
