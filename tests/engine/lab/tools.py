"""The MCP tool server of these tests, over stdio: tools that answer, refuse, wait, and return their arguments."""

import asyncio
import gc
import logging
import os
from collections import Counter

gc.disable()  # a tenth of the import, in each of some hundred processes of the suite

from fastmcp import Context, FastMCP  # noqa: E402
from fastmcp.exceptions import ToolError  # noqa: E402

gc.enable()

server: FastMCP[None] = FastMCP("lab")
_calls: Counter[str] = Counter()


@server.tool
def echo(text: str) -> str:
    """Give the text back."""
    return text


@server.tool
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@server.tool
def refuse(why: str) -> str:
    """Answer with an error and its reason."""
    raise ToolError(why)


@server.tool
def flaky(key: str, failures: int) -> str:
    """Refuse the first calls with this key, then answer."""
    _calls[key] += 1
    if _calls[key] <= failures:
        raise ToolError("not yet")
    return f"call {_calls[key]}"


@server.tool
async def wait(seconds: float) -> str:
    """Answer after a while, without keeping other calls waiting."""
    await asyncio.sleep(seconds)  # wait: a slow tool
    return "waited"


@server.tool
def die() -> str:
    """End this process without an answer."""
    os._exit(1)


@server.tool
def traceparent(context: Context) -> str:
    """Return the `traceparent` that came in `_meta` with this call."""
    request = context.request_context
    meta = None if request is None else request.meta
    return str(getattr(meta, "traceparent", None) or "none")


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    server.run(transport="stdio", show_banner=False)
