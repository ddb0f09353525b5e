"""The MCP tool server of the demo: five tools over stdio, some of which misbehave on purpose.

Run it as `python tools.py`; it needs nothing but `fastmcp`, so a copy of this file is an example to change.
"""

import asyncio
import logging
from collections import Counter

from fastmcp import FastMCP
from fastmcp.exceptions import ToolError

server: FastMCP[None] = FastMCP("demo")
_calls: Counter[str] = Counter()


@server.tool
def echo(text: str) -> str:
    """Return the text."""
    return text


@server.tool
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@server.tool
def flaky(key: str, failures: int, text: str) -> str:
    """Fail the first `failures` calls with this key, then return the text."""
    _calls[key] += 1
    if _calls[key] <= failures:
        raise ToolError("connection reset by peer")
    return text


@server.tool
def charge(card: str, amount: float) -> str:
    """Charge a card; one whose name begins with `empty` is declined."""
    if card.startswith("empty"):
        raise ToolError("card declined")
    return f"charged {amount:.2f}"


@server.tool
async def wait(seconds: float) -> str:
    """Return after `seconds`, without delaying other calls."""
    await asyncio.sleep(seconds)
    return f"waited {seconds:g} s"


def main() -> None:
    """Serve the tools on stdin and stdout until stdin closes."""
    # Each failure here is part of a scenario and reaches the caller as a result; a copy on stderr would appear in the
    # middle of the caller's output on the terminal.
    logging.disable(logging.CRITICAL)
    server.run(transport="stdio", show_banner=False)


if __name__ == "__main__":
    main()
