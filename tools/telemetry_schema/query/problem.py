"""A query, and a problem of a query."""

from typing import Literal, NamedTuple

Language = Literal["promql", "logql", "traceql"]


class Query(NamedTuple):
    """One query: its language, text, location, and the unit of its panel, if it has one."""

    language: Language
    text: str
    where: str
    unit: str = ""


class Problem(NamedTuple):
    """One problem of a query, with a replacement if there is one."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"
