"""An MCP tool server with much output: log messages of the protocol, lines on stderr, and a flood.

With a word as its argument the tool `talk` is called that, so that a configuration can have it twice; with a number
after it the server listens on that port instead of stdin.
"""

import asyncio
import logging
import sys

from fastmcp import Context, FastMCP

server: FastMCP[None] = FastMCP("talker")

PASSWORD = "k3ep-it-s3cret"  # hygiene: made up
_KEY = "\n".join(
    [
        "-----BEGIN PRIVATE KEY-----",  # hygiene: made up
        *["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"] * 4,
        "-----END PRIVATE KEY-----",
    ]
)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@server.tool(name=sys.argv[1] if len(sys.argv) > 1 else "talk")
async def talk(context: Context, text: str, seconds: float = 0) -> str:
    """Log the argument at every level and on stderr, with a password beside it."""
    _say(f"stderr before {text} password={PASSWORD}")
    await context.debug(f"detail {text}")
    await context.info(f"info {text} password={PASSWORD}")
    await asyncio.sleep(seconds)  # wait: a slow tool
    await context.warning(f"warning {text}", extra={"password": PASSWORD})
    await context.error(f"error https://ada:{PASSWORD}@db.example.org/x {text}", logger_name="db")
    _say(f"stderr after {text}")
    return "done"


async def quiet(context: Context, seconds: float) -> str:
    """Log a line that belongs to no call."""
    await context.info("neutral message")
    _say("neutral line")
    await asyncio.sleep(seconds)  # wait: a slow tool
    return "done"


def key() -> str:
    """Print a private key, line by line."""
    _say(f"key follows\n{_KEY}\nkey ends")
    return "done"


def flood(megabytes: int) -> str:
    """Write so much on stderr."""
    block = ("flood " * 16 + "\n") * 10_500
    for _ in range(megabytes):
        sys.stderr.write(block)
    sys.stderr.flush()
    return "done"


if len(sys.argv) == 1:
    for tool in (quiet, key, flood):
        server.tool(tool)

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    if len(sys.argv) > 2:
        server.run(transport="http", host="127.0.0.1", port=int(sys.argv[2]), show_banner=False)
    else:
        server.run(transport="stdio", show_banner=False)
