"""The start-up summary of `ael serve`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from ael_otel.cli.render import text as words

if TYPE_CHECKING:
    from ael_otel.cli.open_engine import Destination


def summary(
    *,
    workflows: Sequence[str],
    tools: Sequence[str],
    broken: Mapping[str, str],
    base_url: str,
    rest: bool,
    metrics_url: str | None,
    metrics_wanted: bool,
    destination: "Destination",
) -> Table:
    """Return a table of what is served at which address, and where telemetry is sent.

    Args:
        workflows: names of the workflows that were loaded.
        tools: names of the tools that the engine lists.
        broken: MCP servers that are not connected, with the reason.
        base_url: address at which the engine listens.
        rest: whether the REST API is served.
        metrics_url: address of the metrics; None if they are not served.
        metrics_wanted: whether the configuration enables the metrics endpoint.
        destination: where telemetry is sent.
    """
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    count = f"{words.plural(len(workflows), 'workflow')}, {words.plural(len(tools), 'tool')}"
    grid.add_row("serving", Text.assemble((count, "bold"), "   Ctrl-C stops"))
    for name, reason in broken.items():
        grid.add_row("", Text(f"MCP server {name} is not connected: {words.one_line(reason)}", style="red"))
    grid.add_row("MCP", Text(f"{base_url}/mcp", style="cyan"))
    if rest:
        grid.add_row("REST", Text(f"{base_url}/api/v1/docs", style="cyan"))
    if metrics_url is not None:
        grid.add_row("metrics", Text(metrics_url, style="cyan"))
    elif metrics_wanted:
        grid.add_row("metrics", Text("not served: the log says why", style="yellow"))
    grid.add_row("OTLP", _otlp(destination))
    return grid


def _otlp(destination: "Destination") -> Text:
    if not destination.enabled:
        return Text("export is off", style="yellow")
    if destination.reachable:
        return Text.assemble(f"{destination.endpoint} ", ("answers", "green"))
    return Text.assemble(
        f"{destination.endpoint} ",
        ("does not answer", "yellow"),
        ": `make up` starts a Collector; until then, all is dropped and counted"
        if destination.is_default
        else ": until it does, all is dropped and counted",
    )
