"""The error of the registry toolchain."""

from ael_otel.errors import AelOtelError


class SchemaError(AelOtelError):
    """A registry that cannot be used; the text names the file, the item and the remedy."""

    def __init__(self, source: str, item: str, problem: str) -> None:
        super().__init__(": ".join(part for part in (source, item, problem) if part))
        self.source = source
        self.item = item
        self.problem = problem
