"""What can go wrong on the way out or in, said so that a person can act on it."""

from ael_otel.errors import AelOtelError


class ExportError(AelOtelError):
    """Runs could not be written or sent; the message says where to and why."""


class ImportFormatError(AelOtelError):
    """A file is not what can be read; the message says in which line and what is expected."""
