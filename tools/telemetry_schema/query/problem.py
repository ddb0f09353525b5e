"""What is wrong with a query, and the query itself."""

from typing import Literal, NamedTuple

Language = Literal["promql", "logql", "traceql"]


class Query(NamedTuple):
    """One query: its language, text, where it stands, and the unit in which a panel shows it, if it says one."""

    language: Language
    text: str
    where: str
    unit: str = ""


class Problem(NamedTuple):
    """One thing wrong with a query, and what to write instead where that is known."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"
