"""An MCP tool server whose tool fails, with FastMCP's own log on stderr: frames of Rich around its stack traces."""

from fastmcp import FastMCP
from fastmcp.utilities.logging import configure_logging

server: FastMCP[None] = FastMCP("raiser")

PASSWORD = "k3ep-it-s3cret"  # hygiene: made up
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9" * 2  # hygiene: made up
SENTENCE = "a reason of so many words that a line of eighty columns ends within the token that follows:"


@server.tool
def fail(text: str) -> str:
    """Raise an error that names a password and a token."""
    raise RuntimeError(f"no answer to {text} with password={PASSWORD} because of {SENTENCE} {TOKEN}")


if __name__ == "__main__":
    configure_logging(level="INFO", enable_rich_tracebacks=True)
    server.run(transport="stdio", show_banner=False)
