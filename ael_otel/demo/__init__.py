"""A demo that needs nothing but Python: the real engine, nine small workflows and one MCP tool server.

`scenarios` lists the runs, `example` writes configuration and workflows to a folder, `runner` executes the runs. The
tool server (`tools`) is a separate process and imports nothing of this package.
"""
