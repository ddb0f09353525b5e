"""An MCP server over stdio whose tools return as much text as a run asks for."""

import json
import random
from functools import cache
from typing import Any

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
    """Return `size` characters of words, the same each time, like most results of tools."""
    chosen = random.Random(15)  # noqa: S311 - not a secret
    words: list[str] = []
    length = 0
    while length < size:
        words.append(f"{chosen.choice(WORDS)}{chosen.randrange(100) if not len(words) % 9 else ''}")
        length += len(words[-1]) + 1
    return " ".join(words)[:size]


def hostile(kind: str, size: int) -> Any:
    """Return a value of about `size` characters that takes long to redact, by one of the names below."""
    first = size * 997  # values of two sizes share no texts
    made = {
        "rows of short texts": lambda: [
            ["a", f"{at * 7919 % 1_000_003:x}"] for at in range(first, first + size // 17)
        ],
        "password='\\": lambda: ("password='\\" * (size // 11 + 1))[:size],
        "prose with secrets": lambda: "\n".join(
            f"{prose(1_000)} token=a9B8{at:08x}Qz7 and ada{at}@example.org" for at in range(size // 1_050)
        ),
        "JSON in texts": lambda: json.dumps(
            {"a": json.dumps({"b": json.dumps([f"pass={first + at:x}" for at in range(size // 24)])})}
        ),
        "API key - ": lambda: ("API key - " * (size // 10 + 1))[:size],
        "names of secrets": lambda: {f"token{first + at}": "abc" for at in range(size // 25)},
        "100,000 keys": lambda: {f"k{at}": at for at in range(100_000)},
    }
    return made[kind]()


HOSTILE = ("rows of short texts", "password='\\", "prose with secrets", "JSON in texts", "100,000 keys")


@server.tool()
def text(size: int, kind: str = "") -> Any:
    """Return text of `size` characters, or a value that is slow to redact."""
    return hostile(kind, size) if kind else prose(size)


if __name__ == "__main__":
    server.run(show_banner=False)
