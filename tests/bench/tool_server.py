"""An MCP server over stdio whose tools return as much text as a run asks for."""

import random
from functools import cache

from fastmcp import FastMCP

server: FastMCP = FastMCP("bench")
WORDS = [
    "the",
    "order",
    "of",
    "a",
    "customer",
    "was",
    "paid",
    "and",
    "shipped",
    "to",
    "an",
    "address",
    "in",
    "town",
    "on",
    "a",
    "day",
    "that",
    "suits",
    "them",
]


@cache
def prose(size: int) -> str:
    """Return `size` characters of words, the same each time: what most results of tools are made of."""
    chosen = random.Random(15)  # noqa: S311 - not a secret
    words: list[str] = []
    length = 0
    while length < size:
        words.append(f"{chosen.choice(WORDS)}{chosen.randrange(100) if not len(words) % 9 else ''}")
        length += len(words[-1]) + 1
    return " ".join(words)[:size]


@server.tool()
def text(size: int) -> str:
    """Return so many characters."""
    return prose(size)


if __name__ == "__main__":
    server.run(show_banner=False)
