"""The tool server of these tests, over stdio: it repeats its arguments, reads files, prints its environment."""

import logging
import os
from pathlib import Path
from typing import Any

from fastmcp import FastMCP
from fastmcp.exceptions import ToolError

server: FastMCP[None] = FastMCP("leaky")


@server.tool
def repeat(what: Any) -> Any:
    """Return the argument in a sentence and unchanged."""
    return {"said": f"you said: {what}", "what": what}


@server.tool
def complain(what: Any) -> str:
    """Answer with an error that repeats it."""
    raise ToolError(f"cannot work with {what}")


@server.tool
def read_file(path: str) -> str:
    """Give a file's contents."""
    return Path(path).expanduser().read_text("utf-8")


@server.tool
def list_files(path: str) -> list[str]:
    """Give the names of a folder's files."""
    return sorted(each.name for each in Path(path).expanduser().iterdir())


@server.tool
def environment(name: str) -> str:
    """Return a variable of the environment as a program would print it."""
    return f"{name}={os.environ.get(name, '')}"


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    server.run(transport="stdio", show_banner=False)
