"""The MCP tool server of the tests on attributed runs, over stdio: tools that write and read files."""

import asyncio
import logging
from pathlib import Path

from fastmcp import FastMCP

server: FastMCP[None] = FastMCP("files")


@server.tool
def write_file(path: str, content: str) -> str:
    """Write a file."""
    Path(path).write_text(content)
    return "done"


@server.tool
def read_file(path: str) -> str:
    """Return what a file holds."""
    return Path(path).read_text()


@server.tool
def build(target: str, line: str) -> str:
    """Append a line to a file that no parameter names as one."""
    with Path(target).open("a") as file:
        file.write(f"{line}\n")
    return "built"


@server.tool
async def build_slowly(target: str, line: str, sign: str, until: str, answer: str) -> str:
    """Append a line once `until` exists, and return once `answer` does; `<sign>.begun` and `.done` mark progress."""
    await _meet(f"{sign}.begun", until)
    build(target, line)
    await _meet(f"{sign}.done", answer)
    return "built"


async def _meet(mine: str, theirs: str) -> None:
    Path(mine).touch()  # noqa: ASYNC240 - nothing else runs
    while not Path(theirs).exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    server.run(transport="stdio", show_banner=False)
