"""`ael serve`: the engine over MCP, and REST, until it is told to stop."""

from pathlib import Path
from typing import Literal

import click

from ael_otel.cli.options import config_option, examples


@click.command(
    "serve",
    short_help="Serve the engine over MCP and REST.",
    epilog=examples(
        "ael serve -c ael-config.yaml",
        "ael serve --port 9000 --no-rest",
        "opentelemetry-instrument ael serve -c ael-config.yaml",
        "AEL_CONFIG_PATH=ael-config.yaml opentelemetry-instrument ael serve",
        "ael serve --transport stdio",
    ),
)
@config_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on (http).")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8082, show_default=True, help="Port to listen on (http)."
)
@click.option(
    "--transport",
    type=click.Choice(["http", "stdio"]),
    default="http",
    show_default=True,
    help="stdio: JSON-RPC on stdin and stdout, log lines on stderr.",
)
@click.option("--rest/--no-rest", default=True, show_default=True, help="Serve the REST API too (http).")
def command(
    config: Path | None, host: str, port: int, transport: Literal["http", "stdio"], rest: bool
) -> None:
    """Serve the engine's workflows and tools until Ctrl-C or SIGTERM.

    Log lines are JSON, on stdout; traces, metrics and logs also go to the Collector. Both are the same with and
    without opentelemetry-instrument, which takes `--config` for itself: write -c, or set AEL_CONFIG_PATH.
    """
    from ael_otel.cli.serving import Listen, serve

    serve(config, Listen(transport=transport, host=host, port=port, rest=rest))
