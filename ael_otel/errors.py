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
    "RerunError",
    "RunNotFoundError",
    "SchemaTooNewError",
    "StoreBusyError",
    "StoreDamagedError",
    "StoreError",
    "StoreFullError",
    "StoreNotFoundError",
    "StoreReadOnlyError",
    "WhereError",
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

    `path` is the file and `key` the dotted key, if there is one. The message never contains a secret. Several mistakes
    are reported as one error: `all_of` joins their messages with semicolons, and `mistakes` holds each of them as an
    error.
    """

    def __init__(self, message: str, *, path: Path | None = None, key: str | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.key = key
        self.mistakes: tuple[ConfigError, ...] = (self,)

    @classmethod
    def all_of(cls, mistakes: "Sequence[ConfigError]") -> "ConfigError":
        """Return one error for `mistakes` (at least one); its path and key are those of the first."""
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
            hint = "no workflow is loaded; check `workflows.directory` in the configuration file"
        super().__init__(f"no workflow is named {name!r}; {hint}")


class RunNotFoundError(AelOtelError):
    """No stored run has an id that begins with the requested text."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        super().__init__(
            f"no run has an execution or trace id that begins with {wanted!r}; `ael trace list` shows the latest"
            if wanted != "latest"
            else "no runs are stored yet: `ael run` and `ael serve` record them"
        )


class SessionNotFoundError(AelOtelError):
    """No stored session has this id, or no stored run belongs to it."""

    def __init__(self, wanted: str, hint: str | None = None) -> None:
        self.wanted = wanted
        super().__init__(
            hint
            or f"no run is of session {wanted!r}; `ael trace list --output json` shows the session of each run"
        )


class RerunError(AelOtelError):
    """A stored run is not run again: its inputs or its workflow are not the same any more, or nobody agreed to it."""


class AttributionError(AelOtelError):
    """The lines of a file cannot be attributed: it is absent, binary, too large or excluded."""


class EngineUnavailableError(AelOtelError):
    """The engine cannot be used here: it is not installed, too old, or did not start."""


class StoreError(AelOtelError):
    """The store cannot be opened, read or written; the message says which and what to do."""


class StoreNotFoundError(StoreError):
    """There is no store to read yet: nothing has been recorded here."""


class SchemaTooNewError(StoreError):
    """A newer version of this package wrote the store; the message names the version that can read it."""


class StoreBusyError(StoreError):
    """The store is unavailable now but may work later: it is locked, the disk is full, or the server is unreachable."""


class StoreFullError(StoreBusyError):
    """The disk is full or fails: the store cannot be written until there is space."""


class StoreReadOnlyError(StoreBusyError):
    """This user may not write to the store, or its file system is read-only."""


class StoreDamagedError(StoreError):
    """The store's file is malformed or not a database; the message names the command that recovers readable records."""


class QueryError(StoreError):
    """A filter, time or cursor is malformed; the message describes the expected form."""


class WhereError(QueryError):
    """An expression of the query language has a mistake; the message contains the mistake and its column.

    `problem` is the message without the column, `expression` the text, `column` the position of the mistake, from 1.
    """

    def __init__(self, problem: str, expression: str, column: int) -> None:
        rest = expression[column - 1 : column + 19]
        place = f"at {rest!r}" if rest else "at the end"
        super().__init__(f"column {column} of the expression, {place}: {problem}")
        self.problem = problem
        self.expression = expression
        self.column = column


class ExportError(AelOtelError):
    """Runs could not be written or sent; the message says where to and why."""


class ImportFormatError(AelOtelError):
    """An imported file is malformed; the message names the line and what was expected."""
