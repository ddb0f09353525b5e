"""End to end: the real programs, a real MCP client, the real stores, compared number by number."""
