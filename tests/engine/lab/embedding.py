"""An application that embeds the engine and knows nothing of this project: only `opentelemetry-instrument` does.

Run with a configuration and a port; it logs to stderr, as applications do, and serves until SIGINT.
"""

import asyncio
import logging
import sys


async def serve(configuration: str, port: int) -> None:
    """Serve MCP and REST."""
    from ploston_core.application import PlostApplication
    from ploston_core.types import MCPTransport

    application = PlostApplication(
        config_path=configuration,
        transport=MCPTransport.HTTP,
        http_host="127.0.0.1",
        http_port=port,
        with_rest_api=True,
    )
    await application.initialize()
    try:
        await application.start()
    finally:
        await application.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
