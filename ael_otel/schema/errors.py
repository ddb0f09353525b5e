"""Errors of the registry toolchain."""

from __future__ import annotations


class SchemaError(Exception):
    """A registry that cannot be used; the text names the file, the item and what to set."""

    def __init__(self, source: str, item: str, problem: str) -> None:
        self.source = source
        self.item = item
        self.problem = problem
        super().__init__(": ".join(part for part in (source, item, problem) if part))
