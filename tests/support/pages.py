"""Find the blocks of code in a page of the documentation, and how each of them is tested."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"""
    (?: <!--[ ]not[ ]run:[ ] (?P<reason> [^\n]+ ) [ ]--> \n \s* )?
    ^ (?P<fence> [ ]*`{3,} ) (?P<language> \w* ) [^\n]* \n (?P<text> .*? ) ^ (?P=fence)
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True)
class Block:
    """One block: its language, its text, and why no test runs it, if a comment above contains a reason."""

    language: str
    text: str
    reason: str

    @property
    def lines(self) -> list[str]:
        """Return its command lines; a line that is continued with a backslash is one line."""
        return self.text.replace("\\\n", "").splitlines()


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in their order."""
    for match in _BLOCK.finditer(page.read_text("utf-8")):
        yield Block(match["language"], match["text"], match["reason"] or "")


def command_lines(page: Path) -> list[str]:
    """Return the command lines of a page that tests run."""
    return [
        line for block in blocks(page) if block.language == "sh" and not block.reason for line in block.lines
    ]
