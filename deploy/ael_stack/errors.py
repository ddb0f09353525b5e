"""The one exception that ends a command, and the exit codes it carries."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `deploy/stack.py`."""

    OK = 0
    FAILED = 1
    """A service did not become ready, a build failed, or the user declined."""
    USAGE = 2
    """The command line or a setting is wrong."""
    MISSING = 3
    """This machine lacks something: Docker, Compose, an image, Go, or a free port."""


class StackError(Exception):
    """Ends the command with a message for a person: what is wrong, where, and what to set or do."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code
